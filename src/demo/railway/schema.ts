/** The part of Railway's GraphQL schema the simulation answers, as SDL. Never resolves anything. */

const page = 'after: String, before: String, first: Int, last: Int'

/** A Relay connection as Railway spells one: `<name>Connection`, its edge, cursor and node. */
function connection(name: string, node: string): string {
  return `
    type ${name}Connection { edges: [${name}ConnectionEdge!]! pageInfo: PageInfo! }
    type ${name}ConnectionEdge { cursor: String! node: ${node}! }`
}

const connections = [
  ['QueryProjects', 'Project'],
  ['QueryEnvironments', 'Environment'],
  ['QueryDeployments', 'Deployment'],
  ['QueryEnvironmentPatches', 'EnvironmentPatch'],
  ['QueryProjectTokens', 'ProjectToken'],
  ['QuerySandboxes', 'Sandbox'],
  ['WorkspaceProjects', 'Project'],
  ['UserProjects', 'Project'],
  ['ProjectBuckets', 'Bucket'],
  ['ProjectDeployments', 'Deployment'],
  ['ProjectEnvironments', 'Environment'],
  ['ProjectServices', 'Service'],
  ['ProjectVolumes', 'Volume'],
  ['EnvironmentDeployments', 'Deployment'],
  ['EnvironmentServiceInstances', 'ServiceInstance'],
  ['EnvironmentVariables', 'Variable'],
  ['EnvironmentVolumeInstances', 'VolumeInstance'],
  ['ServiceDeployments', 'Deployment'],
  ['ServiceServiceInstances', 'ServiceInstance'],
  ['VolumeVolumeInstances', 'VolumeInstance'],
] as const

const queries = `
  type Query {
    adminVolumeInstancesForVolume(volumeId: String!): [VolumeInstance!]!
    bucketS3Credentials(bucketId: String!, environmentId: String!, projectId: String!): [BucketS3CompatibleCredentials!]!
    buildLogs(deploymentId: String!, endDate: DateTime, filter: String, limit: Int, startDate: DateTime): [Log!]!
    customDomain(id: String!, projectId: String!): CustomDomain!
    customDomainAvailable(domain: String!): DomainAvailable!
    deployment(id: String!): Deployment!
    deploymentLogs(deploymentId: String!, endDate: DateTime, filter: String, limit: Int, startDate: DateTime): [Log!]!
    deploymentSnapshot(deploymentId: String!): DeploymentSnapshot
    deployments(after: String, before: String, first: Int, input: DeploymentListInput!, last: Int): QueryDeploymentsConnection!
    domains(environmentId: String!, projectId: String!, serviceId: String!): AllDomains!
    environment(id: String!, projectId: String): Environment!
    environmentPatch(id: String!): EnvironmentPatch!
    environmentPatches(after: String, before: String, environmentId: String!, first: Int, last: Int): QueryEnvironmentPatchesConnection!
    environmentStagedChanges(environmentId: String!): EnvironmentPatch!
    environments(after: String, before: String, first: Int, isEphemeral: Boolean, last: Int, projectId: String!): QueryEnvironmentsConnection!
    me: User!
    platformStatus: PlatformStatus!
    project(id: String!): Project!
    projectInvitation(code: String!): PublicProjectInvitation!
    projectInviteCode(projectId: String!, role: ProjectRole!): InviteCode!
    projectToken: ProjectToken!
    projectTokens(after: String, before: String, first: Int, last: Int, projectId: String!): QueryProjectTokensConnection!
    projects(after: String, before: String, first: Int, includeDeleted: Boolean, last: Int, orderBy: ProjectsOrderBy, userId: String, workspaceId: String): QueryProjectsConnection!
    regions(projectId: String): [Region!]!
    sandbox(environmentId: String!, id: String!): Sandbox
    sandboxes(after: String, before: String, environmentId: String!, first: Int, last: Int): QuerySandboxesConnection!
    service(id: String!): Service!
    serviceInstance(environmentId: String!, serviceId: String!): ServiceInstance!
    tcpProxies(environmentId: String!, serviceId: String!): [TCPProxy!]!
    variables(environmentId: String!, projectId: String!, serviceId: String, unrendered: Boolean): EnvironmentVariables!
    variablesForServiceDeployment(environmentId: String!, projectId: String!, serviceId: String!): EnvironmentVariables!
    volumeInstance(id: String!): VolumeInstance!
    volumeInstanceBackupList(volumeInstanceId: String!): [VolumeInstanceBackup!]!
    workflowStatus(workflowId: String!): WorkflowResult!
    workspace(workspaceId: String!): Workspace!
  }`

