/** Voids what was issued before now. A watermark only ever rises. */
import { sql } from 'drizzle-orm'
import type { Tx } from '../store/open.ts'
import { watermarks } from '../store/schema.ts'

/** `agent:NAME`, `scope:NAME`, `connection:NAME`, or everything. */
export type Subject = `agent:${string}` | `scope:${string}` | `connection:${string}` | 'all'

/**
 * To be called wherever a name is given up, too: whoever takes the name later must not inherit the capabilities that
 * were issued for what bore it before.
 */
export async function raiseWatermark(tx: Tx, subject: Subject, nowMs: number): Promise<void> {
  const notBefore = new Date(nowMs)
  await tx
    .insert(watermarks)
    .values({ subject, notBefore })
    .onConflictDoUpdate({
      target: watermarks.subject,
      set: { notBefore: sql`greatest(${watermarks.notBefore}, excluded.not_before)` },
    })
}
