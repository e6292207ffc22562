/** The one way to change policy: a new version, the change and its audit entry commit together or not at all. */
import { sql } from 'drizzle-orm'
import type { Entry } from '../audit/journal.ts'
import type { Context } from '../context.ts'
import type { Tx } from '../store/open.ts'
import { policy } from '../store/schema.ts'
import { policyChannel } from './realm.ts'

/** Who edits, and in which request. An `Operator` fits. */
export type Editor = { name: string; request?: string }

/** What an edit needs. */
export type Editing = Pick<Context, 'db' | 'journal' | 'realm' | 'log' | 'clock'>

/** Adds facts that only the transaction knows, such as what was there before. No secrets. */
export type Note = (facts: Record<string, unknown>) => void

/**
 * `entry` says who and what; `change` does it and may note what it found. When it resolves, this replica serves the new
 * policy; every other judges again before a call leaves, because the version has moved.
 */
export async function edit<T>(
  ctx: Omit<Editing, 'clock'>,
  entry: Omit<Entry, 'kind'> & { kind?: 'change' | 'revoke' },
  change: (tx: Tx, note: Note) => Promise<T>,
): Promise<T> {
  const result = await ctx.db.transaction(async (tx) => {
    // First, so that edits queue here and each sees all that came before it.
    const [row] = await tx
      .update(policy)
      .set({ version: sql`${policy.version} + 1` })
      .returning({ version: policy.version })
    const noted: Record<string, unknown> = {}
    const changed = await change(tx, (facts) => Object.assign(noted, facts))
    await ctx.journal.appendIn(tx, {
      ...entry,
      kind: entry.kind ?? 'change',
      facts: { ...entry.facts, ...noted, policy_version: row?.version },
    })
    await tx.execute(sql`select pg_notify(${policyChannel}, ${String(row?.version)})`)
    return changed
  })
  await ctx.realm.refresh().catch((error) => {
    // It is committed: saying that it failed would be wrong. The poll brings it, and a stale realm serves nothing.
    ctx.log.warn({ err: error }, 'an edit of policy was made, but could not be read back yet')
  })
  return result
}

/** The audit entry of an edit. */
export function changeBy(
  by: Editor,
  what: string,
  facts: Record<string, unknown>,
  about: { environment?: string; connection?: string; agent?: string } = {},
): Omit<Entry, 'kind'> {
  return {
    operator: by.name,
    ...(by.request === undefined ? {} : { request: by.request }),
    ...about,
    outcome: 'ok',
    facts: { what, ...facts },
  }
}
