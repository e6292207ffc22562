/**
 * A PostgreSQL role for each lease, with the grants that the scope lists and no way into any other database. When it ends its
 * sessions end, its code is dropped, and its data goes to a role that nobody can use: data is never dropped.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { isIP } from 'node:net'
import type postgres from 'postgres'
import { BrokerError } from '../errors.ts'
import type { Grant, PostgresTemplate } from '../providers/postgres/provider.ts'
import { dialer } from '../store/dialer.ts'
import { addressAllowed, checkedLookup, notAllowed } from '../vault/addresses.ts'
import type { Answer } from '../vault/lookup.ts'
import type { Lease, LeaseKind, Native } from './kind.ts'

type Sql = postgres.Sql
type Tx = postgres.TransactionSql

const silenceMs = 10_000

export const postgresLeases: LeaseKind = {
  ask: async (native, question, variables) => {
    try {
      return await within(native, null, (sql) => answered(sql, question, variables))
    } catch (error) {
      return failed(error)
    }
  },
  create: (native, lease) => {
    const template = templateOf(lease)
    return within(native, template.database, async (sql, warned) => {
      const password = randomBytes(32).toString('base64url')
      const role = { name: roleOf(lease), verifier: verifier(password), until: lease.until }
      await sql.begin((tx) => make(tx, role, template, warned))
      const { hostname: host, port } = new URL(native.target.baseUrl)
      const credential = {
        host,
        port: port || '5432',
        database: template.database,
        user: roleOf(lease),
        password,
      }
      return { credential, handle: null, until: lease.until }
    })
  },
  extend: (native, lease) =>
    within(native, templateOf(lease).database, async (sql) => {
      await run(sql, 'alter role %I valid until %L', roleOf(lease), lease.until.toISOString())
    }),
  revocable: () => true,
  revoke: (native, lease) =>
    within(native, templateOf(lease).database, (sql) => end(sql, roleOf(lease))),
}

/** What the provider's `template` has read. */
function templateOf({ template }: Lease): PostgresTemplate {
  return template as PostgresTemplate
}

export function roleOf({ id }: Pick<Lease, 'id'>): string {
  return id.replace(/^lse_/, 'valetkey_')
}

