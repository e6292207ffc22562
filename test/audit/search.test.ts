import { describe, expect, it } from 'vitest'
import { type Search, search, searchWaiting } from '../../src/audit/search.ts'
import type { Store } from '../../src/store/open.ts'
import { freshStore, stores } from '../support/stores.ts'
import { call, journalOn } from './journals.ts'

const start = Date.UTC(2026, 3, 1)
const never = new AbortController().signal

/** Ten entries, a second apart: calls, every third of them by another agent and refused. */
async function filled(store: Store) {
  let now = start
  const journal = await journalOn(store, { clock: { now: () => now } })
  for (let number = 1; number <= 10; number++) {
    const other = { agent: 'ci', environment: 'production', outcome: 'outside-environment' }
    await journal.append({ ...call(number), ...(number % 3 === 0 ? other : {}) })
    now += 1_000
  }
  return journal
}

describe.each(stores)('%s', (kind) => {
  it('entries are found newest first, or after a given one oldest first, a page at a time', async () => {
    const store = await freshStore(kind)
    await filled(store)
    const seqs = async (wanted: Search) => (await search(store.db, wanted)).map(({ seq }) => seq)
    expect(await seqs({})).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    expect(await seqs({ limit: 3 })).toEqual([10, 9, 8])
    expect(await seqs({ limit: 3, before: 8 })).toEqual([7, 6, 5])
    expect(await seqs({ limit: 3, after: 0 })).toEqual([1, 2, 3])
    expect(await seqs({ limit: 3, after: 8 })).toEqual([9, 10])
    expect(await seqs({ after: 2, before: 5 })).toEqual([3, 4])
    expect(await seqs({ limit: -5 })).toEqual([10])
  })

  it('each filter narrows, and together they narrow further', async () => {
    const store = await freshStore(kind)
    await filled(store)
    const seqs = async (wanted: Search) => (await search(store.db, wanted)).map(({ seq }) => seq)
    expect(await seqs({ agent: 'ci' })).toEqual([9, 6, 3])
    expect(await seqs({ environment: 'production', before: 9 })).toEqual([6, 3])
    expect(await seqs({ outcome: 'outside-environment', after: 3 })).toEqual([6, 9])
    expect(await seqs({ request: 'req_4' })).toEqual([4])
    expect(await seqs({ operation: 'Query.project', connection: 'railway', limit: 1 })).toEqual([
      10,
    ])
    expect(await seqs({ kind: 'mint' })).toEqual([])
    expect(await seqs({ agent: "ci' or true --" })).toEqual([])
    const [since, until] = [new Date(start + 2_000), new Date(start + 4_000)]
    expect(await seqs({ since, until })).toEqual([5, 4, 3])
    expect(await seqs({ since, until, agent: 'ci' })).toEqual([3])
  })

  it('what is found says what was hashed', async () => {
    const store = await freshStore(kind)
    await filled(store)
    const [found] = await search(store.db, { request: 'req_4' })
    expect(found?.body).toMatchObject({ ...call(4), seq: 4, at: '2026-04-01T00:00:03.000Z' })
  })

  it('waiting ends with the first entry, with the time, or with whoever asked', async () => {
    const store = await freshStore(kind)
    const journal = await filled(store)
    const follow = (after: number, ms: number, gone = never) =>
      searchWaiting(store.db, { after }, ms, gone)
    const waiting = follow(10, 10_000)
    await journal.append(call(11))
    const page = await waiting
    expect(page.entries.map(({ seq }) => seq)).toEqual([11])
    expect(page.head).toEqual(journal.head())

    const began = performance.now()
    expect((await follow(11, 300)).entries).toEqual([])
    expect(performance.now() - began).toBeGreaterThan(280)
    expect((await follow(11, 30_000, AbortSignal.timeout(50))).entries).toEqual([])
    expect(performance.now() - began).toBeLessThan(5_000)
  })
})
