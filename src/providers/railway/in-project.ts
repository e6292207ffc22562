/** The kinds that are found in the lists of their project. Says where a thing lies, or null of a project that does not list it. */
import { z } from 'zod'
import type { Place } from '../../policy/operation.ts'
import type { Lookup } from '../provider.ts'
import { ask, everyPage, page, selectPage } from './answers.ts'
import { environmentId, placeOf, projectList } from './projects.ts'

type Find = (lookup: Lookup, project: string, id: string) => Promise<Place | null>

/** The place of what every environment of a project shares. */
export function sharedBy(project: string, kind: string, id: string): Place {
  return [
    { kind: 'project', id: project },
    { kind, id },
  ]
}

type IsListed = (lookup: Lookup, project: string, id: string) => Promise<boolean>

/** Whether a project lists a thing of its own under that id. */
function listedIn(field: string): IsListed {
  return async (lookup, project, id) => {
    const node = z.object({ id: z.string(), projectId: z.literal(project) })
    const nodes = await projectList(lookup, project, field, 'id projectId', node)
    return nodes.some((one) => one.id === id)
  }
}

export const hasService = listedIn('services')
export const hasBucket = listedIn('buckets')
const hasGroup = listedIn('groups')

const group: Find = async (lookup, project, id) =>
  (await hasGroup(lookup, project, id)) ? sharedBy(project, 'group', id) : null

const integration: Find = async (lookup, project, id) => {
  const document = `query ($projectId: String!, $after: String) { integrations(projectId: $projectId, after: $after) ${selectPage('id projectId')} }`
  const node = z.object({ id: z.string(), projectId: z.literal(project) })
  const shape = z.object({ integrations: page(node) })
  const nodes = await everyPage(async (after) => {
    const answer = await ask(lookup, document, { projectId: project, ...after }, shape)
    return answer.integrations
  })
  return nodes.some((one) => one.id === id) ? sharedBy(project, 'integration', id) : null
}

const projectToken: Find = async (lookup, project, id) => {
  const document = `query ($projectId: String!, $after: String) { projectTokens(projectId: $projectId, after: $after) ${selectPage('id projectId environmentId')} }`
  const node = z.object({ id: z.string(), projectId: z.literal(project), environmentId })
  const shape = z.object({ projectTokens: page(node) })
  const nodes = await everyPage(async (after) => {
    const answer = await ask(lookup, document, { projectId: project, ...after }, shape)
    return answer.projectTokens
  })
  const found = nodes.find((one) => one.id === id)
  if (found === undefined) return null
  const spot = { project, environment: found.environmentId }
  return [...placeOf(spot), { kind: 'project-token', id }]
}

const customDomain: Find = async (lookup, project, id) => {
  const document =
    'query ($id: String!, $projectId: String!) { customDomain(id: $id, projectId: $projectId) { id projectId environmentId } }'
  const shape = z.object({
    customDomain: z.object({ id: z.literal(id), projectId: z.literal(project), environmentId }),
  })
  const answer = await ask(lookup, document, { id, projectId: project }, shape)
  const spot = { project, environment: answer.customDomain.environmentId }
  return [...placeOf(spot), { kind: 'custom-domain', id }]
}

async function workspaceOf(lookup: Lookup, project: string): Promise<string | null> {
  const document = 'query ($id: String!) { project(id: $id) { id workspaceId } }'
  const shape = z.object({
    project: z.object({ id: z.literal(project), workspaceId: z.string().nullable() }),
  })
  return (await ask(lookup, document, { id: project }, shape)).project.workspaceId
}

/** A rule without an environment speaks for the whole project, and one without a project for its whole workspace. */
const notificationRule: Find = async (lookup, project, id) => {
  const workspace = await workspaceOf(lookup, project)
  if (workspace === null) return null
  const document =
    'query ($workspaceId: String!, $projectId: String!) { notificationRules(workspaceId: $workspaceId, projectId: $projectId) { id projectId environmentId } }'
  const rule = z.object({
    id: z.string(),
    projectId: z.string().nullable(),
    environmentId: environmentId.nullable(),
  })
  const shape = z.object({ notificationRules: z.array(rule) })
  const variables = { workspaceId: workspace, projectId: project }
  const { notificationRules } = await ask(lookup, document, variables, shape)
  const found = notificationRules.find((one) => one.id === id && one.projectId === project)
  if (found === undefined) return null
  if (found.environmentId === null) return sharedBy(project, 'notification-rule', id)
  const spot = { project, environment: found.environmentId }
  return [...placeOf(spot), { kind: 'notification-rule', id }]
}

export const inProject: Readonly<Record<string, Find>> = {
  group,
  integration,
  'custom-domain': customDomain,
  'project-token': projectToken,
  'notification-rule': notificationRule,
}
