/**
 * The road of a lease: the same as that of a call, with what the scope lists in the place of what an agent would send. Its end is
 * a native credential, which is in the answer and nowhere else.
 */
import { z } from 'zod'
import { holdPolicy } from '../audit/journal.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { extendLease, type Given, gone, grantLease, showLease } from '../leases/leases.ts'
import type { Capability } from '../policy/capability.ts'
import { whose } from '../policy/environment.ts'
import type { Place, Site } from '../policy/operation.ts'
import { namedIn } from '../policy/scope.ts'
import { readJson } from '../providers/json.ts'
import { askedIn, leaseCall, leaseOperation } from '../providers/leased.ts'
import type { CanonicalRequest } from '../providers/provider.ts'
import type { ConnectionPolicy, Snapshot } from '../realm/realm.ts'
import { audited } from './audited.ts'
import { authenticate, stillStanding } from './authenticate.ts'
import type { Incoming } from './call.ts'
import { carryOut } from './exchange.ts'
import type { Answer, Relayed } from './forward.ts'
import { standingScopes } from './judge.ts'
import { underCurrentPolicy } from './policy.ts'

const maxBody = 8_192
/** Seconds. */
const usualLife = 900

const Asked = z.strictObject({
  connection: z.string().regex(/^[a-z][a-z0-9-]{0,62}$/),
  ttl: z.int().min(60).max(3_600).optional(),
  /** A lease of the same agent that is to last longer. */
  renew: z
    .string()
    .regex(/^lse_[0-9a-f]{32}$/)
    .optional(),
})

/** `GET /v1/credentials/{connection}`, in the form in which AWS's clients ask a container for theirs. */
export const credentialsPath = /^\/v1\/credentials\/([a-z][a-z0-9-]{0,62})$/

export async function containerCredentials(ctx: Context, incoming: Incoming): Promise<Answer> {
  const [, connection = ''] = credentialsPath.exec(incoming.target) ?? []
  const answer = await leaseOf(ctx, incoming, { connection })
  const { credential } = JSON.parse(Buffer.from(answer.body as Uint8Array).toString())
  const { access_key_id, secret_access_key, session_token, expiration } = credential
  if (session_token === undefined) {
    throw new BrokerError('conflict', `What ${connection} leases is no credential of AWS.`, {
      hint: 'Take it with POST /v1/leases.',
    })
  }
  const body = {
    AccessKeyId: access_key_id,
    SecretAccessKey: secret_access_key,
    Token: session_token,
    Expiration: expiration,
  }
  return { ...answer, body: Buffer.from(JSON.stringify(body)) }
}

export async function lease(ctx: Context, incoming: Incoming): Promise<Answer> {
  return leaseOf(ctx, incoming, readAsked(await incoming.body(maxBody)))
}

async function leaseOf(
  ctx: Context,
  incoming: Incoming,
  asked: z.infer<typeof Asked>,
): Promise<Answer> {
  const capability = await authenticate(ctx, incoming, asked.connection)
  const target = { connection: asked.connection, segments: [leaseOperation], query: [] }
  // Whoever is to hold it has to be there.
  const here = { ...incoming, headers: incoming.headers.filter(([name]) => name !== 'prefer') }
  return audited(ctx, here, target, capability, async (noted) => {
    const call = leaseCall({
      ...offered(ctx.realm.now(), capability, asked),
      ...(asked.renew === undefined ? {} : { renew: asked.renew }),
    })
    return carryOut(ctx, { incoming: here, target, capability, call, noted })
  })
}

function readAsked(body: Uint8Array): z.infer<typeof Asked> {
  const parsed = Asked.safeParse(readJson(body))
  if (parsed.success) return parsed.data
  throw new BrokerError('malformed-request', 'The request for a lease cannot be read.', {
    hint: 'Send {"connection":…} and, where it matters, "ttl" in seconds (60 to 3600) and "renew" with the id of a lease.',
  })
}

