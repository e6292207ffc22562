/**
 * How far each of Railway's output types reaches, and the fields that are known of it. Data; a field that is missing here
 * is one that Railway added, and must be named exactly until somebody has looked at it.
 */
import type { TypeRule } from '../graphql/overlay.ts'
import { accountTypes } from './account-outputs.ts'

type Fields = Omit<TypeRule, 'reach'>

/** Each belongs to one environment. Harmless is what tells only that the thing exists, and where. */
const ofEnvironments: Readonly<Record<string, Fields>> = {
  AllDomains: { fields: 'customDomains serviceDomains' },
  BucketInstanceDetails: { fields: 'objectCount sizeBytes' },
  BucketS3CompatibleCredentials: {
    fields: 'accessKeyId bucketName createdAt endpoint region secretAccessKey urlStyle',
  },
  CanvasViewMergePreview: { fields: 'mutations state' },
  ChangeSetApplyResult: {
    fields: 'changes deploymentId diagnostics id stagedPatchId status',
    harmless: 'deploymentId id',
  },
  ChangeSetPreview: { fields: 'changeSet diagnostics effects' },
  CloudAgent: {
    fields:
      'consoleTargetId createdAt domain domains environmentId id name projectId sessions status',
    harmless: 'createdAt environmentId id name projectId',
  },
  ConnectedServiceInstance: {
    fields: 'environmentId projectId serviceId serviceName',
    harmless: 'environmentId projectId serviceId serviceName',
  },
  Container: {
    fields: 'createdAt deletedAt environment environmentId id migratedAt plugin pluginId',
    harmless: 'createdAt deletedAt environmentId id pluginId',
  },
  CustomDomain: {
    fields: `
      cdnMode cnameCheck createdAt deletedAt domain edgeId environmentId id isRailwayDomain
      projectId serviceId status syncStatus targetPort updatedAt`,
    harmless: 'createdAt deletedAt environmentId id projectId serviceId updatedAt',
  },
  Deployment: {
    fields: `
      canRedeploy canRollback createdAt creator deploymentStopped diagnosis environment
      environmentId id instances meta projectId service serviceId snapshotId sockets staticUrl
      status statusUpdatedAt suggestAddServiceDomain updatedAt url`,
    harmless: 'createdAt environmentId id projectId serviceId updatedAt',
  },
  DeploymentEvent: { fields: 'completedAt createdAt id payload step' },
  DeploymentInstanceExecution: {
    fields: 'completedAt createdAt deploymentId deploymentMeta id status updatedAt',
    harmless: 'createdAt deploymentId id updatedAt',
  },
  DeploymentSnapshot: { fields: 'createdAt id updatedAt variables' },
  DeploymentTrigger: {
    fields: `
      baseEnvironmentOverrideId branch checkSuites environmentId id projectId provider repository
      serviceId validCheckSuites`,
    harmless: 'environmentId id projectId serviceId',
  },
  DnsQueryLog: {
    fields: `
      answers cnameChain deploymentId deploymentInstanceId qname qtype queriedAt queryZone rcode
      serviceId`,
  },
  DockerComposeImport: { fields: 'errors patch' },
  Domain: {
    fields: `
      cdnMode createdAt deletedAt domain edgeId environmentId id projectId serviceId targetPort
      updatedAt`,
    harmless: 'createdAt deletedAt environmentId id projectId serviceId updatedAt',
  },
  DomainWithStatus: {
    fields: `
      cdnProvider certificateErrorMessage certificateErrorType certificateRetryable
      certificateStatus certificateStatusDetailed certificates dnsRecords domain`,
  },
  EgressGateway: { fields: 'ipv4 region zone' },
  EgressMigrationEnvironmentResult: {
    fields: 'environmentId environmentName error gateways success',
    harmless: 'environmentId environmentName',
  },
  EgressMigrationResult: { fields: 'environments ips' },
  Environment: {
    fields: `
      canAccess canvasGroupRefs config configEtag createdAt deletedAt deploymentTriggers
      deployments id isEphemeral meta name projectId serviceInstances sourceEnvironment
      unmergedChangesCount updatedAt variables volumeInstances`,
    harmless: `
      canAccess createdAt deletedAt id isEphemeral name projectId sourceEnvironment
      unmergedChangesCount updatedAt`,
  },
  EnvironmentPatch: {
    fields: `
      appliedAt appliedBy createdAt environment environmentId id lastAppliedError message patch
      status updatedAt`,
    harmless: 'createdAt environmentId id updatedAt',
  },
  Event: {
    fields: `
      action activityPayload createdAt environment environmentId id object payload project
      projectId severity`,
    harmless: 'createdAt environmentId id projectId',
  },
  HttpDurationMetricsResult: { fields: 'samples' },
  HttpLog: {
    fields: `
      clientUa deploymentId deploymentInstanceId downstreamProto edgeRegion host httpStatus method
      path requestId responseDetails rxBytes srcIp timestamp totalDuration txBytes upstreamAddress
      upstreamErrors upstreamProto upstreamRqDuration`,
  },
  HttpMetricsByStatusResult: { fields: 'samples statusCode' },
  HttpMetricsResult: { fields: 'samples' },
  Log: { fields: 'attributes message severity tags timestamp' },
  MetricsResult: { fields: 'measurement tags values' },
  NetworkFlowLog: {
    fields: `
      byteCount captureEnd captureStart deploymentId deploymentInstanceId direction dropCause
      dstAddr dstPort flowId flowState l4LatencyMs l4Protocol packetCount peerKind peerServiceId
      serviceId srcAddr srcPort`,
  },
  ObservabilityDashboard: {
    fields: 'id items',
    harmless: 'id',
  },
  ObservabilityDashboardAlert: {
    fields: 'createdAt id resolvedAt resourceId resourceType status',
    harmless: 'createdAt id',
  },
  ObservabilityDashboardItem: {
    fields: 'config description id monitors name type',
    harmless: 'id name',
  },
  ObservabilityDashboardItemInstance: {
    fields: 'dashboardItem displayConfig id',
    harmless: 'id',
  },
  ObservabilityDashboardMonitor: {
    fields: 'alerts config createdAt id updatedAt',
    harmless: 'createdAt id updatedAt',
  },
  PitrHaClusterReplicationHealth: {
    fields: 'allHealthy checkedAt environmentId members reachable rootServiceId',
  },
  PitrHaWorkflowProgress: {
    fields: `
      clusterMutated completedAt currentMemberServiceId direction environmentId errorMessage
      failedAtPhase members newLeaderServiceId phase projectId rootServiceId startedAt updatedAt
      workflowId`,
  },
  PrivateNetwork: {
    fields: 'createdAt deletedAt dnsName environmentId name networkId projectId publicId tags',
    harmless: 'createdAt deletedAt environmentId name projectId publicId',
  },
  PrivateNetworkEndpoint: {
    fields: `
      createdAt deletedAt dnsName newDnsName privateIps publicId serviceInstanceId syncStatus tags`,
    harmless: 'createdAt deletedAt publicId serviceInstanceId',
  },
  ProjectToken: {
    fields: 'createdAt displayToken environment environmentId id name project projectId',
    harmless: 'createdAt environmentId id name projectId',
  },
  Sandbox: {
    fields: 'createdAt environmentId id idleTimeoutMinutes networkIsolation region status',
    harmless: 'createdAt environmentId id',
  },
  SandboxCheckpoint: {
    fields: 'createdAt environmentId id key',
    harmless: 'createdAt environmentId id',
  },
  SandboxExecResult: { fields: 'exitCode stderr stdout timedOut truncated' },
  SandboxSession: { fields: 'attached command createdAt foregroundActive kind name runState' },
  SandboxTemplateBuild: {
    fields: 'environmentId id status',
    harmless: 'environmentId id',
  },
  ServiceDomain: {
    fields: `
      cdnMode createdAt deletedAt domain edgeId environmentId id newDomainName newHostLabel
      projectId serviceId suffix syncStatus targetPort updatedAt`,
    harmless: 'createdAt deletedAt environmentId id projectId serviceId updatedAt',
  },
  ServiceInstance: {
    fields: `
      activeDeployments buildCommand builder createdAt cronSchedule deletedAt dockerfilePath
      domains drainingSeconds edgeConfig environmentId healthcheckPath healthcheckTimeout id
      ipv6EgressEnabled isUpdatable latestDeployment nextCronRunAt nixpacksPlan numReplicas
      overlapSeconds preDeployCommand railpackInfo railwayConfigFile region
      restartPolicyMaxRetries restartPolicyType rootDirectory service serviceId serviceName
      sleepApplication source startCommand updatedAt upstreamUrl watchPatterns`,
    harmless: 'createdAt deletedAt environmentId id serviceId serviceName updatedAt',
  },
  ServiceInstanceAutoDeployStatus: { fields: 'canEnable enabled reason' },
  ServiceInstanceAutoDeployUpdateResult: { fields: 'enabled' },
  TCPProxy: {
    fields: `
      applicationPort createdAt deletedAt domain environmentId id proxyPort serviceId syncStatus
      updatedAt`,
    harmless: 'createdAt deletedAt environmentId id serviceId updatedAt',
  },
  Variable: {
    fields: `
      createdAt environment environmentId id isSealed name plugin pluginId references service
      serviceId updatedAt`,
    harmless: 'createdAt environmentId id pluginId serviceId updatedAt',
  },
  VolumeInstance: {
    fields: `
      createdAt currentSizeMB deletedAt environment environmentId externalId id isPendingDeletion
      mountPath region service serviceId sizeMB state volume volumeId`,
    harmless: 'createdAt deletedAt environmentId id serviceId volumeId',
  },
  VolumeInstanceBackup: {
    fields: `
      createdAt creatorId expiresAt externalId id name referencedMB scheduleId usedMB
      volumeInstanceSizeMB`,
    harmless: 'createdAt id name',
  },
  VolumeInstanceBackupSchedule: {
    fields: 'createdAt cron id kind name retentionSeconds',
    harmless: 'createdAt id name',
  },
  VolumeReplicationProgressUpdate: {
    fields: `
      currentSnapshot destExternalId destRegion destStackerId error estimatedTimeRemainingMs
      history nbSnapshots offlineBytesTransferred offlineTotalBytes onlineBytesTransferred
      onlineTotalBytes percentComplete snapshotsSizes srcExternalId srcRegion srcStackerId status
      transferRateMbps`,
  },
}

