/**
 * What each of Railway's queries and subscriptions reads, and whose. Data; what belongs to accounts and workspaces names
 * nothing of an environment and is therefore out of every capability's reach.
 */
import type { RootRule } from '../graphql/overlay.ts'
import { cluster, inputPair, pair, triple } from './pairs.ts'

/** The things of one environment: names, states, addresses, numbers. */
const ofEnvironments: Readonly<Record<string, RootRule>> = {
  bucketInstanceDetails: {
    effects: ['read'],
    args: { environmentId: 'environment', bucketId: 'context bucket' },
  },
  canvasViewMergePreview: {
    effects: ['read'],
    args: { sourceEnvironmentId: 'environment', targetEnvironmentId: 'environment' },
  },
  cloudAgent: { effects: ['read'], args: { environmentId: 'environment', id: 'cloud-agent' } },
  cloudAgentConsoleSessions: { effects: ['read'], args: { cloudAgentId: 'cloud-agent' } },
  cloudAgents: { effects: ['read'], args: { environmentId: 'environment' } },
  customDomain: { effects: ['read'], args: { id: 'custom-domain', projectId: 'project' } },
  deployment: { effects: ['read'], args: { id: 'deployment' } },
  deploymentEvents: { effects: ['read'], args: { id: 'deployment' } },
  deploymentInstanceExecutions: { effects: ['read'], args: inputPair },
  deploymentSessions: { effects: ['read'], args: { deploymentId: 'deployment' } },
  deploymentTriggers: { effects: ['read'], args: triple },
  deployments: {
    effects: ['read'],
    args: {
      'input.environmentId': 'environment!',
      'input.projectId': 'context project',
      'input.serviceId': 'context service',
    },
  },
  domainStatus: { effects: ['read'], args: { id: 'custom-domain', projectId: 'project' } },
  domains: { effects: ['read'], args: triple },
  egressGatewayHAPreview: { effects: ['read'], args: pair },
  egressGatewayLegacyPreview: { effects: ['read'], args: pair },
  egressGateways: { effects: ['read'], args: pair },
  environment: { effects: ['read'], args: { id: 'environment', projectId: 'context project' } },
  environmentChangeSetApply: {
    effects: ['read'],
    args: { environmentId: 'environment', id: 'change-set' },
  },
  environmentHasLegacyStaticEgress: { effects: ['read'], args: { environmentId: 'environment' } },
  environmentPatch: { effects: ['read'], args: { id: 'environment-patch' } },
  environmentPatches: { effects: ['read'], args: { environmentId: 'environment' } },
  environmentStagedChanges: { effects: ['read'], args: { environmentId: 'environment' } },
  httpDurationMetrics: { effects: ['read'], args: pair },
  httpMetrics: { effects: ['read'], args: pair },
  httpMetricsGroupedByStatus: { effects: ['read'], args: pair },
  metrics: {
    effects: ['read'],
    args: {
      environmentId: 'environment!',
      projectId: 'context project',
      serviceId: 'context service',
      volumeId: 'volume',
      volumeInstanceExternalId: 'volume-instance',
      workspaceId: 'workspace',
    },
  },
  observabilityDashboards: { effects: ['read'], args: { environmentId: 'environment' } },
  pitrHaClusterReplicationHealth: { effects: ['read'], args: cluster },
  pitrHaWorkflowProgress: { effects: ['read'], args: cluster },
  privateNetworkEndpoint: {
    effects: ['read'],
    args: { ...pair, privateNetworkId: 'private-network' },
  },
  privateNetworkEndpointNameAvailable: {
    effects: ['read'],
    args: { environmentId: 'environment', privateNetworkId: 'private-network' },
  },
  privateNetworks: { effects: ['read'], args: { environmentId: 'environment' } },
  sandbox: { effects: ['read'], args: { environmentId: 'environment', id: 'sandbox' } },
  sandboxCheckpoints: { effects: ['read'], args: { environmentId: 'environment' } },
  sandboxSessions: { effects: ['read'], args: { environmentId: 'environment', id: 'sandbox' } },
  sandboxTemplateBuild: {
    effects: ['read'],
    args: { environmentId: 'environment', id: 'sandbox-template-build' },
  },
  sandboxes: { effects: ['read'], args: { environmentId: 'environment' } },
  serviceInstance: { effects: ['read'], args: pair },
  serviceInstanceAutoDeployStatus: { effects: ['read'], args: triple },
  serviceInstanceIsUpdatable: { effects: ['read'], args: pair },
  serviceInstanceLimitOverride: { effects: ['read'], args: pair },
  serviceInstanceLimits: { effects: ['read'], args: pair },
  tcpProxies: { effects: ['read'], args: pair },
  validateServiceEdgeRules: { effects: ['read'], args: inputPair },
  volumeInstance: { effects: ['read'], args: { id: 'volume-instance' } },
  volumeInstanceBackupList: { effects: ['read'], args: { volumeInstanceId: 'volume-instance' } },
  volumeInstanceBackupScheduleList: {
    effects: ['read'],
    args: { volumeInstanceId: 'volume-instance' },
  },
  workflowStatus: { effects: ['read'], args: { workflowId: 'workflow' } },
}

