/**
 * Which environments a project has and which projects there are to search, as the connection's credential sees them. A
 * project is read whole or counts as unread.
 */
import { z } from 'zod'
import type { Place } from '../../policy/operation.ts'
import type { Known, Lookup } from '../provider.ts'
import { ask, everyPage, page, selectPage, startTrail, Unlocated } from './answers.ts'
import { canonicalId } from './kinds.ts'

/** One environment and the project that it is part of. */
export type Spot = { project: string; environment: string }

export const projectId = z.string().refine((id) => canonicalId('project', id))
export const environmentId = z.string().refine((id) => canonicalId('environment', id))

export function placeOf({ project, environment }: Spot): Place {
  return [
    { kind: 'project', id: project },
    { kind: 'environment', id: environment },
  ]
}

/** What the bindings know of where environments are: it saves look-ups, and the answers are checked all the same. */
export function boundSpots(known: Known): Spot[] {
  return known.places.flatMap(([first, second]) =>
    first?.kind === 'project' && second?.kind === 'environment'
      ? [{ project: first.id, environment: second.id }]
      : [],
  )
}

export function boundProjects(known: Known): string[] {
  const ids = known.places.flatMap(([first]) => (first?.kind === 'project' ? [first.id] : []))
  return [...new Set(ids)]
}

const environmentDocument =
  'query ($id: String!, $projectId: String) { environment(id: $id, projectId: $projectId) { id projectId isEphemeral sourceEnvironment { id } } }'

/** An environment by its id. `project`, where it is known, must be the one that the answer names. */
export async function findEnvironment(
  lookup: Lookup,
  id: string,
  project: string | undefined,
): Promise<Spot & { fork: boolean }> {
  const shape = z.object({
    environment: z.object({
      id: z.literal(id),
      projectId: project === undefined ? projectId : z.literal(project),
      isEphemeral: z.boolean(),
      sourceEnvironment: z.object({ id: environmentId }).nullable(),
    }),
  })
  const variables = project === undefined ? { id } : { id, projectId: project }
  const { environment } = await ask(lookup, environmentDocument, variables, shape)
  return { project: environment.projectId, environment: environment.id, fork: isFork(environment) }
}

/**
 * Whether an environment is certainly a fork, to which Railway confines what it would otherwise do everywhere. A lasting
 * copy of another environment has a source too, and nothing says that Railway spares the others when it is named.
 */
function isFork(one: { isEphemeral: boolean; sourceEnvironment: object | null }): boolean {
  return one.isEphemeral && one.sourceEnvironment !== null
}

/** As above, with the project that a binding says; a project token is only answered when both are given. */
export function findBoundEnvironment(lookup: Lookup, known: Known, id: string) {
  const bound = boundSpots(known).find((spot) => spot.environment === id)
  return findEnvironment(lookup, id, bound?.project)
}

/** A list that hangs on a project, all pages. */
export async function projectList<Node>(
  lookup: Lookup,
  project: string,
  field: string,
  selection: string,
  node: z.ZodType<Node>,
): Promise<Node[]> {
  const document = `query ($projectId: String!, $after: String) { project(id: $projectId) { id list: ${field}(after: $after) ${selectPage(selection)} } }`
  const shape = z.object({ project: z.object({ id: z.literal(project), list: page(node) }) })
  return everyPage(async (after) => {
    const answer = await ask(lookup, document, { projectId: project, ...after }, shape)
    return answer.project.list
  })
}

/** A list that hangs on an environment, all pages. */
export async function environmentList<Node>(
  lookup: Lookup,
  { project, environment }: Spot,
  field: string,
  selection: string,
  node: z.ZodType<Node>,
): Promise<Node[]> {
  const document = `query ($environmentId: String!, $projectId: String, $after: String) { environment(id: $environmentId, projectId: $projectId) { id projectId list: ${field}(after: $after) ${selectPage(selection)} } }`
  const shape = z.object({
    environment: z.object({
      id: z.literal(environment),
      projectId: z.literal(project),
      list: page(node),
    }),
  })
  return everyPage(async (after) => {
    const variables = { environmentId: environment, projectId: project, ...after }
    const answer = await ask(lookup, document, variables, shape)
    return answer.environment.list
  })
}

type Listed = Spot & {
  name: string
  ephemeral: boolean
  /** Railway lists restricted environments too, to those who may not read them. */
  readable: boolean
  /** The name of the environment that it was made from. */
  source: string | null
  fork: boolean
}

const environmentsDocument = `query ($projectId: String!, $after: String) { project(id: $projectId) { id primaryEnvironmentId baseEnvironmentId environments(after: $after) ${selectPage('id projectId name isEphemeral canAccess sourceEnvironment { id name }')} } }`

