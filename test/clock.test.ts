import { expect, it } from 'vitest'
import { watchClock } from '../src/clock.ts'
import { createLog } from '../src/log.ts'
import { freshStore } from './support/stores.ts'

const log = createLog({ level: 'silent', human: false, out: process.stderr })

/** The store's own clock, off by `ms`. */
async function storeOff(ms: number) {
  const store = await freshStore('embedded')
  return { ...store, now: async () => (await store.now()) + ms }
}

it('is the database’s, and never goes back', async () => {
  const clock = await watchClock({ store: await storeOff(1_000), log })
  const first = clock.now()
  expect(Math.abs(first - Date.now() - 1_000)).toBeLessThan(900)
  expect(clock.now()).toBeGreaterThanOrEqual(first)
  expect(clock.astray?.()).toBe(false)
  clock.close()
})

it('does not start where the machine and the database are more than two seconds apart', async () => {
  for (const ms of [-10_000, 10_000]) {
    await expect(watchClock({ store: await storeOff(ms), log })).rejects.toThrow('set the clock')
  }
})
