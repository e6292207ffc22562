/** A Railway of two projects with one thing of every kind that can be located, answered by graphql-js. Never leaves the process. */
import { buildSchema, graphql } from 'graphql'
import type { Lookup } from '../../../src/providers/provider.ts'

/** `uuid('a', 3)` is the same id in every run. */
export function uuid(letter: string, n: number): string {
  const tail = String(n).padStart(12, '0')
  return `${letter.repeat(8)}-0000-4000-8000-${tail}`
}

export const ids = {
  rentals: uuid('a', 1),
  website: uuid('a', 2),
  production: uuid('b', 1),
  staging: uuid('b', 2),
  preview: uuid('b', 3),
  websiteProduction: uuid('b', 4),
  web: uuid('c', 1),
  worker: uuid('c', 2),
  site: uuid('c', 3),
  webProduction: uuid('c', 11),
  webStaging: uuid('c', 12),
  webPreview: uuid('c', 13),
  workerStaging: uuid('c', 14),
  siteProduction: uuid('c', 15),
  data: uuid('d', 1),
  scratch: uuid('d', 2),
  siteData: uuid('d', 3),
  dataProduction: uuid('d', 11),
  dataStaging: uuid('d', 12),
  scratchStaging: uuid('d', 13),
  siteDataProduction: uuid('d', 14),
  deployment: uuid('e', 1),
  backup: uuid('e', 2),
  customDomain: uuid('e', 3),
  serviceDomain: uuid('e', 4),
  tcpProxy: uuid('e', 5),
  trigger: uuid('e', 6),
  bucket: uuid('e', 7),
  network: uuid('e', 8),
  endpoint: uuid('e', 9),
  patch: uuid('e', 10),
  sandbox: uuid('e', 11),
  cloudAgent: uuid('e', 12),
  plugin: uuid('e', 13),
  dashboard: uuid('e', 14),
  token: uuid('e', 15),
  integration: uuid('e', 16),
  rule: uuid('e', 17),
  projectRule: uuid('e', 18),
  group: uuid('e', 19),
  workspace: uuid('f', 1),
} as const

const page = 'after: String, first: Int'
const connections = [
  'Project',
  'Environment',
  'ServiceInstance',
  'VolumeInstance',
  'DeploymentTrigger',
  'Bucket',
  'Service',
  'Group',
  'Integration',
  'ProjectToken',
  'Dashboard',
]

