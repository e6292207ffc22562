/**
 * What each of Railway's mutations does to the things of an environment and of its project. Data; those that act on
 * accounts and workspaces stand in `account-mutations.ts`.
 */
import type { RootRule } from '../graphql/overlay.ts'
import {
  backupOfInstance,
  cluster,
  inputCluster,
  inputPair,
  inputSpot,
  inputSpotRequired,
  inputTriple,
  pair,
} from './pairs.ts'

const everyInstance = 'Acts on every instance of the service, in all environments at once.'
const allEnvironments =
  'allEnvironments takes it to all environments of the service, so all of them have to be owned.'
const anyCommit =
  'A commit can be named, which may be one that a stranger pushed to a fork; naming one runs it.'
const anything =
  'Takes or commits settings as untyped JSON, which can delete, run and publish anything.'

/** Deployments: running again what is there writes; stopping it loses it; running something else executes. */
const deployments: Readonly<Record<string, RootRule>> = {
  deploymentRedeploy: { effects: ['write'], args: { id: 'deployment' } },
  deploymentRestart: { effects: ['write'], args: { id: 'deployment' } },
  deploymentRollback: { effects: ['write', 'destructive'], args: { id: 'deployment' } },
  deploymentCancel: { effects: ['destructive'], args: { id: 'deployment' } },
  deploymentRemove: { effects: ['destructive'], args: { id: 'deployment' } },
  deploymentStop: { effects: ['destructive'], args: { id: 'deployment' } },
  deploymentApprove: {
    effects: ['write', 'execute'],
    args: { id: 'deployment' },
    note: 'Lets code run that waits because nobody trusted its author yet.',
  },
  deploymentInstanceExecutionCreate: {
    effects: ['write', 'execute'],
    args: { 'input.serviceInstanceId': 'service-instance' },
  },
  deploymentTriggerCreate: { effects: ['write', 'execute'], args: inputTriple },
  deploymentTriggerUpdate: { effects: ['write', 'execute'], args: { id: 'deployment-trigger' } },
  deploymentTriggerDelete: { effects: ['destructive'], args: { id: 'deployment-trigger' } },
  baseEnvironmentOverride: {
    effects: ['write', 'reveal'],
    args: { id: 'deployment-trigger', 'input.baseEnvironmentOverrideId': 'environment' },
    note: 'Pull-request environments copy the variables of the one that is named here.',
  },
  environmentTriggersDeploy: { effects: ['write'], args: inputTriple },
  environmentUnskipService: { effects: ['write'], args: pair },
  githubRepoDeploy: { effects: ['write', 'execute'], args: inputSpotRequired },
  githubRepoUpdate: {
    effects: ['write', 'execute'],
    args: inputTriple,
    note: 'Pulls code from upstream into the repository and deploys it.',
  },
}

const environments: Readonly<Record<string, RootRule>> = {
  environmentCreate: {
    effects: ['write', 'reveal'],
    args: { 'input.sourceEnvironmentId': 'environment!', 'input.projectId': 'context project' },
    note: 'Copies the variables of its source to where this environment does not rule.',
  },
  environmentDelete: { effects: ['destructive'], args: { id: 'environment' } },
  environmentRename: { effects: ['write'], args: { id: 'environment' } },
  environmentStageChanges: {
    effects: ['write', 'destructive', 'execute'],
    args: { environmentId: 'environment' },
    note: anything,
  },
  environmentPatchCommit: {
    effects: ['write', 'destructive', 'execute', 'reveal'],
    args: { environmentId: 'environment' },
    note: anything,
  },
  environmentPatchCommitStaged: {
    effects: ['write', 'destructive', 'execute', 'reveal'],
    args: { environmentId: 'environment' },
    note: 'Commits whatever is staged, by whomever.',
  },
  environmentApplyChangeSet: {
    effects: ['write', 'destructive', 'execute', 'reveal'],
    args: { environmentId: 'environment' },
    note: anything,
  },
  environmentPreviewChangeSet: {
    effects: ['read', 'destructive', 'reveal'],
    args: { environmentId: 'environment' },
    note: 'Has no lasting effect, but takes untyped JSON and echoes settings.',
  },
  dockerComposeImport: {
    effects: ['write', 'destructive', 'execute'],
    args: { environmentId: 'environment', projectId: 'context project' },
    note: 'Runs any image, and replaces what is staged.',
  },
  canvasViewMerge: {
    effects: ['write'],
    args: { sourceEnvironmentId: 'environment', targetEnvironmentId: 'environment' },
  },
}

