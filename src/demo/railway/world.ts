/** What the simulated Railway holds: plain rows and the seed of a small car-rental company. Never talks to anyone. */

import { randomUUID } from 'node:crypto'

/** The fixed ids of the seed, so that a demo can print a call before it runs. */
export const ids = {
  workspace: 'b1f0c6a2-5d5e-4b0b-9f0e-2a7c84d1e311',
  user: '6a1d7d0e-83c4-4c55-9a0f-1f6f0a5f7b42',
  projects: {
    rentals: '0c9e2f4b-7a31-4d86-8f1d-94c2b7e05a10',
    website: 'e47b1d90-2c58-4fa6-b3d7-60a9f8c1d224',
  },
  environments: {
    production: '5f2a9c71-e0d4-4b3c-8a96-17d3b0c4ef55',
    staging: 'a83d6e02-49b7-4c1f-9d58-c2e07f91ab36',
    pr42: 'd90b54f7-1e6c-4a82-b7c3-3f58a1d2e647',
    websiteProduction: '27c8e1b3-f5a0-4d69-8b24-9e6d03c7fa58',
  },
  services: {
    web: '91e7a3d5-0b2f-4c68-a4d9-5c80f6e1b769',
    postgres: 'c3f40b86-d719-4e52-9b1a-e87d25c09f7a',
    site: '4be2d8f1-6c93-4a07-8e5d-b10f97a3c28b',
  },
  serviceInstances: {
    webProduction: '1a6f3c92-8d40-4be7-b5c1-70e9d2f4a39c',
    postgresProduction: '8e0d7b15-f3a2-4c69-9d84-2b51c6f7e0ad',
    webStaging: 'f7c91e24-60b5-4d3a-8a1f-d3e82b09c5be',
    postgresStaging: '3b58d0a7-c2e9-4f16-b7d4-8f60a1c93ecf',
    webPr42: '6d24f8c0-91b7-4e5a-a3d8-c07b5e19f2d0',
    postgresPr42: 'b0e7952a-4d1c-4f83-9c60-1ea8d7f35be1',
    siteProduction: '29a5c7d3-b80e-4f41-8e92-f6d13c07a4f2',
  },
  volumes: {
    postgresData: '3d2c42fb-9a17-4d5e-8c30-6b71f0e2a953',
    scratch: '70fd18c4-2e9b-4a65-b3f7-d5c809e1a604',
  },
  volumeInstances: {
    postgresDataProduction: 'ce81b6f0-57d3-4a92-8e4c-09f2a7d1b315',
    postgresDataStaging: '4f93a0d7-b6e1-4c28-9a75-e3d80c5f1b26',
    scratchStaging: '95b2e7c8-0f4d-4a13-b6d9-7c1e83fa5037',
  },
  backups: {
    nightlyMonday: '12d7f3a9-c5e0-4b86-9f41-a80b6c2de748',
    nightlyTuesday: 'e5c08b27-3fa6-4d91-8b7c-6d14e9f0a259',
    beforeMigration: '7a3e9d60-f1b8-4c25-a9d4-58c7b0e2f36a',
    staging: 'd8f1640c-7b2e-4a59-b3c8-0e97a5d1f47b',
  },
  customDomains: {
    production: '38c0e5f9-a6d2-4b71-8d3e-f94b17c0a58c',
    staging: 'a2f75d81-4e0c-4b96-9c8a-35d6e0b7f19d',
  },
  serviceDomains: {
    production: '5ed94b07-c8f1-4a32-b6e5-81d0f7a3c2ae',
    staging: 'f06a8c3d-92e5-4b17-a7d0-c4e918b5f3bf',
  },
  tcpProxies: { production: '80b7d4e2-5a3f-4c96-8f1b-e2d90c6a71c0' },
  deployments: {
    webProduction: 'c96e0f18-d4b7-4a53-9e2c-7f8a31d0b5d1',
    postgresProduction: '0f4b82d5-7ce9-4a16-b8f3-a5d6c90e17e2',
    webStaging: '6c1d9e73-a0f8-4b25-8d4e-3b97f0c2a5f3',
    postgresStaging: 'b57a3f0c-e2d1-4c84-9a6b-d8e0157fc904',
    webPr42: '23e8c6b9-0d5a-4f71-b1c7-94fa6e0d8215',
    siteProduction: 'ea07d1f5-8b36-4c92-a5e0-6c3d9f18b726',
  },
  patches: { staging: '9f3ab5c7-61e0-4d28-b9f4-70d1e8c5a237' },
  sandboxes: { staging: '4c80f6d2-b59e-4a37-8c1d-e0a7f2395b48' },
  buckets: { uploads: '71d5e9a8-3c0f-4b62-9d87-f5b0c4e1a659' },
} as const

