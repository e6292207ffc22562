import { randomBytes } from 'node:crypto'
import { CompactSign, compactVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { BrokerError } from '../../src/errors.ts'
import { createKeyring } from '../../src/seal/keyring.ts'
import type { Store } from '../../src/store/open.ts'
import { signingKeys } from '../../src/store/schema.ts'
import { listSigningKeys, openSigningKeys } from '../../src/tokens/keys.ts'
import { freshStore, stores } from '../support/stores.ts'

const hour = 3_600_000
const day = 24 * hour

async function opened(store: Store, masterKey = randomBytes(32)) {
  let ahead = 0
  const clock = { now: () => Date.now() + ahead }
  const keyring = createKeyring([masterKey])
  const signing = await openSigningKeys({ store, keyring, clock })
  return {
    ...signing,
    masterKey,
    pass: (ms: number) => {
      ahead += ms
    },
  }
}

const text = (value: string) => new TextEncoder().encode(value)

describe.each(stores)('signing keys on %s', (kind) => {
  it('are one per purpose, however many replicas start at once', async () => {
    const store = await freshStore(kind)
    const masterKey = randomBytes(32)
    const replicas = await Promise.all([1, 2, 3, 4].map(() => opened(store, masterKey)))
    const rows = await listSigningKeys(store.db)
    expect(rows.map((row) => row.purpose).toSorted()).toEqual(['audit', 'capability'])
    const kids = await Promise.all(replicas.map((one) => one.current('capability')))
    expect(new Set(kids.map((one) => one.kid)).size).toBe(1)
  })

  it('sign what their public half verifies', async () => {
    const keys = await opened(await freshStore(kind))
    const { kid, key } = await keys.current('capability')
    const signed = await new CompactSign(text('x')).setProtectedHeader({ alg: 'EdDSA' }).sign(key)
    const verifying = await keys.verifying(kid)
    if (verifying === undefined) throw new Error('no key')
    await compactVerify(signed, verifying, { algorithms: ['EdDSA'] })
  })

  it('are kept sealed, and published without their private member', async () => {
    const store = await freshStore(kind)
    const keys = await opened(store)
    for (const row of await store.db.select().from(signingKeys)) {
      expect(Object.keys(row.publicJwk).toSorted()).toEqual(['crv', 'kty', 'x'])
      expect(row.sealed.split('.')).toHaveLength(5)
    }
    const { keys: published } = await keys.jwks()
    expect(published).toHaveLength(1)
    expect(Object.keys(published[0] ?? {}).toSorted()).toEqual([
      'alg',
      'crv',
      'kid',
      'kty',
      'use',
      'x',
    ])
  })

  it('do not open under another master key', async () => {
    const store = await freshStore(kind)
    await opened(store)
    const foreign = await opened(store)
    const error = await foreign.current('capability').catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(BrokerError)
    expect(error).toMatchObject({ code: 'internal' })
  })

  it('verify after a rotation until everything they signed has expired, and not longer', async () => {
    const keys = await opened(await freshStore(kind))
    const old = await keys.current('capability')
    const { kid } = await keys.rotate()
    expect((await keys.current('capability')).kid).toBe(kid)
    expect(kid).not.toBe(old.kid)

    keys.pass(hour)
    expect(await keys.verifying(old.kid)).toBeDefined()
    expect((await keys.jwks()).keys.map((key) => key.kid).toSorted()).toEqual(
      [old.kid, kid].toSorted(),
    )

    keys.pass(6 * 60_000)
    expect(await keys.verifying(old.kid)).toBeUndefined()
    expect((await keys.jwks()).keys.map((key) => key.kid)).toEqual([kid])
  })

  it('reach other replicas when they meet an unknown kid, which they look up once a second at most', async () => {
    const store = await freshStore(kind)
    const first = await opened(store)
    const second = await opened(store, first.masterKey)
    second.pass(2_000)
    expect(await second.verifying('an unknown kid')).toBeUndefined()
    const { kid } = await first.rotate()
    expect(await second.verifying(kid)).toBeUndefined()
    second.pass(1_100)
    expect(await second.verifying(kid)).toBeDefined()
  })

  it('are given up within a minute by a replica that did not hear of a rotation', async () => {
    const store = await freshStore(kind)
    const first = await opened(store)
    const second = await opened(store, first.masterKey)
    const { kid } = await first.rotate()
    second.pass(61_000)
    expect((await second.current('capability')).kid).toBe(kid)
  })

  it('are replaced after thirty days, by one replica for all', async () => {
    const store = await freshStore(kind)
    const first = await opened(store)
    const second = await opened(store, first.masterKey)
    const old = await first.current('capability')
    const audit = await first.current('audit')
    first.pass(31 * day)
    second.pass(31 * day)
    const now = await Promise.all([first, second].map((one) => one.current('capability')))
    expect(now[0]?.kid).not.toBe(old.kid)
    expect(now[1]?.kid).toBe(now[0]?.kid)
    expect((await first.current('audit')).kid).toBe(audit.kid)
  })

  it('are separate: what signs checkpoints verifies no capability, and is kept for ever', async () => {
    const keys = await opened(await freshStore(kind))
    const audit = await keys.current('audit')
    expect(await keys.verifying(audit.kid)).toBeUndefined()
    await keys.rotate('audit')
    keys.pass(400 * day)
    await keys.rotate()
    expect(await keys.verifying(audit.kid, 'audit')).toBeDefined()
    expect((await keys.jwks('audit')).keys).toHaveLength(2)
  })
})
