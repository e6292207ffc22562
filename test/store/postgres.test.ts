import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import { expect, inject, test as serial, vi } from 'vitest'
import { openStore, type Store } from '../../src/store/open.ts'
import { unfit } from '../../src/store/postgres.ts'
import { environments } from '../../src/store/schema.ts'
import { closeLater } from '../support/closing.ts'
import { freshDatabase } from '../support/stores.ts'
import { type Relay, relay } from './relay.ts'

/** One of them waits for twelve seconds, and none meddles with another's database. */
const test = serial.concurrent

async function open(url: string): Promise<Store> {
  const store = await openStore({ kind: 'postgres', url })
  closeLater(() => store.close())
  return store
}

async function relayed(options?: { pooler?: boolean }): Promise<Relay> {
  const made = await relay(await freshDatabase(), options)
  closeLater(() => made.close())
  return made
}

test('replicas that start together on an empty database all open it, migrated once', async () => {
  const url = await freshDatabase('template0')
  const all = await Promise.all(Array.from({ length: 6 }, () => open(url)))
  for (const { run } of all) expect(await run('select id from policy', [])).toEqual([{ id: 1 }])
  const files = (await readdir('migrations')).filter((name) => name.endsWith('.sql')).toSorted()
  const tags = await all[0]?.run<{ tag: string }>('select tag from migrations order by tag', [])
  expect(tags?.map(({ tag }) => `${tag}.sql`)).toEqual(files)
}, 60_000)

test('a database that a changed migration made is refused', async () => {
  const url = await freshDatabase()
  const { run } = await open(url)
  await run("update migrations set hash = 'other' where tag = $1", ['0000_tables'])
  await expect(open(url)).rejects.toThrow('0000_tables differs')
})

test('a newer release’s migration does not keep an older release out', async () => {
  const url = await freshDatabase()
  const { run } = await open(url)
  await run("insert into migrations (tag, hash) values ('9999_newer', 'h')", [])
  await open(url)
})

test('through a pooler no statement is named, nothing is set at start, and all works', async () => {
  const pooler = await relayed({ pooler: true })
  const { db, run, listen } = await open(pooler.url)
  await run('select $1::int as a', [1])
  await db.transaction(async (tx) => {
    await tx.insert(environments).values({ name: 'a', protected: true, createdAt: new Date() })
  })
  expect(await run('select name from environments where protected = $1', [true])).toEqual([
    { name: 'a' },
  ])
  const unlisten = await listen('valetkey_test', () => {})
  await unlisten()
  expect(pooler.refused).toEqual([])
})

test('without a pooler the server itself ends what takes too long', async () => {
  const { run } = await open(await freshDatabase())
  const [settings] = await run(
    "select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock, current_setting('idle_in_transaction_session_timeout') as idle",
    [],
  )
  expect(settings).toEqual({ statement: '8s', lock: '5s', idle: '10s' })
})

