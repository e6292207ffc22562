/**
 * Proof that whoever presents a token holds its key (RFC 9449): for this very request, now, and once on whichever replica.
 * Never keeps a key, and never takes a proof for another address than the configured one.
 */
import { createHash } from 'node:crypto'
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { firstTime } from '../identity/once.ts'
import { readPublicKey } from '../identity/public-key.ts'

export const proofAlgorithms = ['ES256', 'EdDSA', 'Ed25519', 'PS256', 'RS256']

/** Seconds that a proof may be old, or ahead. */
const tolerance = 120
const slotMs = 60_000
/** Nonces of so many minutes before this one are taken. */
const slotsBack = 2
const longestProof = 4_096

export type Proving = {
  /** The values of the request's DPoP headers. */
  proofs: readonly string[]
  method: string
  /** The path of the request as it came, with or without a query. */
  target: string
}

export type Proof = {
  /** The thumbprint of the key that made it. */
  key: string
  /** Uses it up, wherever it is shown again. Throws `invalid-proof` when it was. */
  spend(): Promise<void>
}

/**
 * Reads the proof of a request, with `token` where it presents one. Until it is spent it proves nothing. Throws
 * `invalid-proof`, whose facts say what to answer (RFC 9449 sections 5 and 7.1).
 */
export async function readProof(
  ctx: Context,
  { proofs, method, target }: Proving,
  token: string | null,
): Promise<Proof> {
  const [proof, ...more] = proofs
  if (proof === undefined) throw refused('There is no proof of the key: no DPoP header.')
  if (more.length > 0) throw refused('There is more than one DPoP header.')
  if (proof.length > longestProof) throw refused('The DPoP proof is too long.')
  const { jwk, thumbprint } = await keyIn(ctx, proof)
  const claims = await signedClaims(ctx, proof, jwk)
  const path = target.split('?', 1)[0] ?? ''
  if (claims.htm !== method) {
    throw refused(`The proof is for ${claims.htm} and the request is ${method}.`)
  }
  if (spelled(claims.htu) !== `${ctx.publicUrl}${path}`) {
    throw refused(`The proof is for another address: its htu has to be ${ctx.publicUrl}${path}.`)
  }
  const now = ctx.clock.now()
  if (Math.abs(claims.iat - now / 1000) > tolerance) {
    throw refused(`The proof was made more than ${tolerance} s before or after now.`)
  }
  if (token !== null && claims.ath !== sha256(token)) {
    throw refused('The proof is for another capability: its ath does not fit.')
  }
  if (claims.nonce === undefined || !isNonce(ctx, claims.nonce)) throw nonceWanted()
  return {
    key: thumbprint,
    spend: async () => {
      const until = Math.ceil(now / 1000) + 2 * tolerance
      if (await firstTime(ctx, 'proof', [thumbprint, claims.jti], until)) return
      throw refused('This proof was used before.', 'Make a new one for every request.')
    },
  }
}

type Key = Awaited<ReturnType<typeof readPublicKey>>

const keys = perContext(() => new LRUCache<string, Promise<Key>>({ max: 1_000 }))

const Header = z.object({ typ: z.literal('dpop+jwt'), jwk: z.record(z.string(), z.unknown()) })

async function keyIn(ctx: Context, proof: string): Promise<Key> {
  const header = Header.safeParse(headerOf(proof))
  if (!header.success)
    throw refused('The DPoP header is no proof: its typ is dpop+jwt, and its jwk the public key.')
  const { jwk } = header.data
  const text = JSON.stringify(jwk)
  const known = keys(ctx).get(text)
  if (known !== undefined) return known
  const read = readPublicKey(jwk)
  // The same object for the same key: what is imported of it is remembered by the object.
  keys(ctx).set(text, read)
  try {
    return await read
  } catch (error) {
    keys(ctx).delete(text)
    throw refused(
      'The key in the proof is none that is taken: Ed25519, P-256 or RSA.',
      undefined,
      error,
    )
  }
}

function headerOf(proof: string): unknown {
  try {
    return decodeProtectedHeader(proof)
  } catch {
    // Said by the caller.
    return null
  }
}

const Claims = z.object({
  jti: z.string().min(8).max(200),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  ath: z.string().optional(),
  nonce: z.string().max(200).optional(),
})

async function signedClaims(
  ctx: Context,
  proof: string,
  jwk: Record<string, string>,
): Promise<z.infer<typeof Claims>> {
  const claims = Claims.safeParse(await verified(ctx, proof, jwk))
  if (claims.success) return claims.data
  throw refused('The proof lacks what a proof says: jti, htm, htu and iat.')
}

async function verified(
  ctx: Context,
  proof: string,
  jwk: Record<string, string>,
): Promise<JWTPayload> {
  try {
    const currentDate = new Date(ctx.clock.now())
    const options = {
      algorithms: proofAlgorithms,
      typ: 'dpop+jwt',
      clockTolerance: tolerance,
      currentDate,
    }
    return (await jwtVerify(proof, jwk, options)).payload
  } catch (error) {
    if (!(error instanceof errors.JOSEError) && !(error instanceof TypeError)) throw error
    throw refused('The proof is not signed with the key that it carries.', undefined, error)
  }
}

/** RFC 9449 section 4.3: compared after normalisation, without query and fragment. */
function spelled(htu: string): string | null {
  if (!URL.canParse(htu)) return null
  const { origin, pathname } = new URL(htu)
  return origin + pathname
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** What the next proof has to repeat (RFC 9449 section 8): a moment of this installation, that nobody else can name. */
export function currentNonce(ctx: Pick<Context, 'keyring' | 'clock'>): string {
  const slot = Math.floor(ctx.clock.now() / slotMs).toString(36)
  return `${slot}.${ctx.keyring.mac('dpop nonce', slot)[0] ?? ''}`
}

function isNonce(ctx: Pick<Context, 'keyring' | 'clock'>, nonce: string): boolean {
  const [slot = '', mac = ''] = nonce.split('.')
  const back = Math.floor(ctx.clock.now() / slotMs) - Number.parseInt(slot, 36)
  // A replica whose clock is a little ahead begins a minute before this one.
  return back >= -1 && back <= slotsBack && ctx.keyring.mac('dpop nonce', slot).includes(mac)
}

function refused(detail: string, hint?: string, cause?: unknown): BrokerError {
  const usual =
    'Send a DPoP proof (RFC 9449) of the key that the capability is bound to, made for this request alone.'
  return proofError('invalid_dpop_proof', detail, hint ?? usual, cause)
}

function nonceWanted(): BrokerError {
  return proofError(
    'use_dpop_nonce',
    'The proof does not repeat a nonce of this broker.',
    'Repeat it with the nonce of the header DPoP-Nonce.',
  )
}

function proofError(
  challenge: 'invalid_dpop_proof' | 'use_dpop_nonce',
  detail: string,
  hint: string,
  cause?: unknown,
): BrokerError {
  return new BrokerError('invalid-proof', detail, { hint, challenge }, cause)
}

/** Of a key as somebody names it (RFC 7638). */
export const thumbprintForm = /^[A-Za-z0-9_-]{43}$/
