/** Makes proofs of a key for single requests (RFC 9449), and remembers the nonce that the next one needs. Never sends anything. */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { algorithmOf } from './key-files.ts'

export type Prover = {
  /** For a request to a path of the broker, with the capability that it presents, if it does. */
  proof(method: string, path: string, token?: string): Promise<string>
  /** A nonce that the broker sent; null changes nothing. */
  learn(nonce: string | null): void
  /** How long ago one was learned, in milliseconds. */
  age(): number
}

/** `issuer` is how the broker names itself. Without a key one is made, which nobody else ever has. */
export async function proverOf(
  issuer: string,
  key: KeyObject = generateKeyPairSync('ed25519').privateKey,
): Promise<Prover> {
  const { SignJWT } = await import('jose')
  const jwk = { ...createPublicKey(key).export({ format: 'jwk' }) }
  const header = { alg: algorithmOf(key), typ: 'dpop+jwt', jwk }
  let nonce: string | undefined
  let learnedAt = Number.NEGATIVE_INFINITY
  return {
    proof: (htm, path, token) => {
      const claims = {
        jti: crypto.randomUUID(),
        htm,
        htu: issuer + (path.split('?', 1)[0] ?? ''),
        ...(nonce === undefined ? {} : { nonce }),
        ...(token === undefined
          ? {}
          : { ath: createHash('sha256').update(token).digest('base64url') }),
      }
      return new SignJWT(claims).setProtectedHeader(header).setIssuedAt().sign(key)
    },
    learn: (fresh) => {
      if (fresh === null) return
      nonce = fresh
      learnedAt = performance.now()
    },
    age: () => performance.now() - learnedAt,
  }
}