type Dated = { createdAt: string; updatedAt: string; deletedAt: string | null }

export type Workspace = { id: string; name: string; createdAt: string; updatedAt: string }

export type User = { id: string; name: string; email: string; username: string; createdAt: string }

export type Project = Dated & {
  id: string
  name: string
  description: string | null
  workspaceId: string
  baseEnvironmentId: string | null
  primaryEnvironmentId: string | null
  isPublic: boolean
  prDeploys: boolean
  botPrEnvironments: boolean
  focusedPrEnvironments: boolean
}

/** `hiddenFrom` lists tokens that see the environment in lists and nothing of what is inside. */
export type Environment = Dated & {
  id: string
  projectId: string
  name: string
  isEphemeral: boolean
  sourceEnvironmentId: string | null
  hiddenFrom: string[]
}

export type Service = Dated & { id: string; projectId: string; name: string; icon: string | null }

export type Source = { image: string | null; repo: string | null }

export type ServiceInstance = Dated & {
  id: string
  serviceId: string
  environmentId: string
  source: Source | null
  builder: string
  buildCommand: string | null
  startCommand: string | null
  preDeployCommand: string[] | null
  cronSchedule: string | null
  dockerfilePath: string | null
  rootDirectory: string | null
  healthcheckPath: string | null
  healthcheckTimeout: number | null
  numReplicas: number
  region: string
  restartPolicyType: string
  restartPolicyMaxRetries: number
  sleepApplication: boolean
  watchPatterns: string[]
}

export type Volume = { id: string; projectId: string; name: string; createdAt: string }

/** A volume's presence in one environment. `bookings` counts the rows of data on it, for a demo to show what was lost. */
export type VolumeInstance = {
  id: string
  volumeId: string
  environmentId: string
  serviceId: string | null
  mountPath: string
  sizeMB: number
  currentSizeMB: number
  region: string
  state: string
  externalId: string
  createdAt: string
  deletedAt: string | null
  isPendingDeletion: boolean
  bookings: number
}

export type Backup = {
  id: string
  volumeInstanceId: string
  name: string
  createdAt: string
  expiresAt: string | null
  externalId: string
  creatorId: string | null
  scheduleId: string | null
  referencedMB: number
  usedMB: number
  volumeInstanceSizeMB: number
  bookings: number
}

/** `serviceId` null is a variable shared by the whole environment. */
export type Variable = {
  id: string
  environmentId: string
  serviceId: string | null
  name: string
  value: string
  isSealed: boolean
  createdAt: string
  updatedAt: string
}

export type CustomDomain = Dated & {
  id: string
  projectId: string
  environmentId: string
  serviceId: string
  domain: string
  targetPort: number | null
}

export type ServiceDomain = CustomDomain & { suffix: string }

export type TcpProxy = Dated & {
  id: string
  environmentId: string
  serviceId: string
  domain: string
  applicationPort: number
  proxyPort: number
}

export type Deployment = {
  id: string
  projectId: string
  environmentId: string
  serviceId: string
  status: string
  url: string | null
  staticUrl: string | null
  createdAt: string
  updatedAt: string
  deploymentStopped: boolean
  meta: Record<string, unknown>
  restarts: number
}

