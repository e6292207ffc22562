/** How one row leads to another: the nested fields of the simulated Railway. Each opens no more than its token may see. */

import { createHash } from 'node:crypto'
import {
  type Call,
  environmentFor,
  inScope,
  readable,
  readableId,
  row,
  workspaceOnly,
} from './access.ts'
import { configOf, masked } from './environment-config.ts'
import { connection, type PageArgs } from './paging.ts'
import { domainsOf, environmentsOf } from './queries.ts'
import type {
  CustomDomain,
  Deployment,
  Environment,
  Patch,
  Project,
  Service,
  ServiceInstance,
  Token,
  User,
  Variable,
  Volume,
  VolumeInstance,
  Workspace,
} from './world.ts'

type Decrypt = { decryptVariables?: boolean | null }

const toEnvironment = (source: { environmentId: string }, _: unknown, call: Call) =>
  row(call.world.environments, source.environmentId, 'Environment')
const toProject = (source: { projectId: string }, _: unknown, call: Call) =>
  row(call.world.projects, source.projectId, 'Project')
const toService = (source: { serviceId: string | null }, _: unknown, call: Call) =>
  row(call.world.services, source.serviceId ?? '', 'Service')
const active = () => 'ACTIVE'

/** The rows that lie in one environment, when its inside is open to the caller. */
function inside<T extends { environmentId: string }>(call: Call, { id }: Environment, rows: T[]) {
  environmentFor(call, id)
  return rows.filter(({ environmentId }) => environmentId === id)
}

const environment = {
  canAccess: (source: Environment, _: unknown, call: Call) => readable(call, source),
  config(source: Environment, { decryptVariables }: Decrypt, call: Call) {
    environmentFor(call, source.id)
    return configOf(call.world, source.id, decryptVariables ?? false)
  },
  configEtag(source: Environment, _: unknown, call: Call) {
    environmentFor(call, source.id)
    const config = JSON.stringify(configOf(call.world, source.id, true))
    return createHash('sha256').update(config).digest('hex')
  },
  deployments: (source: Environment, args: PageArgs, call: Call) =>
    connection(inside(call, source, call.world.deployments).toReversed(), args, call),
  serviceInstances: (source: Environment, args: PageArgs, call: Call) =>
    connection(inside(call, source, call.world.serviceInstances), args, call),
  sourceEnvironment: ({ sourceEnvironmentId }: Environment, _: unknown, call: Call) =>
    call.world.environments.find(({ id }) => id === sourceEnvironmentId && inScope(call, id)),
  unmergedChangesCount(source: Environment, _: unknown, call: Call) {
    const own = call.world.patches.filter((one) => one.environmentId === source.id)
    const staged = own.find(({ status }) => status === 'STAGED')
    return Object.keys(staged?.patch ?? {}).length
  },
  variables: (source: Environment, args: PageArgs, call: Call) =>
    connection(inside(call, source, call.world.variables), args, call),
  volumeInstances: (source: Environment, args: PageArgs, call: Call) =>
    connection(inside(call, source, call.world.volumeInstances), args, call),
}

/** Rows of a project as this token sees them: a workspace token all, a project token those of its environment. */
function present<T extends { id: string; projectId: string }>(
  call: Call,
  project: Project,
  rows: T[],
  places: { environmentId: string; of: string }[],
): T[] {
  const own = rows.filter(({ projectId }) => projectId === project.id)
  if (call.viewer?.kind === 'workspace') return own
  const here = places.filter(({ environmentId }) => inScope(call, environmentId))
  const seen = new Set(here.map((one) => one.of))
  return own.filter(({ id }) => seen.has(id))
}

const project = {
  baseEnvironment: ({ baseEnvironmentId }: Project, _: unknown, call: Call) =>
    call.world.environments.find(({ id }) => id === baseEnvironmentId && inScope(call, id)),
  buckets: (source: Project, args: PageArgs, call: Call) =>
    connection(
      call.world.buckets.filter(({ projectId }) => projectId === source.id),
      args,
      call,
    ),
  deployments(source: Project, args: PageArgs, call: Call) {
    const seen = call.world.deployments.filter(
      (one) => one.projectId === source.id && readableId(call, one.environmentId),
    )
    return connection(seen.toReversed(), args, call)
  },
  environments: (source: Project, args: PageArgs & { isEphemeral?: boolean | null }, call: Call) =>
    connection(environmentsOf(call, source.id, args.isEphemeral), args, call),
  isTempProject: () => false,
  members: (source: Project, _: unknown, call: Call) =>
    call.world.members.filter(({ projectId }) => projectId === source.id),
  services(source: Project, args: PageArgs, call: Call) {
    const { services, serviceInstances } = call.world
    const places = serviceInstances.map((one) => ({ ...one, of: one.serviceId }))
    return connection(present(call, source, services, places), args, call)
  },
  subscriptionPlanLimit: () => ({}),
  subscriptionType: () => 'pro',
  volumes(source: Project, args: PageArgs, call: Call) {
    const { volumes, volumeInstances } = call.world
    const places = volumeInstances.map((one) => ({ ...one, of: one.volumeId }))
    return connection(present(call, source, volumes, places), args, call)
  },
  workspace: (source: Project, _: unknown, call: Call) =>
    row(call.world.workspaces, source.workspaceId, 'Workspace'),
}

const service = {
  deployments(source: Service, args: PageArgs, call: Call) {
    const seen = call.world.deployments.filter(
      (one) => one.serviceId === source.id && readableId(call, one.environmentId),
    )
    return connection(seen.toReversed(), args, call)
  },
  featureFlags: () => [],
  project: toProject,
  serviceInstances(source: Service, args: PageArgs, call: Call) {
    const seen = call.world.serviceInstances.filter(
      (one) => one.serviceId === source.id && readableId(call, one.environmentId),
    )
    return connection(seen, args, call)
  },
}

