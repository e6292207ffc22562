import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { verifyStore } from '../../src/audit/inspect.ts'
import type { Store } from '../../src/store/open.ts'
import { freshStore, stores } from '../support/stores.ts'
import { bodies, call, holdHead, journalOn } from './journals.ts'

/** Refuses every row that is marked, as a disk or a constraint might. */
async function refuseMarked(store: Store): Promise<void> {
  await store.run(
    `create function refuse_marked() returns trigger language plpgsql as $$
     begin
       if new.operation = 'marked' then raise exception 'marked'; end if;
       return new;
     end $$`,
    [],
  )
  await store.run(
    `create trigger refuse_marked before insert on audit_entries
     for each row execute function refuse_marked()`,
    [],
  )
}

describe.each(stores)('%s', (kind) => {
  it('a row that the database refuses costs its own call and no other', async () => {
    const store = await freshStore(kind)
    await refuseMarked(store)
    const journal = await journalOn(store)
    const marked = new Set([0, 17, 18, 99])
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, number) => {
        const entry = call(number)
        return journal.open(marked.has(number) ? { ...entry, operation: 'marked' } : entry, 1)
      }),
    )
    for (const [number, result] of results.entries()) {
      expect(result.status, `call ${number}`).toBe(marked.has(number) ? 'rejected' : 'fulfilled')
      if (result.status === 'rejected') {
        expect(result.reason).toMatchObject({ code: 'audit-unavailable' })
      }
    }
    expect(await journal.open(call(100), 1)).toEqual({ seq: 97 })
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: 97 })
  })

  it('a database that hangs refuses in bounded time, and what it wrote after all is marked as not sent', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    await journal.open(call(1), 1)
    const letGo = await holdHead(store)

    const began = performance.now()
    const hanging = journal.open(call(2), 1)
    const alongside = journal.append({ kind: 'sign-in', operator: 'ada' })
    await sleep(1_000)
    const later = journal.open(call(3), 1)
    const results = await Promise.allSettled([hanging, alongside, later])
    expect(performance.now() - began).toBeLessThan(4_500)
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'audit-unavailable' } })
    }

    expect(journal.writable()).toBe(false)

    await letGo()
    expect(await journal.open(call(4), 1)).toMatchObject({ seq: expect.any(Number) })
    expect(journal.writable()).toBe(true)
    const written = async () =>
      (await bodies(store)).map(({ kind, request, operator, outcome }) =>
        [kind, request ?? operator, outcome].join(' '),
      )
    await expect.poll(written).toContain('outcome req_2 not-sent')
    // A call that was refused has an outcome or no entry; whichever of the two depends on when its statement began.
    const unknown = async () => (await verifyStore(store.db)).unknown.map(({ request }) => request)
    await expect.poll(unknown).toEqual(['req_1', 'req_4'])
    expect(await verifyStore(store.db)).toMatchObject({ ok: true })
  })

  it('a queue that is full refuses at once', async () => {
    const store = await freshStore(kind)
    const journal = await journalOn(store)
    const letGo = await holdHead(store)
    const waiting = Array.from({ length: 10_000 }, (_, number) => journal.append(call(number)))
    const began = performance.now()
    await expect(journal.append(call(10_000))).rejects.toMatchObject({ code: 'audit-unavailable' })
    expect(performance.now() - began).toBeLessThan(1_000)
    await letGo()
    const results = await Promise.allSettled(waiting)
    const written = results.filter(({ status }) => status === 'fulfilled').length
    expect(await journal.append(call(10_001))).toMatchObject({ seq: expect.any(Number) })
    const { ok, entries } = await verifyStore(store.db)
    expect(ok).toBe(true)
    expect(entries).toBeGreaterThan(written)
  })

  it('refusals that could not be written are counted, and written when the database is back', async () => {
    const store = await freshStore(kind)
    await refuseMarked(store)
    const journal = await journalOn(store)
    const refusal = { agent: 'cursor', operation: 'marked', outcome: 'operation-not-allowed' }
    await journal.refuse(refusal)
    await journal.refuse(refusal)
    await store.run('drop trigger refuse_marked on audit_entries', [])
    await journal.drain()
    expect(await bodies(store)).toMatchObject([{ ...refusal, facts: { repeated: 2 } }])
  })
})