/** The one template that the capability's scopes have for a connection. What the agent wants decides only how long. */
function offered(
  policy: Snapshot,
  capability: Capability,
  { connection, ttl }: z.infer<typeof Asked>,
): { template: Record<string, unknown>; ttl: number } {
  const [first, ...more] = templatesOf(policy, capability, connection)
  if (first === undefined) {
    throw new BrokerError(
      'operation-not-allowed',
      `No scope of this capability gives leases of ${connection}.`,
      { connection, hint: 'See what is allowed with GET /v1/capability, or ask a human.' },
    )
  }
  if (more.length > 0) {
    throw new BrokerError(
      'ambiguous-request',
      `More than one scope gives leases of ${connection}.`,
      {
        hint: 'Ask for a capability of one of the scopes.',
      },
    )
  }
  const longest = first.maxTtl
  return { template: first.template, ttl: Math.min(ttl ?? usualLife, longest) }
}

function templatesOf(policy: Snapshot, capability: Capability, connection: string) {
  return standingScopes(policy, capability).flatMap(({ leases, maxTtl }) => {
    const template = leases[connection]
    return template === undefined ? [] : [{ template: { ...template }, maxTtl }]
  })
}

type Offer = { connection: string; template: unknown; places: readonly Place[] }

/** Whether what a lease was given by still gives it: the scope, the name of the operation, the very template, and the owner. */
export function stillOffered(
  policy: Snapshot,
  capability: Capability,
  { connection, template, places }: Offer,
): boolean {
  const space = policy.connections.get(connection)?.space ?? ''
  const owned = places.every(
    (place) => whose(policy.bindings, space, place) === capability.environment,
  )
  const scopes = standingScopes(policy, capability)
  const same = templatesOf(policy, capability, connection).some(
    (one) => JSON.stringify(one.template) === JSON.stringify(template),
  )
  return owned && same && namedIn(capability, scopes, connection, leaseOperation)
}

/** In the place of forwarding: the credential, and nothing that an upstream wrote. */
export async function leaseAnswer(
  ctx: Context,
  {
    connection,
    request,
    capability,
    sites,
  }: {
    connection: ConnectionPolicy
    request: CanonicalRequest
    capability: Capability
    sites: readonly Site[]
  },
): Promise<Relayed> {
  const { template, ttl, renew } = askedIn({ body: request.body ?? new Uint8Array() })
  const places = placesOf(sites)
  const given = givenBy(ctx, capability, { connection: connection.name, template, places })
  const made =
    renew === undefined
      ? await grantLease(ctx, { connection, capability, template, ttl, places }, given)
      : await renewed(ctx, connection, capability, { template, ttl, renew, given })
  return {
    status: 200,
    headers: [
      ['content-type', 'application/json'],
      ['cache-control', 'no-store'],
    ],
    body: Buffer.from(JSON.stringify(made)),
    failed: false,
  }
}

/** The call was judged before: here the lease is, so that no edit can come between the judgement and the row. */
function givenBy(ctx: Context, capability: Capability, what: Offer): Given {
  return (write) =>
    underCurrentPolicy(ctx, async (policy) => {
      stillStanding(ctx, policy, capability, what.connection)
      if (!stillOffered(policy, capability, what)) {
        throw new BrokerError(
          'operation-not-allowed',
          `What gives leases of ${what.connection} changed while this one was being made.`,
          { connection: what.connection, hint: 'See what is allowed with GET /v1/capability.' },
        )
      }
      return ctx.db.transaction(async (tx) => {
        await holdPolicy(tx, policy.version)
        return write(tx)
      })
    })
}

function placesOf(sites: readonly Site[]): Place[] {
  return sites.flatMap(({ located }) => (located.known ? located.places : []))
}

async function renewed(
  ctx: Context,
  connection: ConnectionPolicy,
  capability: Capability,
  { template, ttl, renew, given }: { template: unknown; ttl: number; renew: string; given: Given },
) {
  const row = await showLease(ctx.db, renew, capability.agent)
  const same =
    row.state === 'active' &&
    row.connection === connection.name &&
    row.environment === capability.environment &&
    JSON.stringify(row.capability['parents'] ?? []) === JSON.stringify(capability.parents ?? []) &&
    JSON.stringify(row.template) === JSON.stringify(template)
  if (!same) throw gone()
  const { id, expiresAt } = await extendLease(ctx, connection, row, { capability, ttl, given })
  return { id, connection: connection.name, expires_at: expiresAt.toISOString() }
}
