/** Mints a capability: never wider than the agent's scopes, never longer than they allow, recorded before it is handed out. */
import { sql } from 'drizzle-orm'
import { CompactSign } from 'jose'
import { z } from 'zod'
import { type Context, perContext } from '../context.ts'
import { newId } from '../ids.ts'
import { type Detail, detailsOf, wider } from '../policy/capability.ts'
import { freezeOn, frozen } from '../policy/freeze.ts'
import { writePattern } from '../policy/pattern.ts'
import type { Scope } from '../policy/scope.ts'
import type { AgentPolicy, Snapshot } from '../realm/realm.ts'
import { group } from '../store/group.ts'
import { capabilities } from '../store/schema.ts'
import {
  algorithm,
  type Claims,
  longestLife,
  RequestedDetail,
  readDetails,
  tokenType,
  type WireDetail,
  writeDetails,
} from './claims.ts'
import { OauthError } from './oauth-error.ts'

export type MintRequest = {
  agent: AgentPolicy
  /** The request's id, for the audit log. */
  request?: string
  scopes: readonly string[]
  /** `authorization_details` as the client sent them, already JSON. They narrow, and nothing else. */
  details?: unknown
  /** Seconds. */
  ttl?: number
  /** Recorded, never judged. */
  reason?: string
}

export type Minted = {
  token: string
  /** Seconds. */
  expiresIn: number
  scopes: string[]
  details: WireDetail[]
  jti: string
}

const usualLife = 900

export async function mint(ctx: Context, request: MintRequest): Promise<Minted> {
  const snapshot = ctx.realm.now()
  const scopes = grantedScopes(snapshot, request.agent, request.scopes)
  const environment = oneEnvironment(scopes)
  const details = narrowed(environment, detailsOf(scopes), request.details)
  const expiresIn = lifetime(scopes, request.ttl)
  await demandUnfrozen(ctx, snapshot, { ...request, environment, details })

  const issuedAt = Math.floor(ctx.clock.now() / 1000)
  const claims: Claims = {
    iss: ctx.publicUrl,
    aud: ctx.publicUrl,
    sub: request.agent.name,
    client_id: request.agent.name,
    jti: newId('cap'),
    iat: issuedAt,
    exp: issuedAt + expiresIn,
    environment,
    scope: scopes.map((scope) => scope.name).join(' '),
    authorization_details: writeDetails(environment, details),
  }
  const token = await sign(ctx, claims)
  await record(ctx, claims, request)
  return {
    token,
    expiresIn,
    scopes: scopes.map((scope) => scope.name),
    details: claims.authorization_details,
    jti: claims.jti,
  }
}

/** One that some connection would take is minted; one that could be used for nothing is not. */
async function demandUnfrozen(
  ctx: Context,
  { freezes }: Snapshot,
  wanted: MintRequest & { environment: string; details: readonly Detail[] },
): Promise<void> {
  const { environment, scopes, details, request } = wanted
  const agent = wanted.agent.name
  const stops = details.map(({ connection }) =>
    freezeOn(freezes, { agent, environment, scopes }, connection),
  )
  const [stop = freezeOn(freezes, { agent, environment, scopes }, '')] = stops
  if (stop === null || stops.includes(null)) return
  const { code, detail, facts } = frozen(stop)
  await ctx.journal.refuse({
    ...(request === undefined ? {} : { request }),
    ...{ agent, environment, outcome: code },
    facts: { detail, scopes: [...scopes] },
  })
  throw new OauthError('access_denied', `${detail} ${facts.hint}`)
}

/** A scope that exists but is not granted reads the same as one that does not exist. */
function grantedScopes(
  snapshot: Snapshot,
  agent: AgentPolicy,
  requested: readonly string[],
): Scope[] {
  const names = [...new Set(requested)]
  const granted = [...agent.scopes].toSorted()
  const yours =
    granted.length === 0
      ? 'This agent is granted none: ask a human for one.'
      : `This agent is granted: ${granted.join(', ')}.`
  if (names.length === 0) {
    throw new OauthError(
      'invalid_scope',
      `Name at least one scope in the scope parameter. ${yours}`,
    )
  }
  return names.map((name) => {
    const scope = agent.scopes.has(name) ? snapshot.scopes.get(name) : undefined
    if (scope === undefined) {
      throw new OauthError(
        'invalid_scope',
        `One of the scopes is not granted to this agent. ${yours}`,
      )
    }
    return scope
  })
}