test('a server that falls silent fails its callers within seconds, and serves again when it speaks', async () => {
  const chaos = await relayed()
  const { run, db } = await open(chaos.url)
  await Promise.all(Array.from({ length: 10 }, () => run('select 1', [])))
  chaos.freeze(true)
  const calls = await Promise.allSettled([
    run('select 1', []),
    db.transaction((tx) => tx.select().from(environments)),
  ])
  expect(calls.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  chaos.freeze(false)
  await vi.waitFor(() => run('select 1', []), 15_000)
}, 60_000)

test('a server that hangs up fails its callers at once, and serves again', async () => {
  const chaos = await relayed()
  const { run } = await open(chaos.url)
  const sleeping = run('select pg_sleep(5)', [])
  setTimeout(chaos.hangUp, 200)
  await expect(sleeping).rejects.toThrow()
  await vi.waitFor(() => run('select 1', []), 5_000)
})

test('a connection that ends inside a transaction fails that transaction alone, whatever it was at', async () => {
  const url = await freshDatabase()
  const { db, run } = await open(url)
  const killer = postgres(url, { max: 1, onnotice: () => {} })
  closeLater(() => killer.end())
  const pidOf = async (tx: Parameters<Parameters<typeof db.transaction>[0]>[0]) => {
    // As PostgreSQL gives it.
    const rows = (await tx.execute(sql`select pg_backend_pid() as pid`)) as { pid: number }[]
    return rows[0]?.pid ?? 0
  }
  const end = (pid: number) => killer`select pg_terminate_backend(${pid})`
  const points: ((tx: Parameters<typeof pidOf>[0]) => Promise<unknown>)[] = [
    // While it waits for something else, and goes on later or at once.
    async (tx) => {
      await end(await pidOf(tx))
      await delay(50)
      await tx.insert(environments).values({ name: 'a', protected: true, createdAt: new Date() })
    },
    async (tx) => {
      await end(await pidOf(tx))
      await delay(50)
      throw new Error('something else')
    },
    async (tx) => {
      await end(await pidOf(tx))
      await delay(50)
    },
    // And by then others have the connection anew, outside of any transaction.
    async (tx) => {
      await end(await pidOf(tx))
      await delay(50)
      await Promise.all(Array.from({ length: 30 }, () => run('select pg_sleep(0.01)', [])))
      await tx.insert(environments).values({ name: 'c', protected: true, createdAt: new Date() })
    },
    // While a statement is under way, and tries another one then.
    async (tx) => {
      const pid = await pidOf(tx)
      await Promise.all([tx.execute(sql`select pg_sleep(5)`), delay(50).then(() => end(pid))])
    },
    async (tx) => {
      const pid = await pidOf(tx)
      const slow = tx
        .execute(sql`select pg_sleep(5)`)
        .catch(() =>
          run('select 1', []).then(() =>
            tx.execute(sql`insert into environments values ('b', true, now())`),
          ),
        )
      await Promise.all([slow, delay(50).then(() => end(pid))])
    },
  ]
  for (const point of [...points, ...points]) {
    await expect(db.transaction(point)).rejects.toThrow()
  }
  // Every connection of the pool still serves, and at once.
  const began = performance.now()
  const all = Array.from({ length: 30 }, () => run('select pg_sleep(0.02)', []))
  await Promise.all(all)
  expect(performance.now() - began).toBeLessThan(4_000)
  // Nothing of a transaction that failed was done by itself.
  expect(await run('select name from environments', [])).toEqual([])
})

test('who listens hears again after the connection was lost', async () => {
  const chaos = await relayed()
  const { run, listen } = await open(chaos.url)
  const heard: string[] = []
  const unlisten = await listen('valetkey_test', (payload) => heard.push(payload))
  await run("select pg_notify('valetkey_test', 'before')", [])
  await vi.waitFor(() => expect(heard).toContain('before'), 10_000)
  chaos.hangUp()
  await vi.waitFor(async () => {
    await run("select pg_notify('valetkey_test', 'after')", [])
    expect(heard).toContain('after')
  }, 10_000)
  await unlisten()
}, 30_000)

test('an unreachable server is told within seconds and without the password', async () => {
  const gone = await relay(await freshDatabase())
  await gone.close()
  const error = await openStore({ kind: 'postgres', url: gone.url }).catch(
    (cause: unknown) => cause,
  )
  expect(error).toBeInstanceOf(Error)
  expect(String(error)).not.toContain(new URL(gone.url).password)
}, 20_000)

test('an address that cannot be read is refused without being quoted', async () => {
  const opening = openStore({ kind: 'postgres', url: 'postgres://u:pass word@[half/db' })
  await expect(opening).rejects.toThrow('DATABASE_URL cannot be read')
})

test('a server that forgets what it acknowledged is refused, and one that is too old', async () => {
  const url = await freshDatabase()
  const name = new URL(url).pathname.slice(1)
  const admin = postgres(`${inject('cluster')}/postgres`, { max: 1 })
  await admin.unsafe(`alter database ${name} set synchronous_commit = off`)
  await admin.end()
  await expect(open(url)).rejects.toThrow('synchronous_commit=off')
  expect(unfit({ version: 130_022, commit: 'on' })).toContain('PostgreSQL 13: Valetkey needs 14')
  expect(unfit({ version: 140_000, commit: 'on' })).toBeNull()
})