export type Log = { deploymentId: string; timestamp: string; severity: string; message: string }

export type Patch = {
  id: string
  environmentId: string
  status: 'STAGED' | 'COMMITTED'
  message: string | null
  patch: Record<string, unknown>
  createdAt: string
  updatedAt: string
  appliedAt: string | null
}

export type Sandbox = {
  id: string
  environmentId: string
  region: string
  status: string
  networkIsolation: string
  idleTimeoutMinutes: number | null
  createdAt: string
}

export type Bucket = {
  id: string
  projectId: string
  name: string
  accessKeyId: string
  secretAccessKey: string
  createdAt: string
  updatedAt: string
}

export type Member = { id: string; projectId: string; email: string; name: string; role: string }

/** A credential. A workspace token sees everything of the workspace, a project token one environment. */
export type Token =
  | { kind: 'workspace'; id: string; name: string; token: string; createdAt: string }
  | {
      kind: 'project'
      id: string
      name: string
      token: string
      projectId: string
      environmentId: string
      createdAt: string
    }

/** The whole state. `deletion` 'scheduled' keeps volumes for 48 hours; 'immediate' is how the incident went. */
export type World = {
  deletion: 'immediate' | 'scheduled'
  /** Whether the roots whose names begin with "admin" answer a customer's token. */
  adminRoots: boolean
  workspaces: Workspace[]
  users: User[]
  projects: Project[]
  environments: Environment[]
  services: Service[]
  serviceInstances: ServiceInstance[]
  volumes: Volume[]
  volumeInstances: VolumeInstance[]
  backups: Backup[]
  variables: Variable[]
  customDomains: CustomDomain[]
  serviceDomains: ServiceDomain[]
  tcpProxies: TcpProxy[]
  deployments: Deployment[]
  logs: Log[]
  patches: Patch[]
  sandboxes: Sandbox[]
  buckets: Bucket[]
  members: Member[]
  tokens: Token[]
  workflows: string[]
  webhooks: { url: string; payload: string }[]
  approvedLogins: { code: string; hostname: string | null }[]
  cliEvents: { command: string; success: boolean }[]
  uploads: { deploymentId: string; bytes: number }[]
}

const founded = '2025-02-11T08:30:00.000Z'

/** Stamps for a row that comes into being now. */
export function born(): Dated {
  const now = new Date().toISOString()
  return { createdAt: now, updatedAt: now, deletedAt: null }
}

const seeded: Dated = { createdAt: founded, updatedAt: founded, deletedAt: null }

/** The state every simulation starts with. */
export function seed(token: string, projectToken: string): World {
  return {
    deletion: 'immediate',
    adminRoots: false,
    ...seedProjects(),
    ...seedServices(),
    ...seedVolumes(),
    ...seedNetwork(),
    ...seedDeployments(),
    variables: seedVariables(),
    tokens: seedTokens(token, projectToken),
    workflows: [],
    webhooks: [],
    approvedLogins: [],
    cliEvents: [],
    uploads: [],
  }
}

function seedProjects() {
  return {
    workspaces: [{ id: ids.workspace, name: 'acme', createdAt: founded, updatedAt: founded }],
    users: [
      {
        id: ids.user,
        name: 'Robin Acme',
        email: 'robin@acme-rentals.example',
        username: 'robin',
        createdAt: founded,
      },
    ],
    members: [
      {
        id: ids.user,
        projectId: ids.projects.rentals,
        email: 'robin@acme-rentals.example',
        name: 'Robin Acme',
        role: 'ADMIN',
      },
    ],
    projects: [
      project(ids.projects.rentals, 'acme-rentals', ids.environments.production),
      project(ids.projects.website, 'acme-website', ids.environments.websiteProduction),
    ],
    environments: [
      environment(ids.environments.production, ids.projects.rentals, 'production'),
      environment(ids.environments.staging, ids.projects.rentals, 'staging'),
      {
        ...environment(ids.environments.pr42, ids.projects.rentals, 'pr-42'),
        isEphemeral: true,
        sourceEnvironmentId: ids.environments.staging,
      },
      environment(ids.environments.websiteProduction, ids.projects.website, 'production'),
    ],
  }
}