function deploymentsOf({ serviceId, environmentId }: ServiceInstance, call: Call): Deployment[] {
  return call.world.deployments.filter(
    (one) => one.serviceId === serviceId && one.environmentId === environmentId,
  )
}

const serviceInstance = {
  activeDeployments: (source: ServiceInstance, _: unknown, call: Call) =>
    deploymentsOf(source, call).filter(({ status }) => status === 'SUCCESS'),
  domains: (source: ServiceInstance, _: unknown, call: Call) =>
    domainsOf(call.world, source.environmentId, source.serviceId),
  isUpdatable: () => false,
  latestDeployment: (source: ServiceInstance, _: unknown, call: Call) =>
    deploymentsOf(source, call).at(-1),
  service: toService,
  serviceName: (source: ServiceInstance, _: unknown, call: Call) => toService(source, _, call).name,
}

const deployment = {
  canRedeploy: ({ status }: Deployment) => status === 'SUCCESS' || status === 'REMOVED',
  canRollback: ({ status }: Deployment) => status === 'REMOVED',
  environment: toEnvironment,
  instances: ({ id, status, deploymentStopped }: Deployment) =>
    status === 'SUCCESS' && !deploymentStopped ? [{ id: `${id}-0`, status: 'RUNNING' }] : [],
  service: toService,
  statusUpdatedAt: ({ updatedAt }: Deployment) => updatedAt,
  suggestAddServiceDomain: () => false,
}

/** Deprecated by Railway because it names every environment's instance, whoever asks; a project token sees its own. */
const volume = {
  project: toProject,
  volumeInstances(source: Volume, args: PageArgs, call: Call) {
    const seen = call.world.volumeInstances.filter(
      (one) => one.volumeId === source.id && inScope(call, one.environmentId),
    )
    return connection(seen, args, call)
  },
}

const volumeInstance = {
  environment: toEnvironment,
  service: toService,
  volume: (source: VolumeInstance, _: unknown, call: Call) =>
    row(call.world.volumes, source.volumeId, 'Volume'),
}

/** A new domain waits for its owner to set the record, so it never becomes verified here. */
const customDomain = {
  isRailwayDomain: () => false,
  status: ({ id, domain }: CustomDomain) => ({
    certificateStatus: 'CERTIFICATE_STATUS_TYPE_VALIDATING_OWNERSHIP',
    dnsRecords: [dnsRecord(id, domain)],
    verified: false,
  }),
  syncStatus: active,
}

function dnsRecord(id: string, domain: string) {
  const [hostlabel = '', ...zone] = domain.split('.')
  return {
    currentValue: '',
    fqdn: domain,
    hostlabel,
    purpose: 'DNS_RECORD_PURPOSE_TRAFFIC_ROUTE',
    recordType: 'DNS_RECORD_TYPE_CNAME',
    requiredValue: `${id.slice(0, 8)}.up.railway.example`,
    status: 'DNS_RECORD_STATUS_REQUIRES_UPDATE',
    zone: zone.join('.'),
  }
}

const projectToken = {
  displayToken: ({ token }: Token) => `${token.slice(0, 4)}****`,
  environment: toEnvironment,
  project: toProject,
}

const workspace = {
  members: (_: Workspace, __: unknown, call: Call) =>
    call.world.users.map(({ id, name, email }) => ({ id, name, email, role: 'ADMIN' })),
  plan: () => 'PRO',
  projectCount: (source: Workspace, _: unknown, call: Call) => projectsOf(source, call).length,
  projects: (source: Workspace, args: PageArgs, call: Call) =>
    connection(projectsOf(source, call), args, call),
  subscriptionModel: () => 'TEAM',
}

function projectsOf({ id }: Workspace, call: Call): Project[] {
  workspaceOnly(call)
  return call.world.projects.filter(({ workspaceId }) => workspaceId === id)
}

/** By type, then by field. A field that is missing here is the row's own property. */
export const fields = {
  Bucket: { project: toProject },
  CustomDomain: customDomain,
  Deployment: deployment,
  Environment: environment,
  EnvironmentPatch: {
    environment: toEnvironment,
    patch: ({ patch }: Patch, { decryptVariables }: Decrypt) =>
      decryptVariables ? patch : masked(patch),
  },
  InviteCode: { project: toProject },
  Log: {
    attributes: () => [],
    tags: ({ deploymentId }: { deploymentId: string }) => ({ deploymentId }),
  },
  Project: project,
  ProjectToken: projectToken,
  Service: service,
  ServiceDomain: { syncStatus: active },
  ServiceInstance: serviceInstance,
  TCPProxy: { syncStatus: active },
  User: {
    agreedFairUse: () => true,
    featureFlags: () => [],
    flags: () => [],
    has2FA: () => true,
    hasPasskeys: () => false,
    isAdmin: () => false,
    isConductor: () => false,
    isVerified: () => true,
    lastLogin: ({ createdAt }: User) => createdAt,
    registrationStatus: () => 'ONBOARDED',
    projects: (_: unknown, args: PageArgs, call: Call) =>
      connection(call.world.projects, args, call),
    workspaces: (_: unknown, __: unknown, call: Call) => call.world.workspaces,
  },
  Variable: {
    environment: toEnvironment,
    references: ({ value }: Variable) => value.match(/\$\{\{[^}]+\}\}/g) ?? [],
    service: toService,
  },
  Volume: volume,
  VolumeInstance: volumeInstance,
  Workspace: workspace,
}
