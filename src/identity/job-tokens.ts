/** A CI job that proves what it is with its system's ID token: signed by a configured issuer, for this broker, once, and one trust's. */
import { createHash } from 'node:crypto'
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { ciSystemNamed } from '../policy/ci-systems.ts'
import { type Finding, findings, type Trust } from '../policy/trust.ts'
import type { AgentPolicy } from '../realm/realm.ts'
import { keysAt, readJsonAt } from './key-set.ts'
import { firstTime } from './once.ts'

/** Seconds. Two clocks may differ so much. */
const tolerance = 30
/** No job runs longer, so a token that lives longer is not a job's. */
const longestLife = 24 * 3_600
const longestToken = 16_384

export type Job = {
  agent: AgentPolicy
  /** Seconds. */
  expiresAt: number
  /** For the audit log: what the issuer says the job is. */
  facts: Record<string, unknown>
}

/** Why a token is not taken, in words for whoever holds it. */
export class JobRefused extends Error {}

/**
 * The agent that a job's token stands for. `named` is the trust that the request names, if it does. Throws `JobRefused`,
 * or `upstream-unreachable` where the issuer's keys cannot be had.
 */
export async function authenticateJob(
  ctx: Context,
  token: string,
  named: string | undefined,
): Promise<Job> {
  const { agents, trusts } = ctx.realm.now()
  const { claims, trusts: theirs } = await verifiedJob(ctx, token, trusts)
  const fitting = theirs.filter((trust) => named === undefined || trust.agent === named)
  const matching = fitting.filter((trust) => examined(trust, claims).every(({ fits }) => fits))
  const [trust, another] = matching
  if (trust === undefined) {
    ctx.log.info(
      { issuer: claims.iss, trusts: fitting.map((one) => misfits(one, claims)) },
      'a job fits no trust',
    )
    throw new JobRefused(
      'This job is none that is trusted here. Whoever runs the broker can see why with: valetkey trust test NAME --token-file FILE',
    )
  }
  if (another !== undefined) {
    throw new JobRefused(
      'More than one trust takes this job, so it is not clear which agent it is. Name one as client_id, or have them made to exclude each other.',
    )
  }
  const { exp = 0 } = claims
  const mark = claims.jti ?? signed(token)
  if (!(await firstTime(ctx, 'job-token', [claims.iss ?? '', mark], exp + tolerance))) {
    throw new JobRefused('This ID token was exchanged before. Have the job request a fresh one.')
  }
  const agent = agents.get(trust.agent)
  if (agent === undefined) throw new JobRefused('This job is none that is trusted here.')
  return { agent, expiresAt: exp, facts: factsOf(trust, claims) }
}

/**
 * Of what the issuer signed, for tokens without a `jti`. Not of the whole: the signature's own base64url has spare bits, so one
 * token has many spellings.
 */
function signed(token: string): string {
  const input = token.slice(0, token.lastIndexOf('.'))
  return createHash('sha256').update(input).digest('base64url')
}

/** What `trust test` tells: every check, in order, up to the first that ends it. Spends nothing. */
export async function examineJob(
  ctx: Context,
  token: string,
  name: string,
): Promise<{ problem: string | null; findings: Finding[]; others: string[] }> {
  const { trusts } = ctx.realm.now()
  const trust = trusts.find(({ agent }) => agent === name)
  if (trust === undefined)
    return { problem: `There is no trust ${name} yet.`, findings: [], others: [] }
  try {
    const { claims } = await verifiedJob(ctx, token, [trust])
    const others = trusts.filter(
      (one) =>
        one !== trust && sameDoor(one, trust) && examined(one, claims).every(({ fits }) => fits),
    )
    return {
      problem: null,
      findings: examined(trust, claims),
      others: others.map(({ agent }) => agent),
    }
  } catch (error) {
    if (!(error instanceof JobRefused) && !(error instanceof BrokerError)) throw error
    return { problem: error.message, findings: [], others: [] }
  }
}

function sameDoor(one: Trust, other: Trust): boolean {
  return one.issuer === other.issuer && one.audience === other.audience
}

function examined(trust: Trust, claims: JWTPayload): Finding[] {
  return findings(trust, claims, ciSystemNamed(trust.system)?.lists ?? [])
}

function misfits(trust: Trust, claims: JWTPayload): { trust: string; claims: string[] } {
  const wrong = examined(trust, claims).filter(({ fits }) => !fits)
  return { trust: trust.agent, claims: wrong.map(({ claim }) => claim) }
}

/** A token whose signature, issuer, audience and times are good for at least one of the trusts, and those. */
async function verifiedJob(
  ctx: Context,
  token: string,
  trusts: readonly Trust[],
): Promise<{ claims: JWTPayload; trusts: Trust[] }> {
  const unproven = unverified(token)
  // Only an issuer that somebody configured is ever asked for keys.
  const ours = trusts.filter(({ issuer }) => issuer === unproven.iss)
  if (ours.length === 0) throw new JobRefused('No trust here names the issuer of this token.')
  const audience = soleAudience(unproven)
  const [first, ...more] = ours.filter((trust) => trust.audience === audience)
  if (first === undefined) {
    throw new JobRefused(
      `This token is not for this broker alone: its aud has to be ${[...new Set(ours.map((one) => one.audience))].join(' or ')} and nothing else.`,
    )
  }
  const { claims, alg } = await verified(ctx, token, first)
  // The others are only taken at their own word: what they would not have verified is not for them.
  const alike = more.filter(
    (one) => one.algorithms.includes(alg) && one.allowPrivate === first.allowPrivate,
  )
  return { claims, trusts: [first, ...alike] }
}

