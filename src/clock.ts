/** The database's time without asking it each time: measured, carried on by a steady clock, never going back. */
import type { Clock } from './context.ts'
import type { Logger } from './log.ts'
import type { Store } from './store/open.ts'

const measureMs = 5_000
const mayDifferMs = 2_000
/** How far time may stand still because the database's clock was turned back. */
export const mayLagMs = 5_000
/** An answer that took longer than twice this says too little of when it was true. */
const believableMs = 500

/** `offset` is what to add to the steady clock, `error` how far that may be off. */
type Measured = { offset: number; error: number }

export async function watchClock(options: {
  store: Store
  log: Logger
}): Promise<Clock & { close(): void }> {
  const { store, log } = options
  let measured = await measureWell(store)
  let latest = 0
  const time = () => performance.now() + measured.offset
  const fault = () => strayed(time(), measured.error) ?? turnedBack(time(), latest)
  const refusal = fault()
  if (refusal !== null) throw new Error(refusal)

  let known = false
  const timer = setInterval(() => {
    measure(store).then(
      (next) => {
        if (next.error <= Math.max(believableMs, measured.error)) measured = next
        const found = fault()
        if (found !== null && !known) log.error({}, found)
        known = found !== null
      },
      (error) => log.warn({ err: error }, "the database's time could not be read"),
    )
  }, measureMs)
  timer.unref()

  return {
    now() {
      latest = Math.max(latest, Math.floor(time()))
      return latest
    },
    // Not only when it was measured: the steady clock stands still while a machine sleeps, and the other one does not.
    astray: () => fault() !== null,
    close: () => clearInterval(timer),
  }
}

/** On a machine that is busy starting the first answer may come late. */
async function measureWell(store: Store): Promise<Measured> {
  const first = await measure(store)
  if (first.error <= believableMs) return first
  const second = await measure(store)
  return second.error < first.error ? second : first
}

/** The answer was true at some moment between question and answer. */
async function measure(store: Store): Promise<Measured> {
  const asked = performance.now()
  const told = await store.now()
  const answered = performance.now()
  return { offset: told - (asked + answered) / 2, error: (answered - asked) / 2 }
}

function strayed(databaseNow: number, error: number): string | null {
  const apart = Math.abs(Date.now() - databaseNow)
  return apart - error > mayDifferMs
    ? `The clock of this machine is ${(apart / 1000).toFixed(1)} s from the database's, and more than 2 s is not served: set the clock`
    : null
}

function turnedBack(databaseNow: number, latest: number): string | null {
  const behind = latest - databaseNow
  return behind > mayLagMs
    ? `The database's clock was turned back by ${(behind / 1000).toFixed(1)} s, and what has expired would live on: set the clock`
    : null
}
