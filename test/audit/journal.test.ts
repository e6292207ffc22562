import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { verifyStore } from '../../src/audit/inspect.ts'
import { type Entry, isPolicyMoved } from '../../src/audit/journal.ts'
import { BrokerError } from '../../src/errors.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { freshDatabase, freshStore, stores } from '../support/stores.ts'
import { bodies, bumpPolicy, call, journalOn, signer } from './journals.ts'

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe.each(stores)('%s', (kind) => {
  it('entries that come at once are all there, in one chain, in the order they came', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    const opened = await Promise.all(numbers(1_200).map((number) => journal.open(call(number), 1)))
    expect(opened.map(({ seq }) => seq)).toEqual(numbers(1_200))
    expect((await bodies(store)).map(({ request }) => request)).toEqual(
      numbers(1_200).map((number) => `req_${number}`),
    )
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: 1_200, calls: 1_200 })
    expect(journal.head().seq).toBe(1_200)
  })

  it('an entry is in the database when it resolves', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    const { seq } = await journal.append({ kind: 'sign-in', operator: 'ada' })
    expect(await bodies(store)).toMatchObject([{ seq, kind: 'sign-in', operator: 'ada' }])
  })

  it('a journal goes on where the one before it stopped', async () => {
    const store = await freshStore(kind)
    await (await journalOn(store)).append(call(1))
    const second = await journalOn(store)
    expect(second.head().seq).toBe(1)
    expect(await second.append(call(2))).toEqual({ seq: 2 })
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: 2 })
  })

  it('one group refuses what was judged under an older policy, and nothing else', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    await bumpPolicy(store)
    const results = await Promise.allSettled([
      journal.open(call(1), 1),
      journal.open(call(2), 2),
      journal.append({ kind: 'outcome', request: 'req_0', outcome: 'ok' }),
      journal.open(call(3), 1),
      journal.open(call(4), 2),
    ])
    expect(results.map(({ status }) => status)).toEqual([
      ...['rejected', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'],
    ])
    for (const result of results) {
      if (result.status === 'rejected') expect(isPolicyMoved(result.reason)).toBe(true)
    }
    expect((await bodies(store)).map(({ request }) => request)).toEqual(['req_2', 'req_0', 'req_4'])
  })

  it('a policy that moved unnoticed refuses the calls and lets the rest of their group pass', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    await bumpPolicy(store)
    const call1 = journal.open(call(1), 1).catch((error: unknown) => error)
    const outcome = journal.append({ kind: 'outcome', request: 'req_0', outcome: 'ok' })
    expect(isPolicyMoved(await call1)).toBe(true)
    expect(await outcome).toEqual({ seq: 1 })
    expect(await journal.open(call(1), 2)).toEqual({ seq: 2 })
  })

  it('no call that was judged under the old policy stands after the change', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    const results: Promise<{ seq: number } | 'moved'>[] = []
    const calls = async () => {
      for (let number = 0; number < 400; number++) {
        const opened = journal.open(call(number), 1)
        results.push(
          opened.catch((error) => (isPolicyMoved(error) ? 'moved' : Promise.reject(error))),
        )
        if (number % 20 === 0) await sleep(1)
      }
    }
    const change = async () => {
      await sleep(5)
      return store.db.transaction(async (tx) => {
        await tx.execute('update policy set version = version + 1 where id = 1')
        return journal.appendIn(tx, { kind: 'change', operator: 'ada' })
      })
    }
    const [changed] = await Promise.all([change(), calls()])
    const settled = await Promise.all(results)
    const seqs = settled.flatMap((result) => (result === 'moved' ? [] : [result.seq]))
    expect(Math.max(0, ...seqs)).toBeLessThan(changed.seq)
    expect(settled.at(-1)).toBe('moved')
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: seqs.length + 1 })
  })

  it('an entry in a transaction that is rolled back never was', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    const rolledBack = store.db.transaction(async (tx) => {
      await journal.appendIn(tx, { kind: 'change', operator: 'ada' })
      throw new Error('no')
    })
    await expect(rolledBack).rejects.toThrow('no')
    expect(await journal.append(call(1))).toEqual({ seq: 1 })
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: 1 })
  })

  it('time in the log never goes back, and a clock that is far behind refuses', async () => {
    const store = await freshStore(kind)
    let now = Date.UTC(2026, 3, 1)
    const journal = await journalOn(store, { clock: { now: () => now } })
    await journal.append(call(1))
    now -= 4_000
    await journal.append(call(2))
    const times = (await bodies(store)).map(({ at }) => at)
    expect(times).toEqual(['2026-04-01T00:00:00.000Z', '2026-04-01T00:00:00.000Z'])
    now -= 2_000
    const refused = journal.append(call(3))
    await expect(refused).rejects.toMatchObject({ code: 'audit-unavailable' })
    await expect(refused).rejects.toThrow('The clock says 2026-03-31T23:59:54.000Z')
    now += 6_000
    expect(await journal.append(call(4))).toEqual({ seq: 3 })
  })

  it('repeated refusals are one entry at once and one that counts the rest', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    const refusal = {
      agent: 'cursor',
      connection: 'railway',
      operation: 'Mutation.volumeDelete',
      outcome: 'operation-not-allowed',
    }
    await journal.refuse({ ...refusal, request: 'req_1' })
    expect(await bodies(store)).toMatchObject([{ ...refusal, kind: 'refusal', request: 'req_1' }])
    for (const number of numbers(40)) await journal.refuse({ ...refusal, request: `r${number}` })
    await journal.refuse({ ...refusal, agent: 'other' })
    expect(await bodies(store)).toHaveLength(2)
    await journal.drain()
    const [, , counted] = await bodies(store)
    expect(counted).toMatchObject({ ...refusal, kind: 'refusal', facts: { repeated: 40 } })
    expect(await bodies(store)).toHaveLength(3)
  })

  it('a minute later the same refusal is written at once again', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store, { minuteMs: 60 })
    const refusal = { agent: 'cursor', outcome: 'unknown-operation' }
    await Promise.all([journal.refuse(refusal), journal.refuse(refusal)])
    await expect.poll(async () => (await bodies(store)).length).toBe(2)
    await journal.refuse(refusal)
    const facts = (await bodies(store)).map((body) => body['facts'] !== undefined)
    expect(facts).toEqual([false, true, false])
  })

  it('the head is signed at the start, while it moves, and at the end', async () => {
    const store = await freshStore(kind)
    const sign = await signer(store)
    const first = await journalOn(store)
    await first.append(call(1))
    const journal = await journalOn(store, { sign, minuteMs: 50 })
    const signed = async () => {
      const rows = await store.run<{ seq: number }>(
        'select seq from audit_checkpoints order by 1',
        [],
      )
      return rows.map(({ seq }) => seq)
    }
    expect(await signed()).toEqual([1])
    await journal.append(call(2))
    await expect.poll(signed).toEqual([1, 2])
    const last = journal.append(call(3))
    await journal.drain()
    await last
    expect(await signed()).toEqual([1, 2, 3])
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, checkpoints: 3 })
  })

  it('the database refuses to change or remove entries and checkpoints', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store, { sign: await signer(store) })
    await journal.append(call(1))
    await journal.drain()
    for (const table of ['audit_entries', 'audit_checkpoints']) {
      for (const statement of [
        `update ${table} set seq = 7`,
        `delete from ${table}`,
        `truncate ${table}`,
      ]) {
        await expect(store.run(statement, []), statement).rejects.toThrow('append-only')
      }
    }
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: 1, checkpoints: 1 })
  })

  it('an entry that cannot be hashed is refused alone', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    const bad: Entry = { kind: 'call', facts: { size: 1n } }
    const [refused, opened] = await Promise.allSettled([
      journal.open(bad, 1),
      journal.open(call(1), 1),
    ])
    expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) })
    expect(opened).toMatchObject({ status: 'fulfilled', value: { seq: 1 } })
  })
})

