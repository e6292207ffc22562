/** Finds audit entries by what they say, a page at a time. Only reads, and never an unbounded page. */

import { setTimeout as sleep } from 'node:timers/promises'
import { and, asc, desc, eq, gt, gte, lt, lte } from 'drizzle-orm'
import type { Db } from '../store/open.ts'
import { auditEntries } from '../store/schema.ts'
import { type Head, readBody } from './chain.ts'
import { searchable } from './entry.ts'
import { storedHead } from './export.ts'

export type Search = Partial<Record<(typeof searchable)[number] | 'kind', string>> & {
  /** Oldest first, from the entry after this one: for following the log. */
  after?: number
  /** Newest first, from the entry before this one: the default, without it from the end. */
  before?: number
  since?: Date
  until?: Date
  limit?: number
}

/** What the entry says, with its place in the chain. */
export type Found = { seq: number; hash: string; body: Readonly<Record<string, unknown>> }

export const maxLimit = 500
export const maxWaitMs = 30_000
const pollMs = 250

export async function search(db: Db, wanted: Search): Promise<Found[]> {
  const { seq, at } = auditEntries
  const equal = ([...searchable, 'kind'] as const).map((name) =>
    wanted[name] === undefined ? undefined : eq(auditEntries[name], wanted[name]),
  )
  const rows = await db
    .select({ seq, hash: auditEntries.hash, body: auditEntries.body })
    .from(auditEntries)
    .where(
      and(
        ...equal,
        wanted.after === undefined ? undefined : gt(seq, wanted.after),
        wanted.before === undefined ? undefined : lt(seq, wanted.before),
        wanted.since === undefined ? undefined : gte(at, wanted.since),
        wanted.until === undefined ? undefined : lte(at, wanted.until),
      ),
    )
    .orderBy(wanted.after === undefined ? desc(seq) : asc(seq))
    .limit(Math.min(Math.max(wanted.limit ?? 100, 1), maxLimit))
  return rows.map((row) => ({ ...row, body: readBody(row.body) ?? { unreadable: true } }))
}

export type Page = {
  entries: Found[]
  /** The end of the log when this was read: following goes on after it, and neither skips nor repeats an entry. */
  head: Head
}

/** Waits for a first entry, up to half a minute or until whoever asked is gone. */
export async function searchWaiting(
  db: Db,
  wanted: Search,
  waitMs: number,
  gone: AbortSignal,
): Promise<Page> {
  const deadline = performance.now() + Math.min(waitMs, maxWaitMs)
  for (;;) {
    const page = await searchToHead(db, wanted)
    const left = deadline - performance.now()
    if (page.entries.length > 0 || left <= 0 || gone.aborted) return page
    await sleep(Math.min(pollMs, left), undefined, { ref: false })
  }
}

async function searchToHead(db: Db, wanted: Search): Promise<Page> {
  const head = await storedHead(db)
  const before = Math.min(wanted.before ?? Number.POSITIVE_INFINITY, head.seq + 1)
  return { entries: await search(db, { ...wanted, before }), head }
}