/** Each belongs to a project, and so to all of its environments. */
const shared: Readonly<Record<string, string>> = {
  Bucket: 'createdAt groupId id name project projectId updatedAt',
  Group: 'color groupId icon id isCollapsed name project projectId',
  Integration: 'config id name projectId',
  Plugin: `
    containers createdAt deletedAt deprecatedAt friendlyName id logsEnabled
    migrationDatabaseServiceId name project status variables`,
  Project: `
    baseEnvironment baseEnvironmentId botPrEnvironments buckets createdAt deletedAt
    deploymentTriggers deployments description environments expiredAt featureFlags
    focusedPrEnvironments groups id isPublic isTempProject members name plugins prDeploys
    primaryEnvironmentId projectPermissions services subscriptionPlanLimit subscriptionType team
    teamId updatedAt volumes workspace workspaceId`,
  Service: `
    createdAt deletedAt deployments featureFlags groupId hasHiddenRegistryCredentialsFromTemplate
    icon id isRestricted name project projectId repoTriggers serviceInstances templateId
    templateServiceId templateThreadSlug updatedAt`,
  Volume: 'createdAt id name project projectId volumeInstances',
}

/** Parts of whatever holds them, and what Railway tells everybody. */
const values: Readonly<Record<string, string>> = {
  AccessRule: 'disallowed',
  AggregatedUsage: 'measurement tags value',
  AppliedByMember: 'avatar email id name username',
  AuditLogEventTypeInfo: 'description eventType',
  CertificatePublicData: 'domainNames expiresAt fingerprintSha256 issuedAt keyType',
  ChangeOperationResult: 'kind outputs path status summary',
  CloudAgentDomain: 'domain port prefix',
  CloudAgentSnapshot:
    'harness lastEventKind prompt sessionId sessionName state taskId terminal updatedAt',
  CnameCheck: 'link message status',
  CustomDomainStatus: `
    cdnProvider certificateErrorMessage certificateErrorType certificateRetryable
    certificateStatus certificateStatusDetailed certificates dnsRecords verificationDnsHost
    verificationToken verified`,
  DNSRecords: 'currentValue fqdn hostlabel purpose recordType requiredValue status zone',
  DeploymentCreator: 'avatar email id name',
  DeploymentDeploymentInstance: 'id status',
  DeploymentEventPayload: 'attempt detail durationMs error maxAttempts reason skipped',
  DeploymentSocket: 'ipv6 port processName updatedAt',
  DomainAvailable: 'available message',
  EdgeCachingConfig: 'defaultTtlSeconds htmlCaching mode purgeOnDeploy staleWhileRevalidate',
  EdgeConfig:
    'caching edgeRules enabled id overrides purgeEpoch purgeEpochByKind underAttackModeUntil',
  EdgeRuleDiagnostic: 'code message path',
  EnvironmentMeta: `
    baseBranch branch latestSuccessfulGitHubDeploymentId prCommentId prNumber prRepo prTitle
    skippedResourceIds`,
  EstimatedUsage: 'estimatedValue measurement projectId',
  FunctionRuntime: 'image latestVersion name versions',
  FunctionRuntimeVersion: 'image tag',
  GitHubCheck: 'name status',
  GitHubPRInfo: 'additions author body changedFiles checks deletions mergeable state title',
  GitHubPRInfoResult: 'error prInfo',
  HttpDurationMetricsSample: 'p50 p90 p95 p99 ts',
  HttpMetricsSample: 'ts value',
  Incident: 'createdAt id message status url',
  LogAttribute: 'key value',
  LogTags:
    'deploymentId deploymentInstanceId environmentId pluginId projectId serviceId snapshotId',
  Maintenance: 'id message start status url',
  Metric: 'ts value',
  MetricTags: `
    deploymentId deploymentInstanceId environmentId pluginId projectId region serviceId volumeId
    volumeInstanceId`,
  MonitorThresholdConfig: 'condition measurement threshold type',
  Node: 'id',
  ObservabilityDashboardItemConfig:
    'httpMetric logsFilter measurements projectUsageProperties resourceIds',
  ObservabilityDashboardMonitorConfig: '',
  PageInfo: 'endCursor hasNextPage hasPreviousPage startCursor',
  PitrHaMemberReplicationHealth: 'healthy isLeader lagMb patroniName serviceId serviceName state',
  PitrHaWorkflowMemberProgress: 'isLeader serviceId serviceName status',
  PlatformStatus: 'incident isStable maintenance',
  ProjectResourceAccess: 'customDomain databaseDeployment deployment environment plugin sandbox',
  PublicProjectInformation: 'id name',
  PublicStats: `
    totalDeploymentsLastMonth totalLogsLastMonth totalProjects totalRequestsLastMonth
    totalServices totalUsers`,
  Region: 'country deploymentConstraints id location name region workspaceId',
  RegionDeploymentConstraints: 'deprecationInfo',
  RegionDeprecationInfo: 'isDeprecated replacementRegion',
  SandboxSessionRunState: 'exitCode exitedAt running',
  ServiceSource: 'image repo',
  StaleWhileRevalidateConfig: 'enabled',
  TemplateDeployPayload: 'projectId workflowId',
  TemplateSearchResult:
    'code creatorName deploymentCount description healthScore id image isVerified name',
  VolumeInstanceReplicationProgress: 'bytesTransferred percentComplete timestamp transferRateMbps',
  VolumeSnapshotReplicationProgressUpdate: `
    bytesTransferred compressedBytesTransferred compressedTransferRateMbps elapsedMs error
    estimatedTimeRemainingMs index percentComplete startedAt status totalBytes transferRateMbps`,
  WorkflowId: 'workflowId',
  WorkflowResult: 'error status',
}

