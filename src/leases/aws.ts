/**
 * Fifteen minutes of an AWS role for each lease, narrowed by the scope's session policy and named after who holds it. None can be
 * ended early by itself: where the scope permits it, all sessions of its role are.
 */
import { Agent as PlainAgent } from 'node:http'
import { Agent } from 'node:https'
import { isIP } from 'node:net'
import type { STSClient } from '@aws-sdk/client-sts'
import { BrokerError } from '../errors.ts'
import { type AwsTemplate, readSecret } from '../providers/aws/provider.ts'
import { addressAllowed, checkedLookup, notAllowed } from '../vault/addresses.ts'
import type { Answer } from '../vault/lookup.ts'
import type { Lease, LeaseKind, Native } from './kind.ts'

/** Seconds: the shortest that STS gives. */
const life = 900

export const awsLeases: LeaseKind = {
  ask: async (native, question) => {
    if (question !== 'account') return { kind: 'failed', why: 'AWS is not asked that' }
    try {
      const { GetCallerIdentityCommand } = await import('@aws-sdk/client-sts')
      const { Account: account } = await withClient(native, (sts) =>
        sts.send(new GetCallerIdentityCommand({})),
      )
      return account === undefined
        ? { kind: 'failed', why: 'AWS did not say which account it is' }
        : { kind: 'data', data: { account } }
    } catch (error) {
      return failed(error)
    }
  },
  create: async (native, lease) => {
    const template = lease.template as AwsTemplate
    const { AssumeRoleCommand } = await import('@aws-sdk/client-sts')
    const assumed = await withClient(native, (sts) =>
      sts.send(
        new AssumeRoleCommand({
          RoleArn: template.role_arn,
          RoleSessionName: nameOf(lease),
          SourceIdentity: nameOf(lease),
          DurationSeconds: life,
          Policy: JSON.stringify(template.policy),
          ...(template.external_id === undefined ? {} : { ExternalId: template.external_id }),
          Tags: [
            { Key: 'valetkey-agent', Value: lease.agent },
            { Key: 'valetkey-capability', Value: lease.capability },
          ],
        }),
      ),
    ).catch((error: unknown) => {
      throw refusal(error)
    })
    const { AccessKeyId, SecretAccessKey, SessionToken, Expiration } = assumed.Credentials ?? {}
    if (!AccessKeyId || !SecretAccessKey || !SessionToken || Expiration === undefined) {
      throw new Error('AWS gave no whole credential')
    }
    const credential = {
      access_key_id: AccessKeyId,
      secret_access_key: SecretAccessKey,
      session_token: SessionToken,
      region: regionOf(native),
      expiration: Expiration.toISOString(),
    }
    // AWS's clock and ours may differ: it counts as out until it has ended by both.
    const until = new Date(Math.max(Expiration.getTime(), Date.now() + life * 1000))
    return { credential, handle: null, until }
  },
  extend: null,
  revocable: (template) => (template as AwsTemplate).end_by_deny,
  revoke: async (native, lease) => {
    // One that has expired works no more, and others of the role may.
    if (lease.until.getTime() <= Date.now()) return
    const { role_arn } = lease.template as AwsTemplate
    const { IAMClient, PutRolePolicyCommand } = await import('@aws-sdk/client-iam')
    const iam = new IAMClient({ ...settingsOf(native), endpoint: iamEndpoint(native) })
    try {
      await iam.send(
        new PutRolePolicyCommand({
          RoleName: role_arn.split('/').at(-1) ?? '',
          PolicyName: 'valetkey-ended-sessions',
          PolicyDocument: JSON.stringify(denyBefore(issuedBy(lease))),
        }),
      )
    } finally {
      iam.destroy()
    }
  },
}

/** A moment after AWS gave the credential, by its clock as by ours. */
function issuedBy({ until }: Lease): Date {
  return new Date(Math.max(Date.now(), until.getTime() - life * 1000 + 1_000))
}

