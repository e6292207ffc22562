/**
 * What each of Railway's mutations does to people, workspaces, whole projects and the catalogue. Data; none of these
 * belongs to an environment, so that a capability for one never reaches them unless they are harmless.
 */
import type { RootRule } from '../graphql/overlay.ts'

/** A project holds several environments: what acts on all of it belongs to none. */
const projects: Readonly<Record<string, RootRule>> = {
  projectCreate: {
    effects: ['write', 'execute', 'admin'],
    args: { 'input.workspaceId': 'workspace' },
    note: 'Can deploy any repository.',
  },
  projectUpdate: {
    effects: ['write', 'reveal', 'admin'],
    args: { id: 'project', 'input.baseEnvironmentId': 'environment' },
    note: 'Can make the project public, and choose whose variables pull requests get.',
  },
  projectDelete: { effects: ['destructive', 'admin'], args: { id: 'project' } },
  projectScheduleDelete: { effects: ['destructive', 'admin'], args: { id: 'project' } },
  projectScheduleDeleteForce: { effects: ['destructive', 'admin'], args: { id: 'project' } },
  projectScheduleDeleteCancel: { effects: ['write', 'admin'], args: { id: 'project' } },
  projectFeatureFlagAdd: { effects: ['write', 'admin'], args: { 'input.projectId': 'project' } },
  projectFeatureFlagRemove: {
    effects: ['destructive', 'admin'],
    args: { 'input.projectId': 'project' },
  },
  projectClaim: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { id: 'project', workspaceId: 'workspace' },
  },
  projectTransfer: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { projectId: 'project', 'input.workspaceId': 'workspace' },
  },
  projectTransferInitiate: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { 'input.projectId': 'project', 'input.memberId': 'user' },
  },
  projectTransferConfirm: {
    effects: ['destructive', 'reveal', 'admin'],
    args: {
      'input.projectId': 'project',
      'input.ownershipTransferId': 'account',
      'input.destinationWorkspaceId': 'workspace',
    },
  },
  projectTransferToTeam: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { id: 'project', 'input.teamId': 'workspace' },
  },
}

/** Whoever lets somebody in gives away every secret that there is to see. */
const members: Readonly<Record<string, RootRule>> = {
  projectMemberAdd: {
    effects: ['reveal', 'admin'],
    args: { 'input.projectId': 'project', 'input.userId': 'user' },
  },
  projectMemberUpdate: {
    effects: ['reveal', 'admin'],
    args: { 'input.projectId': 'project', 'input.userId': 'user' },
  },
  projectMemberRemove: {
    effects: ['destructive', 'admin'],
    args: { 'input.projectId': 'project', 'input.userId': 'user' },
  },
  projectLeave: { effects: ['destructive', 'admin'], args: { id: 'project' } },
  projectInviteUser: { effects: ['reveal', 'admin'], args: { id: 'project' } },
  projectInvitationCreate: { effects: ['reveal', 'admin'], args: { id: 'project' } },
  projectInvitationResend: { effects: ['reveal', 'admin'], args: { id: 'account' } },
  projectInvitationDelete: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  projectInvitationAccept: { effects: ['reveal', 'admin'] },
  inviteCodeUse: { effects: ['reveal', 'admin'] },
}

/** Integrations carry credentials to other services, and rules carry events to any address. Both take untyped JSON. */
const outlets: Readonly<Record<string, RootRule>> = {
  integrationCreate: {
    effects: ['write', 'destructive', 'reveal'],
    args: { 'input.projectId': 'project', 'input.integrationAuthId': 'account' },
  },
  integrationUpdate: {
    effects: ['write', 'destructive', 'reveal'],
    args: {
      id: 'integration',
      'input.projectId': 'project',
      'input.integrationAuthId': 'account',
    },
  },
  integrationDelete: { effects: ['destructive'], args: { id: 'integration' } },
  notificationRuleCreate: {
    effects: ['write', 'destructive', 'reveal', 'admin'],
    args: { 'input.workspaceId': 'workspace', 'input.projectId': 'project' },
  },
  notificationRuleUpdate: {
    effects: ['write', 'destructive', 'reveal', 'admin'],
    args: { id: 'notification-rule' },
  },
  notificationRuleDelete: { effects: ['destructive', 'admin'], args: { id: 'notification-rule' } },
  notificationDeliveriesMarkAsRead: { effects: ['admin'], args: { deliveryIds: 'account' } },
  webhookTest: {
    effects: ['reveal', 'admin'],
    note: 'Sends any payload to any address, from the inside of the platform.',
  },
}

