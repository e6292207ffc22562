import { eq, sql } from 'drizzle-orm'
import pino from 'pino'
import postgres from 'postgres'
import { describe, expect, inject, test, vi } from 'vitest'
import { spaceOf } from '../../src/providers/registry.ts'
import { providerFrom } from '../../src/providers/rest/provider.ts'
import { addEnvironment } from '../../src/realm/environments.ts'
import { watchRealm } from '../../src/realm/realm.ts'
import { raiseWatermark } from '../../src/realm/watermark.ts'
import type { Store } from '../../src/store/open.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { environments, policy, revocations, scopes } from '../../src/store/schema.ts'
import { closeLater } from '../support/closing.ts'
import { freshDatabase, freshStore, stores } from '../support/stores.ts'
import { addConnectionRow, by, editing, editingOn, listeningLog, until } from './editing.ts'

/** Closed after the realm that reads it. */
async function open(url: string): Promise<Store> {
  const store = await openPostgres(url)
  closeLater(() => store.close())
  return store
}

const silent = pino({ level: 'silent' })
const now = () => new Date()

describe.each(stores)('on %s', (kind) => {
  test('an edit is served as soon as it is acknowledged', async () => {
    const ctx = await editing(kind)
    const before = ctx.realm.now().version
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    expect(ctx.realm.now().environments.get('staging')).toEqual({
      name: 'staging',
      protected: true,
    })
    expect(ctx.realm.now().version).toBe(before + 1)
  })

  test('a scope that cannot be read allows nothing, and the log says so', async () => {
    const { log, lines } = listeningLog()
    const ctx = await editing(kind, { log })
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    const row = { environment: 'staging', version: 1, maxTtl: 900, updatedAt: now() }
    await ctx.db.insert(scopes).values([
      { ...row, name: 'good', allow: ['railway:Query.project'] },
      { ...row, name: 'bad', allow: ['railway:Query.project', 'railway:@destructive'] },
    ])
    await bump(ctx.store)
    const policy = await ctx.realm.refresh()
    expect(policy.scopes.get('good')?.allow).toHaveLength(1)
    expect(policy.scopes.get('bad')?.allow).toEqual([])
    expect(lines.some((line) => line['scope'] === 'bad')).toBe(true)
  })

  test('equal schemas are compiled once, however often policy is edited', async () => {
    const compiled: string[] = []
    const compile = (provider: string, sdl: string) => {
      compiled.push(`${provider}: ${sdl}`)
      return { sdl }
    }
    const ctx = await editing(kind, { compile })
    await addConnectionRow(ctx.db, 'one')
    await addConnectionRow(ctx.db, 'two')
    await addConnectionRow(ctx.db, 'three', { schema: 'other' })
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    await addEnvironment(ctx, by, { name: 'production', protected: true })
    expect(compiled.sort()).toEqual(['railway: sdl of hash', 'railway: sdl of other'])
    const { catalogues } = ctx.realm.now()
    expect(catalogues.get('one')).toBe(catalogues.get('two'))
    expect(catalogues.get('three')).toEqual({ sdl: 'sdl of other' })
  })

  test('a schema that does not compile takes its connection away and nothing else', async () => {
    const { log, lines } = listeningLog()
    const compile = (_provider: string, sdl: string) => {
      if (sdl === 'sdl of broken') throw new Error('no schema')
      return sdl
    }
    const ctx = await editing(kind, { log, compile })
    await addConnectionRow(ctx.db, 'good')
    await addConnectionRow(ctx.db, 'bad', { schema: 'broken' })
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    expect([...ctx.realm.now().catalogues.keys()]).toEqual(['good'])
    expect(lines.some((line) => line['connection'] === 'bad')).toBe(true)
  })

  test('revocations are served until what they revoke has expired', async () => {
    const ctx = await editing(kind)
    const at = (ms: number) => new Date(Date.now() + ms)
    await ctx.db.insert(revocations).values([
      { jti: 'alive', expiresAt: at(60_000), revokedAt: now() },
      { jti: 'expired', expiresAt: at(-1_000), revokedAt: now() },
    ])
    await bump(ctx.store)
    expect([...(await ctx.realm.refresh()).revoked]).toEqual(['alive'])
  })

  test('the latest watermark that applies decides, and a watermark never falls', async () => {
    const ctx = await editing(kind)
    await ctx.db.transaction(async (tx) => {
      await raiseWatermark(tx, 'agent:cursor', 10_000)
      await raiseWatermark(tx, 'scope:deploy', 20_500)
      await raiseWatermark(tx, 'scope:deploy', 5_000)
      await raiseWatermark(tx, 'connection:railway', 30_000)
    })
    await bump(ctx.store)
    const { notBefore } = await ctx.realm.refresh()
    const capability = (agent: string, ...names: string[]) => ({
      jti: 'cap',
      agent,
      environment: 'staging',
      scopes: names,
      details: [],
      issuedAt: 0,
      expiresAt: 0,
    })
    expect(notBefore(capability('other', 'read'), 'github')).toBe(0)
    expect(notBefore(capability('cursor', 'read'), 'github')).toBe(10)
    expect(notBefore(capability('cursor', 'read', 'deploy'), 'github')).toBe(20.5)
    expect(notBefore(capability('cursor', 'read', 'deploy'), 'railway')).toBe(30)
  })

  test('a policy in a format from the future is not served', async () => {
    const store = await freshStore(kind)
    await store.db.update(policy).set({ reader: 4 })
    const watching = watchRealm({
      store,
      log: silent,
      compile: () => ({}),
      describe: providerFrom,
      spaceOf,
    })
    await expect(watching).rejects.toMatchObject({ code: 'policy-stale' })
  })

  test('a closed realm reads nothing more, even where its listener could not be taken away', async () => {
    const store = await freshStore(kind)
    let notify = () => {}
    const listen: Store['listen'] = async (_channel, heard) => {
      notify = () => heard('')
      return () => Promise.reject(new Error('the database is gone'))
    }
    const { log, lines } = listeningLog()
    const realm = await watchRealm({
      store: { ...store, listen },
      log,
      compile: () => ({}),
      describe: providerFrom,
      spaceOf,
      pollMs: 1,
    })
    const read = vi.spyOn(store.db, 'select')
    notify()
    await vi.waitFor(() => expect(read.mock.calls.length).toBeGreaterThan(3), 10_000)
    notify()
    await realm.close()
    read.mockClear()
    notify()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(read).not.toHaveBeenCalled()
    read.mockRestore()
    expect(lines).toEqual([])
  })

  test('a database that went back is not followed', async () => {
    const ctx = await editing(kind)
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    const served = ctx.realm.now()
    await ctx.db.delete(environments).where(eq(environments.name, 'staging'))
    await ctx.db.update(policy).set({ version: served.version - 1 })
    await expect(ctx.realm.refresh()).rejects.toThrow(/restart after a restore/)
    expect(ctx.realm.now()).toBe(served)
  })
})

