/** Remembers, for all replicas, what may be presented once. Keeps a hash of it until it would have expired, and nothing else. */
import { hash } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { z } from 'zod'
import { type Context, perContext } from '../context.ts'
import { group } from '../store/group.ts'
import { presented } from '../store/schema.ts'

/** What is presented, so that one kind never stands for another. */
export type Presented = 'assertion' | 'job-token' | 'proof'

type Mark = { mark: string; expires_at: string }

const Inserted = z.array(z.object({ mark: z.string() }))

/** Many share one commit. Of two of the same mark in one group the first is the one that was presented. */
const marks = perContext((ctx) =>
  group<Mark, boolean>({
    maxItems: 256,
    gatherMs: 1,
    async flush(items) {
      const result = await ctx.db.execute(sql`
        insert into ${presented} (mark, expires_at)
        select distinct on (mark) mark, expires_at
        from jsonb_to_recordset(${JSON.stringify(items)}::jsonb) as given(mark text, expires_at timestamptz)
        on conflict do nothing
        returning mark`)
      const fresh = new Set(rowsOf(result).map(({ mark }) => mark))
      return items.map(({ mark }) => fresh.delete(mark))
    },
  }),
)

/**
 * Whether this is the first time, anywhere. Durable when it resolves: what was presented is spent, whatever becomes of the
 * request. `of` are all that make it that one; `expiresAt` in seconds, with whatever tolerance it is judged by.
 */
export async function firstTime(
  ctx: Context,
  kind: Presented,
  of: readonly string[],
  expiresAt: number,
): Promise<boolean> {
  const mark = hash('sha256', JSON.stringify([kind, ...of]), 'base64url')
  return marks(ctx).add({ mark, expires_at: new Date(expiresAt * 1000).toISOString() })
}

/** The two drivers answer in two shapes. */
function rowsOf(result: unknown): z.infer<typeof Inserted> {
  const rows = Array.isArray(result) ? result : Reflect.get(Object(result), 'rows')
  return Inserted.parse(rows)
}
