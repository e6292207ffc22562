/** Removes what expired long ago, a bounded number of rows at a time; never what could still be presented. */
import { and, eq, inArray, lt, ne, type SQL, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Db } from '../store/open.ts'
import {
  approvals,
  budgets,
  capabilities,
  challenges,
  changes,
  enrolments,
  leases,
  presented,
  revocations,
  sessions,
  signIns,
} from '../store/schema.ts'

const atOnce = 2_000
const maxRounds = 100
const many = 5_000

/** Revocations outlive what they revoke by an hour, for replicas whose clock is behind. */
const hourAgo = sql`now() - interval '1 hour'`
/** Capabilities stay a day, so that `capability list` can answer for yesterday. */
const dayAgo = sql`now() - interval '1 day'`
/** What was presented once is refused for its age by then, and there may be one for every call. */
const minutesAgo = sql`now() - interval '5 minutes'`
const daysAgo = sql`now() - interval '3 days'`
/** What was decided stays a month to be looked up; the audit log keeps the story for ever. */
const monthAgo = sql`now() - interval '30 days'`

export async function sweep(db: Db): Promise<void> {
  await sweepTable(db, revocations, revocations.jti, revocations.expiresAt, hourAgo)
  await sweepTable(db, sessions, sessions.id, sessions.expiresAt, hourAgo)
  await sweepTable(db, capabilities, capabilities.jti, capabilities.expiresAt, dayAgo)
  // A call that was approved may take from them long after the capability that asked has expired.
  await sweepTable(db, budgets, budgets.jti, budgets.expiresAt, daysAgo)
  await sweepTable(db, presented, presented.mark, presented.expiresAt, minutesAgo, undefined, many)
  await sweepTable(db, enrolments, enrolments.codeHash, enrolments.expiresAt, dayAgo)
  await sweepTable(db, challenges, challenges.challenge, challenges.expiresAt, hourAgo)
  await sweepTable(db, signIns, signIns.id, signIns.expiresAt, hourAgo)
  // A secret may be sealed in them. Those that somebody decided hold none, and stay to be seen.
  const undecided = eq(changes.state, 'pending')
  await sweepTable(db, changes, changes.id, changes.expiresAt, hourAgo, undecided)
  await sweepTable(db, changes, changes.id, changes.expiresAt, monthAgo)
  await sweepTable(db, leases, leases.id, leases.expiresAt, monthAgo, eq(leases.state, 'ended'))
  await forgetCalls(db)
  await sweepTable(db, approvals, approvals.id, approvals.expiresAt, monthAgo)
}

/** A lost answer can be fetched for a day. After that nobody has a use for what was sent and what came back. */
async function forgetCalls(db: Db): Promise<void> {
  const { id, call, expiresAt, outcome } = approvals
  const old = and(lt(expiresAt, dayAgo), ne(call, ''))
  for (let round = 0; round < maxRounds; round++) {
    const some = db.select({ id }).from(approvals).where(old).limit(atOnce)
    const emptied = await db
      .update(approvals)
      .set({ call: '', outcome: sql`case when ${outcome} is not null then '' end` })
      .where(and(inArray(id, some), old))
      .returning({ id })
    if (emptied.length < atOnce) return
  }
}

async function sweepTable(
  db: Db,
  table: PgTable,
  key: PgColumn,
  expiresAt: PgColumn,
  before: SQL,
  only?: SQL,
  rounds = maxRounds,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const expired = db
      .select({ key })
      .from(table)
      .where(and(lt(expiresAt, before), only))
      .limit(atOnce)
    const swept = await db
      .delete(table)
      .where(and(inArray(key, expired), lt(expiresAt, before), only))
      .returning({ key })
    if (swept.length < atOnce) return
  }
}