async function bump(store: Store): Promise<void> {
  await store.db.update(policy).set({ version: sql`${policy.version} + 1` })
}

test('an edit through one replica is served by another within a second', async () => {
  const url = await freshDatabase()
  const one = await editingOn(await open(url))
  const other = await editingOn(await open(url))
  await addEnvironment(one, by, { name: 'staging', protected: true })
  expect(await until(() => other.realm.now().environments.has('staging'), 1_000)).toBeLessThan(
    1_000,
  )
})

test('where nothing can be listened to, the poll finds the edit within a second', async () => {
  const url = await freshDatabase()
  const one = await editingOn(await open(url))
  const deaf = {
    ...(await open(url)),
    listen: () => Promise.reject(new Error('a pooler stands between')),
  }
  const other = await editingOn(deaf)
  await addEnvironment(one, by, { name: 'staging', protected: true })
  await until(() => other.realm.now().environments.has('staging'), 1_000)
})

test('a replica that cannot reach its database refuses after five seconds, and serves again once it can', async () => {
  const url = await freshDatabase()
  const name = new URL(url).pathname.slice(1)
  const ctx = await editingOn(await open(url))
  const admin = postgres(`${inject('cluster')}/postgres`, { max: 1, onnotice: () => {} })
  try {
    await admin.unsafe(`alter database ${name} with allow_connections false`)
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`
    expect(() => ctx.realm.now()).not.toThrow()
    const refused = () => {
      try {
        ctx.realm.now()
        return false
      } catch (error) {
        expect(error).toMatchObject({ code: 'policy-stale', facts: { retryAfter: 2 } })
        return true
      }
    }
    expect(await until(refused, 8_000)).toBeGreaterThan(3_000)
    await admin.unsafe(`alter database ${name} with allow_connections true`)
    await until(() => !refused(), 8_000)
  } finally {
    await admin.end()
  }
}, 30_000)
