/** The thread that the embedded database runs in: its turns, its errors, and its end. */
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import { sql } from 'drizzle-orm'
import { expect, test, vi } from 'vitest'
import { startBroker } from '../../src/broker.ts'
import { startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { createLog } from '../../src/log.ts'
import { openStore } from '../../src/store/open.ts'
import * as schema from '../../src/store/schema.ts'
import { startThread } from '../../src/store/thread.ts'
import { expectOk, field, realToken, send, testConfig } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { folder } from '../support/folder.ts'
import { copyImage } from '../support/image.ts'
import { adminOf, entriesOf, furnish, graphql, place, serve, token } from '../support/process.ts'

async function open() {
  const directory = join(await folder(), 'data')
  await copyImage(directory)
  const store = await openStore({ kind: 'embedded', directory })
  closeLater(() => store.close())
  return store
}

async function openThread(mayBeSilentMs?: number) {
  const directory = join(await folder(), 'data')
  await copyImage(directory)
  const thread = startThread(mayBeSilentMs)
  await thread.open(directory)
  closeLater(() => thread.drop())
  return thread
}

/** The next thread that starts in this process. */
function nextWorker(): Promise<Worker> {
  return new Promise((resolve) => process.once('worker', resolve))
}

test('a long statement holds up nothing else in this process', async () => {
  const { run } = await open()
  const beats: number[] = []
  const timer = setInterval(() => beats.push(performance.now()), 5)
  await run('select count(*)::int from generate_series(1, 2000000)', [])
  clearInterval(timer)
  const pauses = beats.map((at, index) => at - (beats[index - 1] ?? at))
  expect(beats.length).toBeGreaterThan(10)
  expect(Math.max(...pauses)).toBeLessThan(150)
})

test('an error of the database keeps its code, its constraint and its words', async () => {
  const { db, run } = await open()
  const twice = 'insert into policy (id, version, reader) values (1, 1, 1)'
  await expect(run(twice, [])).rejects.toMatchObject({
    code: '23505',
    severity: 'ERROR',
    constraint: 'policy_pkey',
    detail: 'Key (id)=(1) already exists.',
    message: 'duplicate key value violates unique constraint "policy_pkey"',
  })
  await expect(db.execute(sql.raw(twice))).rejects.toMatchObject({ cause: { code: '23505' } })
  expect(await run('select 1 as one', [])).toEqual([{ one: 1 }])
})

test('gives and takes the values that every store does, as often as it is asked', async () => {
  const { run } = await open()
  const quoted = ['a', 'b,"c\\', '', 'null', null, '{}']
  for (let turn = 0; turn < 8; turn++) {
    const [row] = await run(
      `select $1::bigint as seq, $2::text as text, $3::boolean as yes, $4::jsonb as json, $5::int as n, $6::text[] as many,
        (select sum(x) from unnest($7::bigint[]) as x)::bigint as sum, null as nothing, $8::text as missing,
        '2026-01-02T03:04:05Z'::timestamptz at time zone 'UTC' as at, $9::float8 as real`,
      [12, 'ü\n$1', turn % 2 === 0, '{"a":[1]}', 5, quoted, [1, 2], null, 0.1],
    )
    expect(row).toEqual({
      ...{ seq: 12, text: 'ü\n$1', yes: turn % 2 === 0, json: { a: [1] }, n: 5, many: quoted },
      ...{ sum: 3, nothing: null, missing: null, at: '2026-01-02 03:04:05', real: 0.1 },
    })
  }
})

test('a statement that was refused is carried out when it can be, and one that varies is not kept for ever', async () => {
  const { run } = await open()
  await expect(run('select * from later', [])).rejects.toMatchObject({ code: '42P01' })
  await expect(run('select $1::int as n', ['x'])).rejects.toMatchObject({ code: '22P02' })
  await run('create table later (n int)', [])
  expect(await run('select * from later', [])).toEqual([])
  expect(await run('select $1::int as n', [2])).toEqual([{ n: 2 }])
  for (let n = 0; n < 400; n++) await run(`select ${n} as n`, [])
  const [kept] = await run<{ n: number }>('select count(*) as n from pg_prepared_statements', [])
  expect(kept?.n).toBeGreaterThan(100)
  expect(kept?.n).toBeLessThan(300)
})

test('nothing runs between the statements of a transaction, and all runs in the order of the calls', async () => {
  const { db, run } = await open()
  const seen: string[] = []
  const note = (name: string) => (work: Promise<unknown>) => work.then(() => seen.push(name))
  const version = () => run<{ version: number }>('select version from policy', [])
  const raise = () =>
    db.transaction(async (tx) => {
      const [row] = await tx.select().from(schema.policy)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await tx.update(schema.policy).set({ version: (row?.version ?? 0) + 1 })
    })
  const before = version()
  await Promise.all([
    note('first')(raise()),
    note('second')(raise()),
    note('alone')(run('update policy set version = version + 1', [])),
    note('third')(raise()),
    note('last')(version()),
  ])
  expect(seen).toEqual(['first', 'second', 'alone', 'third', 'last'])
  expect(await version()).toEqual([{ version: ((await before)[0]?.version ?? 0) + 4 }])
})

test('a transaction that throws leaves nothing, and one whose failure was overlooked does not pass for committed', async () => {
  const { db, run } = await open()
  const insert = sql.raw("insert into environments values ('a', true, now())")
  const thrown = db.transaction(async (tx) => {
    await tx.execute(insert)
    throw new Error('on purpose')
  })
  await expect(thrown).rejects.toThrow('on purpose')
  const overlooked = db.transaction(async (tx) => {
    await tx.execute(insert)
    await tx.execute(sql.raw('select 1 / 0')).catch(() => {})
  })
  await expect(overlooked).rejects.toMatchObject({ code: '25P02' })
  expect(await run('select name from environments', [])).toEqual([])
})

test('hears a channel until it stops listening', async () => {
  const { run, listen } = await open()
  const heard: string[] = []
  const unlisten = await listen('valetkey_test', (payload) => heard.push(payload))
  await run("select pg_notify('valetkey_test', $1)", ['one'])
  await vi.waitFor(() => expect(heard).toEqual(['one']))
  await unlisten()
  await run("select pg_notify('valetkey_test', $1)", ['two'])
  await run('select 1', [])
  expect(heard).toEqual(['one'])
})

test('a database that ended rejects what waits and all that comes, at once, and says why', async () => {
  const started = nextWorker()
  const thread = await openThread()
  const worker = await started
  const waiting = [
    thread.query('select pg_sleep(60)'),
    thread.query('select 1'),
    thread.transaction((tx) => tx.query('select 2')),
    thread.query('select 3'),
  ]
  await worker.terminate()
  const settled = await Promise.allSettled(waiting)
  const why = await thread.lost
  expect(why.message).toBe('The embedded database stopped: its thread has ended')
  expect(settled).toEqual(waiting.map(() => ({ status: 'rejected', reason: why })))
  await expect(thread.query('select 4')).rejects.toBe(why)
  await expect(thread.transaction(async () => 'done')).rejects.toBe(why)
  await expect(thread.listen('valetkey_test', () => {})).rejects.toBe(why)
  await thread.close()
})

test('a database that answers no more is ended', async () => {
  const thread = await openThread(500)
  const began = performance.now()
  await expect(thread.query('select pg_sleep(60)')).rejects.toThrow('has not answered')
  expect(performance.now() - began).toBeLessThan(5_000)
  await expect(thread.query('select 1')).rejects.toThrow('has not answered')
  await thread.close()
})

test('when it is closed nothing is asked any more, and no thread is left', async () => {
  const store = await open()
  const threads = () =>
    process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length
  const before = threads()
  await store.close()
  expect(threads()).toBeLessThan(before)
  await expect(store.run('select 1', [])).rejects.toThrow('is closed')
})

test('a broker without its database says so, and is not ready', async () => {
  const started = nextWorker()
  const log = createLog({ level: 'silent', human: false, out: process.stderr })
  const broker = await startBroker(testConfig(), log, open)
  const ready = () => send(`${broker.operatorUrl}/readyz`)
  expect(await ready()).toMatchObject({ status: 200 })
  const worker = await started
  await worker.terminate()
  expect((await broker.lost).message).toContain('The embedded database stopped')
  expect(await ready()).toMatchObject({
    status: 503,
    json: { checks: { database: 'failing' } },
  })
  await expect(broker.stop()).rejects.toThrow('The embedded database stopped')
})

test('a disk that cannot sync ends the broker with a sentence, and what it acknowledged is there when it is started again', async () => {
  const railway = await startSimulatedRailway({ token: realToken() })
  closeLater(() => railway.close())
  const fault = join(await folder(), 'fault')
  const preload = new URL(`note-syncs.ts?fault=${encodeURIComponent(fault)}`, import.meta.url)
  const env = await place('embedded')
  const served = await serve(env, [`--import=${preload.href}`])
  const { session, secret } = await furnish(served, railway)
  const cursor = { name: 'cursor', secret }
  const capability = field(expectOk(await token(served, cursor)), 'access_token')
  await writeFile(fault, '')
  const arrived = railway.received.length
  const refused = await graphql(served, capability, '{ platformStatus { isStable } }')
  expect(refused).toMatchObject({ status: 503, json: { code: 'audit-unavailable' } })
  expect(railway.received.length).toBe(arrived)
  const { code, stderr } = await served.ended
  expect(code).toBe(1)
  expect(stderr).toContain('The embedded database stopped: could not fsync file')
  expect(stderr).not.toMatch(/\n\s+at /)

  await rm(fault)
  const again = await serve(env)
  const entries = await entriesOf(adminOf(again, session))
  expect(entries.filter(({ kind }) => kind === 'mint')).toHaveLength(1)
  expect(await again.stop()).toMatchObject({ code: 0 })
})