function project(id: string, name: string, primaryEnvironmentId: string): Project {
  return {
    ...seeded,
    id,
    name,
    description: null,
    workspaceId: ids.workspace,
    baseEnvironmentId: primaryEnvironmentId,
    primaryEnvironmentId,
    isPublic: false,
    prDeploys: true,
    botPrEnvironments: false,
    focusedPrEnvironments: false,
  }
}

function environment(id: string, projectId: string, name: string): Environment {
  return {
    ...seeded,
    id,
    projectId,
    name,
    isEphemeral: false,
    sourceEnvironmentId: null,
    hiddenFrom: [],
  }
}

function seedServices() {
  const { web, postgres, site } = ids.services
  const { production, staging, pr42, websiteProduction } = ids.environments
  const at = ids.serviceInstances
  const app = { image: null, repo: 'acme/rentals' }
  const database = { image: 'ghcr.io/railwayapp-templates/postgres-ssl:16', repo: null }
  return {
    services: [
      { ...seeded, id: web, projectId: ids.projects.rentals, name: 'web', icon: null },
      { ...seeded, id: postgres, projectId: ids.projects.rentals, name: 'postgres', icon: null },
      { ...seeded, id: site, projectId: ids.projects.website, name: 'site', icon: null },
    ],
    serviceInstances: [
      serviceInstance(at.webProduction, web, production, app, 'node server.js'),
      serviceInstance(at.postgresProduction, postgres, production, database, null),
      serviceInstance(at.webStaging, web, staging, app, 'node server.js'),
      serviceInstance(at.postgresStaging, postgres, staging, database, null),
      serviceInstance(at.webPr42, web, pr42, app, 'node server.js'),
      serviceInstance(at.postgresPr42, postgres, pr42, database, null),
      serviceInstance(
        at.siteProduction,
        site,
        websiteProduction,
        { image: null, repo: 'acme/website' },
        null,
      ),
    ],
  }
}

/** A service's presence in one environment, with Railway's defaults. */
export function serviceInstance(
  id: string,
  serviceId: string,
  environmentId: string,
  source: Source | null,
  startCommand: string | null,
): ServiceInstance {
  return {
    ...seeded,
    id,
    serviceId,
    environmentId,
    source,
    startCommand,
    builder: 'RAILPACK',
    buildCommand: null,
    preDeployCommand: null,
    cronSchedule: null,
    dockerfilePath: null,
    rootDirectory: null,
    healthcheckPath: null,
    healthcheckTimeout: null,
    numReplicas: 1,
    region: 'europe-west4-drams3a',
    restartPolicyType: 'ON_FAILURE',
    restartPolicyMaxRetries: 10,
    sleepApplication: false,
    watchPatterns: [],
  }
}

function seedVolumes() {
  const { production, staging } = ids.environments
  const at = ids.volumeInstances
  const data = { volumeId: ids.volumes.postgresData, serviceId: ids.services.postgres }
  return {
    volumes: [
      volume(ids.volumes.postgresData, 'postgres-data'),
      volume(ids.volumes.scratch, 'scratch'),
    ],
    volumeInstances: [
      volumeInstance(at.postgresDataProduction, production, { ...data, bookings: 48_211 }),
      volumeInstance(at.postgresDataStaging, staging, { ...data, bookings: 120 }),
      volumeInstance(at.scratchStaging, staging, {
        volumeId: ids.volumes.scratch,
        serviceId: ids.services.web,
        mountPath: '/scratch',
      }),
    ],
    backups: [
      backup(ids.backups.nightlyMonday, at.postgresDataProduction, 'nightly-2026-04-20', 47_690),
      backup(ids.backups.nightlyTuesday, at.postgresDataProduction, 'nightly-2026-04-21', 47_803),
      backup(ids.backups.beforeMigration, at.postgresDataProduction, 'before-migration', 47_951),
      backup(ids.backups.staging, at.postgresDataStaging, 'staging-snapshot', 120),
    ],
  }
}

