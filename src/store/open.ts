/** Opens the one database, PGlite in a directory or a PostgreSQL elsewhere; nothing outside this folder knows which. */
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { Config } from '../config.ts'
import type * as schema from './schema.ts'

export type Db = PgDatabase<PgQueryResultHKT, typeof schema>
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

export type Store = {
  kind: Config['store']['kind']
  db: Db
  /**
   * One statement, the fast path. The same on both kinds: bigint comes as number, JSON parsed, times as text; parameters
   * are text, numbers, booleans, null, and arrays of them.
   */
  run<R>(text: string, params: unknown[]): Promise<R[]>
  /** Hears what is sent to the channel from now on. A message may get lost: whoever listens also polls. */
  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>>
  /** The database's clock, ms since epoch. */
  now(): Promise<number>
  close(): Promise<void>
}

/** Opens, locks the directory (embedded only: nobody else does) and migrates. */
export async function openStore(store: Config['store']): Promise<Store> {
  if (store.kind === 'embedded') {
    const { openEmbedded } = await import('./embedded.ts')
    return openEmbedded(store.directory)
  }
  const { openPostgres } = await import('./postgres.ts')
  return openPostgres(store.url)
}
