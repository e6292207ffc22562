/** Collapses repeated refusals: the first is written at once, its repetitions as one counted entry. Never grows without bound. */
import type { Logger } from '../log.ts'
import type { Entry } from './entry.ts'

export type Refusal = Omit<Entry, 'kind'>

type Counted = { refusal: Refusal; count: number; since: number; until: number }

/** Beyond that many different refusals in one window, those with the same reason are counted together. */
const maxDifferent = 4_096

export function countRefusals(options: {
  write: (entry: Entry) => Promise<unknown>
  now: () => number
  log: Logger
}): { refuse(refusal: Refusal): Promise<void>; flush(): Promise<void> } {
  const { write, now, log } = options
  let window = new Map<string, Counted>()

  return {
    /** Never rejects: the call was refused, whether or not that could be written. What could not is counted. */
    refuse: async (refusal) => {
      const [key, counted] = slot(window, refusal)
      const seen = window.get(key)
      if (seen !== undefined) return again(seen, now())
      const first = { refusal: counted, count: 0, since: now(), until: now() }
      window.set(key, first)
      await write({ ...counted, kind: 'refusal' }).catch(() => again(first, now()))
    },
    /** Ends the window. What cannot be written is carried into the next one. */
    flush: async () => {
      const ended = window
      window = new Map()
      await Promise.all(
        [...ended].map(async ([key, row]) => {
          if (row.count === 0) return
          try {
            await write(countedEntry(row))
          } catch (error) {
            log.error({ err: error, count: row.count }, 'counted refusals could not be audited')
            carry(window, key, row)
          }
        }),
      )
    },
  }
}

function slot(window: ReadonlyMap<string, Counted>, refusal: Refusal): [string, Refusal] {
  const { agent, outcome, operation, connection } = refusal
  const key = JSON.stringify([outcome, agent, operation, connection])
  if (window.has(key) || window.size < maxDifferent) return [key, refusal]
  return [JSON.stringify([outcome]), outcome === undefined ? {} : { outcome }]
}

function again(row: Counted, now: number): void {
  row.count += 1
  row.until = now
}

function carry(window: Map<string, Counted>, key: string, row: Counted): void {
  const seen = window.get(key)
  const count = row.count + (seen?.count ?? 0)
  window.set(key, { ...row, count, until: seen?.until ?? row.until })
}

function countedEntry({ refusal, count, since, until }: Counted): Entry {
  const { request, ...same } = refusal
  const span = { since: new Date(since).toISOString(), until: new Date(until).toISOString() }
  const first = request === undefined ? {} : { first_request: request }
  return { ...same, kind: 'refusal', facts: { repeated: count, ...span, ...first } }
}
