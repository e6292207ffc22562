/** A PostgreSQL elsewhere, directly or through a connection pooler. Never waits for it without an end. */
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres, { type Options, type ParameterOrJSON, type Sql } from 'postgres'
import { databaseNow } from './clock.ts'
import { migrate } from './migrate.ts'
import type { Store } from './open.ts'
import * as schema from './schema.ts'

const connectSeconds = 5
const poolSize = 10

export async function openPostgres(url: string): Promise<Store> {
  const { pooled } = await examine(url)
  const client = clientFor(url, pooled ? throughPooler : direct)
  const store = postgresStore(client)
  try {
    await migrate(store.db)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

/** What a pooler may not pass on: the names of prepared statements, and settings given when a connection starts. */
const throughPooler = { prepare: false } satisfies Settings
const direct = {
  prepare: true,
  connection: {
    statement_timeout: 30_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 30_000,
  },
} satisfies Settings

const bigint = { to: 20, from: [20], parse: Number, serialize: String }
type Types = { bigint: number }
type Settings = Omit<Options<{ bigint: typeof bigint }>, 'types'>

function clientFor(url: string, options: Settings): Sql<Types> {
  return postgres(url, {
    max: poolSize,
    connect_timeout: connectSeconds,
    onnotice: () => {},
    connection: { application_name: 'valetkey' },
    types: { bigint },
    ...options,
  })
}

/** Refuses a server that is too old, or that acknowledges what it has not yet stored. */
async function examine(url: string): Promise<{ pooled: boolean }> {
  const client = clientFor(url, { max: 1, prepare: false })
  try {
    const rows = await client<{ pid: number; version: number; commit: string }[]>`
      select pg_backend_pid() as pid, current_setting('server_version_num')::int as version,
        current_setting('synchronous_commit') as commit`
    const [server] = rows
    if (server === undefined) throw new Error('The database did not answer')
    if (server.version < 140_000) {
      throw new Error(
        `The database is PostgreSQL ${Math.floor(server.version / 10_000)}: Valetkey needs 14 or newer`,
      )
    }
    if (server.commit === 'off') {
      throw new Error(
        'The database has synchronous_commit=off, so it could forget what it acknowledged: set it to on for this role or database',
      )
    }
    // A pooler invents the process id that it tells its clients.
    return { pooled: rows.state.pid !== server.pid }
  } finally {
    await client.end({ timeout: connectSeconds })
  }
}

function postgresStore(client: Sql<Types>): Store {
  const run = async <R>(text: string, params: unknown[]): Promise<R[]> =>
    // The driver's type lists what the Store's comment lists, but would have every caller import it.
    client.unsafe<R[]>(text, params as ParameterOrJSON<number>[], { prepare: true })
  return {
    kind: 'postgres',
    db: drizzle(client, { schema }),
    run,
    listen: async (channel, heard) => {
      const { unlisten } = await client.listen(channel, heard)
      return unlisten
    },
    now: () => databaseNow(run),
    close: () => client.end({ timeout: connectSeconds }),
  }
}