const services: Readonly<Record<string, RootRule>> = {
  serviceCreate: {
    effects: ['write', 'execute'],
    args: {
      'input.environmentId': 'environment spread!',
      'input.projectId': 'context project',
      'input.templateId': 'none',
      'input.templateServiceId': 'none',
    },
    note: 'Creates it in all environments that are not forks, unless this one is a fork.',
  },
  serviceDelete: {
    effects: ['destructive'],
    args: { id: 'context service', environmentId: 'environment spread!' },
    note: 'Deletes it from all environments that are not forks, unless this one is a fork.',
  },
  serviceDuplicate: {
    effects: ['write', 'reveal', 'execute'],
    args: { environmentId: 'environment spread', serviceId: 'context service' },
    note: 'Copies variables and volumes.',
  },
  serviceUpdate: { effects: ['write'], args: { id: 'service' }, note: everyInstance },
  serviceConnect: { effects: ['write', 'execute'], args: { id: 'service' }, note: everyInstance },
  serviceDisconnect: { effects: ['destructive'], args: { id: 'service' }, note: everyInstance },
  serviceRemoveUpstreamUrl: {
    effects: ['destructive'],
    args: { id: 'service' },
    note: everyInstance,
  },
  serviceFeatureFlagAdd: { effects: ['write', 'admin'], args: { 'input.serviceId': 'service' } },
  serviceFeatureFlagRemove: {
    effects: ['destructive', 'admin'],
    args: { 'input.serviceId': 'service' },
  },
  serviceInstanceUpdate: {
    effects: ['write', 'destructive', 'execute'],
    args: { environmentId: 'environment spread!', serviceId: 'context service' },
    note: 'Sets start commands, images and replicas; in all environments that are not forks, unless this one is.',
  },
  serviceInstanceDeploy: {
    effects: ['write'],
    args: { ...pair, commitSha: 'execute' },
    note: anyCommit,
  },
  serviceInstanceDeployV2: {
    effects: ['write'],
    args: { ...pair, commitSha: 'execute' },
    note: anyCommit,
  },
  serviceInstanceRedeploy: { effects: ['write'], args: pair },
  serviceInstanceAutoDeployUpdate: { effects: ['write'], args: inputTriple },
  serviceInstanceLimitsUpdate: {
    effects: ['write', 'destructive'],
    args: inputPair,
    note: 'A limit that is too low stops the service.',
  },
  serviceInstanceVulnRemediationDismiss: {
    effects: ['destructive'],
    args: pair,
    note: 'Stands down a security update.',
  },
  serviceInstanceVulnRemediationPatchNow: { effects: ['write'], args: pair },
  generateShellToken: {
    effects: ['reveal', 'execute'],
    args: {
      'input.environmentId': 'environment',
      'input.instanceId': 'deployment-instance',
      'input.serviceId': 'context service',
    },
    note: 'Opens a shell.',
  },
  projectTokenCreate: {
    effects: ['write', 'reveal'],
    args: inputSpot,
    note: 'Returns a token for the environment that does not expire.',
  },
  projectTokenDelete: { effects: ['destructive'], args: { id: 'project-token' } },
}