const schema = buildSchema(`
  type PageInfo { hasNextPage: Boolean! endCursor: String }
  ${connections.map((one) => `type ${one}s { edges: [${one}Edge!]! pageInfo: PageInfo! } type ${one}Edge { node: ${one}! }`).join('\n')}
  type Project {
    id: ID! name: String! workspaceId: String primaryEnvironmentId: String baseEnvironmentId: String
    environments(${page}): Environments!  buckets(${page}): Buckets! services(${page}): Services!  groups(${page}): Groups!
  }
  type Environment {
    id: ID! projectId: String! name: String! isEphemeral: Boolean! canAccess: Boolean!
    sourceEnvironment: Environment
    serviceInstances(${page}): ServiceInstances!
    volumeInstances(${page}): VolumeInstances!
    deploymentTriggers(${page}): DeploymentTriggers!
  }
  type Service { id: ID! projectId: String! }
  type ServiceInstance { id: ID! serviceId: String! environmentId: String! service: Service! domains: AllDomains! }
  type AllDomains { serviceDomains: [ServiceDomain!]! }
  type ServiceDomain { id: ID! environmentId: String! }
  type Volume { id: ID! projectId: String! }
  type VolumeInstance { id: ID! volumeId: String! environmentId: String! volume: Volume! isPendingDeletion: Boolean! deletedAt: String }
  type DeploymentTrigger { id: ID! environmentId: String! projectId: String! }
  type Deployment { id: ID! projectId: String! environmentId: String! }
  type Backup { id: String! }
  type CustomDomain { id: ID! projectId: String environmentId: String! }
  type TCPProxy { id: ID! environmentId: String! }
  type Bucket { id: ID! projectId: String! }
  type BucketInstanceDetails { objectCount: Float! }
  type PrivateNetwork { publicId: String! environmentId: String! projectId: String! }
  type PrivateNetworkEndpoint { publicId: String! }
  type EnvironmentPatch { id: ID! environment: Environment! }
  type Sandbox { id: ID! environmentId: String! }
  type CloudAgent { id: ID! environmentId: String! projectId: String! }
  type Plugin { id: ID! project: Project! }
  type Dashboard { id: ID! }
  type ProjectToken { id: ID! projectId: String! environmentId: String! }
  type Integration { id: ID! projectId: String! }
  type Group { id: ID! projectId: String! }
  type NotificationRule { id: ID! projectId: String environmentId: String }
  type ChangeSetApplyResult { id: String! }
  type ApiToken { workspaces: [Workspace!]! }
  type Workspace { id: ID! }
  type Query {
    apiToken: ApiToken!
    projectToken: ProjectToken!
    projects(workspaceId: String, ${page}): Projects!
    project(id: String!): Project!
    environment(id: String!, projectId: String): Environment!
    service(id: String!): Service!
    serviceInstance(environmentId: String!, serviceId: String!): ServiceInstance!
    deployment(id: String!): Deployment!
    volumeInstance(id: String!): VolumeInstance!
    volumeInstanceBackupList(volumeInstanceId: String!): [Backup!]!
    customDomain(id: String!, projectId: String!): CustomDomain!
    tcpProxies(environmentId: String!, serviceId: String!): [TCPProxy!]!
    bucketInstanceDetails(bucketId: String!, environmentId: String!): BucketInstanceDetails
    privateNetworks(environmentId: String!): [PrivateNetwork!]!
    privateNetworkEndpoint(environmentId: String!, privateNetworkId: String!, serviceId: String!): PrivateNetworkEndpoint
    environmentPatch(id: String!): EnvironmentPatch!
    sandbox(environmentId: String!, id: String!): Sandbox
    sandboxCheckpoints(environmentId: String!): [Sandbox!]!
    sandboxTemplateBuild(environmentId: String!, id: ID!): Sandbox!
    environmentChangeSetApply(environmentId: String!, id: String!): ChangeSetApplyResult!
    cloudAgent(environmentId: ID!, id: ID!): CloudAgent
    plugin(id: String!): Plugin!
    observabilityDashboards(environmentId: String!, ${page}): Dashboards!
    projectTokens(projectId: String!, ${page}): ProjectTokens!
    integrations(projectId: String!, ${page}): Integrations!
    notificationRules(projectId: String, workspaceId: String!): [NotificationRule!]!
  }
`)

type Args = Record<string, string | undefined>

export type SmallRailway = {
  lookup: Lookup
  /** Every document that was sent, with the variables. */
  sent: { document: string; variables: Readonly<Record<string, string>> }[]
  /** Items on one page of a connection. */
  pageSize: number
  /** Environments that are listed without access, and whose contents are refused. */
  hidden: Set<string>
  /** Root fields that are refused, as for a project token. */
  refused: Set<string>
  environments: { id: string; projectId: string; name: string; source: string | null }[]
  volumeInstances: {
    id: string
    volumeId: string
    environmentId: string
    isPendingDeletion: boolean
    deletedAt: string | null
  }[]
  /** Rewrites an answer's data on its way out, for upstreams that answer about something else. */
  tamper: (data: string) => string
}

function start(): SmallRailway {
  return {
    lookup: async () => ({ ok: false, why: 'not started' }),
    sent: [],
    pageSize: 100,
    hidden: new Set(),
    refused: new Set(),
    environments: [
      { id: ids.production, projectId: ids.rentals, name: 'production', source: null },
      { id: ids.staging, projectId: ids.rentals, name: 'staging', source: null },
      { id: ids.preview, projectId: ids.rentals, name: 'pr-42', source: ids.staging },
      { id: ids.websiteProduction, projectId: ids.website, name: 'production', source: null },
    ],
    volumeInstances: [
      instance(ids.dataProduction, ids.data, ids.production),
      instance(ids.dataStaging, ids.data, ids.staging),
      instance(ids.scratchStaging, ids.scratch, ids.staging),
      instance(ids.siteDataProduction, ids.siteData, ids.websiteProduction),
    ],
    tamper: (data) => data,
  }
}