const mutations = `
  type Mutation {
    apiTokenCreate(input: ApiTokenCreateInput!): String!
    cliEventTrack(input: CliEventTrackInput!): Boolean!
    customDomainCreate(input: CustomDomainCreateInput!): CustomDomain!
    customDomainDelete(id: String!): Boolean!
    customDomainUpdate(environmentId: String!, id: String!, targetPort: Int): Boolean!
    deploymentRedeploy(id: String!, usePreviousImageTag: Boolean): Deployment!
    deploymentRemove(id: String!): Boolean!
    deploymentRestart(id: String!): Boolean!
    deploymentStop(id: String!): Boolean!
    environmentCreate(input: EnvironmentCreateInput!): Environment!
    environmentDelete(id: String!): Boolean!
    environmentPatchCommit(commitMessage: String, environmentId: String!, patch: EnvironmentConfig): String!
    environmentPatchCommitStaged(commitMessage: String, environmentId: String!, skipDeploys: Boolean): String!
    environmentRename(id: String!, input: EnvironmentRenameInput!): Environment!
    environmentStageChanges(environmentId: String!, input: EnvironmentConfig!, merge: Boolean): EnvironmentPatch!
    loginSessionAuth(input: LoginSessionAuthInput!): Boolean!
    projectDelete(id: String!): Boolean!
    projectMemberAdd(input: ProjectMemberAddInput!): ProjectMember!
    projectTokenCreate(input: ProjectTokenCreateInput!): String!
    projectUpdate(id: String!, input: ProjectUpdateInput!): Project!
    serviceConnect(id: String!, input: ServiceConnectInput!): Service!
    serviceCreate(input: ServiceCreateInput!): Service!
    serviceDelete(environmentId: String, id: String!): Boolean!
    serviceDomainCreate(input: ServiceDomainCreateInput!): ServiceDomain!
    serviceDomainDelete(id: String!): Boolean!
    serviceInstanceDeployV2(commitSha: String, environmentId: String!, serviceId: String!): String!
    serviceInstanceRedeploy(environmentId: String!, serviceId: String!): Boolean!
    serviceInstanceUpdate(environmentId: String, input: ServiceInstanceUpdateInput!, serviceId: String!): Boolean!
    serviceUpdate(id: String!, input: ServiceUpdateInput!): Service!
    tcpProxyCreate(input: TCPProxyCreateInput!): TCPProxy! @deprecated
    tcpProxyDelete(id: String!): Boolean!
    variableCollectionUpsert(input: VariableCollectionUpsertInput!): Boolean!
    variableDelete(input: VariableDeleteInput!): Boolean!
    variableUpsert(input: VariableUpsertInput!): Boolean!
    volumeCreate(input: VolumeCreateInput!): Volume!
    volumeDelete(volumeId: String!): Boolean!
    volumeInstanceBackupCreate(name: String, volumeInstanceId: String!): WorkflowId!
    volumeInstanceBackupDelete(volumeInstanceBackupId: String!, volumeInstanceId: String!): WorkflowId!
    volumeInstanceBackupRestore(replicaServiceIds: [String!], volumeInstanceBackupId: String!, volumeInstanceId: String!, wipeServiceIds: [String!]): WorkflowId!
    volumeInstanceUpdate(environmentId: String, input: VolumeInstanceUpdateInput!, volumeId: String!): Boolean!
    volumeUpdate(input: VolumeUpdateInput!, volumeId: String!): Volume!
    webhookTest(payload: String!, url: String!): Int!
  }

  type Subscription {
    deploymentLogs(deploymentId: String!, filter: String, limit: Int): [Log!]!
  }`

