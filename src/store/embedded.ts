/** The embedded database as a store: that of a directory, or one that a test or the demo has in memory. */
import type { PGlite } from '@electric-sql/pglite'
import { drizzle } from 'drizzle-orm/pglite'
import { databaseNow } from './clock.ts'
import type { Held } from './directory.ts'
import { migrate } from './migrate.ts'
import type { Store } from './open.ts'
import * as schema from './schema.ts'
import type { Client } from './thread.ts'

export async function openHeld({ thread, close }: Held): Promise<Store> {
  const store = { ...embeddedStore(thread), close, lost: thread.lost }
  try {
    await migrate(store.db)
    return store
  } catch (error) {
    await close()
    throw error
  }
}

export function embeddedStore(client: Client): Store {
  const run = async <R>(text: string, params: unknown[]): Promise<R[]> =>
    (await client.query<R>(text, params)).rows
  return {
    kind: 'embedded',
    // It uses no more of a PGlite than a client has.
    db: drizzle(client as PGlite, { schema }),
    run,
    listen: async (channel, heard) => {
      const unlisten = await client.listen(channel, heard)
      return () => unlisten()
    },
    now: () => databaseNow(run),
    close: () => client.close(),
  }
}