function volume(id: string, name: string): Volume {
  return { id, projectId: ids.projects.rentals, name, createdAt: founded }
}

/** A volume's presence in one environment, with Railway's defaults. */
export function volumeInstance(
  id: string,
  environmentId: string,
  rest: Partial<VolumeInstance> & { volumeId: string },
): VolumeInstance {
  return {
    id,
    environmentId,
    serviceId: null,
    mountPath: '/var/lib/postgresql/data',
    sizeMB: 50_000,
    currentSizeMB: 312.5,
    region: 'europe-west4-drams3a',
    state: 'READY',
    externalId: `vol_${id.slice(0, 8)}`,
    createdAt: founded,
    deletedAt: null,
    isPendingDeletion: false,
    bookings: 0,
    ...rest,
  }
}

/** A snapshot that lies inside the volume it protects, which is why it dies with it. */
export function backup(
  id: string,
  volumeInstanceId: string,
  name: string,
  bookings: number,
): Backup {
  return {
    id,
    volumeInstanceId,
    name,
    createdAt: founded,
    expiresAt: null,
    externalId: `snap_${id.slice(0, 8)}`,
    creatorId: null,
    scheduleId: null,
    referencedMB: 312,
    usedMB: 41,
    volumeInstanceSizeMB: 50_000,
    bookings,
  }
}

function seedVariables(): Variable[] {
  const { production, staging, pr42, websiteProduction } = ids.environments
  const { web, postgres, site } = ids.services
  return [
    variable(
      production,
      web,
      'DATABASE_URL',
      'postgres://acme:prod-9fK2vQx7LmT4@postgres.prod.internal:5432/rentals',
    ),
    variable(production, web, 'STRIPE_API_KEY', 'rk_prod_51Acme0RealMoney7Zq83'),
    variable(production, web, 'SESSION_SECRET', 'prod-session-c41d9e77ab05'),
    variable(production, postgres, 'POSTGRES_PASSWORD', 'prod-9fK2vQx7LmT4'),
    variable(production, null, 'LOG_LEVEL', 'info'),
    variable(
      staging,
      web,
      'DATABASE_URL',
      'postgres://acme:staging-2wZ8nRb5@postgres.staging.internal:5432/rentals',
    ),
    variable(staging, web, 'STRIPE_API_KEY', 'rk_test_51Acme0PlayMoney2Hf60'),
    variable(staging, web, 'SESSION_SECRET', 'staging-session-07be21c94f'),
    variable(staging, postgres, 'POSTGRES_PASSWORD', 'staging-2wZ8nRb5'),
    variable(staging, null, 'LOG_LEVEL', 'debug'),
    variable(pr42, web, 'SESSION_SECRET', 'pr42-session-55d0a8e31c'),
    variable(websiteProduction, site, 'CMS_TOKEN', 'website-prod-cms-83f1d6'),
  ]
}

/** One variable of a service, or of the whole environment when there is no service. */
export function variable(
  environmentId: string,
  serviceId: string | null,
  name: string,
  value: string,
): Variable {
  const { createdAt, updatedAt } = born()
  return {
    id: randomUUID(),
    environmentId,
    serviceId,
    name,
    value,
    isSealed: false,
    createdAt,
    updatedAt,
  }
}

