/** Signs a capability and hands it out only once it is on record. Never decides what it may say. */
import { sql } from 'drizzle-orm'
import { CompactSign } from 'jose'
import { type Context, perContext } from '../context.ts'
import { newId } from '../ids.ts'
import type { Capability } from '../policy/capability.ts'
import { group } from '../store/group.ts'
import { budgets, capabilities } from '../store/schema.ts'
import {
  algorithm,
  type Claims,
  Claims as ClaimsForm,
  tokenType,
  type WireDetail,
  writeDetails,
  writeLineage,
} from './claims.ts'
import { OauthError } from './oauth-error.ts'

/** What a capability is to say. */
export type Issuing = Omit<Capability, 'jti' | 'issuedAt' | 'expiresAt'> & {
  /** Seconds. */
  expiresIn: number
  /** For the audit log: the request's id, what the client said it is for, and whatever else led to it. */
  request?: string
  reason?: string
  facts?: Readonly<Record<string, unknown>>
}

export type Minted = {
  token: string
  /** Seconds. */
  expiresIn: number
  scopes: string[]
  details: WireDetail[]
  jti: string
  /** It is worth nothing without its key. */
  bound: boolean
}

export async function issue(ctx: Context, issuing: Issuing): Promise<Minted> {
  const { agent, environment, scopes, expiresIn } = issuing
  const issuedAt = Math.floor(ctx.clock.now() / 1000)
  const claims: Claims = {
    iss: ctx.publicUrl,
    aud: ctx.publicUrl,
    sub: agent,
    client_id: agent,
    jti: newId('cap'),
    iat: issuedAt,
    exp: issuedAt + expiresIn,
    environment,
    scope: scopes.join(' '),
    authorization_details: writeDetails(environment, issuing.details),
    ...writeLineage(issuing),
  }
  // What was narrowed many times may have become longer than any broker reads.
  if (issuing.parents !== undefined && !ClaimsForm.safeParse(claims).success) {
    throw new OauthError(
      'invalid_request',
      'This is narrower than can be written down: name the operations themselves.',
    )
  }
  const token = await sign(ctx, claims)
  await record(ctx, claims, issuing)
  const details = claims.authorization_details
  const bound = issuing.key !== undefined
  return { token, expiresIn, scopes: [...scopes], details, jti: claims.jti, bound }
}

async function sign(ctx: Context, claims: Claims): Promise<string> {
  const { kid, key } = await ctx.signing.current('capability')
  const token = await new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: algorithm, typ: tokenType, kid })
    .sign(key)
  const most = ctx.config.limits.capabilityBytes
  if (token.length <= most) return token
  throw new OauthError(
    'invalid_scope',
    `The capability would have ${token.length} bytes, and at most ${most} fit into a header everywhere. Ask for fewer scopes at once, or narrow it with authorization_details.`,
  )
}

/** A row of `capabilities`, as JSON. */
type Row = {
  jti: string
  agent: string
  environment: string
  scopes: string[]
  reason: string | null
  parent: string | null
  actor: string | null
  issued_at: string
  expires_at: string
}

/** Many mints share one commit, and one parameter: a statement built value by value costs more than the signatures. */
const rows = perContext((ctx) =>
  group<Row, null>({
    maxItems: 256,
    gatherMs: 1,
    async flush(items) {
      await ctx.db.execute(sql`
        insert into ${capabilities}
          (jti, agent, environment, scopes, reason, parent, actor, issued_at, expires_at)
        select jti, agent, environment, scopes, reason, parent, actor, issued_at, expires_at
        from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as minted(
          jti text, agent text, environment text, scopes jsonb, reason text, parent text, actor text,
          issued_at timestamptz, expires_at timestamptz
        )`)
      return items.map(() => null)
    },
  }),
)

/** All are durable when it resolves. A row whose audit entry failed names a token that nobody ever saw. */
async function record(ctx: Context, claims: Claims, issuing: Issuing): Promise<void> {
  const { parents = [], actors = [], reason } = issuing
  const row = rows(ctx).add({
    jti: claims.jti,
    agent: claims.sub,
    environment: claims.environment,
    scopes: [...issuing.scopes],
    reason: reason ?? null,
    parent: parents[0] ?? null,
    actor: actors[0] ?? null,
    issued_at: isoTime(claims.iat),
    expires_at: isoTime(claims.exp),
  })
  const entry = ctx.journal.append({
    kind: 'mint',
    ...(issuing.request === undefined ? {} : { request: issuing.request }),
    agent: claims.sub,
    environment: claims.environment,
    outcome: 'ok',
    facts: {
      jti: claims.jti,
      scopes: [...issuing.scopes],
      expires_at: isoTime(claims.exp),
      ...(parents[0] === undefined ? {} : { parent: parents[0] }),
      ...(actors.length === 0 ? {} : { actors: [...actors] }),
      ...(claims.cnf === undefined ? {} : { key: claims.cnf.jkt }),
      ...(reason === undefined ? {} : { reason }),
      ...issuing.facts,
    },
  })
  await Promise.all([row, entry, recordBudgets(ctx, claims)])
}

async function recordBudgets(ctx: Context, claims: Claims): Promise<void> {
  const counted = claims.authorization_details.flatMap(({ connection, max_calls, max_writes }) =>
    max_calls === undefined && max_writes === undefined
      ? []
      : [{ connection, calls: max_calls ?? null, writes: max_writes ?? null }],
  )
  if (counted.length === 0) return
  const about = { jti: claims.jti, expiresAt: new Date(claims.exp * 1000) }
  await ctx.db.insert(budgets).values(counted.map((one) => ({ ...about, ...one })))
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