const variables: Readonly<Record<string, RootRule>> = {
  // One variable, named and given: without a service it is one that the services of this environment share.
  variableUpsert: { effects: ['write'], args: inputTriple },
  variableCollectionUpsert: {
    effects: ['write', 'destructive'],
    args: inputTriple,
    note: 'Told to replace, it deletes every variable that is not listed.',
  },
  variableDelete: { effects: ['destructive'], args: inputTriple },
  sharedVariableConfigure: {
    effects: ['write', 'destructive'],
    args: {
      ...inputSpot,
      'input.enabledServiceIds': 'context service',
      'input.disabledServiceIds': 'context service',
    },
    note: 'Takes the variable away from the services that it disables.',
  },
  herokuImportVariables: {
    effects: ['write', 'reveal'],
    args: { ...inputTriple, 'input.herokuAppId': 'account' },
    note: 'Copies the secrets of an application elsewhere.',
  },
}

/** Creating an address is everyday work; replacing or removing one takes a service off its old address. */
const domains: Readonly<Record<string, RootRule>> = {
  customDomainCreate: { effects: ['write'], args: inputTriple },
  customDomainUpdate: {
    effects: ['write'],
    args: { environmentId: 'environment', id: 'custom-domain' },
  },
  customDomainIssueCertificate: { effects: ['write'], args: { id: 'custom-domain' } },
  customDomainDelete: { effects: ['destructive'], args: { id: 'custom-domain' } },
  serviceDomainCreate: { effects: ['write'], args: inputPair },
  serviceDomainUpdate: {
    effects: ['write', 'destructive'],
    args: { ...inputPair, 'input.serviceDomainId': 'service-domain' },
    note: 'Gives up the old name.',
  },
  serviceDomainDelete: { effects: ['destructive'], args: { id: 'service-domain' } },
  tcpProxyCreate: {
    effects: ['write', 'reveal'],
    args: inputPair,
    note: 'Opens a port, such as a database, to the internet.',
  },
  tcpProxyDelete: { effects: ['destructive'], args: { id: 'tcp-proxy' } },
}

const edge: Readonly<Record<string, RootRule>> = {
  enableServiceCdn: { effects: ['write'], args: inputPair },
  disableServiceCdn: { effects: ['destructive'], args: inputPair },
  purgeServiceCache: { effects: ['write'], args: inputPair },
  updateServiceEdgeConfig: { effects: ['write'], args: inputPair },
  updateServiceEdgeRules: {
    effects: ['write', 'destructive'],
    args: inputPair,
    note: 'Replaces all rules; untyped JSON that can block or redirect every visitor.',
  },
  setServiceUnderAttackMode: {
    effects: ['write', 'destructive'],
    args: inputPair,
    note: 'On, it turns API clients away; off, it removes a protection.',
  },
}

const networks: Readonly<Record<string, RootRule>> = {
  privateNetworkCreateOrGet: { effects: ['write'], args: inputSpot },
  privateNetworksForEnvironmentDelete: {
    effects: ['destructive'],
    args: { environmentId: 'environment' },
  },
  privateNetworkEndpointCreateOrGet: {
    effects: ['write'],
    args: { ...inputPair, 'input.privateNetworkId': 'private-network' },
  },
  privateNetworkEndpointRename: {
    effects: ['write', 'destructive'],
    args: { id: 'private-network-endpoint', privateNetworkId: 'private-network' },
    note: 'Gives up the old name.',
  },
  privateNetworkEndpointDelete: {
    effects: ['destructive'],
    args: { id: 'private-network-endpoint' },
  },
  egressGatewayAssociationCreate: { effects: ['write'], args: inputPair },
  egressGatewayAssociationsClear: {
    effects: ['destructive'],
    args: { 'input.environmentId': 'environment', 'input.serviceId': 'service' },
    note: allEnvironments,
  },
  // The fixed addresses that others let in are replaced.
  egressGatewayUpgradeToHA: {
    effects: ['write', 'destructive'],
    args: { 'input.environmentId': 'environment', 'input.serviceId': 'service' },
    note: allEnvironments,
  },
  egressGatewayRollbackFromHA: {
    effects: ['write', 'destructive'],
    args: { 'input.environmentId': 'environment', 'input.serviceId': 'service' },
    note: allEnvironments,
  },
  // A preview, and yet no mere read: what is read only has to be seen, and this shows other environments.
  egressGatewayHAMigrationPreview: {
    effects: ['write'],
    args: { 'input.environmentId': 'environment', 'input.serviceId': 'service' },
    note: allEnvironments,
  },
}

