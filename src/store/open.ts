/** Opens the one database, PGlite in a directory or a PostgreSQL elsewhere; nothing outside this folder knows which. */
import { resolve } from 'node:path'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { Config } from '../config.ts'
import { holdDirectory } from './directory.ts'
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
  /** Says why, when the database is gone for good: an embedded one that stopped. Any other may come back. */
  lost?: Promise<Error>
  close(): Promise<void>
}

/** Opens, locks the directory (embedded only: nobody else does) and migrates. */
export function openStore(where: Config['store']): Promise<Store> {
  return beginStore(where).store()
}

export type Beginning = {
  /** Once. */
  store(): Promise<Store>
  /** Closes what was begun, unless the store was asked for: then it is whoever asked who closes it. */
  drop(): Promise<void>
}

/**
 * An embedded database opens in a thread of its own, while the caller loads the rest of itself; it is migrated when the
 * store is asked for. Of one elsewhere nothing is begun.
 */
export function beginStore(where: Config['store']): Beginning {
  if (where.kind === 'postgres') {
    const store = async () => {
      await import('./mended-driver.ts')
      return (await import('./postgres.ts')).openPostgres(where.url)
    }
    return { store, drop: async () => {} }
  }
  const holding = holdDirectory(resolve(where.directory))
  // Whoever asks for the store hears of it.
  holding.catch(() => {})
  let asked = false
  return {
    store: async () => {
      asked = true
      const { openHeld } = await import('./embedded.ts')
      return openHeld(await holding)
    },
    drop: async () => {
      if (asked) return
      await holding.then(
        ({ close }) => close(),
        () => {},
      )
    },
  }
}
