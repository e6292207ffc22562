/** Edits of the APIs that operators described. What is kept was read before; here it is only written. */
import { createHash } from 'node:crypto'
import { asc, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Description, Overrides } from '../providers/rest/description.ts'
import type { Db, Tx } from '../store/open.ts'
import { connections, describedProviders } from '../store/schema.ts'
import { changeBy, type Editing, type Editor, edit } from './edit.ts'

export type DescribedProvider = {
  name: string
  /** Where the description came from, for people. */
  source: string
  description: Description
  overrides: Overrides
}

export async function listDescribed(ctx: Pick<Context, 'db'>): Promise<DescribedProvider[]> {
  const rows = await ctx.db.select().from(describedProviders).orderBy(asc(describedProviders.name))
  return rows.map(readRow)
}

export async function showDescribed(db: Db | Tx, name: string): Promise<DescribedProvider | null> {
  const [row] = await db.select().from(describedProviders).where(eq(describedProviders.name, name))
  return row === undefined ? null : readRow(row)
}

function readRow(row: typeof describedProviders.$inferSelect): DescribedProvider {
  const { name, source } = row
  // As it was written, by the edits below.
  const description = row.description as unknown as Description
  return { name, source, description, overrides: row.overrides as Overrides }
}

/** Adds one, or takes a newer description or other overrides for it. Connections, bindings and scopes stay. */
export async function setProvider(
  ctx: Editing,
  by: Editor,
  { name, source, description, overrides }: DescribedProvider,
): Promise<void> {
  const hash = createHash('sha256')
    .update(JSON.stringify([description, overrides]))
    .digest('hex')
  const facts = { provider: name, source, hash, operations: description.operations.length }
  await edit(ctx, changeBy(by, 'provider.set', facts, {}), async (tx) => {
    const now = new Date(ctx.clock.now())
    const values = { source, description: { ...description }, overrides: { ...overrides }, hash }
    await tx
      .insert(describedProviders)
      .values({ name, ...values, createdAt: now, updatedAt: now })
      .onConflictDoUpdate({ target: describedProviders.name, set: { ...values, updatedAt: now } })
  })
}

export async function removeProvider(ctx: Editing, by: Editor, name: string): Promise<void> {
  await edit(ctx, changeBy(by, 'provider.remove', { provider: name }, {}), async (tx) => {
    const [used] = await tx.select().from(connections).where(eq(connections.provider, name))
    if (used !== undefined) {
      throw new BrokerError('conflict', `The connection ${used.name} is to ${name}.`, {
        hint: `Remove it first: valetkey connection remove ${used.name}`,
      })
    }
    const removed = await tx
      .delete(describedProviders)
      .where(eq(describedProviders.name, name))
      .returning({ name: describedProviders.name })
    if (removed.length > 0) return
    throw new BrokerError('not-found', `Nobody has described a provider ${name}.`, {
      hint: 'See which there are with: valetkey provider list',
    })
  })
}