/** One connection for one thing to do. `database` null is the one that the connection names. */
async function within<T>(
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
  const options = {
    host,
    port: Number(url.port || 5432),
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
    connection: { application_name: 'valetkey', statement_timeout: 10_000, lock_timeout: 5_000 },
    // Its types do not know the option.
    ...{ socket: dialer(silenceMs, checkedLookup(permission)) },
  }
  // In this order: the driver is mended as it is loaded, and only where it is needed.
  await import('../store/mended-driver.ts')
  const { default: open } = await import('postgres')
  const sql = open(options)
  try {
    return await work(sql, warned)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

/** Identifiers and texts are quoted by the database itself, and never put together here. */
async function run(sql: Sql | Tx, form: string, ...values: string[]): Promise<void> {
  const [row] = await sql`
    select format(${form}::text, variadic array(
      select value from jsonb_array_elements_text(${JSON.stringify(values)}::text::jsonb)
        with ordinality as given(value, place) order by place)) as text`
  await sql.unsafe(String(row?.['text']))
}

async function answered(
  sql: Sql,
  question: string,
  variables: Readonly<Record<string, string>>,
): Promise<Answer> {
  const [own] = await sql`select rolsuper, rolcreaterole from pg_roles where rolname = current_user`
  if (own?.['rolsuper'] === true) {
    return {
      kind: 'failed',
      why: 'the role of this connection is a superuser, and a lease is never made by one',
    }
  }
  if (own?.['rolcreaterole'] !== true) {
    return { kind: 'failed', why: 'the role of this connection may not create roles (CREATEROLE)' }
  }
  if (question === 'databases') {
    const data = await sql`
      select c.system_identifier::text || '/' || d.datname as id, d.datname as name
      from pg_database d, pg_control_system() c
      where d.datallowconn and not d.datistemplate order by d.datname`
    return { kind: 'data', data: [...data] }
  }
  if (question === 'size') {
    const [row] = await sql`
      select pg_size_pretty(pg_database_size(oid)) as size
      from pg_database where datname = ${variables['database'] ?? ''}`
    return row === undefined
      ? { kind: 'absent', why: 'there is no such database' }
      : { kind: 'data', data: { size: row['size'] } }
  }
  return { kind: 'failed', why: 'PostgreSQL is not asked that' }
}

/** Of the codes of PostgreSQL (appendix A), what says that the password is not good. What it wrote stays here. */
function failed(error: unknown): Answer {
  if (error instanceof BrokerError) throw error
  const code = codeOf(error)
  if (code === '28P01' || code === '28000') return { kind: 'rejected' }
  return {
    kind: 'failed',
    why: code === null ? 'the database could not be reached' : `the database answered ${code}`,
  }
}

function codeOf(error: unknown): string | null {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null
}

async function make(
  tx: Tx,
  { name: role, verifier, until }: { name: string; verifier: string; until: Date },
  template: PostgresTemplate,
  warned: readonly string[],
): Promise<void> {
  await run(
    tx,
    'create role %I login password %L valid until %L connection limit %s nosuperuser nocreatedb nocreaterole noreplication',
    ...[role, verifier, until.toISOString(), String(template.connection_limit)],
  )
  // To end its sessions, and to take what it leaves, takes its rights.
  await ownRights(tx, role)
  await run(tx, 'grant connect on database %I to %I', template.database, role)
  for (const grant of template.grants) await give(tx, role, grant)
  demandGiven(warned)
  await demandConfined(tx, role, template)
}

/** Since version 16 whoever makes a role administers it, and no more than that. */
async function ownRights(tx: Tx, role: string): Promise<void> {
  const [row] =
    await tx`select current_setting('server_version_num')::int >= 160000 as newer, current_user as name`
  const options = row?.['newer'] === true ? ' with inherit true, set true' : ''
  await run(tx, `grant %I to %I${options}`, role, String(row?.['name']))
}

async function give(tx: Tx, role: string, grant: Grant): Promise<void> {
  // From a fixed list of words.
  const words = grant.privileges.join(', ').toLowerCase()
  if (grant.on === 'schema') return run(tx, `grant ${words} on schema %I to %I`, grant.schema, role)
  const named = grant.on === 'tables' ? grant.tables : grant.sequences
  const one = grant.on === 'tables' ? 'table' : 'sequence'
  if (named === undefined) {
    return run(tx, `grant ${words} on all ${one}s in schema %I to %I`, grant.schema, role)
  }
  for (const name of named) {
    await run(tx, `grant ${words} on ${one} %I.%I to %I`, grant.schema, name, role)
  }
}

/** The connection's own role cannot give what it does not hold, and PostgreSQL only warns of that. */
function demandGiven(warned: readonly string[]): void {
  if (warned.length === 0) return
  throw unfit(
    'The role of this connection cannot give all that the scope lists.',
    'It has to own what it gives, or hold it with grant option.',
  )
}

/** What everybody may, the role may too: a database that is open to all is no boundary. */
async function demandConfined(tx: Tx, role: string, template: PostgresTemplate): Promise<void> {
  const open = await tx`
    select datname from pg_database
    where datallowconn and datname <> ${template.database} and has_database_privilege(${role}, datname, 'CONNECT')
    order by datname`
  if (open.length > 0) {
    const names = open.map((row) => String(row['datname']))
    throw unfit(
      `Everybody may connect to ${names.join(', ')} too, so this role could leave ${template.database}.`,
      `Close them first: ${names.map((name) => `REVOKE CONNECT ON DATABASE ${quoted(name)} FROM PUBLIC;`).join(' ')}`,
    )
  }
  if (template.allow_create) return
  const creates = await tx`
    select nspname from pg_namespace
    where nspname !~ '^pg_(temp|toast)' and has_schema_privilege(${role}, oid, 'CREATE')`
  const schema = creates[0]?.['nspname']
  if (schema === undefined) return
  throw unfit(
    `Everybody may create in the schema ${schema}, and the scope does not allow that.`,
    `Close it first: REVOKE CREATE ON SCHEMA ${quoted(String(schema))} FROM PUBLIC;`,
  )
}

/** For people to read. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function unfit(detail: string, hint: string): BrokerError {
  return new BrokerError('conflict', detail, { hint: `Ask whoever runs the database. ${hint}` })
}

/** What is code, or shows data with its owner's rights. Dropped, never handed on. */
const codeTypes = new Set([
  ...['function', 'procedure', 'aggregate', 'view', 'materialized view'],
  ...['operator', 'operator class', 'operator family', 'cast', 'conversion'],
])

async function end(sql: Sql, role: string): Promise<void> {
  const there = await sql`select 1 from pg_roles where rolname = ${role}`
  if (there.length === 0) return
  await run(sql, 'alter role %I nologin connection limit 0', role)
  await endSessions(sql, role)
  await sql.begin(async (tx) => {
    const keeper = await keeperOf(tx)
    const schemas = await schemasOf(tx, role)
    for (const schema of schemas) await run(tx, 'grant create on schema %I to %I', schema, keeper)
    await dropTriggers(tx, role)
    await dropCode(tx, role)
    await disarm(tx, role)
    await run(tx, 'reassign owned by %I to %I', role, keeper)
    for (const schema of schemas)
      await run(tx, 'revoke create on schema %I from %I', schema, keeper)
    await run(tx, 'drop owned by %I', role)
    await run(tx, 'drop role %I', role)
  })
}

/** A backend ends at its next chance; a role with one cannot be dropped safely. */
async function endSessions(sql: Sql, role: string): Promise<void> {
  for (let left = 50; left > 0; left -= 1) {
    const alive = await sql`
      select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
    if (alive.length === 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('its sessions do not end')
}

/** It owns what leases leave behind; nobody can sign in as it, and it may do nothing. */
async function keeperOf(tx: Tx): Promise<string> {
  const [row] = await tx`select left('valetkey_keeper_' || current_user, 63) as name`
  const name = String(row?.['name'])
  const there = await tx`select 1 from pg_roles where rolname = ${name}`
  if (there.length === 0) {
    await run(tx, 'create role %I nologin', name)
    await ownRights(tx, name)
  }
  return name
}

async function schemasOf(tx: Tx, role: string): Promise<string[]> {
  const rows = await tx`
    select distinct n.nspname from pg_namespace n
    where n.oid in (select relnamespace from pg_class where pg_get_userbyid(relowner) = ${role})
       or n.oid in (select pronamespace from pg_proc where pg_get_userbyid(proowner) = ${role})
       or n.oid in (select typnamespace from pg_type where pg_get_userbyid(typowner) = ${role})`
  return rows.map((row) => String(row['nspname'])).filter((name) => !name.startsWith('pg_'))
}

/** They run its functions with the rights of whoever writes to the table. */
async function dropTriggers(tx: Tx, role: string): Promise<void> {
  const rows = await tx`
    select t.tgname, n.nspname, c.relname from pg_trigger t
      join pg_proc p on p.oid = t.tgfoid join pg_class c on c.oid = t.tgrelid
      join pg_namespace n on n.oid = c.relnamespace
    where not t.tgisinternal and t.tgparentid = 0 and pg_get_userbyid(p.proowner) = ${role}`
  for (const { tgname, nspname, relname } of rows) {
    await run(tx, 'drop trigger %I on %I.%I', String(tgname), String(nspname), String(relname))
  }
}

/** In any order that works; what something of others hangs on stays, for `disarm`. */
async function dropCode(tx: Tx, role: string): Promise<void> {
  for (;;) {
    const owned = await tx`
      select o.type, o.identity from pg_shdepend d,
        lateral pg_identify_object(d.classid, d.objid, d.objsubid) o
      where d.deptype = 'o' and d.refclassid = 'pg_authid'::regclass
        and d.refobjid = (select oid from pg_roles where rolname = ${role})
        and d.dbid = (select oid from pg_database where datname = current_database())`
    const code = owned.filter((row) => codeTypes.has(String(row['type'])))
    let dropped = 0
    for (const { type, identity } of code) {
      // As the database itself spells it, quoted where it has to be.
      const statement = `drop ${type} ${identity}`
      const done = await tx
        .savepoint((save) => save.unsafe(statement))
        .then(() => true)
        .catch((error: unknown) => {
          if (codeOf(error) === '2BP01') return false
          throw error
        })
      if (done) dropped += 1
    }
    if (dropped === 0) return
  }
}

/** A function that a table of others needs: it stays, runs with nobody's rights but its caller's, and is everybody's no longer. */
async function disarm(tx: Tx, role: string): Promise<void> {
  const rows = await tx`
    select oid::regprocedure::text as function from pg_proc
    where pg_get_userbyid(proowner) = ${role} and prokind in ('f', 'p')`
  for (const { function: one } of rows) {
    await tx.unsafe(`alter routine ${one} security invoker`)
    await tx.unsafe(`revoke all on routine ${one} from public`)
  }
}

/** What the server keeps of a password (RFC 5803), so that the password itself is in no log of its. */
function verifier(password: string): string {
  const salt = randomBytes(16)
  const rounds = 4_096
  const salted = pbkdf2Sync(password, salt, rounds, 32, 'sha256')
  const mac = (text: string) => createHmac('sha256', salted).update(text).digest()
  const stored = createHash('sha256').update(mac('Client Key')).digest('base64')
  return `SCRAM-SHA-256$${rounds}:${salt.toString('base64')}$${stored}:${mac('Server Key').toString('base64')}`
}