/** As AWS itself revokes the sessions of a role: what was issued before is denied everything. */
function denyBefore(now: Date): object {
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Action: '*',
        Resource: '*',
        Condition: { DateLessThan: { 'aws:TokenIssueTime': now.toISOString() } },
      },
    ],
  }
}

/** IAM has one address for each partition; an address that is not AWS's own serves both. */
function iamEndpoint({ target }: Native): string {
  const { hostname } = new URL(target.baseUrl)
  if (/^sts\.(us-gov-[a-z0-9-]+)\.amazonaws\.com$/.test(hostname))
    return 'https://iam.us-gov.amazonaws.com'
  if (hostname.endsWith('.amazonaws.com.cn')) return 'https://iam.cn-north-1.amazonaws.com.cn'
  return hostname.endsWith('.amazonaws.com') ? 'https://iam.amazonaws.com' : target.baseUrl
}

/** AWS wants two characters at least, and shows it in every entry of its own log. */
function nameOf({ agent }: Lease): string {
  return `valetkey-${agent}`.slice(0, 64)
}

/** Of the address: `sts.eu-west-1.amazonaws.com`. */
function regionOf({ target }: Native): string {
  return (
    /^sts\.([a-z0-9-]+)\.amazonaws\./.exec(new URL(target.baseUrl).hostname)?.[1] ?? 'us-east-1'
  )
}

async function withClient<T>(native: Native, work: (sts: STSClient) => Promise<T>): Promise<T> {
  const { STSClient } = await import('@aws-sdk/client-sts')
  const sts = new STSClient({ ...settingsOf(native), endpoint: native.target.baseUrl })
  try {
    return await work(sts)
  } finally {
    sts.destroy()
  }
}

/** What both clients are given. Throws where the address may not be reached. */
function settingsOf(native: Native) {
  const { target, credential } = native
  const secret = readSecret(credential.reveal())
  if (secret === null) throw new Error('the secret of the connection cannot be read')
  const { hostname, protocol } = new URL(target.baseUrl)
  const permission = { allowPrivate: target.allowPrivate, encrypted: protocol === 'https:' }
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) !== 0 && !addressAllowed(host, permission)) throw notAllowed(host)
  const lookup = checkedLookup(permission)
  return {
    region: regionOf(native),
    credentials: { accessKeyId: secret.access_key_id, secretAccessKey: secret.secret_access_key },
    maxAttempts: 2,
    requestHandler: {
      httpAgent: new PlainAgent({ lookup }),
      httpsAgent: new Agent({ lookup }),
      connectionTimeout: 5_000,
      requestTimeout: 10_000,
    },
  }
}

const rejections = ['InvalidClientTokenId', 'SignatureDoesNotMatch', 'ExpiredToken', 'AuthFailure']

/** By the name of what AWS says; its words may repeat what was sent. */
function failed(error: unknown): Answer {
  if (error instanceof BrokerError) throw error
  const name = error instanceof Error ? error.name : ''
  if (rejections.includes(name)) return { kind: 'rejected' }
  return {
    kind: 'failed',
    why: /^[A-Za-z]{1,60}$/.test(name) ? `AWS answered ${name}` : 'AWS could not be reached',
  }
}

function refusal(error: unknown): unknown {
  const name = error instanceof Error ? error.name : ''
  if (name === 'PackedPolicyTooLarge' || name === 'PackedPolicyTooLargeException') {
    return new BrokerError(
      'conflict',
      'The session policy is too large for AWS once it is packed.',
      {
        hint: 'Ask a human to list fewer actions or resources in the scope.',
      },
    )
  }
  if (name !== 'AccessDenied' && name !== 'AccessDeniedException') return error
  return new BrokerError('conflict', 'AWS does not let this connection take the role.', {
    hint: 'Ask a human: the role has to trust it with sts:AssumeRole, sts:TagSession and sts:SetSourceIdentity.',
  })
}
