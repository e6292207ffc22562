import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { describe, expect, test, vi } from 'vitest'
import { migrate } from '../../src/store/migrate.ts'
import * as schema from '../../src/store/schema.ts'
import { freshStore, stores } from '../support/stores.ts'

describe.each(stores)('a store on %s', (kind) => {
  test('starts with policy at version 1 and an empty audit chain', async () => {
    const { db, run } = await freshStore(kind)
    expect(await db.select().from(schema.policy)).toEqual([
      { id: 1, version: 1, reader: 1, guarded: false },
    ])
    expect(await run('select seq, hash from audit_head where id = $1', [1])).toEqual([
      { seq: 0, hash: '0'.repeat(64) },
    ])
  })

  test('commits a transaction as a whole, or not at all', async () => {
    const { db } = await freshStore(kind)
    const broken = db.transaction(async (tx) => {
      await tx
        .insert(schema.environments)
        .values({ name: 'a', protected: true, createdAt: new Date() })
      throw new Error('on purpose')
    })
    await expect(broken).rejects.toThrow('on purpose')
    expect(await db.select().from(schema.environments)).toEqual([])
    await db.execute(sql`select 1`)
  })

  test('answers the fast path with the same values whichever it is', async () => {
    const { run } = await freshStore(kind)
    const [row] = await run(
      `select $1::bigint as seq, $2::text as text, $3::boolean as yes, $4::jsonb as json, $5::int as n,
        $6::timestamptz at time zone 'UTC' is not null as timed, array_length($7::text[], 1) as many,
        (select sum(x) from unnest($8::bigint[]) as x)::bigint as sum, null as nothing`,
      [12, 'ü', true, '{"a":[1]}', 5, '2026-01-02T03:04:05Z', ['a', 'b,"c'], [1, 2]],
    )
    expect(row).toEqual({
      ...{ seq: 12, text: 'ü', yes: true, json: { a: [1] }, n: 5 },
      ...{ timed: true, many: 2, sum: 3, nothing: null },
    })
    const [{ at } = { at: null }] = await run<{ at: unknown }>('select now() as at', [])
    expect(typeof at).toBe('string')
  })

  test('tells the time of the database in milliseconds', async () => {
    const store = await freshStore(kind)
    expect(Math.abs((await store.now()) - Date.now())).toBeLessThan(5_000)
  })

  test('hears what is sent to a channel until it stops listening', async () => {
    const { run, listen } = await freshStore(kind)
    const heard: string[] = []
    const unlisten = await listen('valetkey_test', (payload) => heard.push(payload))
    await run("select pg_notify('valetkey_test', $1)", ['one'])
    await vi.waitFor(() => expect(heard).toEqual(['one']), 10_000)
    await unlisten()
    await run("select pg_notify('valetkey_test', $1)", ['two'])
    await sleep(50)
    expect(heard).toEqual(['one'])
  })

  test.each(['audit_entries', 'audit_checkpoints'])('refuses to rewrite %s', async (table) => {
    const { run } = await freshStore(kind)
    for (const statement of [
      `update ${table} set seq = seq`,
      `delete from ${table}`,
      `truncate ${table}`,
    ]) {
      await expect(run(statement, [])).rejects.toMatchObject({ code: '42501' })
    }
  })

  test('migrates quickly when there is nothing to do', async () => {
    const { db, run } = await freshStore(kind)
    await migrate(db)
    expect(await run('select count(*)::int as n from policy', [])).toEqual([{ n: 1 }])
  })
})