/** A volume lies in several environments, and no mutation confines itself to the instance in one of them. */
const volumes: Readonly<Record<string, RootRule>> = {
  volumeCreate: {
    effects: ['write'],
    args: { ...inputSpotRequired, 'input.serviceId': 'context service' },
  },
  volumeUpdate: { effects: ['write'], args: { volumeId: 'volume' } },
  volumeDelete: {
    effects: ['destructive'],
    args: { volumeId: 'volume' },
    note: 'Deletes the instances in all environments, and with them their backups.',
  },
  volumeInstanceUpdate: {
    effects: ['write', 'destructive'],
    args: {
      volumeId: 'volume',
      environmentId: 'environment!',
      'input.serviceId': 'context service',
    },
    note: 'A state can be set that means deletion.',
  },
  volumeInstanceBackupCreate: {
    effects: ['write'],
    args: { volumeInstanceId: 'volume-instance' },
  },
  volumeInstanceBackupLock: { effects: ['write'], args: backupOfInstance },
  volumeInstanceBackupDelete: { effects: ['destructive'], args: backupOfInstance },
  volumeInstanceBackupRestore: {
    effects: ['destructive'],
    args: { ...backupOfInstance, replicaServiceIds: 'service', wipeServiceIds: 'service' },
    note: 'Overwrites the volume, removes newer backups, and wipes the services that it is told to.',
  },
  volumeInstanceBackupScheduleUpdate: {
    effects: ['write', 'destructive'],
    args: { volumeInstanceId: 'volume-instance' },
    note: 'An empty list turns backups off.',
  },
  volumeInstancePITRRestore: {
    effects: ['write', 'destructive', 'execute', 'reveal'],
    args: { volumeInstanceId: 'volume-instance' },
    note: 'Copies the data into a new service, from a source that the caller picks.',
  },
}

const databases: Readonly<Record<string, RootRule>> = {
  enablePitrForHaCluster: {
    effects: ['write', 'destructive'],
    args: inputCluster,
    note: 'Restarts every member and changes the leader.',
  },
  disablePitrForHaCluster: { effects: ['destructive'], args: inputCluster },
  cancelPitrHaWorkflow: { effects: ['destructive'], args: cluster },
  clearPitrHaWorkflowProgress: { effects: ['write'], args: cluster },
  bucketCreate: { effects: ['write'], args: inputSpotRequired },
  bucketUpdate: { effects: ['write'], args: { id: 'bucket' } },
  bucketCredentialsReset: {
    effects: ['destructive', 'reveal'],
    args: {
      environmentId: 'environment',
      bucketId: 'context bucket',
      projectId: 'context project',
    },
  },
  // Plugins are the databases of long ago; nothing tells in which environments one is.
  pluginCreate: { effects: ['write'], args: inputSpotRequired },
  pluginUpdate: { effects: ['write'], args: { id: 'plugin' } },
  pluginStart: {
    effects: ['write'],
    args: { id: 'plugin', 'input.environmentId': 'environment!' },
  },
  pluginRestart: {
    effects: ['write'],
    args: { id: 'plugin', 'input.environmentId': 'environment!' },
  },
  pluginReset: {
    effects: ['destructive'],
    args: { id: 'plugin', 'input.environmentId': 'environment' },
  },
  pluginResetCredentials: {
    effects: ['destructive', 'reveal'],
    args: { id: 'plugin', 'input.environmentId': 'environment' },
  },
  pluginDelete: {
    effects: ['destructive'],
    args: { id: 'plugin', environmentId: 'environment!' },
  },
}