/** Parents of several environments: what lies below them in other environments is for the reach of types to refuse. */
const ofProjects: Readonly<Record<string, RootRule>> = {
  adminVolumeInstancesForVolume: { effects: ['read'], args: { volumeId: 'volume' } },
  environments: { effects: ['read'], args: { projectId: 'project' } },
  githubPRInfo: { effects: ['read'], args: { serviceId: 'service' } },
  githubPRInfoResult: { effects: ['read'], args: { serviceId: 'service' } },
  integrations: { effects: ['read'], args: { projectId: 'project' } },
  notificationRules: {
    effects: ['read'],
    args: { workspaceId: 'workspace', projectId: 'project!' },
  },
  plugin: { effects: ['read'], args: { id: 'plugin' } },
  project: { effects: ['read'], args: { id: 'project' } },
  projectMembers: { effects: ['read'], args: { projectId: 'project' } },
  projectResourceAccess: { effects: ['read'], args: { projectId: 'project' } },
  projectTokens: { effects: ['read'], args: { projectId: 'project' } },
  projectsByIds: { effects: ['read'], args: { ids: 'project' } },
  service: { effects: ['read'], args: { id: 'service' } },
  templateSourceForProject: { effects: ['read'], args: { projectId: 'project' } },
  // What every environment of the project uses and costs, told apart by whatever the caller groups by.
  estimatedUsage: {
    effects: ['read', 'admin'],
    args: { projectId: 'project!', workspaceId: 'workspace' },
  },
  usage: {
    effects: ['read', 'admin'],
    args: { projectId: 'project!', workspaceId: 'workspace' },
  },
  // People behind a project: addresses, invitations, how well their accounts are protected.
  externalWorkspaces: { effects: ['read', 'admin'], args: { projectId: 'project' } },
  projectCompliance: { effects: ['read', 'admin'], args: { projectId: 'project' } },
  projectInvitations: { effects: ['read', 'admin'], args: { id: 'project' } },
  projectWorkspaceMembers: { effects: ['read', 'admin'], args: { projectId: 'project' } },
}

const secrets: Readonly<Record<string, RootRule>> = {
  bucketS3Credentials: {
    effects: ['reveal'],
    args: {
      environmentId: 'environment',
      bucketId: 'context bucket',
      projectId: 'context project',
    },
  },
  deploymentSnapshot: { effects: ['reveal'], args: { deploymentId: 'deployment' } },
  inviteCode: { effects: ['reveal'] },
  projectInviteCode: { effects: ['reveal', 'admin'], args: { projectId: 'project' } },
  variables: { effects: ['reveal'], args: triple },
  variablesForServiceDeployment: { effects: ['reveal'], args: triple },
}

const inEnvironment = {
  environmentId: 'environment',
  serviceId: 'context service',
  deploymentInstanceId: 'context deployment-instance',
}

/** Whatever a program prints, a visitor sends or a person did may hold a secret. Subscriptions show the same. */
const logs: Readonly<Record<string, RootRule>> = {
  buildLogs: { effects: ['reveal'], args: { deploymentId: 'deployment' } },
  deploymentLogs: { effects: ['reveal'], args: { deploymentId: 'deployment' } },
  dnsQueryLogs: { effects: ['reveal'], args: inEnvironment },
  environmentLogs: { effects: ['reveal'], args: { environmentId: 'environment' } },
  httpLogs: { effects: ['reveal'], args: { deploymentId: 'deployment' } },
  networkFlowLogs: { effects: ['reveal'], args: inEnvironment },
  pluginLogs: {
    effects: ['reveal'],
    args: { environmentId: 'environment', pluginId: 'context plugin' },
  },
}

const trails: Readonly<Record<string, RootRule>> = {
  auditLog: { effects: ['reveal'], args: { id: 'account', workspaceId: 'workspace' } },
  auditLogs: {
    effects: ['reveal'],
    args: {
      workspaceId: 'workspace',
      'filter.environmentId': 'environment',
      'filter.projectId': 'project',
    },
  },
  events: {
    effects: ['reveal'],
    args: {
      environmentId: 'environment!',
      projectId: 'context project',
      'filter.serviceId.in': 'context service',
      'filter.serviceId.notIn': 'context service',
    },
  },
  notificationDeliveries: {
    effects: ['reveal'],
    args: {
      'filter.environmentId': 'environment!',
      'filter.projectId': 'context project',
      'filter.workspaceId': 'workspace',
    },
  },
  notificationDelivery: { effects: ['reveal'], args: { id: 'account' } },
}

