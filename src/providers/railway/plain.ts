/**
 * The arguments of Railway's reads and writes that name nothing and that somebody has looked at: a name, a port, a filter.
 * Data. One that Railway adds is refused until it stands here, since a word like `allEnvironments` may widen a whole call.
 */
export const plain: Readonly<Record<string, string>> = {
  'Query.cloudAgents': 'mine',
  'Query.customDomainAvailable': 'domain',
  'Query.deployments': 'input.includeDeleted input.status.in input.status.notIn',
  'Query.environments': 'isEphemeral',
  'Query.functionRuntime': 'name',
  'Query.gitHubRepoAccessAvailable': 'fullRepoName',
  'Query.githubIsRepoNameAvailable': 'fullRepoName',
  'Query.githubPRInfo': 'prNumber',
  'Query.githubPRInfoResult': 'prNumber',
  'Query.githubRepo': 'fullRepoName',
  'Query.githubRepoBranches': 'owner repo',
  'Query.httpDurationMetrics': 'endDate method path startDate statusCode stepSeconds',
  'Query.httpMetrics': 'endDate method path startDate statusCode stepSeconds',
  'Query.httpMetricsGroupedByStatus': 'endDate method path startDate stepSeconds',
  'Query.integrationAuth': 'provider',
  'Query.metrics': `
    averagingWindowSeconds endDate groupBy includeDeleted measurements sampleRateSeconds startDate`,
  'Query.preferences': 'token',
  'Query.privateNetworkEndpointNameAvailable': 'prefix',
  'Query.projectInvitation': 'code',
  'Query.projectServiceUsage': 'endDate includeDeleted measurements startDate',
  'Query.projects': 'includeDeleted orderBy',
  'Query.railwayDomainByName': 'domain',
  'Query.railwayDomainDnsRecords': 'domain',
  'Query.railwayDomains': 'status',
  'Query.resourceAccess': 'explicitResourceOwner.type',
  'Query.serviceDomainAvailable': 'domain',
  'Query.signal': 'name owner',
  'Query.signalEvaluate': 'context name owner',
  'Query.signals': 'owner',
  'Query.sshSignupInfo': 'code',
  'Query.template': 'code owner repo',
  'Query.templateSearch': 'category query verified',
  'Query.templates': 'recommended verified',
  'Query.userProfile': 'username',
  'Query.validateServiceEdgeRules': 'input.edgeRules',
  'Query.workspaceByCode': 'code',
  'Query.workspacePolicySelectableDeploySources': 'sourceType',
  'Mutation.bucketCreate': 'input.name',
  'Mutation.bucketUpdate': 'input.name',
  'Mutation.cliAuthEventTrack': `
    input.arch input.caller input.cliVersion input.errorMessage input.isCi input.os input.outcome
    input.success input.transport input.transportReason`,
  'Mutation.cliEventTrack': `
    input.arch input.caller input.cliVersion input.command input.durationMs input.errorClass
    input.errorMessage input.isCi input.os input.subCommand input.success`,
  'Mutation.cloudAgentStateReport': `
    input.agents.harness input.agents.lastEventKind input.agents.prompt input.agents.sessionName
    input.agents.state input.agents.terminal input.agents.updatedAt input.reportedAt`,
  'Mutation.customDomainCreate': 'input.domain input.targetPort',
  'Mutation.customDomainUpdate': 'targetPort',
  'Mutation.deploymentRedeploy': 'usePreviousImageTag',
  'Mutation.egressGatewayAssociationCreate': 'input.region',
  'Mutation.egressGatewayHAMigrationPreview': 'input.allEnvironments',
  'Mutation.enableServiceCdn': `
    input.config.caching.defaultTtlSeconds input.config.caching.htmlCaching
    input.config.caching.mode input.config.caching.purgeOnDeploy
    input.config.caching.staleWhileRevalidate.enabled`,
  'Mutation.environmentRename': 'input.name',
  'Mutation.pluginCreate': 'input.friendlyName input.name',
  'Mutation.pluginUpdate': 'input.friendlyName',
  'Mutation.privateNetworkCreateOrGet': 'input.name input.tags',
  'Mutation.privateNetworkEndpointCreateOrGet': 'input.serviceName input.tags',
  'Mutation.purgeServiceCache': 'input.scope',
  'Mutation.sandboxCheckpointCreate': 'name',
  'Mutation.sandboxCheckpointRename': 'name',
  'Mutation.serviceDomainCreate': 'input.targetPort',
  'Mutation.serviceInstanceAutoDeployUpdate': 'input.enabled',
  'Mutation.serviceInstanceDeploy': 'latestCommit',
  'Mutation.serviceUpdate': 'input.icon input.name',
  'Mutation.setupAgentEventTrack': `
    input.arch input.caller input.cliVersion input.configuredClients input.errorMessage input.isCi
    input.os input.phase input.success`,
  'Mutation.updateServiceEdgeConfig': `
    input.config.caching.defaultTtlSeconds input.config.caching.htmlCaching
    input.config.caching.mode input.config.caching.purgeOnDeploy
    input.config.caching.staleWhileRevalidate.enabled`,
  'Mutation.variableUpsert': 'input.name input.skipDeploys input.value',
  'Mutation.volumeCreate': 'input.mountPath input.region',
  'Mutation.volumeInstanceBackupCreate': 'name',
  'Mutation.volumeUpdate': 'input.name',

  'ObservabilityDashboardMonitor.alerts': 'endDate startDate',
  'Project.environments': 'isEphemeral sort',
  'Workspace.projectCount': 'includeDeleted',
}
