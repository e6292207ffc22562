/** Root queries of the simulated Railway. Never changes a row, but for the empty staged patch Railway conjures up too. */

import {
  type Call,
  environmentFor,
  notAuthorized,
  notFound,
  placed,
  projectFor,
  readableId,
  row,
  serviceFor,
  serviceInstanceFor,
  volumeInstanceFor,
  workspaceOnly,
} from './access.ts'
import { stagedPatch } from './environments.ts'
import { connection, type PageArgs } from './paging.ts'
import type { Deployment, Token, World } from './world.ts'

type In = { environmentId: string }
type Of = { projectId: string; environmentId: string; serviceId?: string | null }
type DeploymentFilter = {
  projectId?: string | null
  environmentId?: string | null
  serviceId?: string | null
  status?: { in?: string[] | null; notIn?: string[] | null } | null
}
type LogArgs = { deploymentId: string; filter?: string | null; limit?: number | null }

export const queries = {
  /** Written for Railway's own staff; nothing shows that it answers customers, so the world decides. */
  adminVolumeInstancesForVolume({ volumeId }: { volumeId: string }, call: Call) {
    workspaceOnly(call)
    if (!call.world.adminRoots) throw notAuthorized()
    return call.world.volumeInstances.filter((one) => one.volumeId === volumeId)
  },

  bucketS3Credentials(args: Of & { bucketId: string }, call: Call) {
    environmentFor(call, args.environmentId, args.projectId)
    const { name: bucketName, ...secret } = row(call.world.buckets, args.bucketId, 'Bucket')
    const where = { endpoint: 'https://storage.railway.example', region: 'auto', urlStyle: 'path' }
    return [{ ...secret, bucketName, ...where }]
  },

  buildLogs: logs,

  customDomain({ id, projectId }: { id: string; projectId: string }, call: Call) {
    const domain = placed(call, call.world.customDomains, id, 'Custom domain')
    if (domain.projectId !== projectId) throw notFound('Custom domain')
    return domain
  },

  customDomainAvailable({ domain }: { domain: string }, call: Call) {
    const taken = call.world.customDomains.some((one) => one.domain === domain)
    return { available: !taken, message: taken ? 'Domain is taken' : 'Domain is available' }
  },

  deployment({ id }: { id: string }, call: Call) {
    return placed(call, call.world.deployments, id, 'Deployment')
  },

  deploymentLogs: logs,

  deploymentSnapshot({ deploymentId }: { deploymentId: string }, call: Call) {
    const made = placed(call, call.world.deployments, deploymentId, 'Deployment')
    const { id, createdAt, updatedAt, environmentId, serviceId } = made
    return { id, createdAt, updatedAt, variables: values(call.world, environmentId, serviceId) }
  },

  deployments({ input, ...args }: PageArgs & { input: DeploymentFilter }, call: Call) {
    if (input.environmentId) environmentFor(call, input.environmentId, input.projectId)
    if (input.projectId) projectFor(call, input.projectId)
    const seen = call.world.deployments.filter(
      (one) => matches(one, input) && readableId(call, one.environmentId),
    )
    return connection(seen.toReversed(), args, call)
  },

  domains(args: Of, call: Call) {
    environmentFor(call, args.environmentId, args.projectId)
    return domainsOf(call.world, args.environmentId, args.serviceId ?? '')
  },

  environment({ id, projectId }: { id: string; projectId?: string | null }, call: Call) {
    return environmentFor(call, id, projectId)
  },

  environmentPatch({ id }: { id: string }, call: Call) {
    return placed(call, call.world.patches, id, 'Environment patch')
  },

  environmentPatches({ environmentId, ...args }: PageArgs & In, call: Call) {
    environmentFor(call, environmentId)
    const own = call.world.patches.filter((one) => one.environmentId === environmentId)
    return connection(own.toReversed(), args, call)
  },

  environmentStagedChanges({ environmentId }: In, call: Call) {
    return stagedPatch(call, environmentId)
  },

  environments(args: PageArgs & { projectId: string; isEphemeral?: boolean | null }, call: Call) {
    projectFor(call, args.projectId)
    return connection(environmentsOf(call, args.projectId, args.isEphemeral), args, call)
  },

  me(_: unknown, call: Call) {
    workspaceOnly(call)
    return call.world.users[0]
  },

  platformStatus() {
    return { incident: null, isStable: true, maintenance: null }
  },

  project({ id }: { id: string }, call: Call) {
    return projectFor(call, id)
  },

  /** No invitation is ever open here: the root exists for its union. */
  projectInvitation() {
    throw notFound('Invitation')
  },

  projectInviteCode({ projectId, role }: { projectId: string; role: string }, call: Call) {
    workspaceOnly(call)
    const project = projectFor(call, projectId)
    const code = `join-${project.id.slice(0, 8)}-${role.toLowerCase()}`
    return { id: code, code, projectId, role, createdAt: project.createdAt }
  },

  projectToken(_: unknown, { viewer }: Call) {
    if (viewer?.kind !== 'project') throw notFound('Project Token')
    return viewer
  },

  projectTokens({ projectId, ...args }: PageArgs & { projectId: string }, call: Call) {
    workspaceOnly(call)
    projectFor(call, projectId)
    const own = call.world.tokens.filter((one) => isTokenOf(one, projectId))
    return connection(own, args, call)
  },

  projects(args: PageArgs & { workspaceId?: string | null }, call: Call) {
    workspaceOnly(call)
    const own = call.world.projects.filter(
      (one) => !args.workspaceId || one.workspaceId === args.workspaceId,
    )
    return connection(own, args, call)
  },

  regions() {
    return [
      { id: 'ams', name: 'europe-west4-drams3a', location: 'Amsterdam', country: 'NL' },
      { id: 'sfo', name: 'us-west2', location: 'California', country: 'US' },
    ]
  },

  sandbox({ id, environmentId }: { id: string } & In, call: Call) {
    environmentFor(call, environmentId)
    const own = call.world.sandboxes.filter((one) => one.environmentId === environmentId)
    return own.find((one) => one.id === id) ?? null
  },

  sandboxes({ environmentId, ...args }: PageArgs & In, call: Call) {
    environmentFor(call, environmentId)
    const own = call.world.sandboxes.filter((one) => one.environmentId === environmentId)
    return connection(own, args, call)
  },

  service({ id }: { id: string }, call: Call) {
    return serviceFor(call, id)
  },

  serviceInstance(args: { serviceId: string } & In, call: Call) {
    return serviceInstanceFor(call, args.serviceId, args.environmentId)
  },

  tcpProxies({ serviceId, environmentId }: { serviceId: string } & In, call: Call) {
    environmentFor(call, environmentId)
    return call.world.tcpProxies.filter(
      (one) => one.serviceId === serviceId && one.environmentId === environmentId,
    )
  },

  variables(args: Of, call: Call) {
    environmentFor(call, args.environmentId, args.projectId)
    return values(call.world, args.environmentId, args.serviceId ?? null)
  },

  variablesForServiceDeployment(args: Of, call: Call) {
    const { name } = environmentFor(call, args.environmentId, args.projectId)
    const own = values(call.world, args.environmentId, args.serviceId ?? null)
    return { ...own, RAILWAY_ENVIRONMENT_NAME: name }
  },

  volumeInstance({ id }: { id: string }, call: Call) {
    return volumeInstanceFor(call, id)
  },

  volumeInstanceBackupList({ volumeInstanceId }: { volumeInstanceId: string }, call: Call) {
    volumeInstanceFor(call, volumeInstanceId)
    return call.world.backups.filter((one) => one.volumeInstanceId === volumeInstanceId)
  },

  workflowStatus({ workflowId }: { workflowId: string }, { world }: Call) {
    return { error: null, status: world.workflows.includes(workflowId) ? 'Complete' : 'NotFound' }
  },

  workspace({ workspaceId }: { workspaceId: string }, call: Call) {
    workspaceOnly(call)
    return row(call.world.workspaces, workspaceId, 'Workspace')
  },
}

