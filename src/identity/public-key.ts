/** A public key as somebody registers it: one of the kinds that are taken, stripped to what makes it one. Never keeps a private half. */
import { calculateJwkThumbprint, importJWK } from 'jose'
import { z } from 'zod'
import { BrokerError } from '../errors.ts'

export type PublicKey = { jwk: Record<string, string>; thumbprint: string }

const Part = z.string().regex(/^[A-Za-z0-9_-]{1,1400}$/)
const Jwk = z.discriminatedUnion('kty', [
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: Part }),
  z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: Part, y: Part }),
  z.object({ kty: z.literal('RSA'), n: Part, e: Part }),
])

/** 2048 bits, in base64url. */
const shortestModulus = 342

/** Throws `malformed-request` with what to give instead. */
export async function readPublicKey(given: Readonly<Record<string, unknown>>): Promise<PublicKey> {
  if ('d' in given || 'k' in given) {
    throw unfit('This is a private key, which belongs to the agent alone.', 'Give the public half.')
  }
  const parsed = Jwk.safeParse(given)
  if (!parsed.success) throw unfit('This is no public key that can be registered.')
  const jwk = parsed.data
  if (jwk.kty === 'RSA' && jwk.n.length < shortestModulus)
    throw unfit('An RSA key has 2048 bits or more.')
  try {
    await importJWK(jwk, jwk.kty === 'RSA' ? 'PS256' : jwk.kty === 'EC' ? 'ES256' : 'EdDSA')
  } catch (cause) {
    throw unfit('This key cannot be read.', undefined, cause)
  }
  return { jwk, thumbprint: await calculateJwkThumbprint(jwk) }
}

function unfit(detail: string, hint?: string, cause?: unknown): BrokerError {
  const usual = 'Give the JWK of an Ed25519, P-256 or RSA public key.'
  return new BrokerError('malformed-request', detail, { hint: hint ?? usual }, cause)
}
