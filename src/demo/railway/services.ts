/** Mutations on services, their instances and deployments. Acts on every environment that is no fork, as Railway does. */

import { randomUUID } from 'node:crypto'
import {
  allInScope,
  type Call,
  environmentFor,
  placed,
  projectFor,
  serviceFor,
  serviceInstanceFor,
  workspaceOnly,
} from './access.ts'
import { setVariable } from './environment-config.ts'
import { removeService } from './removal.ts'
import {
  born,
  type Deployment,
  deployment,
  type Environment,
  type ServiceInstance,
  type Source,
  serviceInstance,
  type World,
} from './world.ts'

type SourceInput = { image?: string | null; repo?: string | null }
type CreateInput = {
  projectId: string
  environmentId?: string | null
  name?: string | null
  icon?: string | null
  source?: SourceInput | null
  variables?: Record<string, string> | null
}
type InstanceInput = Partial<Omit<ServiceInstance, 'source'>> & { source?: SourceInput | null }
type At = { serviceId: string; environmentId: string }

export const serviceMutations = {
  serviceCreate({ input }: { input: CreateInput }, call: Call) {
    const { id: projectId } = projectFor(call, input.projectId)
    const environmentIds = reach(call, projectId, input.environmentId)
    const id = randomUUID()
    const name = input.name ?? `service-${id.slice(0, 4)}`
    const service = { ...born(), id, projectId, name, icon: input.icon ?? null }
    call.world.services.push(service)
    for (const environmentId of environmentIds) settle(call.world, id, environmentId, input)
    return service
  },

  /** Without an environment the service goes everywhere; with one that is no fork, from all that are none. */
  serviceDelete({ id, environmentId }: { id: string; environmentId?: string | null }, call: Call) {
    const { projectId } = serviceFor(call, id)
    if (!environmentId) workspaceOnly(call)
    const everywhere = call.world.environments.filter((one) => one.projectId === projectId)
    const environmentIds = environmentId
      ? reach(call, projectId, environmentId)
      : everywhere.map((one) => one.id)
    removeService(call.world, id, environmentIds)
    return true
  },

  serviceUpdate(
    { id, input }: { id: string; input: { name?: string | null; icon?: string | null } },
    call: Call,
  ) {
    workspaceOnly(call)
    const service = serviceFor(call, id)
    if (input.name) service.name = input.name
    if (input.icon !== undefined) service.icon = input.icon
    return service
  },

  serviceConnect({ id, input }: { id: string; input: SourceInput }, call: Call) {
    workspaceOnly(call)
    const service = serviceFor(call, id)
    for (const instance of call.world.serviceInstances.filter((one) => one.serviceId === id)) {
      instance.source = sourceOf(input)
      deploy(call.world, instance, 'connect')
    }
    return service
  },

  serviceInstanceUpdate(
    args: { serviceId: string; environmentId?: string | null; input: InstanceInput },
    call: Call,
  ) {
    const { projectId } = serviceFor(call, args.serviceId)
    const environmentIds = reach(call, projectId, args.environmentId)
    const { source, ...settings } = args.input
    for (const instance of call.world.serviceInstances) {
      const mine = instance.serviceId === args.serviceId
      if (!mine || !environmentIds.includes(instance.environmentId)) continue
      Object.assign(instance, settings, source ? { source: sourceOf(source) } : {})
      instance.updatedAt = new Date().toISOString()
    }
    return true
  },

  serviceInstanceRedeploy({ serviceId, environmentId }: At, call: Call) {
    deploy(call.world, serviceInstanceFor(call, serviceId, environmentId), 'redeploy')
    return true
  },

  serviceInstanceDeployV2({ serviceId, environmentId }: At, call: Call) {
    return deploy(call.world, serviceInstanceFor(call, serviceId, environmentId), 'deploy').id
  },

  deploymentRedeploy({ id }: { id: string }, call: Call) {
    const { serviceId, environmentId } = deploymentFor(call, id)
    return deploy(call.world, serviceInstanceFor(call, serviceId, environmentId), 'redeploy')
  },

  deploymentRestart({ id }: { id: string }, call: Call) {
    deploymentFor(call, id).restarts += 1
    return true
  },

  deploymentRemove({ id }: { id: string }, call: Call) {
    deploymentFor(call, id).status = 'REMOVED'
    return true
  },

  deploymentStop({ id }: { id: string }, call: Call) {
    deploymentFor(call, id).deploymentStopped = true
    return true
  },
}

/** The environments such a mutation acts on. Naming one that is no fork confines nothing. */
function reach(call: Call, projectId: string, environmentId?: string | null): string[] {
  const named = environmentId ? environmentFor(call, environmentId, projectId) : undefined
  if (named !== undefined && isFork(named)) return [named.id]
  const roots = call.world.environments.filter((one) => one.projectId === projectId && !isFork(one))
  const environmentIds = roots.map(({ id }) => id)
  allInScope(call, environmentIds)
  return environmentIds
}

/** A lasting copy counts as no fork: the reading under which more is hit. */
function isFork({ isEphemeral, sourceEnvironmentId }: Environment): boolean {
  return isEphemeral && sourceEnvironmentId !== null
}

function settle(world: World, serviceId: string, environmentId: string, input: CreateInput): void {
  const source = input.source ? sourceOf(input.source) : null
  const instance = serviceInstance(randomUUID(), serviceId, environmentId, source, null)
  world.serviceInstances.push({ ...instance, ...born() })
  for (const [name, value] of Object.entries(input.variables ?? {})) {
    setVariable(world, environmentId, serviceId, name, value)
  }
}

function sourceOf({ image = null, repo = null }: SourceInput): Source {
  return { image, repo }
}

function deploymentFor(call: Call, id: string): Deployment {
  return placed(call, call.world.deployments, id, 'Deployment')
}

/** A new deployment takes the place of the one that runs. */
export function deploy(world: World, instance: At, reason: string): Deployment {
  const { serviceId, environmentId } = instance
  const environment = world.environments.find(({ id }) => id === environmentId)
  for (const one of world.deployments) {
    const same = one.serviceId === serviceId && one.environmentId === environmentId
    if (same && one.status === 'SUCCESS') one.status = 'REMOVED'
  }
  const projectId = environment?.projectId ?? ''
  const made = deployment(randomUUID(), projectId, environmentId, serviceId, { reason })
  world.deployments.push(made)
  return made
}
