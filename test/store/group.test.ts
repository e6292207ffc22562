import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { group } from '../../src/store/group.ts'

const double = async (items: number[]) => items.map((item) => item * 2)

test('items that come together are flushed together, each with its own result', async () => {
  const flushed: number[][] = []
  const { add } = group({
    flush: (items: number[]) => {
      flushed.push(items)
      return double(items)
    },
    maxItems: 100,
    gatherMs: 2,
  })
  const results = Promise.all([1, 2, 3].map(add))
  await Promise.resolve()
  const late = add(4)
  expect(await results).toEqual([2, 4, 6])
  expect(await late).toBe(8)
  expect(flushed).toEqual([[1, 2, 3, 4]])
})

test('a full group does not wait', async () => {
  const { add } = group({ flush: double, maxItems: 2, gatherMs: 60_000 })
  expect(await Promise.all([1, 2].map(add))).toEqual([2, 4])
})

test('what comes during a flush gathers for the next and does not wait again', async () => {
  const flushed: number[][] = []
  const { add } = group({
    flush: async (items: number[]) => {
      flushed.push(items)
      await sleep(10)
      return items
    },
    maxItems: 2,
    gatherMs: 60_000,
  })
  const first = [1, 2].map(add)
  const second = add(3)
  await Promise.all([...first, second])
  expect(flushed).toEqual([[1, 2], [3]])
})

test('drain flushes what waits and settles when all is answered', async () => {
  const { add, drain } = group({ flush: double, maxItems: 100, gatherMs: 60_000 })
  const answered: number[] = []
  const adding = [1, 2, 3].map((item) => add(item).then((result) => answered.push(result)))
  await drain()
  await Promise.all(adding)
  expect(answered).toEqual([2, 4, 6])
  await drain()
})

test('a flush that throws at once, or answers too few, rejects its items and no others', async () => {
  const { add } = group({
    flush: (items: string[]) => {
      if (items.includes('throw')) throw new Error('at once')
      return Promise.resolve(items.includes('few') ? [] : items)
    },
    maxItems: 1,
    gatherMs: 1,
  })
  const settled = await Promise.allSettled(['throw', 'fine', 'few', 'good'].map(add))
  expect(settled.map(({ status }) => status)).toEqual([
    'rejected',
    'fulfilled',
    'rejected',
    'fulfilled',
  ])
})

test('whatever fails and whenever items come: one flush at a time, in order, one answer each', async () => {
  const Item = fc.record({ wait: fc.nat({ max: 3 }), poison: fc.boolean() })
  const settings = fc.record({
    items: fc.array(Item, { maxLength: 40 }),
    maxItems: fc.integer({ min: 1, max: 8 }),
    slowMs: fc.nat({ max: 2 }),
  })
  await fc.assert(
    fc.asyncProperty(settings, async ({ items, maxItems, slowMs }) => {
      const seen: number[] = []
      const failed = new Set<number>()
      let running = 0
      const { add, drain } = group({
        maxItems,
        gatherMs: 1,
        flush: async (batch: number[]) => {
          expect(++running).toBe(1)
          expect(batch.length).toBeLessThanOrEqual(maxItems)
          seen.push(...batch)
          await sleep(slowMs)
          running--
          if (!batch.some((index) => items[index]?.poison)) return batch.map((index) => index * 2)
          for (const index of batch) failed.add(index)
          throw new Error('poisoned')
        },
      })
      const answers: Promise<number | string>[] = []
      for (const [index, { wait }] of items.entries()) {
        if (wait > 1) await sleep(wait - 1)
        answers.push(add(index).catch((error: Error) => error.message))
      }
      await drain()
      expect(seen).toEqual([...items.keys()])
      expect(await Promise.all(answers)).toEqual(
        [...items.keys()].map((index) => (failed.has(index) ? 'poisoned' : index * 2)),
      )
    }),
    { numRuns: 60 },
  )
})
