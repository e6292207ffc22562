/** Signed heads of the chain: whoever holds one can tell later that the chain was edited or cut. Never signs with a capability's key. */
import { CompactSign, type CryptoKey, compactVerify, importJWK, type JWK } from 'jose'
import { z } from 'zod'
import type { Store } from '../store/open.ts'
import { canonical } from './canonical.ts'

const typ = 'valetkey-checkpoint+jwt'

const Claims = z.strictObject({
  seq: z.int().positive(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.iso.datetime(),
})
export type Claims = z.infer<typeof Claims>

/** Signs a head with the audit key that is current. */
export type Sign = (claims: Claims) => Promise<string>

export type PublicKeys = ReadonlyMap<string, CryptoKey>

export function signCheckpoint(
  signer: { kid: string; key: CryptoKey },
  claims: Claims,
): Promise<string> {
  return new CompactSign(Buffer.from(canonical(claims)))
    .setProtectedHeader({ alg: 'EdDSA', typ, kid: signer.kid })
    .sign(signer.key)
}

/** What a checkpoint says, if one of the keys signed it. Throws otherwise. */
export async function openCheckpoint(signed: string, keys: PublicKeys): Promise<Claims> {
  const { payload, protectedHeader } = await compactVerify(
    signed,
    ({ kid }) => {
      const key = keys.get(kid ?? '')
      if (key === undefined) throw new Error(`no key ${kid ?? '(unnamed)'} is known`)
      return key
    },
    { algorithms: ['EdDSA'] },
  )
  if (protectedHeader.typ !== typ) throw new Error('it is not a checkpoint')
  return Claims.parse(JSON.parse(Buffer.from(payload).toString('utf8')))
}

/** Ed25519 public keys by their key id. Throws for what is not one. */
export async function publicKeys(
  jwks: readonly Pick<JWK, 'kid' | 'kty' | 'crv' | 'x'>[],
): Promise<PublicKeys> {
  const keys = new Map<string, CryptoKey>()
  for (const { kid, kty, crv, x } of jwks) {
    if (kid === undefined || kty !== 'OKP' || crv !== 'Ed25519' || x === undefined) {
      throw new Error('an audit key is an Ed25519 JWK with a kid')
    }
    const key = await importJWK({ kty, crv, x }, 'EdDSA')
    if (key instanceof Uint8Array) throw new Error('an audit key is a public key')
    keys.set(kid, key)
  }
  return keys
}

/** Signs a head and keeps it. Another replica may have kept the same one. */
export async function keepCheckpoint(store: Store, sign: Sign, claims: Claims): Promise<void> {
  await store.run(
    'insert into audit_checkpoints (seq, signed) values ($1::bigint, $2::text) on conflict do nothing',
    [claims.seq, await sign(claims)],
  )
}