/** The environments that a project shows, readable or not, and whether one that it speaks of is missing among them. */
export async function listEnvironments(
  lookup: Lookup,
  project: string,
): Promise<{ listed: Listed[]; missing: boolean }> {
  const node = z.object({
    id: environmentId,
    projectId: z.literal(project),
    name: z.string(),
    isEphemeral: z.boolean(),
    canAccess: z.boolean(),
    sourceEnvironment: z.object({ id: environmentId, name: z.string() }).nullable(),
  })
  const shape = z.object({
    project: z.object({
      id: z.literal(project),
      primaryEnvironmentId: environmentId.nullable(),
      baseEnvironmentId: environmentId.nullable(),
      environments: page(node),
    }),
  })
  const spokenOf = new Set<string | null>([null])
  const nodes = await everyPage(async (after) => {
    const answer = await ask(lookup, environmentsDocument, { projectId: project, ...after }, shape)
    spokenOf.add(answer.project.primaryEnvironmentId).add(answer.project.baseEnvironmentId)
    return answer.project.environments
  })
  for (const one of nodes) spokenOf.delete(one.id)
  spokenOf.delete(null)
  const listed = nodes.map((one) => ({
    project,
    environment: one.id,
    name: one.name,
    ephemeral: one.isEphemeral,
    readable: one.canAccess,
    source: one.sourceEnvironment?.name ?? null,
    fork: isFork(one),
  }))
  return { listed, missing: spokenOf.size > 0 }
}

/**
 * Every environment of a project, or `Unlocated` if one of them does not show or cannot be read: what lies in it would
 * be missed, and a thing that lives there too would look as if it did not.
 */
export async function everyEnvironment(
  lookup: Lookup,
  known: Known,
  project: string,
): Promise<Listed[]> {
  const { listed, missing } = await listEnvironments(lookup, project)
  const shown = new Set(listed.map((one) => one.environment))
  const bound = boundSpots(known).filter((spot) => spot.project === project)
  if (bound.some((spot) => !shown.has(spot.environment))) {
    throw new Unlocated('an environment that is bound does not show in its project')
  }
  if (missing || !listed.every((one) => one.readable)) {
    throw new Unlocated('the connection may not read every environment of its project')
  }
  return listed
}

const projectNode = z.object({ id: projectId, name: z.string() })
type Named = z.infer<typeof projectNode>

function listProjectsOf(lookup: Lookup, workspace: string | undefined): Promise<Named[]> {
  const document = `query ($workspaceId: String, $after: String) { projects(workspaceId: $workspaceId, after: $after) ${selectPage('id name')} }`
  const shape = z.object({ projects: page(projectNode) })
  const owner = workspace === undefined ? {} : { workspaceId: workspace }
  return everyPage(async (after) => {
    const answer = await ask(lookup, document, { ...owner, ...after }, shape)
    return answer.projects
  })
}

/** The workspaces that an account or workspace token reaches. `me` is closed to workspace tokens, this is not. */
async function listWorkspaces(lookup: Lookup): Promise<string[]> {
  const shape = z.object({
    apiToken: z.object({ workspaces: z.array(z.object({ id: z.string() })) }),
  })
  const { apiToken } = await ask(lookup, '{ apiToken { workspaces { id } } }', {}, shape)
  return apiToken.workspaces.map((one) => one.id)
}

/** The one project of a project token, which can list nothing else. */
async function projectOfToken(lookup: Lookup): Promise<string> {
  const shape = z.object({ projectToken: z.object({ projectId }) })
  const { projectToken } = await ask(lookup, '{ projectToken { projectId } }', {}, shape)
  return projectToken.projectId
}

async function projectNamed(lookup: Lookup, id: string): Promise<Named> {
  const document = 'query ($id: String!) { project(id: $id) { id name } }'
  const shape = z.object({ project: projectNode.extend({ id: z.literal(id) }) })
  const { project } = await ask(lookup, document, { id }, shape)
  return project
}

/**
 * Every project that the credential lists. Which query answers depends on the kind of token, and all are tried in turn:
 * `projects` alone leaves out the workspaces of an account token.
 */
export async function listProjects(lookup: Lookup): Promise<Named[]> {
  const found = new Map<string, Named>()
  const add = (some: readonly Named[]) => {
    for (const one of some) found.set(one.id, one)
  }
  const trail = startTrail()
  await trail.attempt(async () => add(await listProjectsOf(lookup, undefined)))
  for (const workspace of (await trail.attempt(() => listWorkspaces(lookup))) ?? []) {
    await trail.attempt(async () => add(await listProjectsOf(lookup, workspace)))
  }
  if (found.size === 0) {
    await trail.attempt(async () => add([await projectNamed(lookup, await projectOfToken(lookup))]))
  }
  if (found.size === 0) throw trail.end('the credential lists no project')
  return [...found.values()]
}
