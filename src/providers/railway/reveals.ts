/** The fields that show a secret wherever they are selected, so that a scope has to name each of them. Data. */
import type { FieldRule } from '../graphql/overlay.ts'

/** What these hold is a secret, or can be made to show one in clear text. */
const secrets = [
  'BucketS3CompatibleCredentials.accessKeyId',
  'BucketS3CompatibleCredentials.secretAccessKey',
  'DeploymentSnapshot.variables',
  'Environment.config',
  'EnvironmentPatch.patch',
  'InviteCode.code',
  'RecoveryCodes.recoveryCodes',
  'TrustedDomainVerificationData.token',
  'TwoFactorInfoSecret.secret',
  'TwoFactorInfoSecret.uri',
]

/** Settings as untyped JSON: addresses with tokens in them, variables, headers to match, templates' values. */
const settings = [
  'ChangeOperationResult.outputs',
  'ChangeSetApplyResult.diagnostics',
  'ChangeSetPreview.changeSet',
  'ChangeSetPreview.diagnostics',
  'ChangeSetPreview.effects',
  'DockerComposeImport.patch',
  'EdgeConfig.edgeRules',
  'EdgeConfig.overrides',
  'Integration.config',
  'NotificationChannel.config',
  'ProviderAuth.metadata',
  'ServiceInstance.nixpacksPlan',
  'ServiceInstance.railpackInfo',
  'Template.config',
  'Template.serializedConfig',
  'TemplateService.config',
]

/** Trails of what people and programs did, and what they typed or printed. */
const trails = [
  'AuditLog.context',
  'AuditLog.payload',
  'CloudAgentSnapshot.prompt',
  'Deployment.diagnosis',
  'DeploymentEvent.payload',
  'Event.activityPayload',
  'Event.payload',
  'NotificationInstance.payload',
  'SandboxSession.command',
  'SignalChange.payload',
  'SignalChange.prevState',
]

/** Where to write to people, and links that open without signing in. */
const personal = [
  'AppliedByMember.email',
  'CustomerInvoice.hostedURL',
  'CustomerInvoice.pdfURL',
  'DeploymentCreator.email',
]

const reveal: FieldRule = { effects: ['reveal'] }

export const reveals: Readonly<Record<string, FieldRule>> = Object.fromEntries(
  [...secrets, ...settings, ...trails, ...personal].map((coordinate) => [coordinate, reveal]),
)
