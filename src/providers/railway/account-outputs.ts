/**
 * The types that belong to people and workspaces, with the fields that are known of each. Data; a capability for an
 * environment reads of them what `tellable` says, where something of its own leads there, and nothing else.
 */
import type { TypeRule } from '../graphql/overlay.ts'

/** Who somebody or something is, for what stands beside it: the workspace of a project, the members' names. */
const tellable: Readonly<Record<string, string>> = {
  ProjectMember: 'avatar id name role',
  Team: 'id name',
  Template: 'code id name',
  User: 'id name',
  Workspace: 'id name',
}

const fields: Readonly<Record<string, string>> = {
  AdoptionInfo: `
    adoptionLevel createdAt deltaLevel id matchedIcpEmail monthlyEstimatedUsage numConfigFile
    numCronSchedule numDeploys numEnvs numFailedDeploys numHealthcheck numIconConfig numRegion
    numReplicas numRootDirectory numSeats numServices numVariables numWatchPatterns totalCores
    totalDisk totalNetwork updatedAt workspace`,
  AgentUsageSummary: 'billingPeriodEnd hardLimitCents softLimitCents totalUsedCents usageRemaining',
  ApiToken: 'displayToken expiresAt id name workspaceId',
  ApiTokenContext: 'workspaces',
  ApiTokenRateLimit: 'remainingPoints resetsAt',
  ApiTokenWorkspace: 'id name',
  AuditLog: `
    context createdAt environment environmentId eventType id payload project projectId workspaceId`,
  BillingPeriod: 'end start',
  BotScopeBindingInfo:
    'canRemove id platform scopeId scopeName scopeType workspaceId workspaceName',
  ComplianceAgreementsInfo: 'hasBAA hasDPA',
  Credit: 'amount createdAt customerId id memo type updatedAt',
  Customer: `
    appliedCredits billingAddress billingEmail billingPeriod creditBalance credits currentUsage
    defaultPaymentMethod defaultPaymentMethodId hasExhaustedFreePlan id invoices isPrepaying
    isTrialing isUsageSubscriber isWithdrawingToCredits planLimitOverride
    remainingUsageCreditBalance spendCommitment state stripeCustomerId subscriptions
    supportedWithdrawalPlatforms taxIds trialDaysRemaining usageLimit workspace`,
  CustomerAddress: 'city country line1 line2 name postalCode state',
  CustomerInvoice: `
    amountDue amountPaid hostedURL invoiceId items lastPaymentError paymentIntentStatus pdfURL
    periodEnd periodStart reissuedInvoiceFrom reissuedInvoiceOf spendCommitmentPrepayment status
    subscriptionId subscriptionStatus total`,
  CustomerSubscription: `
    billingCycleAnchor cancelAt cancelAtPeriodEnd couponId discounts id items latestInvoiceId
    nextInvoiceCurrentTotal nextInvoiceDate status`,
  CustomerTaxId: 'id type value',
  ExternalWorkspace: `
    allowDeprecatedRegions avatar banReason createdAt currentSessionHasAccess customerId
    customerState discordRole has2FAEnforcement hasAutomaticDiagnosis hasBAA hasGuardrailsAccess
    hasRBAC hasSAML id isTrialing name plan preferredRegion projects redactedDueTo2FAPending
    subscriptionPlanLimit supportTierOverride teamId`,
  GitHubAccess: 'hasAccess isPublic',
  GitHubBranch: 'name',
  GitHubRepo: 'defaultBranch description fullName id installationId isPrivate name ownerAvatarUrl',
  GitHubRepoWithoutInstallation: 'defaultBranch description fullName id isPrivate name',
  GitHubSshKey: 'id key title',
  HerokuApp: 'id name',
  IntegrationAuth: 'id integrations provider providerId',
  InviteCode: 'code createdAt id project projectId role',
  MaintainerWorkspace: 'avatar id name partnerProfile',
  NotificationChannel: 'config createdAt id updatedAt workspaceId',
  NotificationDelivery: 'createdAt id notificationInstance readAt status type updatedAt userId',
  NotificationDeliveryCreated: 'delivery type',
  NotificationDeliveryResolved: 'deliveryIds type',
  NotificationDeliveryUpdate: '',
  NotificationInstance: `
    createdAt environmentId event eventId eventType id payload projectId resolvedAt resourceId
    resourceType serviceId severity status updatedAt volumeId workspaceId`,
  NotificationRule: `
    channels createdAt environmentId ephemeralEnvironments eventTypes id projectId serviceId
    severities updatedAt workspaceId`,
  PartnerProfile: 'category description slug type website',
  Passkey: `
    aaguid backedUp createdAt credentialId deviceName deviceType displayName id lastUsedAt
    lastUsedDevice transports updatedAt`,
  PaymentMethod: 'card id',
  PaymentMethodCard: 'brand country last4',
  PlanLimitOverride: 'config id',
  PlatformFeatureFlagStatus: 'flag rolloutPercentage status type',
  Preferences: `
    buildFailedEmail changelogEmail communityEmail deployCrashedEmail ephemeralEnvironmentEmail id
    marketingEmail subprocessorUpdatesEmail templateQueueEmail usageEmail`,
  ProjectComplianceInfo:
    'memberPermissions projectId projectName serviceBackups twoFactorMembers workspaceId',
  ProjectInvitation: 'email expiresAt id inviter isExpired project',
  ProjectInvitationInviter: 'email name',
  ProjectMember: 'avatar email id name role',
  ProjectMemberPermissionsInfo: 'email name role',
  ProjectMemberTwoFactorInfo: 'email enabledMethods name twoFactorAuthEnabled',
  ProjectPermission: 'id projectId role userId',
  ProjectServiceUsagePage: 'pageInfo usage',
  ProjectServiceUsagePageInfo: 'endCursor hasNextPage',
  ProjectWorkspaceMember: 'email enabledMethods name twoFactorAuthEnabled',
  ProjectWorkspaceMembersResponse: 'members projectId projectName workspaceId',
  ProviderAuth: 'email id isAuthEnabled metadata provider userId',
  PublicProjectInvitation: '',
  RailwayDomain: `
    autoRenewEnabled connectedServiceInstances createdAt domain id nameservers nextBillingDate
    purchasePrice registrationYears renewalPrice status workspaceId workspaceName`,
  RailwayDomainDnsRecord: 'answer domainName fqdn host id priority ttl type',
  RailwayDomainNameservers: 'isDefault nameservers',
  RecoveryCodes: 'recoveryCodes',
  ReferralInfo: 'code id referralStats status',
  ReferralStats: 'credited pending',
  ReferralUser: 'code id status',
  ResourceAccess: 'deployment project',
  SSHSignupInfo: 'fingerprint',
  ServiceBackupInfo: 'schedules serviceId serviceName',
  Session: 'createdAt expiredAt id isCurrent name type updatedAt',
  Signal: 'createdAt createdBy default id name owner rules type updatedAt version writableBy',
  SignalChange: 'authorId createdAt id kind payload prevState seq signalId',
  SignalEvaluation: 'reason trace value',
  SimilarTemplate:
    'code createdAt creator deploys description health image name teamId userId workspaceId',
  SpendCommitment: 'features id minSpendAmountCents',
  SshPublicKey: 'createdAt fingerprint id name publicKey updatedAt userId workspaceId',
  SubscriptionDiscount: 'couponId couponName',
  SubscriptionItem: 'itemId priceDollars priceId productId quantity',
  Team: `
    adoptionHistory adoptionLevel apiTokenRateLimit avatar createdAt customer id members name
    preferredRegion projects slackChannelId supportTierOverride teamPermissions updatedAt
    workspace`,
  TeamMember: 'avatar email featureFlags id name role',
  TeamPermission: 'createdAt id role updatedAt userId workspaceId',
  Template: `
    activeProjects canvasConfig category code communityThreadSlug config createdAt creator
    demoProjectId description guides health id image isApproved isV2Template isVerified languages
    maintainer metadata name projects readme recentProjects serializedConfig services
    similarTemplates status supportHealthMetrics tags teamId totalPayout updatedAt workspaceId`,
  TemplateCreator: 'avatar hasPublicProfile name username',
  TemplateGuide: 'post video',
  TemplateMetrics: `
    activeDeployments deploymentsLast90Days earningsLast30Days earningsLast90Days
    eligibleForSupportBonus supportHealth templateHealth totalDeployments totalEarnings`,
  TemplateService: 'config createdAt id templateId updatedAt',
  TrustedDomain: 'domainName id role status verificationData verificationType workspaceId',
  TrustedDomainVerificationData: 'dnsHost domainMatch domainStatus token',
  TwoFactorInfo: 'hasRecoveryCodes isVerified',
  TwoFactorInfoSecret: 'secret uri',
  UsageLimit:
    'agentHardLimitCents agentSoftLimitCents customerId hardLimit id isOverLimit softLimit',
  User: `
    agreedFairUse apiTokenRateLimit avatar banReason createdAt email featureFlags flags
    githubProviderId githubUsername has2FA hasPasskeys id isAdmin isConductor isVerified lastLogin
    name platformFeatureFlags profile projects providerAuths registrationStatus riskLevel
    termsAgreedOn username workspace workspaces`,
  UserKickbackEarnings: 'total_amount',
  UserProfile: 'bio isPublic website',
  UserProfileResponse: `
    avatar createdAt customerId id isTrialing name profile publicProjects publishedTemplates state
    totalDeploys username`,
  VercelAccount: 'id integrationAuthId isUser name projects slug',
  VercelInfo: 'accounts',
  VercelProject: 'accountId id name',
  Workspace: `
    adoptionHistory adoptionLevel allowDeprecatedRegions apiTokenRateLimit avatar banReason
    createdAt customer discordRole has2FAEnforcement hasAutomaticDiagnosis hasGuardrailsAccess
    hasHipaaBAA hasSAML id identityProviders members name partnerProfile plan preferredRegion
    projectCount projects redactedDueTo2FAPending referredUsers slackChannelId subscriptionModel
    subscriptionPlanLimit supportTierOverride team updatedAt usersWithout2FA`,
  WorkspaceIdPConnection: 'createdAt provider status updatedAt',
  WorkspaceIdentityProvider:
    'connection createdAt enforcementEnabledAt id updatedAt workspace workspaceId',
  WorkspaceMember: 'avatar email featureFlags id name role twoFactorAuthEnabled',
  WorkspacePolicy: `
    deploySourceAllowlist id restrictDeploysToAllowedSources restrictPublicTcpProxies
    restrictRailwayDomainGeneration`,
  WorkspacePolicyDeploySourceAllowlist:
    'addedBy createdAt id sourceIcon sourceId sourceName sourceType',
  WorkspacePolicySelectableDeploySource: 'sourceIcon sourceId sourceName sourceType',
}

export const accountTypes: Readonly<Record<string, TypeRule>> = Object.fromEntries(
  Object.entries(fields).map(([name, known]): [string, TypeRule] => [
    name,
    { reach: 'account', fields: known, harmless: tellable[name] ?? '' },
  ]),
)
