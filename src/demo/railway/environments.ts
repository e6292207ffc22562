/** Mutations on environments, their variables and their configuration patches. Never reaches beyond the environment named. */

import { randomUUID } from 'node:crypto'
import { type Call, environmentFor, notFound, projectFor, workspaceOnly } from './access.ts'
import { applyConfig, merged, removeVariable, setVariable } from './environment-config.ts'
import { removeEnvironment } from './removal.ts'
import { born, type Patch, type World } from './world.ts'

type Json = Record<string, unknown>
type CreateInput = {
  projectId: string
  name: string
  ephemeral?: boolean | null
  sourceEnvironmentId?: string | null
}
type Target = { projectId: string; environmentId: string; serviceId?: string | null }
type CollectionInput = Target & { variables: Json; replace?: boolean | null }
type CommitArgs = { environmentId: string; commitMessage?: string | null }

export const environmentMutations = {
  environmentCreate({ input }: { input: CreateInput }, call: Call) {
    workspaceOnly(call)
    projectFor(call, input.projectId)
    const source = input.sourceEnvironmentId
      ? environmentFor(call, input.sourceEnvironmentId, input.projectId)
      : undefined
    const environment = {
      ...born(),
      id: randomUUID(),
      projectId: input.projectId,
      name: input.name,
      isEphemeral: input.ephemeral ?? false,
      sourceEnvironmentId: source?.id ?? null,
      hiddenFrom: [],
    }
    call.world.environments.push(environment)
    if (source !== undefined) copy(call.world, source.id, environment.id)
    return environment
  },

  environmentDelete({ id }: { id: string }, call: Call) {
    workspaceOnly(call)
    removeEnvironment(call.world, environmentFor(call, id).id)
    return true
  },

  environmentRename({ id, input }: { id: string; input: { name: string } }, call: Call) {
    workspaceOnly(call)
    const environment = environmentFor(call, id)
    environment.name = input.name
    return environment
  },

  environmentPatchCommit(args: CommitArgs & { patch?: Json | null }, call: Call) {
    const { id, projectId } = environmentFor(call, args.environmentId)
    const patch = args.patch ?? {}
    applyConfig({ world: call.world, environmentId: id, projectId }, patch)
    const committed = newPatch(id, patch)
    call.world.patches.push(commit(committed, args.commitMessage))
    return committed.id
  },

  environmentStageChanges(
    args: { environmentId: string; input: Json; merge?: boolean | null },
    call: Call,
  ) {
    const staged = stagedPatch(call, args.environmentId)
    staged.patch = args.merge ? merged(staged.patch, args.input) : args.input
    staged.updatedAt = new Date().toISOString()
    return staged
  },

  /** Commits whatever is staged, no matter who staged it. */
  environmentPatchCommitStaged(args: CommitArgs, call: Call) {
    const { id, projectId } = environmentFor(call, args.environmentId)
    const staged = stagedPatch(call, id)
    if (Object.keys(staged.patch).length === 0) throw notFound('Staged changes')
    applyConfig({ world: call.world, environmentId: id, projectId }, staged.patch)
    return commit(staged, args.commitMessage).id
  },

  variableUpsert({ input }: { input: Target & { name: string; value: string } }, call: Call) {
    const { id } = environmentFor(call, input.environmentId, input.projectId)
    setVariable(call.world, id, input.serviceId ?? null, input.name, input.value)
    return true
  },

  variableDelete({ input }: { input: Target & { name: string } }, call: Call) {
    const { id } = environmentFor(call, input.environmentId, input.projectId)
    removeVariable(call.world, id, input.serviceId ?? null, input.name)
    return true
  },

  /** With `replace` every variable that is not listed goes. */
  variableCollectionUpsert({ input }: { input: CollectionInput }, call: Call) {
    const { id } = environmentFor(call, input.environmentId, input.projectId)
    const serviceId = input.serviceId ?? null
    const own = call.world.variables.filter(
      (one) => one.environmentId === id && one.serviceId === serviceId,
    )
    const unlisted = own.filter(({ name }) => !Object.hasOwn(input.variables, name))
    for (const { name } of input.replace ? unlisted : []) {
      removeVariable(call.world, id, serviceId, name)
    }
    for (const [name, value] of Object.entries(input.variables)) {
      setVariable(call.world, id, serviceId, name, String(value))
    }
    return true
  },
}

/** The one patch that waits in an environment; Railway always has one, empty at first. */
export function stagedPatch(call: Call, environmentId: string): Patch {
  const { id } = environmentFor(call, environmentId)
  const waiting = call.world.patches.find(
    (one) => one.environmentId === id && one.status === 'STAGED',
  )
  if (waiting !== undefined) return waiting
  const empty = newPatch(id, {})
  call.world.patches.push(empty)
  return empty
}

function newPatch(environmentId: string, patch: Json): Patch {
  const { createdAt, updatedAt } = born()
  const place = { id: randomUUID(), environmentId, status: 'STAGED' as const }
  return { ...place, message: null, patch, createdAt, updatedAt, appliedAt: null }
}

function commit(patch: Patch, message: string | null | undefined): Patch {
  patch.status = 'COMMITTED'
  patch.message = message ?? null
  patch.appliedAt = new Date().toISOString()
  return patch
}

/** Services, variables and the layout of volumes come along, production's secrets included; the data stays behind. */
function copy(world: World, from: string, to: string): void {
  const here = <T extends { id: string; environmentId: string }>(rows: T[]): T[] =>
    rows
      .filter((one) => one.environmentId === from)
      .map((one) => ({ ...one, ...born(), id: randomUUID(), environmentId: to }))
  const volumes = here(world.volumeInstances)
  world.serviceInstances.push(...here(world.serviceInstances))
  world.variables.push(...here(world.variables).filter(({ isSealed }) => !isSealed))
  world.volumeInstances.push(...volumes.map((one) => ({ ...one, bookings: 0 })))
}
