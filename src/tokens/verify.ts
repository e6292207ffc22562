/** Whether a text is a capability of ours, in the one spelling we gave it, and whether it still stands. Never reads the database for a token it has seen. */
import { hash } from 'node:crypto'
import { type CryptoKey, compactVerify, errors } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import { freezeOn, frozen } from '../policy/freeze.ts'
import { allow, type Denial, deny, type Verdict } from '../policy/verdict.ts'
import type { Snapshot } from '../realm/realm.ts'
import { algorithm, Claims, capabilityOf, longestLife, tokenType } from './claims.ts'

/** Enough for every capability alive in a large installation; what falls out is verified again. */
const remembered = 10_000
/** Replicas judge by the same database clock, each with its own small error. */
const skewSeconds = 5

const form = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

const Header = z.strictObject({
  alg: z.literal(algorithm),
  typ: z.literal(tokenType),
  kid: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
})

/** By the SHA-256 of the token's text, so that neither memory nor a heap dump of the keys holds a token. */
const memory = perContext(() => new LRUCache<string, Capability>({ max: remembered }))

/**
 * The capability that a token is. Expiry is judged on every use; revocation and watermarks are `standing`'s, since they
 * change while the token is remembered.
 */
export async function verifyCapability(ctx: Context, token: string): Promise<Capability> {
  const known = memory(ctx)
  const key = hash('sha256', token, 'base64url')
  const held = known.get(key)
  if (held === undefined) refuseUnreadable(token, ctx.config.limits.capabilityBytes)
  const capability = held ?? (await verifyAnew(ctx, token))
  if (held === undefined) known.set(key, capability)
  if (capability.expiresAt * 1000 <= ctx.clock.now()) throw refusalOf(expired(capability))
  return capability
}

/** Whether a genuine capability may still be used on a connection. `now` is the clock's, in milliseconds. */
export function standing(
  snapshot: Snapshot,
  capability: Capability,
  connection: string,
  now: number,
): Verdict {
  if (capability.expiresAt * 1000 <= now) return expired(capability)
  if (!snapshot.agents.has(capability.agent)) {
    return deny('capability-revoked', `The agent ${capability.agent} was removed.`, {
      hint: askAHuman,
    })
  }
  if (snapshot.revoked.has(capability.jti)) {
    return deny('capability-revoked', 'This capability was revoked.', { hint: newCapability })
  }
  if (capability.parents?.some((jti) => snapshot.revoked.has(jti)) === true) {
    return deny('capability-revoked', 'A capability that this one grew from was revoked.', {
      hint: newCapability,
    })
  }
  if ((capability.rootedAt ?? capability.issuedAt) < snapshot.notBefore(capability, connection)) {
    return deny(
      'capability-revoked',
      'This capability was issued before a moment from which on earlier ones are void.',
      { hint: newCapability },
    )
  }
  const demanding = capability.scopes.find((name) => snapshot.scopes.get(name)?.bound === true)
  if (demanding !== undefined && capability.key === undefined) {
    return deny(
      'capability-revoked',
      `The scope ${demanding} is only for capabilities that are bound to a key by now, and this one is not.`,
      { hint: 'Ask for a new one with POST /oauth/token and a DPoP proof (RFC 9449).' },
    )
  }
  const freeze = freezeOn(snapshot.freezes, capability, connection)
  return freeze === null ? allow : frozen(freeze)
}

/** Whether some connection would still take it. */
export function stands(ctx: Context, capability: Capability): boolean {
  return firstRefusal(ctx, capability) === null
}

/** Throws what refuses it where no connection would take it any more. */
export function demandStands(ctx: Context, capability: Capability): void {
  const refused = firstRefusal(ctx, capability)
  if (refused !== null) throw refusalOf(refused)
}

/** Throws what refuses it where any of its connections would not take it any more. */
export function demandStandsOnAll(ctx: Context, capability: Capability): void {
  const refused = verdictsOn(ctx, capability).find((one) => one.verdict === 'deny')
  if (refused?.verdict === 'deny') throw refusalOf(refused)
}

/** One for each connection; one of no connection is judged all the same. */
function verdictsOn(ctx: Context, capability: Capability): Verdict[] {
  const snapshot = ctx.realm.now()
  const now = ctx.clock.now()
  const connections = capability.details.map(({ connection }) => connection)
  return (connections.length === 0 ? [''] : connections).map((connection) =>
    standing(snapshot, capability, connection, now),
  )
}

function firstRefusal(ctx: Context, capability: Capability): Denial | null {
  const verdicts = verdictsOn(ctx, capability)
  const [first] = verdicts
  return verdicts.every((one) => one.verdict === 'deny') && first?.verdict === 'deny' ? first : null
}

