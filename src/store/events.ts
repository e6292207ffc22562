/** Tells whoever waits that something happened, on whichever replica. A message may get lost, so that whoever waits also looks. */
import { sql } from 'drizzle-orm'
import type { Db, Store, Tx } from './open.ts'

/** What it is about and its id: `approval:apr_…`, `change:chg_…`. */
export type Event = `${'approval' | 'change' | 'freeze' | 'sign-in' | 'passkey'}:${string}`

export type Events = {
  /** Hears every event from now on. Returns what ends it. */
  on(heard: (event: string) => void): () => void
  close(): Promise<void>
}

const channel = 'valetkey_events'

/** Heard once the transaction has committed. */
export async function announce(tx: Db | Tx, event: Event): Promise<void> {
  await tx.execute(sql`select pg_notify(${channel}, ${event})`)
}

/** Behind a connection pooler nothing is heard; `unheard` is told once. */
export async function watchEvents(
  store: Store,
  unheard: (error: unknown) => void,
): Promise<Events> {
  const listeners = new Set<(event: string) => void>()
  const unlisten = await store
    .listen(channel, (event) => {
      for (const heard of [...listeners]) heard(event)
    })
    .catch((error: unknown) => {
      unheard(error)
      return async () => {}
    })
  return {
    on(heard) {
      listeners.add(heard)
      return () => listeners.delete(heard)
    },
    async close() {
      listeners.clear()
      // A database that is gone has no listener to take away.
      await unlisten().catch(() => {})
    },
  }
}