const templates: Readonly<Record<string, RootRule>> = {
  templateDeploy: {
    effects: ['write', 'destructive', 'execute'],
    args: {
      'input.environmentId': 'environment!',
      'input.projectId': 'context project!',
      'input.workspaceId': 'workspace',
      'input.services.id': 'none',
    },
    note: 'Runs what the template says; without a project it would make a new one.',
  },
  templateDeployV2: {
    effects: ['write', 'destructive', 'execute'],
    args: {
      'input.environmentId': 'environment!',
      'input.projectId': 'context project!',
      'input.workspaceId': 'workspace',
      'input.existingRootServiceId': 'context service',
      'input.templateId': 'none',
    },
    note: 'Runs what the template says; without a project it would make a new one.',
  },
  templateRevert: {
    effects: ['destructive'],
    args: { ...inputCluster, 'input.groupId': 'group' },
    note: 'Takes a cluster back to a single member.',
  },
  templateServiceSourceEject: {
    effects: ['write', 'destructive', 'admin'],
    args: { 'input.projectId': 'project', 'input.serviceIds': 'service' },
    note: 'Creates a repository and moves the services to it.',
  },
}

const sandboxes: Readonly<Record<string, RootRule>> = {
  sandboxCreate: {
    effects: ['write', 'execute'],
    args: { 'input.environmentId': 'environment', 'input.sourceSandboxId': 'sandbox' },
  },
  sandboxExec: {
    effects: ['execute', 'reveal'],
    args: { environmentId: 'environment', id: 'sandbox' },
  },
  sandboxHeartbeat: {
    effects: ['write'],
    args: { environmentId: 'environment', id: 'sandbox' },
  },
  sandboxDestroy: {
    effects: ['destructive'],
    args: { environmentId: 'environment', id: 'sandbox' },
  },
  sandboxCheckpointCreate: {
    effects: ['write'],
    args: { environmentId: 'environment', sandboxId: 'sandbox' },
  },
  sandboxCheckpointRename: {
    effects: ['write'],
    args: { environmentId: 'environment', id: 'sandbox-checkpoint' },
  },
  sandboxCheckpointDelete: {
    effects: ['destructive'],
    args: { environmentId: 'environment', id: 'sandbox-checkpoint' },
  },
  sandboxTemplateBuild: {
    effects: ['write', 'execute'],
    args: { environmentId: 'environment' },
  },
  cloudAgentCreate: {
    effects: ['write', 'execute'],
    args: { 'input.environmentId': 'environment' },
    note: 'Starts a machine that runs code.',
  },
  cloudAgentWake: { effects: ['write'], args: { id: 'cloud-agent' } },
  cloudAgentSleep: { effects: ['destructive'], args: { id: 'cloud-agent' } },
  cloudAgentDelete: { effects: ['destructive'], args: { id: 'cloud-agent' } },
  cloudAgentStateReport: {
    effects: ['write'],
    args: {
      'input.cloudAgentId': 'cloud-agent',
      'input.agents.sessionId': 'none',
      'input.agents.taskId': 'none',
    },
  },
}

/** Items have ids of their own that could be those of another dashboard, and nothing tells whose: they are refused. */
const dashboards: Readonly<Record<string, RootRule>> = {
  observabilityDashboardCreate: {
    effects: ['write', 'destructive'],
    args: {
      'input.environmentId': 'environment',
      'input.items.id': 'dashboard-item',
      'input.items.dashboardItem.id': 'dashboard-item',
      'input.items.dashboardItem.config.resourceIds': 'context service',
    },
  },
  observabilityDashboardUpdate: {
    effects: ['write', 'destructive'],
    args: {
      id: 'dashboard',
      'input.id': 'dashboard-item',
      'input.dashboardItem.id': 'dashboard-item',
      'input.dashboardItem.config.resourceIds': 'context service',
    },
  },
  observabilityDashboardReset: { effects: ['destructive'], args: { id: 'dashboard' } },
}

export const environmentMutations: Readonly<Record<string, RootRule>> = {
  ...deployments,
  ...environments,
  ...services,
  ...variables,
  ...domains,
  ...edge,
  ...networks,
  ...volumes,
  ...databases,
  ...templates,
  ...sandboxes,
  ...dashboards,
}
