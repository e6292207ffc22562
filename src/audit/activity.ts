/** How many calls passed and how many were refused, over time and by whom. Counts only, over a bounded time. */
import { and, eq, gte, inArray, sql } from 'drizzle-orm'
import type { Db } from '../store/open.ts'
import { auditEntries } from '../store/schema.ts'

export type Activity = {
  since: Date
  /** Milliseconds in one step. */
  stepMs: number
  steps: { calls: number; refused: number }[]
}

export type By = 'environment' | 'agent' | 'operation'

const mostNames = 12

/** Counts for each step from `since` until now, of everything or of what one column says. */
export async function activity(
  db: Db,
  {
    now,
    stepMs,
    steps,
    only,
  }: { now: number; stepMs: number; steps: number; only?: { by: By; name: string } },
): Promise<Activity> {
  const first = (Math.floor(now / stepMs) - steps + 1) * stepMs
  const step = sql<number>`floor((extract(epoch from ${auditEntries.at}) * 1000 - ${first}::float8) / ${stepMs}::float8)::int`
  const rows = await db
    .select({ step, kind: auditEntries.kind, count: sql<number>`count(*)::int` })
    .from(auditEntries)
    .where(
      and(
        gte(auditEntries.at, new Date(first)),
        inArray(auditEntries.kind, ['call', 'refusal']),
        only === undefined ? undefined : eq(auditEntries[only.by], only.name),
      ),
    )
    .groupBy(sql`1`, auditEntries.kind)
  const counted = Array.from({ length: steps }, () => ({ calls: 0, refused: 0 }))
  for (const { step: at, kind, count } of rows) {
    const one = counted[at]
    if (one === undefined) continue
    if (kind === 'call') one.calls += count
    else one.refused += count
  }
  return { since: new Date(first), stepMs, steps: counted }
}

/** The busiest of a column since then: how often each was let through and refused. */
export async function busiest(
  db: Db,
  by: By,
  since: Date,
): Promise<{ name: string; calls: number; refused: number }[]> {
  const column = auditEntries[by]
  const rows = await db
    .select({
      name: column,
      calls: sql<number>`(count(*) filter (where ${auditEntries.kind} = 'call'))::int`,
      refused: sql<number>`(count(*) filter (where ${auditEntries.kind} = 'refusal'))::int`,
    })
    .from(auditEntries)
    .where(
      and(
        gte(auditEntries.at, since),
        inArray(auditEntries.kind, ['call', 'refusal']),
        sql`${column} is not null`,
      ),
    )
    .groupBy(column)
    .orderBy(sql`count(*) desc`, column)
    .limit(mostNames)
  return rows.map(({ name, ...counts }) => ({ name: name ?? '', ...counts }))
}
