/** The keys that sign capabilities and audit checkpoints: made, rotated, published. Never shows a private key. */
import { asc, desc, eq, sql } from 'drizzle-orm'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
  type JWK_OKP_Public,
} from 'jose'
import { z } from 'zod'
import type { Clock } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Keyring } from '../seal/keyring.ts'
import type { Db, Store, Tx } from '../store/open.ts'
import { policy, signingKeys } from '../store/schema.ts'

export type Purpose = 'capability' | 'audit'

export type SigningKeys = {
  /** The key that signs now. A capability key older than thirty days is replaced first. */
  current(purpose: Purpose): Promise<{ kid: string; key: CryptoKey }>
  /** The public key, for as long as something it signed may be valid. An unknown `kid` asks the database, rarely. */
  verifying(kid: string, purpose?: Purpose): Promise<CryptoKey | undefined>
  /** Public members only. */
  jwks(purpose?: Purpose): Promise<{ keys: JWK[] }>
  /** A new key signs from now on; what the old one signed stays valid until it expires. */
  rotate(purpose?: Purpose): Promise<{ kid: string }>
  refresh(): Promise<void>
}

const day = 24 * 60 * 60_000
const rotateAfter = 30 * day
/** The longest capability, and what a replica that has not yet heard of a rotation may go on signing. */
const overlap = 60 * 60_000 + 5 * 60_000
/** A replica signs with a retired key for at most this long. */
const rereadAfter = 60_000
/** Strangers choose the `kid` that we have never seen; they must not choose how often we ask the database. */
const unknownKidPause = 1_000

type Key = {
  kid: string
  purpose: Purpose
  createdAt: number
  retiredAt: number | null
  sealed: string
  jwk: JWK_OKP_Public
  verify: CryptoKey
}

/** The row that a private key is sealed for. */
export function signingKeyRow(kid: string): string {
  return `signing_keys/${kid}/private`
}

export async function openSigningKeys(options: {
  store: Store
  keyring: Keyring
  clock: Clock
}): Promise<SigningKeys> {
  const { store, keyring, clock } = options
  let keys = new Map<string, Key>()
  let readAt = 0
  let reading: Promise<void> | undefined
  const opened = new Map<string, Promise<CryptoKey>>()

  function refresh(): Promise<void> {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  async function read(): Promise<void> {
    const rows = await store.db.select().from(signingKeys)
    const next = await Promise.all(rows.map((row) => keyOf(row, keys.get(row.kid)?.verify)))
    keys = new Map(next.map((key) => [key.kid, key]))
    for (const kid of opened.keys()) if (!keys.has(kid)) opened.delete(kid)
    readAt = clock.now()
  }

  function newest(purpose: Purpose): Key | undefined {
    return [...keys.values()]
      .filter((key) => key.purpose === purpose && key.retiredAt === null)
      .toSorted((a, b) => b.createdAt - a.createdAt)[0]
  }

  function stillVerifies(key: Key): boolean {
    return (
      key.purpose === 'audit' || key.retiredAt === null || clock.now() < key.retiredAt + overlap
    )
  }

  function due(key: Key): boolean {
    return key.purpose === 'capability' && clock.now() - key.createdAt > rotateAfter
  }

  /** Replaces the signing key if it is still the one that the caller knew, so that replicas make one and not several. */
  async function replace(purpose: Purpose, known: string | undefined): Promise<string> {
    const fresh = await makeKey(keyring)
    const kid = await store.db.transaction(async (tx) => {
      await lockPolicy(tx)
      const now = new Date(clock.now())
      const active = await activeKid(tx, purpose)
      if (active !== undefined && active !== known) return active
      await dropExpired(tx, clock.now() - overlap - day)
      await tx
        .update(signingKeys)
        .set({ retiredAt: now })
        .where(sql`${signingKeys.purpose} = ${purpose} and ${signingKeys.retiredAt} is null`)
      await tx.insert(signingKeys).values({ ...fresh, purpose, createdAt: now })
      return fresh.kid
    })
    await refresh()
    return kid
  }

  function open(key: Key): Promise<CryptoKey> {
    const held = opened.get(key.kid)
    if (held !== undefined) return held
    const opening = openPrivate(keyring, key)
    opened.set(key.kid, opening)
    opening.catch(() => opened.delete(key.kid))
    return opening
  }

  await refresh()
  for (const purpose of ['capability', 'audit'] as const) {
    if (newest(purpose) === undefined) await replace(purpose, undefined)
  }

  return {
    async current(purpose) {
      if (clock.now() - readAt > rereadAfter) await refresh()
      const held = newest(purpose)
      if (held === undefined || due(held)) await replace(purpose, held?.kid)
      const key = newest(purpose)
      if (key === undefined) {
        throw new BrokerError('internal', `There is no ${purpose} signing key.`, {
          hint: 'Restart the broker; it makes one when there is none.',
        })
      }
      return { kid: key.kid, key: await open(key) }
    },
    async verifying(kid, purpose = 'capability') {
      if (!keys.has(kid) && Math.abs(clock.now() - readAt) > unknownKidPause) await refresh()
      const key = keys.get(kid)
      return key?.purpose === purpose && stillVerifies(key) ? key.verify : undefined
    },
    async jwks(purpose = 'capability') {
      if (clock.now() - readAt > rereadAfter) await refresh()
      const shown = [...keys.values()].filter(
        (key) => key.purpose === purpose && stillVerifies(key),
      )
      return { keys: shown.map(({ jwk, kid }) => ({ ...jwk, kid, use: 'sig', alg: 'EdDSA' })) }
    },
    async rotate(purpose = 'capability') {
      await refresh()
      return { kid: await replace(purpose, newest(purpose)?.kid) }
    },
    refresh,
  }
}

const PublicJwk = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string() })

