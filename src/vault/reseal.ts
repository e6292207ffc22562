/** Moves every sealed value to the current master key, row by row, while the broker serves. Never sees two rows at once. */
import { and, eq, sql } from 'drizzle-orm'
import { headerOf, type Keyring, kidOf } from '../seal/keyring.ts'
import type { Db, Tx } from '../store/open.ts'
import {
  approvals,
  changes,
  connections,
  formerSecrets,
  leases,
  policy,
  sealCheck,
  signingKeys,
} from '../store/schema.ts'

export type Resealed = { table: string; row: string; from: string; to: string }

type Sealed = { key: string; sealed: string }

type SealedTable = {
  name: string
  read(db: Db): Promise<Sealed[]>
  /** Only where it still holds what was opened: whoever changed it meanwhile has sealed it anew. */
  write(tx: Tx, row: Sealed, sealed: string): Promise<{ sealed: string }[]>
}

const tables: SealedTable[] = [
  {
    name: 'connections',
    read: (db) =>
      db.select({ key: connections.name, sealed: connections.sealed }).from(connections),
    write: async (tx, { key, sealed: old }, sealed) => {
      // A snapshot of policy holds sealed secrets: replicas read it anew before the old key may go.
      await tx.update(policy).set({ version: sql`${policy.version} + 1` })
      return tx
        .update(connections)
        .set({ sealed })
        .where(and(eq(connections.name, key), eq(connections.sealed, old)))
        .returning({ sealed: connections.sealed })
    },
  },
  {
    name: 'former_secrets',
    read: async (db) => {
      const rows = await db.select().from(formerSecrets)
      return rows.map(({ connection, version, sealed }) => ({
        key: `${connection} ${version}`,
        sealed,
      }))
    },
    write: async (tx, { key, sealed: old }, sealed) => {
      const [connection = '', version] = key.split(' ')
      await tx.update(policy).set({ version: sql`${policy.version} + 1` })
      return tx
        .update(formerSecrets)
        .set({ sealed })
        .where(
          and(
            eq(formerSecrets.connection, connection),
            eq(formerSecrets.version, Number(version)),
            eq(formerSecrets.sealed, old),
          ),
        )
        .returning({ sealed: formerSecrets.sealed })
    },
  },
  {
    name: 'signing_keys',
    read: (db) => db.select({ key: signingKeys.kid, sealed: signingKeys.sealed }).from(signingKeys),
    write: (tx, { key, sealed: old }, sealed) =>
      tx
        .update(signingKeys)
        .set({ sealed })
        .where(and(eq(signingKeys.kid, key), eq(signingKeys.sealed, old)))
        .returning({ sealed: signingKeys.sealed }),
  },
  {
    name: 'approvals',
    read: async (db) => {
      const rows = await db
        .select({ id: approvals.id, call: approvals.call, outcome: approvals.outcome })
        .from(approvals)
      return rows.flatMap(({ id, call, outcome }) => [
        // What is not kept any more is empty.
        ...(call === '' ? [] : [{ key: `${id} call`, sealed: call }]),
        ...(outcome === null || outcome === '' ? [] : [{ key: `${id} outcome`, sealed: outcome }]),
      ])
    },
    write: (tx, { key, sealed: old }, sealed) => {
      const [id = '', column] = key.split(' ')
      const which = column === 'call' ? approvals.call : approvals.outcome
      return tx
        .update(approvals)
        .set(column === 'call' ? { call: sealed } : { outcome: sealed })
        .where(and(eq(approvals.id, id), eq(which, old)))
        .returning({ sealed: sql<string>`${which}` })
    },
  },
  {
    name: 'changes',
    read: (db) => db.select({ key: changes.id, sealed: changes.params }).from(changes),
    write: (tx, { key, sealed: old }, sealed) =>
      tx
        .update(changes)
        .set({ params: sealed })
        .where(and(eq(changes.id, key), eq(changes.params, old)))
        .returning({ sealed: changes.params }),
  },
  {
    name: 'leases',
    read: async (db) => {
      const rows = await db.select({ key: leases.id, sealed: leases.handle }).from(leases)
      return rows.flatMap(({ key, sealed }) => (sealed === null ? [] : [{ key, sealed }]))
    },
    write: (tx, { key, sealed: old }, sealed) =>
      tx
        .update(leases)
        .set({ handle: sealed })
        .where(and(eq(leases.id, key), eq(leases.handle, old)))
        .returning({ sealed: sql<string>`${leases.handle}` }),
  },
  {
    name: 'seal_check',
    read: async (db) => {
      const rows = await db.select().from(sealCheck)
      return rows.map(({ id, sealed }) => ({ key: String(id), sealed }))
    },
    write: (tx, { key, sealed: old }, sealed) =>
      tx
        .update(sealCheck)
        .set({ sealed })
        .where(and(eq(sealCheck.id, Number(key)), eq(sealCheck.sealed, old)))
        .returning({ sealed: sealCheck.sealed }),
  },
]

/**
 * May be stopped anywhere and begun again: a row that was not reached is still under its former key, which stays in the
 * keyring until `kidsInUse` no longer names it. The check row comes last.
 */
export async function* reseal(ctx: { db: Db; keyring: Keyring }): AsyncGenerator<Resealed> {
  for (const table of tables) {
    for (;;) {
      const left = await outdated(ctx, table)
      if (left.length === 0) break
      for (const row of left) {
        const from = await move(ctx, table, row)
        if (from !== null) yield { table: table.name, row: row.key, from, to: ctx.keyring.current }
      }
    }
  }
}

async function outdated(ctx: { db: Db; keyring: Keyring }, table: SealedTable): Promise<Sealed[]> {
  const rows = await table.read(ctx.db)
  return rows.filter(({ sealed }) => kidOf(sealed) !== ctx.keyring.current)
}

/** The row that a value names is the one it was sealed for: a value that was moved stays unopenable where it lies. */
async function move(
  { db, keyring }: { db: Db; keyring: Keyring },
  table: SealedTable,
  row: Sealed,
): Promise<string | null> {
  const header = headerOf(row.sealed)
  const value = await keyring.open(header.row, row.sealed)
  const sealed = await keyring.seal(header.row, value.reveal())
  const written = await db.transaction((tx) => table.write(tx, row, sealed))
  return written.length === 0 ? null : header.kid
}

/** The keys that some row still needs. */
export async function kidsInUse(db: Db): Promise<Set<string>> {
  const rows = await Promise.all(tables.map((table) => table.read(db)))
  return new Set(rows.flat().map(({ sealed }) => kidOf(sealed)))
}