const tenancy = `
  type User implements Node {
    agreedFairUse: Boolean!
    avatar: String
    banReason: String @deprecated
    createdAt: DateTime!
    email: String!
    featureFlags: [ActiveFeatureFlag!]!
    flags: [UserFlag!]!
    githubUsername: String
    has2FA: Boolean!
    hasPasskeys: Boolean!
    id: ID!
    isAdmin: Boolean!
    isConductor: Boolean!
    isVerified: Boolean!
    lastLogin: DateTime!
    name: String
    projects(${page}): UserProjectsConnection! @deprecated
    registrationStatus: RegistrationStatus!
    riskLevel: Float
    termsAgreedOn: DateTime
    username: String
    workspaces: [Workspace!]!
  }
  type Workspace implements Node {
    avatar: String
    banReason: String @deprecated
    createdAt: DateTime!
    discordRole: String
    id: ID!
    members: [WorkspaceMember!]!
    name: String!
    plan: Plan!
    preferredRegion: String
    projectCount(includeDeleted: Boolean): Int!
    projects(${page}): WorkspaceProjectsConnection!
    slackChannelId: String
    subscriptionModel: SubscriptionModel! @deprecated
    supportTierOverride: SupportTierOverride
    team: Team @deprecated
    updatedAt: DateTime!
  }
  type Team implements Node { id: ID! @deprecated name: String! @deprecated }
  type WorkspaceMember { avatar: String email: String! id: String! name: String role: TeamRole! }
  type Project implements Node {
    baseEnvironment: Environment
    baseEnvironmentId: String
    botPrEnvironments: Boolean!
    buckets(${page}): ProjectBucketsConnection!
    createdAt: DateTime!
    deletedAt: DateTime
    deployments(${page}): ProjectDeploymentsConnection! @deprecated
    description: String
    environments(after: String, before: String, first: Int, isEphemeral: Boolean, last: Int, sort: SortOrder): ProjectEnvironmentsConnection!
    expiredAt: DateTime
    focusedPrEnvironments: Boolean!
    id: ID!
    isPublic: Boolean!
    isTempProject: Boolean!
    members: [ProjectMember!]!
    name: String!
    prDeploys: Boolean!
    primaryEnvironmentId: String
    services(${page}): ProjectServicesConnection!
    subscriptionPlanLimit: SubscriptionPlanLimit!
    subscriptionType: SubscriptionPlanType!
    team: Team @deprecated
    teamId: String @deprecated
    updatedAt: DateTime!
    volumes(${page}): ProjectVolumesConnection!
    workspace: Workspace
    workspaceId: String
  }
  type ProjectMember { avatar: String email: String! id: String! name: String role: ProjectRole! }
  type ProjectToken implements Node {
    createdAt: DateTime!
    displayToken: String!
    environment: Environment!
    environmentId: String!
    id: ID!
    name: String!
    project: Project!
    projectId: String!
  }
  type InviteCode implements Node {
    code: String!
    createdAt: DateTime!
    id: ID!
    project: Project!
    projectId: String!
    role: ProjectRole!
  }
  type ProjectInvitation { email: String! expiresAt: DateTime! id: ID! isExpired: Boolean! project: PublicProjectInformation! }
  type PublicProjectInformation { id: ID! name: String! }
  union PublicProjectInvitation = InviteCode | ProjectInvitation
  type Environment implements Node {
    canAccess: Boolean!
    config(decryptVariables: Boolean): EnvironmentConfig!
    configEtag: String!
    createdAt: DateTime!
    deletedAt: DateTime
    deployments(${page}): EnvironmentDeploymentsConnection!
    id: ID!
    isEphemeral: Boolean!
    meta: EnvironmentMeta
    name: String!
    projectId: String!
    serviceInstances(${page}): EnvironmentServiceInstancesConnection!
    sourceEnvironment: Environment
    unmergedChangesCount: Int
    updatedAt: DateTime!
    variables(${page}): EnvironmentVariablesConnection!
    volumeInstances(${page}): EnvironmentVolumeInstancesConnection!
  }
  type EnvironmentMeta { baseBranch: String branch: String prNumber: Int prRepo: String prTitle: String }
  type EnvironmentPatch implements Node {
    appliedAt: DateTime
    createdAt: DateTime!
    environment: Environment!
    environmentId: String!
    id: ID!
    lastAppliedError: String
    message: String
    patch(decryptVariables: Boolean): EnvironmentConfig!
    status: EnvironmentPatchStatus!
    updatedAt: DateTime!
  }
  type Variable implements Node {
    createdAt: DateTime!
    environment: Environment!
    environmentId: String
    id: ID!
    isSealed: Boolean!
    name: String!
    references: [String!]!
    service: Service!
    serviceId: String
    updatedAt: DateTime!
  }`