/** Lists, by the field that they are the answer of: `XConnection` with edges of `XConnectionEdge`. */
const connections = `
  CustomerCredits EnvironmentDeploymentTriggers EnvironmentDeployments EnvironmentServiceInstances
  EnvironmentVariables EnvironmentVolumeInstances IntegrationAuthIntegrations PluginContainers
  PluginVariables ProjectBuckets ProjectDeploymentTriggers ProjectDeployments ProjectEnvironments
  ProjectGroups ProjectPlugins ProjectProjectPermissions ProjectServices ProjectVolumes
  QueryApiTokens QueryAuditLogs QueryCloudAgentConsoleSessions QueryDeploymentEvents
  QueryDeploymentInstanceExecutions QueryDeploymentSessions QueryDeploymentTriggers
  QueryDeployments QueryEnvironmentPatches QueryEnvironments QueryEvents QueryIntegrationAuths
  QueryIntegrations QueryNotificationDeliveries QueryObservabilityDashboards QueryPasskeys
  QueryProjectTokens QueryProjects QuerySandboxSessions QuerySandboxes QuerySessions
  QuerySshPublicKeys QueryTeamTemplates QueryTemplateSearch QueryTemplates QueryTrustedDomains
  QueryUserTemplates QueryWorkspaceIdentityProviders QueryWorkspaceTemplates ServiceDeployments
  ServiceRepoTriggers ServiceServiceInstances TeamProjects TemplateServices
  UserProfileResponsePublicProjects UserProjects UserProviderAuths VolumeVolumeInstances
  WorkspaceIdentityProviders WorkspacePolicyDeploySourceAllowlist WorkspaceProjects`

function reaching(reach: TypeRule['reach'], table: Readonly<Record<string, string>>) {
  return Object.fromEntries(
    Object.entries(table).map(([name, fields]): [string, TypeRule] => [name, { reach, fields }]),
  )
}

function lists(): Record<string, TypeRule> {
  const names = connections.trim().split(/\s+/)
  const pages = names.map((name) => [`${name}Connection`, 'edges pageInfo'])
  const edges = names.map((name) => [`${name}ConnectionEdge`, 'cursor node'])
  return reaching('value', Object.fromEntries([...pages, ...edges]))
}

export const outputs: Readonly<Record<string, TypeRule>> = {
  ...Object.fromEntries(
    Object.entries(ofEnvironments).map(([name, rule]): [string, TypeRule] => [
      name,
      { reach: 'environment', ...rule },
    ]),
  ),
  ...reaching('shared', shared),
  ...reaching('value', values),
  ...accountTypes,
  ...lists(),
}
