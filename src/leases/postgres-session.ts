/** A session of a connection's own role for the work on leases. It resolves no name that anybody else could have planted. */
import { isIP } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type postgres from 'postgres'
import { BrokerError } from '../errors.ts'
import { dialer } from '../store/dialer.ts'
import { addressAllowed, checkedLookup, notAllowed } from '../vault/addresses.ts'
import type { Native } from './kind.ts'

export type Sql = postgres.Sql
export type Tx = postgres.TransactionSql

const silenceMs = 10_000
/** A lease that may create could else plant a function or an operator for this session to run with its own rights. */
const searchPath = 'pg_catalog, pg_temp'

/** One connection for one thing to do. `database` null is the one that the connection names. */
export async function within<T>(
  { target, credential }: Native,
  database: string | null,
  work: (sql: Sql, warned: readonly string[]) => Promise<T>,
): Promise<T> {
  const url = new URL(target.baseUrl)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const plain = url.searchParams.get('sslmode') === 'disable'
  const permission = { allowPrivate: target.allowPrivate, encrypted: !plain }
  if (isIP(host) !== 0 && !addressAllowed(host, permission)) throw notAllowed(host)
  const warned: string[] = []
  // Lists, since the driver splits a text at its commas and colons. Its types know neither those nor the socket.
  const where: object = {
    ...{ host: [host], port: [Number(url.port || 5432)] },
    socket: dialer(silenceMs, checkedLookup(permission)),
  }
  const options = {
    username: decodeURIComponent(url.username),
    password: credential.reveal(),
    database: database ?? decodeURIComponent(url.pathname.slice(1)),
    ssl: plain ? (false as const) : ('verify-full' as const),
    max: 1,
    connect_timeout: 5,
    fetch_types: false,
    prepare: false,
    onnotice: ({ code, message }: { code?: string; message?: string }) => {
      // A grant that gave nothing is only warned of.
      if (code === '01007') warned.push(message ?? 'a privilege was not granted')
    },
    connection: {
      ...{ application_name: 'valetkey', statement_timeout: 10_000, lock_timeout: 5_000 },
      search_path: searchPath,
    },
    ...where,
  }
  // In this order: the driver is mended as it is loaded, and only where it is needed.
  await import('../store/mended-driver.ts')
  const { default: open } = await import('postgres')
  const sql = open(options)
  let unblocking: Promise<void> | undefined
  const finished = new AbortController()
  try {
    const pid = await demandPinned(sql)
    unblocking = unblock(() => open(options), pid, finished.signal)
    return await work(sql, warned)
  } finally {
    finished.abort()
    await Promise.all([sql.end({ timeout: 1 }), unblocking])
  }
}

/** As the broker names the roles of leases. */
export const named = '^valetkey_[0-9a-f]{32}$'

/** What a lease left behind belongs to this one. */
export function keeperOf(role: string): string {
  return role.replace(/^valetkey_/, 'valetkey_kept_')
}

/** Where nothing stands in the way the work is done before that. */
const patienceMs = 300

/**
 * A holder of a lease that does nothing inside a transaction may keep others from beginning and ending, for as long as its own lasts.
 * Whoever stands in our way like that is cut; whoever works is waited for.
 */
async function unblock(open: () => Sql, pid: number, finished: AbortSignal): Promise<void> {
  // The only way to reject is the end of the work, which the condition sees.
  const rest = () => delay(patienceMs, undefined, { signal: finished, ref: false }).catch(() => {})
  await rest()
  if (finished.aborted) return
  const sql = open()
  try {
    while (!finished.aborted) {
      await sql`
        select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
        where pid = any (pg_catalog.pg_blocking_pids(${pid}::int)) and usename ~ ${named}
          and state = 'idle in transaction' and state_change < pg_catalog.now() - interval '1 second'`
      await forgetPrepared(sql, pid)
      await rest()
    }
  } catch {
    // It only helps: what it could not clear away is told by the work itself.
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** One that was prepared has no session to be cut, and nobody but its owner may end it. */
async function forgetPrepared(sql: Sql, pid: number): Promise<void> {
  const rows = await sql`
    select x.gid, x.owner from pg_catalog.pg_prepared_xacts x
    where 0 = any (pg_catalog.pg_blocking_pids(${pid}::int)) and x.owner ~ ${named}
      and x.database = pg_catalog.current_database() and x.prepared < pg_catalog.now() - interval '1 second'
      and exists (select from pg_catalog.pg_locks held join pg_catalog.pg_locks wanted
          on row(held.locktype, held.database, held.relation, held.classid, held.objid, held.transactionid)
            is not distinct from row(wanted.locktype, wanted.database, wanted.relation, wanted.classid, wanted.objid, wanted.transactionid)
        where held.granted and held.virtualtransaction = '-1/' || x.transaction::text
          and wanted.pid = ${pid}::int and not wanted.granted)`
  for (const { gid, owner } of rows) {
    await run(sql, 'set role %I', String(owner))
    await run(sql, 'rollback prepared %L', String(gid))
    await sql`reset role`
  }
}

/** A pooler on the way may drop what a session asks for at its start. Gives the number of its backend. */
async function demandPinned(sql: Sql): Promise<number> {
  const [row] = await sql`
    select pg_catalog.current_setting('search_path') as path, pg_catalog.pg_backend_pid() as pid`
  if (row?.['path'] === searchPath) return Number(row['pid'])
  throw new BrokerError('conflict', 'The database did not take the search path of this session.', {
    hint: 'Ask a human to let the connection reach PostgreSQL itself, and no pooler.',
  })
}

/** Identifiers and texts are quoted by the database itself, and never put together here. */
export async function run(sql: Sql | Tx, form: string, ...values: string[]): Promise<void> {
  const [row] = await sql`
    select pg_catalog.format(${form}::text, variadic array(
      select value from jsonb_array_elements_text(${JSON.stringify(values)}::text::jsonb)
        with ordinality as given(value, place) order by place)) as text`
  await sql.unsafe(String(row?.['text']))
}

/** Since version 16 whoever makes a role administers it, and no more than that. */
export async function ownRights(tx: Sql | Tx, role: string): Promise<void> {
  const [row] =
    await tx`select current_setting('server_version_num')::int >= 160000 as newer, current_user as name`
  const options = row?.['newer'] === true ? ' with inherit true, set true' : ''
  await run(tx, `grant %I to %I${options}`, role, String(row?.['name']))
}

export function codeOf(error: unknown): string | null {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null
}

/** Several leases that begin or end at once touch the same grants, and PostgreSQL lets one of them fail. */
export async function settled<T>(work: () => Promise<T>): Promise<T> {
  for (let left = 8; ; left -= 1) {
    try {
      return await work()
    } catch (error) {
      // "tuple concurrently updated", which has no code of its own; and a deadlock.
      if (left === 0 || !['XX000', '40P01'].includes(codeOf(error) ?? '')) throw error
      await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 100))
    }
  }
}
