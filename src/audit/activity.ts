/** How many calls passed and how many were refused, over time and by whom. Counts only, over a bounded time. */
import { and, gte, inArray, sql } from 'drizzle-orm'
import { type Context, perContext } from '../context.ts'
import type { Db } from '../store/open.ts'
import { auditEntries } from '../store/schema.ts'

export type Step = { calls: number; refused: number }

export type Activity = {
  since: Date
  /** Milliseconds in one step. */
  stepMs: number
  steps: readonly Step[]
}

export type Named = Activity & { name: string }

export type By = 'environment' | 'agent' | 'operation'

const minute = 60_000

/** How far back one may look, and in which steps. */
export const spans = {
  '1h': { words: 'The last hour', stepMs: minute, steps: 60 },
  '6h': { words: 'The last six hours', stepMs: 5 * minute, steps: 72 },
  '1d': { words: 'The last day', stepMs: 20 * minute, steps: 72 },
  '7d': { words: 'The last seven days', stepMs: 120 * minute, steps: 84 },
} as const
export type Span = keyof typeof spans

/** Of each kind only the busiest are told apart. */
const mostNames = 8

type Counted = { all: Activity; by: Record<By, Named[]> }

const remembered = perContext(() => new Map<Span, { until: number; counted: Promise<Counted> }>())

/**
 * Counted anew at most every second, and, where counting takes long, no more than a twentieth of the time: an open page
 * asks whenever anything happens, and many may be open.
 */
export function activityOf(ctx: Context, span: Span): Promise<Counted> {
  const known = remembered(ctx)
  const held = known.get(span)
  const now = performance.now()
  if (held !== undefined && now < held.until) return held.counted
  const counted = count(ctx.db, ctx.clock.now(), span)
  const entry = { until: Number.POSITIVE_INFINITY, counted }
  known.set(span, entry)
  const settle = (least: number) => {
    const ended = performance.now()
    entry.until = ended + Math.max(least, 20 * (ended - now))
  }
  counted.then(
    () => settle(1_000),
    () => known.delete(span),
  )
  return counted
}

/** One scan of the time it is about, counted for everything and for each name. */
async function count(db: Db, now: number, span: Span): Promise<Counted> {
  const { stepMs, steps } = spans[span]
  const first = (Math.floor(now / stepMs) - steps + 1) * stepMs
  const frame = { since: new Date(first), stepMs }
  const { at, kind, environment, agent, operation } = auditEntries
  const step = sql`floor((extract(epoch from ${at}) * 1000 - ${first}::float8) / ${stepMs}::float8)::int`
  const rows = await db
    .select({
      ...{ environment, agent, operation },
      // A bit for each name that it does not tell apart.
      told: sql<number>`grouping(${environment}, ${agent}, ${operation})::int`,
      step: sql<number>`step`,
      calls: sql<number>`(count(*) filter (where ${kind} = 'call'))::int`,
      refused: sql<number>`(count(*) filter (where ${kind} = 'refusal'))::int`,
    })
    .from(
      db
        .select({ environment, agent, operation, kind, step: sql`${step}`.as('step') })
        .from(auditEntries)
        .where(and(gte(at, frame.since), inArray(kind, ['call', 'refusal'])))
        .as('audit_entries'),
    )
    .groupBy(
      sql`grouping sets ((step), (${environment}, step), (${agent}, step), (${operation}, step))`,
    )
  const toldBy = (bits: number) => rows.filter(({ told }) => told === bits)
  const seriesOf = (some: readonly Row[]): Activity => ({ ...frame, steps: stepped(some, steps) })
  return {
    all: seriesOf(toldBy(0b111)),
    by: {
      environment: busiest(toldBy(0b011), 'environment', seriesOf),
      agent: busiest(toldBy(0b101), 'agent', seriesOf),
      operation: busiest(toldBy(0b110), 'operation', seriesOf),
    },
  }
}

type Row = Step & { step: number } & Record<By, string | null>

function stepped(rows: readonly Row[], steps: number): Step[] {
  const counted = Array.from({ length: steps }, () => ({ calls: 0, refused: 0 }))
  for (const { step, calls, refused } of rows) {
    const one = counted[step]
    // Written by a replica whose clock is a little ahead.
    if (one === undefined) continue
    one.calls += calls
    one.refused += refused
  }
  return counted
}

function busiest(
  rows: readonly Row[],
  by: By,
  seriesOf: (some: readonly Row[]) => Activity,
): Named[] {
  const weight = ({ calls, refused }: Step) => calls + refused
  return [...Map.groupBy(rows, (row) => row[by])]
    .flatMap(([name, some]) => (name === null ? [] : { name, ...seriesOf(some) }))
    .sort(
      (a, b) => weight(totalOf(b.steps)) - weight(totalOf(a.steps)) || (a.name < b.name ? -1 : 1),
    )
    .slice(0, mostNames)
}

export function totalOf(steps: readonly Step[]): Step {
  return steps.reduce(
    (sum, one) => ({ calls: sum.calls + one.calls, refused: sum.refused + one.refused }),
    { calls: 0, refused: 0 },
  )
}