/** Lists name an environment that is hidden from the token too; only its inside is closed. */
export function environmentsOf(call: Call, projectId: string, ephemeral?: boolean | null) {
  const { viewer, world } = call
  return world.environments.filter((one) => {
    if (one.projectId !== projectId) return false
    if (viewer?.kind === 'project' && viewer.environmentId !== one.id) return false
    return ephemeral == null || one.isEphemeral === ephemeral
  })
}

export function domainsOf(world: World, environmentId: string, serviceId: string) {
  const own = (one: { environmentId: string; serviceId: string }) =>
    one.environmentId === environmentId && one.serviceId === serviceId
  return {
    customDomains: world.customDomains.filter(own),
    serviceDomains: world.serviceDomains.filter(own),
  }
}

function logs({ deploymentId, filter, limit }: LogArgs, call: Call) {
  placed(call, call.world.deployments, deploymentId, 'Deployment')
  const own = call.world.logs.filter(
    (one) => one.deploymentId === deploymentId && one.message.includes(filter ?? ''),
  )
  return own.slice(-(limit ?? 500))
}

/** Sealed variables never come back, not even to whoever wrote them. */
function values(world: World, environmentId: string, serviceId: string | null) {
  const own = world.variables.filter(
    (one) => one.environmentId === environmentId && one.serviceId === serviceId && !one.isSealed,
  )
  return Object.fromEntries(own.map(({ name, value }) => [name, value]))
}

function matches(one: Deployment, { status, ...input }: DeploymentFilter): boolean {
  if (input.projectId && one.projectId !== input.projectId) return false
  if (input.environmentId && one.environmentId !== input.environmentId) return false
  if (input.serviceId && one.serviceId !== input.serviceId) return false
  if (status?.in && !status.in.includes(one.status)) return false
  return !status?.notIn?.includes(one.status)
}

function isTokenOf(token: Token, projectId: string): boolean {
  return token.kind === 'project' && token.projectId === projectId
}