/** People, workspaces and what hangs on them. Naming no environment, they are refused whatever a scope allows. */
const ofAccounts: Readonly<Record<string, RootRule>> = {
  agentUsage: { effects: ['read'], args: { workspaceId: 'workspace' } },
  allPlatformFeatureFlags: { effects: ['read'] },
  apiToken: { effects: ['read'] },
  apiTokens: { effects: ['read'] },
  botScopeBindings: { effects: ['read'] },
  complianceAgreements: { effects: ['read'], args: { workspaceId: 'workspace' } },
  gitHubRepoAccessAvailable: { effects: ['read'] },
  gitHubSshKeys: { effects: ['read'] },
  githubIsRepoNameAvailable: { effects: ['read'] },
  githubRepo: { effects: ['read'] },
  githubRepoBranches: { effects: ['read'] },
  githubRepos: { effects: ['read'] },
  githubWritableScopes: { effects: ['read'] },
  herokuApps: { effects: ['read'] },
  integrationAuth: { effects: ['read'], args: { providerId: 'account' } },
  integrationAuths: { effects: ['read'] },
  me: { effects: ['read'] },
  myCloudAgents: { effects: ['read'] },
  passkeys: { effects: ['read'] },
  preferences: { effects: ['read'] },
  projectInvitation: { effects: ['read'] },
  projectServiceUsage: { effects: ['read'], args: { workspaceId: 'workspace' } },
  // It tells of the connection's own credential, which is none of the agent's business.
  projectToken: { effects: ['read'] },
  projects: { effects: ['read'], args: { userId: 'user', workspaceId: 'workspace' } },
  railwayDomain: { effects: ['read'], args: { id: 'account' } },
  railwayDomainByName: { effects: ['read'], args: { workspaceId: 'workspace' } },
  railwayDomainDnsRecords: { effects: ['read'], args: { workspaceId: 'workspace' } },
  railwayDomains: { effects: ['read'], args: { workspaceId: 'workspace' } },
  referralInfo: { effects: ['read'], args: { workspaceId: 'workspace' } },
  resourceAccess: { effects: ['read'], args: { 'explicitResourceOwner.id': 'account' } },
  sessions: { effects: ['read'] },
  signal: { effects: ['read'] },
  signalChanges: { effects: ['reveal'] },
  signalEvaluate: { effects: ['read'] },
  signals: { effects: ['read'] },
  sshPublicKeys: { effects: ['read'], args: { workspaceId: 'workspace' } },
  sshSignupInfo: { effects: ['read'] },
  team: { effects: ['read'], args: { id: 'workspace' } },
  teamTemplates: { effects: ['read'], args: { teamId: 'workspace' } },
  // A template may be somebody's unpublished own.
  template: { effects: ['read'], args: { id: 'template' } },
  templateMetrics: { effects: ['read'], args: { id: 'template' } },
  trustedDomains: { effects: ['read'], args: { workspaceId: 'workspace' } },
  twoFactorInfo: { effects: ['read'] },
  userKickbackEarnings: { effects: ['read'], args: { userId: 'user' } },
  userProfile: { effects: ['read'] },
  userTemplates: { effects: ['read'] },
  vercelInfo: { effects: ['read'] },
  workspace: { effects: ['read'], args: { workspaceId: 'workspace' } },
  workspaceByCode: { effects: ['read'] },
  workspaceIdentityProviders: { effects: ['read'], args: { workspaceId: 'workspace' } },
  workspacePolicy: { effects: ['read'], args: { workspaceId: 'workspace' } },
  workspacePolicySelectableDeploySources: {
    effects: ['read'],
    args: { workspaceId: 'workspace' },
  },
  workspaceTemplates: { effects: ['read'], args: { workspaceId: 'workspace' } },
}

/** What Railway tells everybody. */
const ofNobody: Readonly<Record<string, RootRule>> = {
  auditLogEventTypeInfo: { effects: ['read'], harmless: true },
  changelogBlockImage: { effects: ['read'], harmless: true, args: { id: 'none' } },
  customDomainAvailable: { effects: ['read'], harmless: true },
  functionRuntime: { effects: ['read'], harmless: true },
  functionRuntimes: { effects: ['read'], harmless: true },
  platformStatus: { effects: ['read'], harmless: true },
  publicStats: { effects: ['read'], harmless: true },
  regions: { effects: ['read'], harmless: true, args: { projectId: 'project' } },
  serviceDomainAvailable: { effects: ['read'], harmless: true },
  templateSearch: { effects: ['read'], harmless: true },
  templates: { effects: ['read'], harmless: true },
  templatesCount: { effects: ['read'], harmless: true },
}

export const queries: Readonly<Record<string, RootRule>> = {
  ...ofEnvironments,
  ...ofProjects,
  ...secrets,
  ...logs,
  ...trails,
  ...ofAccounts,
  ...ofNobody,
}

export const subscriptions: Readonly<Record<string, RootRule>> = {
  ...logs,
  deployment: { effects: ['read'], args: { id: 'deployment' } },
  deploymentEvents: { effects: ['read'], args: { id: 'deployment' } },
  deploymentInstanceExecutions: {
    effects: ['read'],
    args: { 'input.deploymentId': 'deployment' },
  },
  environmentStagedPatch: { effects: ['read'], args: { environmentId: 'environment' } },
  notificationDeliveryUpdated: { effects: ['reveal'] },
  replicationProgress: { effects: ['read'], args: { volumeInstanceId: 'volume-instance' } },
}
