/** How many calls a capability is still good for. A call takes one from it and from everything that it grew from, or is refused. */
import { and, asc, eq, gte, inArray, isNull, or, sql } from 'drizzle-orm'
import { BrokerError } from '../errors.ts'
import { type Capability, detailFor } from '../policy/capability.ts'
import type { Db, Tx } from '../store/open.ts'
import { budgets } from '../store/schema.ts'

/**
 * What takes a call from the budgets, inside the transaction that opens its audit entry; null where calls on the connection are
 * not counted. What is counted stays so in all that grows from it. Throws `limit-exceeded` when one of the line has nothing left.
 */
export function budgetOf(
  capability: Capability,
  connection: string,
  writes: boolean,
): ((tx: Tx) => Promise<void>) | null {
  const detail = detailFor(capability.details, connection)
  if (detail?.maxCalls === undefined && detail?.maxWrites === undefined) return null
  return (tx) => take(tx, capability, connection, writes)
}

async function take(
  tx: Tx,
  capability: Capability,
  connection: string,
  writes: boolean,
): Promise<void> {
  const line = [capability.jti, ...(capability.parents ?? [])]
  const mine = and(inArray(budgets.jti, line), eq(budgets.connection, connection))
  // In one order, so that two calls of one line never wait for each other.
  const rows = await tx.select().from(budgets).where(mine).orderBy(asc(budgets.jti)).for('update')
  const own = rows.find(({ jti }) => jti === capability.jti)
  const spent = rows.find((row) => row.calls === 0 || (writes && row.writes === 0))
  if (own === undefined || spent !== undefined) throw nothingLeft(capability, connection, spent)
  await tx
    .update(budgets)
    .set({
      calls: sql`${budgets.calls} - 1`,
      ...(writes ? { writes: sql`${budgets.writes} - 1` } : {}),
    })
    .where(and(mine, or(isNull(budgets.calls), gte(budgets.calls, 1))))
}

function nothingLeft(
  { jti }: Capability,
  connection: string,
  spent: { jti: string; calls: number | null } | undefined,
): BrokerError {
  const what = spent?.calls === 0 || spent === undefined ? 'calls' : 'writes'
  const whose =
    spent === undefined || spent.jti === jti
      ? 'This capability'
      : 'A capability that this one grew from'
  return new BrokerError('limit-exceeded', `${whose} has no ${what} left on ${connection}.`, {
    hint: 'It was given so many and no more. Go on with another capability, if you hold one that is for this.',
    retry: 'new-capability',
  })
}

/** What is left, for whoever holds it: the least along the line. Null for no bound. */
export async function leftOf(
  db: Db,
  capability: Capability,
  connection: string,
): Promise<{ calls: number | null; writes: number | null }> {
  const line = [capability.jti, ...(capability.parents ?? [])]
  const rows = await db
    .select()
    .from(budgets)
    .where(and(inArray(budgets.jti, line), eq(budgets.connection, connection)))
  const least = (counts: (number | null)[]) =>
    counts.reduce((low, one) => (low === null || (one !== null && one < low) ? one : low), null)
  return {
    calls: least(rows.map(({ calls }) => calls)),
    writes: least(rows.map(({ writes }) => writes)),
  }
}