const workloads = `
  type Service implements Node {
    createdAt: DateTime!
    deletedAt: DateTime
    deployments(${page}): ServiceDeploymentsConnection! @deprecated
    featureFlags: [ActiveServiceFeatureFlag!]!
    icon: String
    id: ID!
    name: String!
    project: Project!
    projectId: String!
    serviceInstances(${page}): ServiceServiceInstancesConnection! @deprecated
    templateId: String
    templateServiceId: String
    templateThreadSlug: String
    updatedAt: DateTime!
  }
  type ServiceSource { image: String repo: String }
  type ServiceInstance implements Node {
    activeDeployments: [Deployment!]!
    buildCommand: String
    builder: Builder!
    createdAt: DateTime!
    cronSchedule: String
    deletedAt: DateTime
    dockerfilePath: String
    domains: AllDomains!
    environmentId: String!
    healthcheckPath: String
    healthcheckTimeout: Int
    id: ID!
    isUpdatable: Boolean!
    latestDeployment: Deployment
    nextCronRunAt: DateTime
    nixpacksPlan: JSON
    numReplicas: Int
    preDeployCommand: JSON
    railpackInfo: RailpackInfo
    railwayConfigFile: String
    region: String
    restartPolicyMaxRetries: Int!
    restartPolicyType: RestartPolicyType!
    rootDirectory: String
    service: Service!
    serviceId: String!
    serviceName: String!
    sleepApplication: Boolean
    source: ServiceSource
    startCommand: String
    updatedAt: DateTime!
    upstreamUrl: String
    watchPatterns: [String!]!
  }
  type Deployment implements Node {
    canRedeploy: Boolean!
    canRollback: Boolean!
    createdAt: DateTime!
    deploymentStopped: Boolean!
    environment: Environment!
    environmentId: String!
    id: ID!
    instances: [DeploymentDeploymentInstance!]!
    meta: DeploymentMeta
    projectId: String!
    service: Service!
    serviceId: String
    snapshotId: String
    staticUrl: String
    status: DeploymentStatus!
    statusUpdatedAt: DateTime
    suggestAddServiceDomain: Boolean!
    updatedAt: DateTime!
    url: String
  }
  type DeploymentDeploymentInstance { id: String! status: DeploymentInstanceStatus! }
  type DeploymentSnapshot implements Node { createdAt: DateTime! id: ID! updatedAt: DateTime! variables: EnvironmentVariables! }
  type Log { attributes: [LogAttribute!]! message: String! severity: String tags: LogTags timestamp: String! }
  type LogAttribute { key: String! value: String! }
  type LogTags { deploymentId: String deploymentInstanceId: String environmentId: String projectId: String serviceId: String snapshotId: String }
  type Sandbox {
    createdAt: DateTime!
    environmentId: String!
    id: ID!
    idleTimeoutMinutes: Int
    networkIsolation: SandboxNetworkIsolation!
    region: String!
    status: SandboxStatus!
  }
  type Volume implements Node {
    createdAt: DateTime!
    id: ID!
    name: String!
    project: Project!
    projectId: String!
    volumeInstances(${page}): VolumeVolumeInstancesConnection! @deprecated
  }
  type VolumeInstance implements Node {
    createdAt: DateTime!
    currentSizeMB: Float!
    deletedAt: DateTime
    environment: Environment!
    environmentId: String!
    externalId: String
    id: ID!
    isPendingDeletion: Boolean!
    mountPath: String!
    region: String
    service: Service!
    serviceId: String
    sizeMB: Int!
    state: VolumeState
    volume: Volume!
    volumeId: String!
  }
  type VolumeInstanceBackup {
    createdAt: DateTime!
    creatorId: String
    expiresAt: DateTime
    externalId: String!
    id: String!
    name: String
    referencedMB: Int
    scheduleId: String
    usedMB: Int
    volumeInstanceSizeMB: Int
  }
  type WorkflowId { workflowId: String }
  type WorkflowResult { error: String status: WorkflowStatus! }
  type Bucket implements Node {
    createdAt: DateTime!
    groupId: String
    id: ID!
    name: String!
    project: Project!
    projectId: String!
    updatedAt: DateTime!
  }
  type BucketS3CompatibleCredentials {
    accessKeyId: String!
    bucketName: String!
    createdAt: DateTime!
    endpoint: String!
    region: String!
    secretAccessKey: String!
    urlStyle: String!
  }`