const signingIn: Readonly<Record<string, RootRule>> = {
  apiTokenCreate: { effects: ['reveal', 'admin'], args: { 'input.workspaceId': 'workspace' } },
  apiTokenDelete: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  loginSessionAuth: {
    effects: ['reveal', 'admin'],
    note: 'Signs in whoever holds the code.',
  },
  loginSessionCancel: { effects: ['destructive', 'admin'] },
  loginSessionConsume: { effects: ['reveal', 'admin'] },
  loginSessionCreate: { effects: ['reveal', 'admin'] },
  loginSessionVerify: { effects: ['admin'] },
  passkeyDelete: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  providerAuthRemove: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  recoveryCodeGenerate: { effects: ['destructive', 'reveal', 'admin'] },
  recoveryCodeValidate: { effects: ['admin'] },
  sessionDelete: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  sshPublicKeyCreate: { effects: ['reveal', 'admin'], args: { 'input.workspaceId': 'workspace' } },
  sshPublicKeyDelete: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  sshSignupApprove: { effects: ['reveal', 'admin'] },
  twoFactorInfoCreate: { effects: ['reveal', 'admin'] },
  twoFactorInfoDelete: { effects: ['destructive', 'admin'] },
  twoFactorInfoSecret: { effects: ['reveal', 'admin'] },
  twoFactorInfoValidate: { effects: ['admin'] },
}

const people: Readonly<Record<string, RootRule>> = {
  // Whoever holds the mailbox of an account holds the account.
  emailChangeConfirm: { effects: ['destructive', 'reveal', 'admin'] },
  emailChangeInitiate: { effects: ['destructive', 'reveal', 'admin'] },
  fairUseAgree: { effects: ['admin'] },
  featureFlagAdd: { effects: ['admin'] },
  featureFlagRemove: { effects: ['destructive', 'admin'] },
  jobApplicationCreate: { effects: ['destructive', 'admin'], args: { 'input.jobId': 'none' } },
  preferencesUpdate: { effects: ['admin'] },
  userBetaLeave: { effects: ['destructive', 'admin'] },
  userDelete: { effects: ['destructive', 'admin'] },
  userDiscordDisconnect: { effects: ['destructive', 'admin'] },
  userFlagsRemove: { effects: ['destructive', 'admin'], args: { 'input.userId': 'user' } },
  userFlagsSet: { effects: ['admin'], args: { 'input.userId': 'user' } },
  userProfileUpdate: { effects: ['admin'] },
  userTermsUpdate: { effects: ['admin'] },
}

const workspaces: Readonly<Record<string, RootRule>> = {
  botScopeBindingRemove: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  trustedDomainCreate: { effects: ['reveal', 'admin'], args: { 'input.workspaceId': 'workspace' } },
  trustedDomainDelete: { effects: ['destructive', 'admin'], args: { id: 'account' } },
  trustedDomainRetriggerVerification: { effects: ['reveal', 'admin'], args: { id: 'account' } },
  trustedDomainUpdate: { effects: ['reveal', 'admin'], args: { 'input.id': 'account' } },
  upsertSlackChannel: { effects: ['admin'], args: { workspaceId: 'workspace' } },
  workspaceDelete: { effects: ['destructive', 'admin'], args: { id: 'workspace' } },
  workspaceInviteCodeCreate: { effects: ['reveal', 'admin'], args: { workspaceId: 'workspace' } },
  workspaceInviteCodeUse: { effects: ['reveal', 'admin'] },
  workspaceLeave: { effects: ['destructive', 'admin'], args: { id: 'workspace' } },
  workspacePermissionChange: {
    effects: ['reveal', 'admin'],
    args: { 'input.workspaceId': 'workspace', 'input.userId': 'user' },
  },
  // Policies are protections: what they allow may widen, and what they demand may end.
  workspacePolicyDeploySourceAllowlistAdd: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { workspaceId: 'workspace', sourceId: 'account' },
  },
  workspacePolicyDeploySourceAllowlistRemove: {
    effects: ['destructive', 'admin'],
    args: { id: 'account' },
  },
  workspacePolicyItemUpdate: {
    effects: ['destructive', 'admin'],
    args: { workspaceId: 'workspace' },
  },
  workspaceTwoFactorEnforcementUpdate: {
    effects: ['destructive', 'admin'],
    args: { workspaceId: 'workspace' },
  },
  workspaceUpdate: { effects: ['admin'], args: { id: 'workspace' } },
  workspaceUpsertSlackChannel: { effects: ['admin'], args: { id: 'workspace' } },
  workspaceUserInvite: { effects: ['reveal', 'admin'], args: { workspaceId: 'workspace' } },
  workspaceUserRemove: {
    effects: ['destructive', 'admin'],
    args: { workspaceId: 'workspace', 'input.userId': 'user' },
  },
}