const newCapability = 'Ask for a new one with POST /oauth/token.'
const askAHuman = 'Ask a human to add the agent again; do not look for another credential.'

function expired(capability: Capability) {
  const at = new Date(capability.expiresAt * 1000).toISOString()
  return deny('capability-expired', `This capability expired at ${at}.`, { hint: newCapability })
}

function refusalOf(verdict: Denial): BrokerError {
  return new BrokerError(verdict.code, verdict.detail, verdict.facts)
}

function invalid(detail: string, hint: string = newCapability, cause?: unknown): BrokerError {
  return new BrokerError('invalid-capability', detail, { hint }, cause)
}

/** Everything that needs no key: cheap, and before any parser. */
function refuseUnreadable(token: string, maxBytes: number): void {
  if (token === '') {
    throw invalid(
      'There is no capability in the request.',
      `Send it as Authorization: Bearer. ${newCapability}`,
    )
  }
  if (/^["']?(\$\{?[A-Za-z_(]|%[A-Za-z_]+%|\{\{)/.test(token)) {
    throw invalid(
      `The client did not expand its variable${nameIn(token)}: the text where the capability should be is the name of one.`,
      'Check the quotes around it, and that the variable is set where the client runs.',
    )
  }
  if (token.length > maxBytes) throw invalid(`A capability has at most ${maxBytes} characters.`)
  if (/^vk[os]_/.test(token)) {
    throw invalid(
      'This is a secret to sign in with, not a capability.',
      'Exchange an agent secret for a capability with POST /oauth/token.',
    )
  }
  if (!form.test(token)) throw invalid('This is not a capability: it is no compact JWS.')
  if (!token.split('.').every(canonical))
    throw invalid('This is not a capability as it was issued.')
}

/**
 * With a space before it, or nothing. Only where the text is a reference and no more is it repeated: anything else might be
 * a secret, as might what follows a lone dollar in small letters.
 */
function nameIn(reference: string): string {
  const found =
    /^(["']?)(?:\$([A-Z_][A-Z0-9_]{0,39})|\$\{(\w{1,40})\}|\{\{ ?(\w{1,40}) ?\}\}|%(\w{1,40})%)\1$/.exec(
      reference,
    )
  const name = found?.slice(2).find((group) => group !== undefined)
  return name === undefined ? '' : ` ${name}`
}

/** One text for one value: base64url has spare bits at the end, and a decoder that ignores them gives a token many spellings. */
function canonical(part: string): boolean {
  return Buffer.from(part, 'base64url').toString('base64url') === part
}

async function verifyAnew(ctx: Context, token: string): Promise<Capability> {
  const claims = await signedClaims(ctx, token)
  const now = Math.floor(ctx.clock.now() / 1000)
  if (claims.iss !== ctx.publicUrl) throw invalid('This capability was issued by another broker.')
  if (claims.aud !== ctx.publicUrl) throw invalid('This capability is for another broker.')
  if (claims.iat > now + skewSeconds) throw invalid('This capability was issued in the future.')
  if (claims.exp - claims.iat > longestLife)
    throw invalid('This capability lives longer than any may.')
  const capability = capabilityOf(claims)
  if (capability === null) throw invalid('The claims of this capability contradict each other.')
  return capability
}

async function signedClaims(ctx: Context, token: string): Promise<Claims> {
  const [protectedHeader = ''] = token.split('.', 1)
  const header = Header.safeParse(ownJson(Buffer.from(protectedHeader, 'base64url')))
  if (!header.success) {
    throw invalid('This is not a capability: its header is not the one that capabilities have.')
  }
  const key = await ctx.signing.verifying(header.data.kid)
  if (key === undefined)
    throw invalid('This capability was signed with a key that is not ours, or no longer.')
  const claims = Claims.safeParse(ownJson(await verifiedPayload(token, key)))
  if (!claims.success)
    throw invalid('The claims of this capability are not those that capabilities have.')
  return claims.data
}

async function verifiedPayload(token: string, key: CryptoKey): Promise<Uint8Array> {
  try {
    const { payload } = await compactVerify(token, key, { algorithms: [algorithm] })
    return payload
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error
    throw invalid('The signature of this capability is not valid.', newCapability, error)
  }
}

/**
 * JSON as we write it, or undefined. Writing it back must give the same bytes, which leaves no room for a claim that
 * stands twice, a byte order mark or a number with two spellings.
 */
function ownJson(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    return JSON.stringify(value) === text ? value : undefined
  } catch {
    // Not JSON: the caller says what it is not.
    return undefined
  }
}