const network = `
  interface Domain {
    cdnMode: String @deprecated
    createdAt: DateTime
    deletedAt: DateTime
    domain: String!
    edgeId: String
    environmentId: String!
    id: ID!
    projectId: String
    serviceId: String!
    targetPort: Int
    updatedAt: DateTime
  }
  type CustomDomain implements Domain {
    cdnMode: String @deprecated
    createdAt: DateTime
    deletedAt: DateTime
    domain: String!
    edgeId: String
    environmentId: String!
    id: ID!
    isRailwayDomain: Boolean!
    projectId: String
    serviceId: String!
    status: CustomDomainStatus!
    syncStatus: CustomDomainSyncStatus!
    targetPort: Int
    updatedAt: DateTime
  }
  type CustomDomainStatus {
    cdnProvider: CDNProvider
    certificateErrorMessage: String
    certificateErrorType: CertificateErrorType
    certificateRetryable: Boolean
    certificateStatus: CertificateStatus!
    certificateStatusDetailed: CertificateStatusDetailed
    certificates: [CertificatePublicData!]
    dnsRecords: [DNSRecords!]!
    verificationDnsHost: String
    verificationToken: String
    verified: Boolean!
  }
  type DNSRecords {
    currentValue: String!
    fqdn: String!
    hostlabel: String!
    purpose: DNSRecordPurpose!
    recordType: DNSRecordType!
    requiredValue: String!
    status: DNSRecordStatus!
    zone: String!
  }
  type ServiceDomain implements Domain {
    cdnMode: String @deprecated
    createdAt: DateTime
    deletedAt: DateTime
    domain: String!
    edgeId: String
    environmentId: String!
    id: ID!
    projectId: String
    serviceId: String!
    suffix: String
    syncStatus: ServiceDomainSyncStatus!
    targetPort: Int
    updatedAt: DateTime
  }
  type AllDomains { customDomains: [CustomDomain!]! serviceDomains: [ServiceDomain!]! }
  type CertificatePublicData { domainNames: [String!]! expiresAt: DateTime fingerprintSha256: String! issuedAt: DateTime keyType: KeyType! }
  type DomainAvailable { available: Boolean! message: String! }
  type TCPProxy {
    applicationPort: Int!
    createdAt: DateTime
    deletedAt: DateTime
    domain: String!
    environmentId: String!
    id: ID!
    proxyPort: Int!
    serviceId: String!
    syncStatus: TCPProxySyncStatus!
    updatedAt: DateTime
  }
  type PlatformStatus { incident: Incident isStable: Boolean! maintenance: Maintenance }
  type Incident { createdAt: DateTime id: String! message: String! status: IncidentStatus! url: String! }
  type Maintenance { id: String! message: String! start: DateTime! status: MaintenanceStatus! url: String! }
  type RegionDeploymentConstraints { deprecationInfo: RegionDeprecationInfo }
  type RegionDeprecationInfo { isDeprecated: Boolean! replacementRegion: String! }
  type Region { country: String! deploymentConstraints: RegionDeploymentConstraints id: String location: String! name: String! region: String workspaceId: String }`