function unverified(token: string): JWTPayload {
  if (token.length > longestToken) throw new JobRefused('This is no ID token: it is too long.')
  try {
    const { alg, typ = 'JWT' } = decodeProtectedHeader(token)
    if (alg === undefined || alg === 'none') throw new JobRefused('This token is not signed.')
    // Other tokens of an issuer say so (RFC 8725 section 3.11).
    if (!/^(?:application\/)?jwt$/i.test(typ))
      throw new JobRefused(`This is no ID token: it is ${typ.slice(0, 40)}.`)
    return decodeJwt(token)
  } catch (error) {
    if (error instanceof JobRefused) throw error
    throw new JobRefused('This is no ID token: it is no JWT.')
  }
}

function soleAudience({ aud }: JWTPayload): string | undefined {
  if (Array.isArray(aud)) return aud.length === 1 ? aud[0] : undefined
  return aud
}

async function verified(
  ctx: Context,
  token: string,
  trust: Trust,
): Promise<{ claims: JWTPayload; alg: string }> {
  const keys = keysAt(ctx, await keySource(ctx, trust))
  try {
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer: trust.issuer,
      audience: trust.audience,
      algorithms: [...trust.algorithms],
      clockTolerance: tolerance,
      requiredClaims: ['exp', 'iat'],
      currentDate: new Date(ctx.clock.now()),
    })
    const { iat = 0, exp = 0 } = payload
    if (iat > ctx.clock.now() / 1000 + tolerance)
      throw new JobRefused('This token was issued in the future.')
    if (exp - iat > longestLife) throw new JobRefused('This token lives longer than any job.')
    return { claims: payload, alg: protectedHeader.alg }
  } catch (error) {
    if (error instanceof JobRefused || error instanceof BrokerError) throw error
    if (error instanceof errors.JWTExpired)
      throw new JobRefused('This token has expired. Have the job request a fresh one.')
    if (error instanceof errors.JWTClaimValidationFailed)
      throw new JobRefused(`The ${error.claim} of this token is not as it has to be.`)
    if (error instanceof errors.JOSEError)
      throw new JobRefused("This token is not signed with a key of its issuer's.")
    throw error
  }
}

const Discovered = z.object({ issuer: z.string(), jwks_uri: z.url() })

const hourMs = 3_600_000
const cooldownMs = 30_000

type Found = { url: string; at: number }

const discovered = perContext(() => ({
  found: new LRUCache<string, Found>({ max: 1_000 }),
  failed: new LRUCache<string, number>({ max: 1_000 }),
}))

/** Where an issuer publishes its keys (OpenID Connect Discovery, section 4). What it said an hour ago stands while it says nothing. */
async function keySource(
  ctx: Context,
  { issuer, allowPrivate }: Trust,
): Promise<{ url: string; allowPrivate: boolean }> {
  const { found, failed } = discovered(ctx)
  const held = found.get(issuer)
  const now = ctx.clock.now()
  const waits = now - (failed.get(issuer) ?? Number.NEGATIVE_INFINITY) < cooldownMs
  const age = held === undefined ? Number.POSITIVE_INFINITY : now - held.at
  if (held !== undefined && (age < hourMs || (waits && age < 2 * hourMs)))
    return { url: held.url, allowPrivate }
  try {
    if (waits) throw new Error('it did not answer a moment ago')
    const url = await discover(ctx, issuer, allowPrivate)
    found.set(issuer, { url, at: now })
    return { url, allowPrivate }
  } catch (error) {
    if (!waits) failed.set(issuer, now)
    ctx.log.warn({ err: error, issuer }, 'an issuer could not be discovered')
    if (held !== undefined && age < 2 * hourMs) return { url: held.url, allowPrivate }
    throw new BrokerError(
      'upstream-unreachable',
      `The issuer ${issuer} could not be asked where its keys are.`,
      {
        hint: 'Try again shortly; whoever runs the broker should look whether it can reach it.',
        retryAfter: 30,
      },
    )
  }
}

async function discover(ctx: Context, issuer: string, allowPrivate: boolean): Promise<string> {
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const document = Discovered.parse(await readJsonAt(ctx, { url, allowPrivate }))
  if (document.issuer !== issuer) throw new Error('it names another issuer')
  const { protocol, username, password } = new URL(document.jwks_uri)
  const plain = protocol === 'http:' && allowPrivate && issuer.startsWith('http:')
  if ((protocol !== 'https:' && !plain) || username !== '' || password !== '') {
    throw new Error('its keys are at no address that could be trusted')
  }
  return document.jwks_uri
}

const shownClaims = [
  ...['sub', 'jti', 'repository', 'repository_id', 'ref', 'sha', 'environment', 'event_name'],
  ...['run_id', 'actor', 'workflow_ref', 'project_path', 'project_id', 'pipeline_id', 'job_id'],
  ...['user_login', 'pipeline_source', 'organization_slug', 'pipeline_slug', 'build_number'],
  ...['build_branch', 'build_commit', 'step_key', 'oidc.circleci.com/project-id'],
  ...['oidc.circleci.com/vcs-ref', 'oidc.circleci.com/job-id'],
]

/** Short facts of the job; the token itself is nowhere. */
function factsOf({ agent, issuer }: Trust, claims: JWTPayload): Record<string, unknown> {
  const said = shownClaims.flatMap((name) => {
    const value = claims[name]
    return typeof value === 'string' || typeof value === 'number'
      ? [[name, String(value).slice(0, 200)] as const]
      : []
  })
  return { trust: agent, job: { iss: issuer, ...Object.fromEntries(said) } }
}
