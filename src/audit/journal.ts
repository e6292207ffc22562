/** The audit log's writing side: durable when it resolves, refused when it cannot be. Never waits for the database without an end. */
import type { Clock } from '../context.ts'
import type { Logger } from '../log.ts'
import { group } from '../store/group.ts'
import type { Store, Tx } from '../store/open.ts'
import {
  appendUnderLock,
  type Draft,
  holdPolicy,
  isPolicyMoved,
  openAppender,
  unavailable,
  type Written,
} from './append.ts'
import type { Head } from './chain.ts'
import { keepCheckpoint, type Sign } from './checkpoint.ts'
import { checked, type Entry } from './entry.ts'
import { countRefusals, type Refusal } from './refusals.ts'

export type { Entry } from './entry.ts'
export { holdPolicy, isPolicyMoved }

export type Journal = {
  /** For a call that is about to leave. Rejects with `audit-unavailable`, or with what `isPolicyMoved` recognises. */
  open(entry: Entry, policyVersion: number): Promise<{ seq: number }>
  /** For what is bound to no policy version. */
  append(entry: Entry): Promise<{ seq: number }>
  /**
   * The same for a call that spends what is single-use or counted: `spend` does so in the transaction that opens the entry,
   * under the policy's lock, and throws where nothing is left.
   */
  openSpending(entry: Entry, policyVersion: number, spend: (tx: Tx) => Promise<void>): Promise<void>
  /** Inside the caller's transaction, which locks the policy's row, if at all, before it comes here. */
  appendIn(tx: Tx, entry: Entry): Promise<{ seq: number }>
  /** Repetitions of one agent, reason, operation and connection are counted. Never rejects. */
  refuse(refusal: Refusal): Promise<void>
  head(): Head
  /** False for some seconds after a group that could not be written; then only another one tells. */
  writable(): boolean
  /** The last thing before the store closes: writes what waits, and signs the head. */
  drain(): Promise<void>
}

const maxWaiting = 10_000
const maxItems = 512
const gatherMs = 1
/** An entry that is not durable by then is refused. */
const answerMs = 3_000
/** The next group goes on without a statement that takes longer: shorter than an answer, so that its own may be in time. */
const statementMs = 2_500
const pauseMs = 5_000
/** Statements that may hang at once; each holds a connection. */
const maxHanging = 4

type Waiting = Draft & { refused: boolean }

export async function createJournal(options: {
  store: Store
  clock: Clock
  log: Logger
  /** Signs checkpoints: at the start, then every minute in which the head moved, and at the end. */
  sign?: Sign
  minuteMs?: number
}): Promise<Journal> {
  const { store, clock, log, sign, minuteMs = 60_000 } = options
  const appender = await openAppender({ store, clock })
  const queue = group<Waiting, Written>({ flush, maxItems, gatherMs })
  const refusals = countRefusals({ write: append, now: clock.now, log })
  let waiting = 0
  let hanging = 0
  let failedAt: number | null = null
  let signed = 0

  await checkpoint()
  const minute = setInterval(() => {
    void refusals.flush().then(checkpoint)
  }, minuteMs)
  minute.unref()

  return {
    open: (entry, policyVersion) => add(entry, policyVersion),
    append,
    openSpending: (entry, policyVersion, spend) =>
      store.db.transaction(async (tx) => {
        await holdPolicy(tx, policyVersion)
        await spend(tx)
        await appendIn(tx, entry)
      }),
    appendIn,
    refuse: refusals.refuse,
    head: appender.head,
    writable: () => failedAt === null || performance.now() - failedAt > pauseMs,
    drain: async () => {
      clearInterval(minute)
      await refusals.flush()
      await queue.drain()
      await checkpoint()
    },
  }

  async function appendIn(tx: Tx, entry: Entry): Promise<{ seq: number }> {
    const { seq } = await appendUnderLock(tx, [{ entry: checked(entry), version: null }], clock)
    return { seq }
  }

  function append(entry: Entry): Promise<{ seq: number }> {
    return add(entry, null)
  }

  async function add(entry: Entry, version: number | null): Promise<{ seq: number }> {
    if (waiting >= maxWaiting) throw unavailable('Too many calls are waiting for the audit log.')
    const item: Waiting = { entry: checked(entry), version, refused: false }
    waiting += 1
    const written = queue.add(item)
    const result = await within(answerMs, written)
    if (result === late) {
      item.refused = true
      void written.then((came) => disown(item, came))
      throw lateError()
    }
    if (!result.ok) throw result.error
    return { seq: result.seq }
  }

  async function flush(items: Waiting[]): Promise<Written[]> {
    const drafts = items.filter(({ refused }) => !refused)
    try {
      const results = await write(drafts)
      const byDraft = new Map(drafts.map((draft, index) => [draft, results[index]]))
      return items.map((item) => byDraft.get(item) ?? tooLate())
    } finally {
      waiting -= items.length
    }
  }

  /** A statement that hangs is left to itself; should it succeed after all, its calls are recorded as not sent. */
  async function write(drafts: Waiting[]): Promise<Written[]> {
    if (drafts.length === 0) return []
    if (hanging >= maxHanging) return drafts.map(() => tooLate())
    let abandoned = false
    const work = appender.write(drafts, () => abandoned)
    const results = await within(statementMs, work)
    if (results !== late) return report(results)
    abandoned = true
    failedAt = performance.now()
    hanging += 1
    log.error({ entries: drafts.length, hanging }, 'the audit log does not answer')
    void work.then((came) => {
      hanging -= 1
      drafts.forEach((draft, index) => {
        disown(draft, came[index])
      })
    })
    return drafts.map(() => tooLate())
  }

  function report(results: Written[]): Written[] {
    const failed = results.flatMap((result) =>
      result.ok || isPolicyMoved(result.error) ? [] : [result.error],
    )
    if (failed.length > 0) {
      const [first] = failed
      log.error(
        { entries: failed.length, why: rootOf(first) },
        'audit entries could not be written',
      )
    }
    failedAt = failed.length > 0 && failed.length === results.length ? performance.now() : null
    return results
  }

  /** The call was refused, so nothing left; without this its entry would count as unknown for ever. */
  function disown({ entry }: Draft, came: Written | undefined): void {
    if (!came?.ok || entry.kind !== 'call') return
    const { facts: _, ...about } = entry
    const outcome = { ...about, kind: 'outcome', outcome: 'not-sent' } as const
    append(outcome).catch((error) => {
      log.error(
        { err: error, seq: came.seq },
        'a call that was not sent has no outcome in the audit log',
      )
    })
  }

  async function checkpoint(): Promise<void> {
    const head = appender.head()
    if (sign === undefined || head.seq === signed || head.seq === 0) return
    try {
      await keepCheckpoint(store, sign, { ...head, at: new Date(clock.now()).toISOString() })
      signed = head.seq
    } catch (error) {
      log.error({ err: error }, 'the head of the audit log could not be signed')
    }
  }
}

/** The database's own words: what wraps them repeats the whole statement. */
function rootOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? rootOf(error.cause) : error.message
}

const late = Symbol('late')

function lateError() {
  return unavailable('The audit log could not be written in time.')
}

function tooLate(): Written {
  return { ok: false, error: lateError() }
}

/** One promise for each entry that waits: a race makes half a dozen. */
function within<T>(ms: number, work: Promise<T>): Promise<T | typeof late> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, late)
    work.then(
      (result) => {
        clearTimeout(timer)
        resolve(result)
      },
      (error) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