const inputs = `
  input ApiTokenCreateInput { name: String! workspaceId: String }
  input CliEventTrackInput {
    agentSessionId: String
    arch: String!
    caller: String
    cliVersion: String!
    command: String!
    durationMs: Int!
    environmentId: String
    errorClass: String
    errorMessage: String
    installRequestId: String
    isCi: Boolean!
    os: String!
    projectId: String
    serviceId: String
    sessionId: String
    subCommand: String
    success: Boolean!
    workspaceId: String
  }
  input CustomDomainCreateInput { domain: String! environmentId: String! projectId: String! serviceId: String! targetPort: Int }
  input DeploymentListInput { environmentId: String includeDeleted: Boolean projectId: String serviceId: String status: DeploymentStatusInput }
  input DeploymentStatusInput { in: [DeploymentStatus!] notIn: [DeploymentStatus!] }
  input EnvironmentCreateInput {
    applyChangesInBackground: Boolean
    ephemeral: Boolean
    name: String!
    projectId: String!
    skipInitialDeploys: Boolean
    sourceEnvironmentId: String
    stageInitialChanges: Boolean
  }
  input EnvironmentRenameInput { name: String! }
  input LoginSessionAuthInput { code: String! hostname: String }
  input ProjectMemberAddInput { projectId: String! role: ProjectRole! userId: String! }
  input ProjectTokenCreateInput { environmentId: String! name: String! projectId: String! }
  input ProjectUpdateInput {
    baseEnvironmentId: String
    botPrEnvironments: Boolean
    description: String
    focusedPrEnvironments: Boolean
    isPublic: Boolean
    name: String
    prDeploys: Boolean
  }
  input RegistryCredentialsInput { password: String! username: String! }
  input ServiceConnectInput { branch: String image: String repo: String }
  input ServiceCreateInput {
    branch: String
    environmentId: String
    icon: String
    name: String
    projectId: String!
    registryCredentials: RegistryCredentialsInput
    source: ServiceSourceInput
    templateId: String
    templateServiceId: String
    variables: EnvironmentVariables
  }
  input ServiceDomainCreateInput { environmentId: String! serviceId: String! targetPort: Int }
  input ServiceInstanceUpdateInput {
    buildCommand: String
    builder: Builder
    cronSchedule: String
    dockerfilePath: String
    drainingSeconds: Int
    healthcheckPath: String
    healthcheckTimeout: Int
    ipv6EgressEnabled: Boolean
    multiRegionConfig: JSON
    nixpacksPlan: JSON
    numReplicas: Int
    overlapSeconds: Int
    preDeployCommand: [String!]
    railwayConfigFile: String
    region: String
    registryCredentials: RegistryCredentialsInput
    restartPolicyMaxRetries: Int
    restartPolicyType: RestartPolicyType
    rootDirectory: String
    sleepApplication: Boolean
    source: ServiceSourceInput
    startCommand: String
    watchPatterns: [String!]
  }
  input ServiceSourceInput { image: String repo: String }
  input ServiceUpdateInput { icon: String name: String }
  input TCPProxyCreateInput { applicationPort: Int! environmentId: String! serviceId: String! }
  input VariableCollectionUpsertInput {
    environmentId: String!
    projectId: String!
    replace: Boolean = false
    serviceId: String
    skipDeploys: Boolean = false
    variables: EnvironmentVariables!
  }
  input VariableDeleteInput { environmentId: String! name: String! projectId: String! serviceId: String }
  input VariableUpsertInput {
    environmentId: String!
    name: String!
    projectId: String!
    serviceId: String
    skipDeploys: Boolean = false
    value: String!
  }
  input VolumeCreateInput { environmentId: String mountPath: String! projectId: String! region: String serviceId: String }
  input VolumeInstanceUpdateInput { mountPath: String serviceId: String state: VolumeState }
  input VolumeUpdateInput { name: String }`