function oneEnvironment(scopes: readonly Scope[]): string {
  const environments = [...new Set(scopes.map((scope) => scope.environment))]
  const [environment] = environments
  if (environment === undefined || environments.length > 1) {
    throw new OauthError(
      'invalid_scope',
      `A capability is for one environment, and these scopes are for ${environments.join(' and ')}. Ask for one capability per environment.`,
    )
  }
  return environment
}

function lifetime(scopes: readonly Scope[], ttl: number | undefined): number {
  const longest = Math.min(longestLife, ...scopes.map((scope) => scope.maxTtl))
  if (ttl === undefined) return Math.min(usualLife, longest)
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > longest) {
    throw new OauthError(
      'invalid_request',
      `The ttl has to be a whole number of seconds from 1 to ${longest} for these scopes. Ask for at most ${longest}, and for a new capability when it runs out.`,
    )
  }
  return ttl
}

const RequestedDetails = z.array(RequestedDetail).min(1).max(64)

function narrowed(
  environment: string,
  held: readonly Detail[],
  requested: unknown,
): readonly Detail[] {
  if (requested === undefined) return held
  const parsed = RequestedDetails.safeParse(requested)
  if (!parsed.success) throw badDetails(whereWrong(parsed.error))
  const elsewhere = parsed.data.find((one) => (one.environment ?? environment) !== environment)
  if (elsewhere !== undefined)
    throw badDetails(`These scopes are for ${environment} and no other environment`)
  const details = readDetails(parsed.data)
  if ('problem' in details) throw badDetails(details.problem)
  const stray = wider(details, held)
  if (stray === null) return details
  throw badDetails(
    `${stray.connection}:${writePattern(stray.pattern)} is not within what the scopes allow, and details can only narrow`,
  )
}

function badDetails(why: string): OauthError {
  return new OauthError(
    'invalid_authorization_details',
    `${why}. Each entry is {"type":"valetkey","environment":…,"connection":…,"operations":[…]} and nothing else; leave the parameter out for all that the scopes allow.`,
  )
}

/** The path and the rule; what stood there may be anything, and is not repeated. */
function whereWrong(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue?.code === 'unrecognized_keys') {
    return `Entry ${String(issue.path[0] ?? 0)} has a field that is not known`
  }
  return `At authorization_details${issue?.path.map((step) => `[${String(step)}]`).join('') ?? ''}: ${issue?.message ?? 'unreadable'}`
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
          (jti, agent, environment, scopes, reason, issued_at, expires_at)
        select jti, agent, environment, scopes, reason, issued_at, expires_at
        from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as minted(
          jti text, agent text, environment text, scopes jsonb, reason text,
          issued_at timestamptz, expires_at timestamptz
        )`)
      return items.map(() => null)
    },
  }),
)

/** Both are durable when it resolves. A row whose audit entry failed names a token that nobody ever saw. */
async function record(ctx: Context, claims: Claims, request: MintRequest): Promise<void> {
  const scopes = claims.scope.split(' ')
  const row = rows(ctx).add({
    jti: claims.jti,
    agent: claims.sub,
    environment: claims.environment,
    scopes,
    reason: request.reason ?? null,
    issued_at: isoTime(claims.iat),
    expires_at: isoTime(claims.exp),
  })
  const entry = ctx.journal.append({
    kind: 'mint',
    ...(request.request === undefined ? {} : { request: request.request }),
    agent: claims.sub,
    environment: claims.environment,
    outcome: 'ok',
    facts: {
      jti: claims.jti,
      scopes,
      expires_at: isoTime(claims.exp),
      ...(request.details === undefined ? {} : { details: claims.authorization_details }),
      ...(request.reason === undefined ? {} : { reason: request.reason }),
    },
  })
  await Promise.all([row, entry])
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