/** Everything but the key itself may have changed since it was read: it retires, and it is sealed anew. */
async function keyOf(row: typeof signingKeys.$inferSelect, known?: CryptoKey): Promise<Key> {
  const jwk = PublicJwk.parse(row.publicJwk)
  return {
    kid: row.kid,
    purpose: row.purpose,
    createdAt: row.createdAt.getTime(),
    retiredAt: row.retiredAt?.getTime() ?? null,
    sealed: row.sealed,
    jwk,
    verify: known ?? (await importKey(jwk)),
  }
}

async function importKey(jwk: JWK): Promise<CryptoKey> {
  const key = await importJWK(jwk, 'EdDSA')
  if (key instanceof Uint8Array) throw new BrokerError('internal', 'A signing key is no key pair.')
  return key
}

async function makeKey(keyring: Keyring) {
  const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  const publicJwk = PublicJwk.parse(await exportJWK(pair.publicKey))
  const kid = await calculateJwkThumbprint(publicJwk)
  const privateJwk = JSON.stringify(await exportJWK(pair.privateKey))
  return { kid, publicJwk, sealed: await keyring.seal(signingKeyRow(kid), privateJwk) }
}

const PrivateJwk = PublicJwk.extend({ d: z.string() })

async function openPrivate(keyring: Keyring, key: Key): Promise<CryptoKey> {
  const sealed = await keyring.open(signingKeyRow(key.kid), key.sealed)
  return importKey(PrivateJwk.parse(JSON.parse(sealed.reveal())))
}

/** Whoever makes or retires a key holds the policy row, so that two replicas do so one after the other. */
async function lockPolicy(tx: Tx): Promise<void> {
  await tx.select({ id: policy.id }).from(policy).where(eq(policy.id, 1)).for('update')
}

async function activeKid(tx: Tx, purpose: Purpose): Promise<string | undefined> {
  const rows = await tx
    .select({ kid: signingKeys.kid })
    .from(signingKeys)
    .where(sql`${signingKeys.purpose} = ${purpose} and ${signingKeys.retiredAt} is null`)
    .orderBy(sql`${signingKeys.createdAt} desc`)
    .limit(1)
  return rows[0]?.kid
}

/** Capability keys only: checkpoints are verified for ever. */
async function dropExpired(tx: Tx, retiredBefore: number): Promise<void> {
  await tx
    .delete(signingKeys)
    .where(
      sql`${signingKeys.purpose} = 'capability' and ${signingKeys.retiredAt} < ${new Date(retiredBefore).toISOString()}`,
    )
}

export type KeyShown = { kid: string; purpose: Purpose; createdAt: Date; retiredAt: Date | null }

/** Every signing key that is kept, by its id; newest first. */
export async function listSigningKeys(db: Db): Promise<KeyShown[]> {
  return db
    .select({
      kid: signingKeys.kid,
      purpose: signingKeys.purpose,
      createdAt: signingKeys.createdAt,
      retiredAt: signingKeys.retiredAt,
    })
    .from(signingKeys)
    .orderBy(desc(signingKeys.createdAt), asc(signingKeys.kid))
}