function seedNetwork() {
  const { production, staging } = ids.environments
  const web = { projectId: ids.projects.rentals, serviceId: ids.services.web, targetPort: 3000 }
  return {
    customDomains: [
      {
        ...seeded,
        ...web,
        id: ids.customDomains.production,
        environmentId: production,
        domain: 'book.acme-rentals.example',
      },
      {
        ...seeded,
        ...web,
        id: ids.customDomains.staging,
        environmentId: staging,
        domain: 'staging.acme-rentals.example',
      },
    ],
    serviceDomains: [
      serviceDomain(ids.serviceDomains.production, production, 'web-production'),
      serviceDomain(ids.serviceDomains.staging, staging, 'web-staging'),
    ],
    tcpProxies: [
      {
        ...seeded,
        id: ids.tcpProxies.production,
        environmentId: production,
        serviceId: ids.services.postgres,
        domain: 'tramway.proxy.example',
        applicationPort: 5432,
        proxyPort: 28_114,
      },
    ],
    buckets: [
      {
        id: ids.buckets.uploads,
        projectId: ids.projects.rentals,
        name: 'uploads',
        accessKeyId: 'AKIDACMEUPLOADS0001',
        secretAccessKey: 'prod-bucket-7c0fe1Jx94TqLw2B',
        createdAt: founded,
        updatedAt: founded,
      },
    ],
    sandboxes: [
      {
        id: ids.sandboxes.staging,
        environmentId: staging,
        region: 'europe-west4-drams3a',
        status: 'RUNNING',
        networkIsolation: 'ISOLATED',
        idleTimeoutMinutes: 30,
        createdAt: founded,
      },
    ],
    patches: [
      {
        id: ids.patches.staging,
        environmentId: staging,
        status: 'STAGED' as const,
        message: null,
        patch: { sharedVariables: { LOG_LEVEL: { value: 'trace' } } },
        createdAt: founded,
        updatedAt: founded,
        appliedAt: null,
      },
    ],
  }
}

function serviceDomain(id: string, environmentId: string, label: string): ServiceDomain {
  return {
    ...seeded,
    id,
    environmentId,
    projectId: ids.projects.rentals,
    serviceId: ids.services.web,
    domain: `${label}.up.railway.example`,
    suffix: 'up.railway.example',
    targetPort: 3000,
  }
}

function seedDeployments() {
  const { production, staging, pr42, websiteProduction } = ids.environments
  const { web, postgres, site } = ids.services
  const { rentals, website } = ids.projects
  const at = ids.deployments
  const deployments = [
    deployment(at.webProduction, rentals, production, web),
    deployment(at.postgresProduction, rentals, production, postgres),
    deployment(at.webStaging, rentals, staging, web),
    deployment(at.postgresStaging, rentals, staging, postgres),
    deployment(at.webPr42, rentals, pr42, web),
    deployment(at.siteProduction, website, websiteProduction, site),
  ]
  const logs = deployments.flatMap(({ id }) => [
    log(id, 'info', 'Starting container'),
    log(id, 'info', 'Listening on 3000'),
  ])
  return { deployments, logs }
}

/** A deployment that runs. */
export function deployment(
  id: string,
  projectId: string,
  environmentId: string,
  serviceId: string,
  meta: Record<string, unknown> = { reason: 'deploy' },
): Deployment {
  const { createdAt, updatedAt } = born()
  return {
    id,
    projectId,
    environmentId,
    serviceId,
    status: 'SUCCESS',
    url: null,
    staticUrl: null,
    createdAt,
    updatedAt,
    deploymentStopped: false,
    meta,
    restarts: 0,
  }
}

function log(deploymentId: string, severity: string, message: string): Log {
  return { deploymentId, timestamp: founded, severity, message }
}

function seedTokens(token: string, projectToken: string): Token[] {
  return [
    {
      kind: 'workspace',
      id: randomUUID(),
      name: 'domains-cli',
      token,
      createdAt: founded,
    },
    {
      kind: 'project',
      id: randomUUID(),
      name: 'staging-deploys',
      token: projectToken,
      projectId: ids.projects.rentals,
      environmentId: ids.environments.staging,
      createdAt: founded,
    },
  ]
}