const leaves = `
  scalar DateTime
  scalar DeploymentMeta
  scalar EnvironmentConfig
  scalar EnvironmentVariables
  scalar JSON
  scalar RailpackInfo
  scalar SubscriptionPlanLimit
  interface Node { id: ID! }
  type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }
  enum ActiveFeatureFlag {
    ACCESS_GROUPS
    AGENT_BYOK
    AGENT_CONTEXT_SOURCES
    CHAT_SANDBOX
    CLOUD_AGENTS
    DEBUG_SMART_DIAGNOSIS
    FIXED_DOMAIN_RADAR_RULES
    HA_FOR_ALL_TEMPLATES
    IN_DASHBOARD_SUPPORT
    MAGIC_CONFIG
    NEW_PEOPLE_PAGE
    POSTGRES_MAJOR_UPGRADE
    POSTGRES_VULN_AUTO_UPDATE
    PRIORITY_BOARDING
    PROJECT_SANDBOXES
    TEMPLATE_CHANGE_SETS
  }
  enum ActiveServiceFeatureFlag {
    COPY_VOLUME_TO_ENVIRONMENT
    ENABLE_DOCKER_EXTENSION
    PLACEHOLDER
    SKIPPED_BUILDS
    USE_EXPRESS_DEPLOY
    USE_EXPRESS_PACKSTORE
    USE_VM_RUNTIME
  }
  enum Builder { HEROKU NIXPACKS PAKETO RAILPACK }
  enum CDNProvider {
    DETECTED_CDN_PROVIDER_CLOUDFLARE
    DETECTED_CDN_PROVIDER_UNSPECIFIED
    UNRECOGNIZED
  }
  enum CertificateErrorType {
    CERTIFICATE_ERROR_TYPE_AUTHORIZATION_FAILED
    CERTIFICATE_ERROR_TYPE_DNS_VALIDATION
    CERTIFICATE_ERROR_TYPE_INTERNAL
    CERTIFICATE_ERROR_TYPE_KEY_GENERATION
    CERTIFICATE_ERROR_TYPE_ORDER_CREATION
    CERTIFICATE_ERROR_TYPE_RATE_LIMIT
    CERTIFICATE_ERROR_TYPE_UNSPECIFIED
    UNRECOGNIZED
  }
  enum CertificateStatus {
    CERTIFICATE_STATUS_TYPE_ISSUE_FAILED
    CERTIFICATE_STATUS_TYPE_ISSUING
    CERTIFICATE_STATUS_TYPE_UNSPECIFIED
    CERTIFICATE_STATUS_TYPE_VALID
    CERTIFICATE_STATUS_TYPE_VALIDATING_OWNERSHIP
    UNRECOGNIZED
  }
  enum CertificateStatusDetailed {
    CERTIFICATE_STATUS_TYPE_DETAILED_CLEANING_UP
    CERTIFICATE_STATUS_TYPE_DETAILED_COMPLETE
    CERTIFICATE_STATUS_TYPE_DETAILED_CREATING_ORDER
    CERTIFICATE_STATUS_TYPE_DETAILED_DOWNLOADING_CERTIFICATE
    CERTIFICATE_STATUS_TYPE_DETAILED_FAILED
    CERTIFICATE_STATUS_TYPE_DETAILED_FETCHING_AUTHORIZATIONS
    CERTIFICATE_STATUS_TYPE_DETAILED_FINALIZING_ORDER
    CERTIFICATE_STATUS_TYPE_DETAILED_GENERATING_KEYS
    CERTIFICATE_STATUS_TYPE_DETAILED_INITIATING_CHALLENGES
    CERTIFICATE_STATUS_TYPE_DETAILED_POLLING_AUTHORIZATIONS
    CERTIFICATE_STATUS_TYPE_DETAILED_PRESENTING_CHALLENGES
    CERTIFICATE_STATUS_TYPE_DETAILED_UNSPECIFIED
    UNRECOGNIZED
  }
  enum CustomDomainSyncStatus { ACTIVE CREATING DELETED DELETING UNSPECIFIED UPDATING }
  enum DNSRecordPurpose {
    DNS_RECORD_PURPOSE_ACME_DNS01_CHALLENGE
    DNS_RECORD_PURPOSE_TRAFFIC_ROUTE
    DNS_RECORD_PURPOSE_UNSPECIFIED
    UNRECOGNIZED
  }
  enum DNSRecordStatus {
    DNS_RECORD_STATUS_PROPAGATED
    DNS_RECORD_STATUS_REQUIRES_UPDATE
    DNS_RECORD_STATUS_UNSPECIFIED
    UNRECOGNIZED
  }
  enum DNSRecordType {
    DNS_RECORD_TYPE_A
    DNS_RECORD_TYPE_CNAME
    DNS_RECORD_TYPE_NS
    DNS_RECORD_TYPE_TXT
    DNS_RECORD_TYPE_UNSPECIFIED
    UNRECOGNIZED
  }
  enum DeploymentInstanceStatus {
    CRASHED
    CREATED
    EXITED
    INITIALIZING
    REMOVED
    REMOVING
    RESTARTING
    RUNNING
    SKIPPED
    STOPPED
  }
  enum DeploymentStatus {
    BUILDING
    CRASHED
    DEPLOYING
    FAILED
    INITIALIZING
    NEEDS_APPROVAL
    QUEUED
    REMOVED
    REMOVING
    SKIPPED
    SLEEPING
    SUCCESS
    WAITING
  }
  enum EnvironmentPatchStatus { APPLYING COMMITTED STAGED }
  enum IncidentStatus { IDENTIFIED INVESTIGATING MONITORING RESOLVED }
  enum KeyType {
    KEY_TYPE_ECDSA
    KEY_TYPE_RSA_2048
    KEY_TYPE_RSA_4096
    KEY_TYPE_UNSPECIFIED
    UNRECOGNIZED
  }
  enum MaintenanceStatus { COMPLETED INPROGRESS NOTSTARTEDYET }
  enum Plan { FREE HOBBY PRO }
  enum ProjectRole { ADMIN MEMBER VIEWER }
  enum ProjectsOrderBy { CREATED_AT_DESC NAME_ASC UPDATED_AT_DESC }
  enum RegistrationStatus { ONBOARDED REGISTERED WAITLISTED }
  enum RestartPolicyType { ALWAYS NEVER ON_FAILURE }
  enum SandboxNetworkIsolation { ISOLATED PRIVATE }
  enum SandboxStatus { CREATING DESTROYED DESTROYING FAILED RUNNING }
  enum ServiceDomainSyncStatus { ACTIVE CREATING DELETED DELETING UNSPECIFIED UPDATING }
  enum SortOrder { asc desc }
  enum SubscriptionModel { FREE TEAM USER }
  enum SubscriptionPlanType { free hobby pro trial }
  enum SupportTierOverride { BUSINESS_CLASS BUSINESS_CLASS_TRIAL }
  enum TCPProxySyncStatus { ACTIVE CREATING DELETED DELETING UNSPECIFIED UPDATING }
  enum TeamRole { ADMIN MEMBER VIEWER }
  enum UserFlag { BETA }
  enum VolumeState { DELETED DELETING ERROR MIGRATING MIGRATION_PENDING READY RESTORING UPDATING }
  enum WorkflowStatus { Complete Error NotFound Running }
`

/** The whole SDL. */
export const sdl = [
  queries,
  mutations,
  tenancy,
  workloads,
  network,
  inputs,
  leaves,
  ...connections.map(([name, node]) => connection(name, node)),
].join('\n')