it('a policy that moved is told from every other error', () => {
  expect(isPolicyMoved(new BrokerError('policy-stale', 'too old'))).toBe(false)
  expect(isPolicyMoved(new Error('no'))).toBe(false)
  expect(isPolicyMoved(undefined)).toBe(false)
})

it('two replicas that write at once, while the policy is edited, make one chain without a fork', async () => {
  const url = await freshDatabase()
  const replicas = await Promise.all(
    [1, 2].map(async () => {
      const store = await openPostgres(url)
      return { store, journal: await journalOn(store) }
    }),
  )
  const [one] = replicas
  if (one === undefined) throw new Error('no replica')
  const edits = numbers(10).map(async (number) => {
    await sleep(number * 10)
    return one.store.db.transaction((tx) => one.journal.appendIn(tx, { kind: 'change' }))
  })
  const appended = replicas.flatMap(({ journal }) =>
    numbers(500).map(async (number) => {
      await sleep(number / 5)
      return journal.append(call(number))
    }),
  )
  const seqs = (await Promise.all([...appended, ...edits])).map(({ seq }) => seq)
  expect(seqs.toSorted((a, b) => a - b)).toEqual(numbers(1_010))
  expect(await verifyStore(one.store.db)).toMatchObject({ ok: true, entries: 1_010 })
  for (const { store, journal } of replicas) {
    await journal.drain()
    await store.close()
  }
})
