import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { assertOpens, sealCheckRow } from '../../src/seal/check.ts'
import { createKeyring, type Keyring, kidOf } from '../../src/seal/keyring.ts'
import type { Db } from '../../src/store/open.ts'
import { connections, policy, schemas, sealCheck, signingKeys } from '../../src/store/schema.ts'
import { kidsInUse, type Resealed, reseal } from '../../src/vault/reseal.ts'
import { freshStore, stores } from '../support/stores.ts'

const [former, next] = [randomBytes(32), randomBytes(32)]
const names = ['a', 'b', 'c', 'd']
const rowOf = (name: string) => `connections/${name}/secret`

async function sealedStore(db: Db, keyring: Keyring): Promise<void> {
  const at = new Date()
  await db.insert(sealCheck).values({ id: 1, sealed: await sealCheckRow(keyring) })
  await db.insert(schemas).values({ hash: 'h', sdl: '', createdAt: at })
  for (const name of names) {
    await db.insert(connections).values({
      ...{ name, provider: 'railway', baseUrl: 'https://api.example', placement: 'bearer' },
      ...{ allowPrivate: false, secretVersion: 1, schema: 'h', createdAt: at, updatedAt: at },
      sealed: await keyring.seal(rowOf(name), `secret of ${name}`),
    })
  }
  await db.insert(signingKeys).values({
    ...{ kid: 'k', purpose: 'audit', publicJwk: {}, createdAt: at },
    sealed: await keyring.seal('signing_keys/k', 'private key'),
  })
}

async function resealAll(db: Db, keyring: Keyring): Promise<Resealed[]> {
  const moved: Resealed[] = []
  for await (const row of reseal({ db, keyring })) moved.push(row)
  return moved
}

async function everythingOpens(db: Db, keyring: Keyring): Promise<void> {
  for (const { name, sealed } of await db.select().from(connections)) {
    expect((await keyring.open(rowOf(name), sealed)).reveal()).toBe(`secret of ${name}`)
  }
  for (const { kid, sealed } of await db.select().from(signingKeys)) {
    expect((await keyring.open(`signing_keys/${kid}`, sealed)).reveal()).toBe('private key')
  }
  const [check] = await db.select().from(sealCheck)
  await assertOpens(keyring, check?.sealed ?? '')
}

describe.each(stores)('the master key is rotated on %s', (kind) => {
  test('row by row, so that a rotation cut short goes on, and every value opens at every moment', async () => {
    const { db } = await freshStore(kind)
    const keyring = createKeyring([former])
    await sealedStore(db, keyring)
    const from = keyring.current
    keyring.replace([next, former])

    const cut = reseal({ db, keyring })
    for (const row of ['a', 'b']) {
      const step = await cut.next()
      expect(step.value).toEqual({ table: 'connections', row, from, to: keyring.current })
      await everythingOpens(db, keyring)
    }
    await cut.return(undefined)
    expect(await kidsInUse(db)).toEqual(new Set([from, keyring.current]))

    const rest: string[] = []
    for await (const { table, row } of reseal({ db, keyring })) {
      rest.push(`${table}/${row}`)
      await everythingOpens(db, keyring)
    }
    expect(rest).toEqual(['connections/c', 'connections/d', 'signing_keys/k', 'seal_check/1'])
    expect(await kidsInUse(db)).toEqual(new Set([keyring.current]))
    keyring.replace([next])
    await everythingOpens(db, keyring)
    expect(await resealAll(db, keyring)).toEqual([])
  })

  test('by two at once, and with a secret given anew meanwhile, nothing is lost', async () => {
    const { db } = await freshStore(kind)
    const keyring = createKeyring([former])
    await sealedStore(db, keyring)
    keyring.replace([next, former])
    const sealed = await keyring.seal(rowOf('d'), 'secret of d')
    const [one, other] = await Promise.all([
      resealAll(db, keyring),
      resealAll(db, keyring),
      db.update(connections).set({ sealed }).where(eq(connections.name, 'd')),
    ])
    const moved = [...one, ...other].map(({ table, row }) => `${table}/${row}`)
    expect(new Set(moved).size).toBe(moved.length)
    expect(await kidsInUse(db)).toEqual(new Set([keyring.current]))
    keyring.replace([next])
    await everythingOpens(db, keyring)
  })

  test('replicas learn of every moved secret through the policy version', async () => {
    const { db } = await freshStore(kind)
    const keyring = createKeyring([former])
    await sealedStore(db, keyring)
    const [before] = await db.select().from(policy)
    keyring.replace([next, former])
    await resealAll(db, keyring)
    const [after] = await db.select().from(policy)
    expect(after?.version).toBe((before?.version ?? 0) + names.length)
  })

  test('a value that someone moved to another row does not become openable there', async () => {
    const { db } = await freshStore(kind)
    const keyring = createKeyring([former])
    await sealedStore(db, keyring)
    const [a] = await db.select().from(connections).where(eq(connections.name, 'a'))
    await db
      .update(connections)
      .set({ sealed: a?.sealed ?? '' })
      .where(eq(connections.name, 'b'))
    keyring.replace([next, former])
    await resealAll(db, keyring)
    const [b] = await db.select().from(connections).where(eq(connections.name, 'b'))
    expect(kidOf(b?.sealed ?? '')).toBe(keyring.current)
    await expect(keyring.open(rowOf('b'), b?.sealed ?? '')).rejects.toMatchObject({
      code: 'internal',
    })
  })
})