/** A limit that is reached stops everything that the account runs. */
const billing: Readonly<Record<string, RootRule>> = {
  agentUsageLimitSet: {
    effects: ['destructive', 'admin'],
    args: { 'input.workspaceId': 'workspace' },
  },
  customerCreateFreePlanSubscription: { effects: ['admin'], args: { id: 'customer' } },
  customerTogglePayoutsToCredits: { effects: ['admin'], args: { customerId: 'customer' } },
  referralInfoUpdate: { effects: ['admin'], args: { 'input.workspaceId': 'workspace' } },
  usageLimitRemove: {
    effects: ['destructive', 'admin'],
    args: { 'input.customerId': 'customer' },
  },
  usageLimitSet: { effects: ['destructive', 'admin'], args: { 'input.customerId': 'customer' } },
}

/** Domains that a workspace bought. A record can hand a name to somebody else. */
const registrar: Readonly<Record<string, RootRule>> = {
  railwayDomainDnsRecordCreate: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { 'input.workspaceId': 'workspace' },
  },
  railwayDomainDnsRecordDelete: {
    effects: ['destructive', 'admin'],
    args: { 'input.workspaceId': 'workspace', 'input.recordId': 'account' },
  },
  railwayDomainDnsRecordUpdate: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { 'input.workspaceId': 'workspace', 'input.recordId': 'account' },
  },
  railwayDomainNameserversSet: {
    effects: ['destructive', 'reveal', 'admin'],
    args: { 'input.id': 'account' },
  },
  railwayDomainUpdate: { effects: ['destructive', 'admin'], args: { 'input.id': 'account' } },
}

/** Templates belong to workspaces. Making or publishing one shows the settings that it is made of. */
const templates: Readonly<Record<string, RootRule>> = {
  templateClone: { effects: ['admin'], args: { 'input.workspaceId': 'workspace' } },
  templateDelete: {
    effects: ['destructive', 'admin'],
    args: { id: 'template', 'input.workspaceId': 'workspace' },
  },
  templateGenerate: {
    effects: ['reveal', 'admin'],
    args: { 'input.projectId': 'project', 'input.environmentId': 'environment!' },
  },
  templatePublish: {
    effects: ['reveal', 'admin'],
    args: {
      id: 'template',
      'input.demoProjectId': 'project',
      'input.workspaceId': 'workspace',
    },
  },
  templateUnpublish: { effects: ['destructive', 'admin'], args: { id: 'template' } },
  templateVolumeUpdate: {
    effects: ['admin'],
    args: { templateId: 'template', serviceId: 'service', volumeId: 'volume' },
  },
}

/** Feature flags, named by an owner that is no environment. Their values and rules are untyped JSON. */
const signals: Readonly<Record<string, RootRule>> = {
  signalCreate: { effects: ['destructive', 'admin'] },
  signalDefaultSet: { effects: ['destructive', 'admin'] },
  signalDelete: { effects: ['destructive', 'admin'] },
  signalReplace: { effects: ['destructive', 'admin'] },
  signalRollback: { effects: ['destructive', 'admin'] },
  signalRuleSet: { effects: ['destructive', 'admin'], args: { 'input.ruleId': 'account' } },
  signalRuleUnset: { effects: ['destructive', 'admin'], args: { 'input.ruleId': 'account' } },
}

/** What clients report about themselves. The ids in it are only counted. */
const telemetry: Readonly<Record<string, RootRule>> = {
  cliAuthEventTrack: {
    effects: ['read'],
    harmless: true,
    args: {
      'input.agentSessionId': 'none',
      'input.installRequestId': 'none',
      'input.sessionId': 'none',
    },
  },
  cliEventTrack: {
    effects: ['read'],
    harmless: true,
    args: {
      'input.agentSessionId': 'none',
      'input.environmentId': 'none',
      'input.installRequestId': 'none',
      'input.projectId': 'none',
      'input.serviceId': 'none',
      'input.sessionId': 'none',
      'input.workspaceId': 'none',
    },
  },
  setupAgentEventTrack: {
    effects: ['read'],
    harmless: true,
    args: {
      'input.agentSessionId': 'none',
      'input.installRequestId': 'none',
      'input.sessionId': 'none',
    },
  },
}

export const accountMutations: Readonly<Record<string, RootRule>> = {
  ...projects,
  ...members,
  ...outlets,
  ...signingIn,
  ...people,
  ...workspaces,
  ...billing,
  ...registrar,
  ...templates,
  ...signals,
  ...telemetry,
}
