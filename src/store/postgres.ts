/** A PostgreSQL elsewhere, directly or through a connection pooler. Never waits for it without an end. */
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres, {
  type Options,
  type ParameterOrJSON,
  type Sql,
  type TransactionSql,
} from 'postgres'
import { databaseNow } from './clock.ts'
import { dialer } from './dialer.ts'
import { demandMended } from './mended-driver.ts'
import { migrate } from './migrate.ts'
import type { Store } from './open.ts'
import * as schema from './schema.ts'

const connectSeconds = 5
const poolSize = 10
/** After a connection was lost the driver waits for it in vain when it closes. */
const closeSeconds = 2

/** How long a server may owe an answer before the connection is cut. Serving statements end long before, by themselves. */
const silence = { serving: 12_000, migrating: 600_000 }

export async function openPostgres(url: string): Promise<Store> {
  demandMended()
  const { pooled } = await prepare(url)
  return postgresStore(clientFor(url, silence.serving, pooled ? throughPooler : direct))
}

/** What a pooler may not pass on: the names of prepared statements, and settings given when a connection starts. */
const throughPooler = { prepare: false } satisfies Settings
const direct = {
  prepare: true,
  connection: {
    application_name: 'valetkey',
    statement_timeout: 8_000,
    lock_timeout: 5_000,
    idle_in_transaction_session_timeout: 10_000,
  },
} satisfies Settings

const bigint = { to: 20, from: [20], parse: Number, serialize: String }
type Types = { bigint: number }
type Settings = Omit<Options<{ bigint: typeof bigint }>, 'types'>

function clientFor(url: string, silenceMs: number, settings: Settings): Sql<Types> {
  const options = {
    max: poolSize,
    connect_timeout: connectSeconds,
    onnotice: () => {},
    connection: { application_name: 'valetkey' },
    socket: dialer(silenceMs),
    types: { bigint },
    ...settings,
  }
  try {
    return endingWithConnection(postgres(url, options))
  } catch {
    // The error quotes the address, and with it the password.
    throw new Error(
      'DATABASE_URL cannot be read: it should look like postgres://USER:PASSWORD@HOST:5432/DATABASE',
    )
  }
}

/**
 * Ends a transaction with its connection: the driver would carry out what follows on the next one, each statement alone
 * and at once, though the transaction has failed.
 */
function endingWithConnection(client: Sql<Types>): Sql<Types> {
  const begin = client.begin.bind(client)
  const wrapped = (work: (tx: TransactionSql<Types>) => unknown) => {
    let over = false
    const done = begin((tx) =>
      work(
        new Proxy(tx, {
          get: (target, name) => {
            if (over) throw new Error('The transaction ended with its connection')
            return Reflect.get(target, name)
          },
        }),
      ),
    )
    const end = () => {
      over = true
    }
    done.then(end, end)
    return done
  }
  // Nobody here gives options.
  return Object.assign(client, { begin: wrapped as typeof client.begin })
}

/** Over a connection of its own: a migration may take longer than any statement that serves. */
async function prepare(url: string): Promise<{ pooled: boolean }> {
  const client = clientFor(url, silence.migrating, { max: 1, prepare: false })
  try {
    const found = await examine(client)
    await migrate(drizzle(client, { schema }))
    return found
  } finally {
    await client.end({ timeout: closeSeconds })
  }
}

/** Refuses a server that is too old, or that acknowledges what it has not yet stored. */
async function examine(client: Sql<Types>): Promise<{ pooled: boolean }> {
  const rows = await client<{ pid: number; version: number; commit: string }[]>`
    select pg_backend_pid() as pid, current_setting('server_version_num')::int as version,
      current_setting('synchronous_commit') as commit`
  const [server] = rows
  if (server === undefined) throw new Error('The database did not answer')
  const refusal = unfit(server)
  if (refusal !== null) throw new Error(refusal)
  // A pooler invents the process id that it tells its clients.
  return { pooled: rows.state.pid !== server.pid }
}

export function unfit(server: { version: number; commit: string }): string | null {
  if (server.version < 140_000) {
    return `The database is PostgreSQL ${Math.floor(server.version / 10_000)}: Valetkey needs 14 or newer`
  }
  if (server.commit === 'off') {
    return 'The database has synchronous_commit=off, so it could forget what it acknowledged: set it to on for this role or database'
  }
  return null
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
    close: () => client.end({ timeout: closeSeconds }),
  }
}
