/** The database's time without asking it each time: measured, carried on by a steady clock, never going back. */
import type { Clock } from './context.ts'
import type { Logger } from './log.ts'
import type { Store } from './store/open.ts'

const measureMs = 5_000
const mayDifferMs = 2_000

export async function watchClock(options: {
  store: Store
  log: Logger
}): Promise<Clock & { close(): void }> {
  const { store, log } = options
  let offset = await measure(store)
  let latest = 0
  let strayed = strays(await store.now())
  if (strayed) throw new Error(difference(await store.now()))

  const timer = setInterval(() => {
    measure(store).then(
      (measured) => {
        offset = measured
        const now = performance.now() + offset
        if (strays(now) && !strayed) log.error({}, difference(now))
        strayed = strays(now)
      },
      (error) => log.warn({ err: error }, "the database's time could not be read"),
    )
  }, measureMs)
  timer.unref()

  return {
    now() {
      latest = Math.max(latest, Math.floor(performance.now() + offset))
      return latest
    },
    astray: () => strayed,
    close: () => clearInterval(timer),
  }
}

/** What to add to the steady clock. The answer was true about half-way between question and answer. */
async function measure(store: Store): Promise<number> {
  const asked = performance.now()
  const told = await store.now()
  return told - (asked + performance.now()) / 2
}

function strays(databaseNow: number): boolean {
  return Math.abs(Date.now() - databaseNow) > mayDifferMs
}

function difference(databaseNow: number): string {
  const seconds = ((Date.now() - databaseNow) / 1000).toFixed(1)
  return `the clock of this machine is ${seconds} s from the database's, and more than 2 s is not served: set the clock`
}