function instance(id: string, volumeId: string, environmentId: string) {
  return { id, volumeId, environmentId, isPendingDeletion: false, deletedAt: null }
}

const serviceInstances = [
  { id: ids.webProduction, serviceId: ids.web, environmentId: ids.production },
  { id: ids.webStaging, serviceId: ids.web, environmentId: ids.staging },
  { id: ids.webPreview, serviceId: ids.web, environmentId: ids.preview },
  { id: ids.workerStaging, serviceId: ids.worker, environmentId: ids.staging },
  { id: ids.siteProduction, serviceId: ids.site, environmentId: ids.websiteProduction },
]

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('Not Found')
  return value
}

export function smallRailway(): SmallRailway {
  const railway = start()

  const connection =
    <T>(items: readonly T[]) =>
    ({ after }: Args) => {
      const from = after === undefined ? 0 : Number(after)
      const to = from + railway.pageSize
      return {
        edges: items.slice(from, to).map((node) => ({ node })),
        pageInfo: {
          hasNextPage: to < items.length,
          endCursor: items.length === 0 ? null : String(to),
        },
      }
    }

  const project = (id: string) => {
    const mine = railway.environments.filter((one) => one.projectId === id)
    const name = must({ [ids.rentals]: 'acme-rentals', [ids.website]: 'acme-website' }[id])
    return {
      id,
      name,
      workspaceId: ids.workspace,
      primaryEnvironmentId: id === ids.rentals ? ids.production : ids.websiteProduction,
      baseEnvironmentId: null,
      environments: connection(mine.map((one) => environment(one.id))),
      services: connection((id === ids.rentals ? [ids.web, ids.worker] : [ids.site]).map(service)),
      buckets: connection(id === ids.rentals ? [{ id: ids.bucket, projectId: id }] : []),
      groups: connection(id === ids.rentals ? [{ id: ids.group, projectId: id }] : []),
    }
  }

  const open = (id: string) => {
    if (railway.hidden.has(id)) throw new Error('Not Authorized')
  }

  const within =
    <T>(id: string, items: () => readonly T[]) =>
    (args: Args) => {
      open(id)
      return connection(items())(args)
    }

  const environment = (id: string): object => {
    const row = must(railway.environments.find((one) => one.id === id))
    return {
      id,
      projectId: row.projectId,
      name: row.name,
      isEphemeral: row.name.startsWith('pr-'),
      canAccess: !railway.hidden.has(id),
      sourceEnvironment: () => (row.source === null ? null : environment(row.source)),
      serviceInstances: within(id, () =>
        serviceInstances.filter((one) => one.environmentId === id).map(serviceInstance),
      ),
      volumeInstances: within(id, () =>
        railway.volumeInstances.filter((one) => one.environmentId === id).map(volumeInstance),
      ),
      deploymentTriggers: within(id, () =>
        id === ids.staging
          ? [{ id: ids.trigger, environmentId: id, projectId: row.projectId }]
          : [],
      ),
    }
  }

  const service = (id: string) => ({
    id,
    projectId: must(
      { [ids.web]: ids.rentals, [ids.worker]: ids.rentals, [ids.site]: ids.website }[id],
    ),
  })

  const serviceInstance = (row: (typeof serviceInstances)[number]) => ({
    ...row,
    service: service(row.serviceId),
    domains: {
      serviceDomains:
        row.id === ids.webStaging ? [{ id: ids.serviceDomain, environmentId: ids.staging }] : [],
    },
  })

  const volumeInstance = (row: SmallRailway['volumeInstances'][number]) => ({
    ...row,
    volume: {
      id: row.volumeId,
      projectId: row.volumeId === ids.siteData ? ids.website : ids.rentals,
    },
  })

  const only = <T>(asked: string | undefined, id: string, value: T): T => {
    if (asked !== id) throw new Error('Not Found')
    return value
  }
  const inStaging = (args: Args) => args['environmentId'] === ids.staging
  const staging = { projectId: ids.rentals, environmentId: ids.staging }

  const roots: Record<string, (args: Args) => unknown> = {
    apiToken: () => ({ workspaces: [{ id: ids.workspace }] }),
    projectToken: () => ({ id: ids.token, ...staging }),
    projects: ({ workspaceId, ...rest }) =>
      connection(
        workspaceId === undefined
          ? [project(ids.rentals)]
          : [ids.rentals, ids.website].map(project),
      )(rest),
    project: ({ id }) => project(must(id)),
    environment: ({ id, projectId }) => {
      const row = must(railway.environments.find((one) => one.id === id))
      if (projectId !== undefined && projectId !== row.projectId) throw new Error('Not Found')
      return environment(row.id)
    },
    service: ({ id }) => service(must(id)),
    serviceInstance: ({ environmentId, serviceId }) => {
      open(must(environmentId))
      const is = (one: (typeof serviceInstances)[number]) =>
        one.environmentId === environmentId && one.serviceId === serviceId
      return serviceInstance(must(serviceInstances.find(is)))
    },
    deployment: ({ id }) => only(id, ids.deployment, { id, ...staging }),
    volumeInstance: ({ id }) =>
      volumeInstance(must(railway.volumeInstances.find((one) => one.id === id))),
    volumeInstanceBackupList: ({ volumeInstanceId }) =>
      volumeInstanceId === ids.dataStaging ? [{ id: ids.backup }] : [],
    customDomain: ({ id, projectId }) =>
      only(id, ids.customDomain, only(projectId, ids.rentals, { id, ...staging })),
    tcpProxies: ({ environmentId, serviceId }) =>
      serviceId === ids.worker ? [{ id: ids.tcpProxy, environmentId }] : [],
    bucketInstanceDetails: ({ bucketId, environmentId }) =>
      bucketId === ids.bucket && environmentId !== ids.preview ? { objectCount: 3 } : null,
    privateNetworks: (args) => (inStaging(args) ? [{ publicId: ids.network, ...staging }] : []),
    privateNetworkEndpoint: ({ serviceId }) =>
      serviceId === ids.worker ? { publicId: ids.endpoint } : null,
    environmentPatch: ({ id }) =>
      only(id, ids.patch, { id, environment: environment(ids.staging) }),
    sandbox: (args) =>
      inStaging(args) && args['id'] === ids.sandbox ? { id: ids.sandbox, ...staging } : null,
    sandboxCheckpoints: ({ environmentId }) => [{ id: 'base', environmentId }],
    sandboxTemplateBuild: (args) => ({ id: args['id'], environmentId: args['environmentId'] }),
    environmentChangeSetApply: (args) =>
      inStaging(args) ? only(args['id'], 'apply-1', { id: 'apply-1' }) : must(undefined),
    cloudAgent: (args) => (inStaging(args) ? { id: ids.cloudAgent, ...staging } : null),
    plugin: ({ id }) => only(id, ids.plugin, { id, project: project(ids.rentals) }),
    observabilityDashboards: (args) =>
      connection(inStaging(args) ? [{ id: uuid('9', 1) }, { id: ids.dashboard }] : [])(args),
    projectTokens: (args) =>
      connection(args['projectId'] === ids.rentals ? [{ id: ids.token, ...staging }] : [])(args),
    integrations: (args) =>
      connection(
        args['projectId'] === ids.rentals ? [{ id: ids.integration, projectId: ids.rentals }] : [],
      )(args),
    notificationRules: () => [
      { id: ids.rule, ...staging },
      { id: ids.projectRule, projectId: ids.rentals, environmentId: null },
    ],
  }

  const rootValue = Object.fromEntries(
    Object.entries(roots).map(([name, resolve]) => [
      name,
      (args: Args) => {
        if (railway.refused.has(name)) throw new Error('Not Authorized')
        return resolve(args)
      },
    ]),
  )

  railway.lookup = async (document, variables) => {
    railway.sent.push({ document, variables })
    const result = await graphql({ schema, source: document, rootValue, variableValues: variables })
    const invalid = result.errors?.find((error) => error.path === undefined)
    if (invalid !== undefined) throw invalid
    if (result.errors !== undefined)
      return { ok: false, why: 'the upstream answered with an error' }
    return { ok: true, data: JSON.parse(railway.tamper(JSON.stringify(result.data))) }
  }
  return railway
}
