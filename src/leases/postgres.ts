/**
 * A PostgreSQL role for each lease, with the grants that the scope lists and no way into any other database. Never gives what
 * everybody has as if it were part of that: such a database is refused.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { BrokerError } from '../errors.ts'
import type { Grant, PostgresTemplate } from '../providers/postgres/provider.ts'
import type { Answer } from '../vault/lookup.ts'
import type { Lease, LeaseKind } from './kind.ts'
import { cutRole, endRole } from './postgres-end.ts'
import {
  codeOf,
  named,
  ownRights,
  run,
  type Sql,
  settled,
  type Tx,
  within,
} from './postgres-session.ts'

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
      await settled(() => sql.begin((tx) => make(tx, role, template, warned)))
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
    within(native, templateOf(lease).database, (sql) =>
      settled(() =>
        sql.begin(async (tx) => {
          // What was open to all since then is no more of a boundary than before.
          await demandConfined(tx, roleOf(lease), templateOf(lease))
          await run(tx, 'alter role %I valid until %L', roleOf(lease), lease.until.toISOString())
        }),
      ),
    ),
  revocable: () => true,
  cut: (native, lease) => cutRole(native, templateOf(lease).database, roleOf(lease)),
  revoke: (native, lease) => endRole(native, templateOf(lease).database, roleOf(lease)),
}

/** What the provider's `template` has read. */
function templateOf({ template }: Lease): PostgresTemplate {
  return template as PostgresTemplate
}

export function roleOf({ id }: Pick<Lease, 'id'>): string {
  return id.replace(/^lse_/, 'valetkey_')
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
  // Once more: one may have been made while a grant waited.
  for (const grant of template.grants) await demandNoneLeased(tx, grant)
  demandGiven(warned)
  await demandRoom(tx)
  await demandConfined(tx, role, template)
}

async function give(tx: Tx, role: string, grant: Grant): Promise<void> {
  // From a fixed list of words.
  const words = grant.privileges.join(', ').toLowerCase()
  if (grant.on === 'schema') return run(tx, `grant ${words} on schema %I to %I`, grant.schema, role)
  const named = grant.on === 'tables' ? grant.tables : grant.sequences
  const one = grant.on === 'tables' ? 'table' : 'sequence'
  if (named === undefined) return giveAll(tx, role, grant, words)
  await demandNoneLeased(tx, grant)
  for (const name of named) {
    await run(tx, `grant ${words} on ${one} %I.%I to %I`, grant.schema, name, role)
  }
}

/** Who names one gives what somebody made of it, and leases may come before. */
async function demandNoneLeased(tx: Tx, grant: Grant): Promise<void> {
  if (grant.on === 'schema') return
  const { schema } = grant
  const names = grant.on === 'tables' ? grant.tables : grant.sequences
  if (names === undefined) return
  const rows = await tx`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relname in ${tx([...names])}
      and pg_get_userbyid(c.relowner) ~ '^valetkey_(kept_)?[0-9a-f]{32}$'`
  if (rows.length === 0) return
  throw unfit(
    `A lease made ${rows.length} of what the scope lists in ${schema}, under its name.`,
    'Look at who owns it, and drop or rename it.',
  )
}

/** All that there are, save what leases made: what one left, or has, is no other's. */
async function giveAll(
  tx: Tx,
  role: string,
  { on, schema }: Exclude<Grant, { on: 'schema' }>,
  words: string,
): Promise<void> {
  const kinds = on === 'tables' ? ['r', 'p', 'v', 'm', 'f'] : ['S']
  const rows = await tx`
    select string_agg(format('%I.%I', n.nspname, c.relname), ', ') as names
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = ${schema} and c.relkind in ${tx(kinds)}
      and pg_get_userbyid(c.relowner) !~ '^valetkey_(kept_)?[0-9a-f]{32}$'`
  const names = rows[0]?.['names']
  if (names === null || names === undefined) return
  const one = on === 'tables' ? 'table' : 'sequence'
  // The database has quoted each of them.
  await run(tx, `grant ${words} on ${one} ${String(names).replaceAll('%', '%%')} to %I`, role)
}

/** Holders that take all connections there are would keep their leases from being ended. */
async function demandRoom(tx: Tx): Promise<void> {
  const [row] = await tx`
    select coalesce(sum(rolconnlimit), 0)::int as leased, current_setting('max_connections')::int as most
    from pg_roles where rolname ~ ${named} and rolcanlogin`
  if (row === undefined || Number(row['leased']) <= Number(row['most']) * 0.8) return
  throw unfit(
    `The leases that are out could take ${row['leased']} of the ${row['most']} connections of this server.`,
    'Lower connection_limit in the template, or raise max_connections.',
  )
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
  if (!template.allow_create) await demandNoCreate(tx, role)
  if (!template.allow_public) await demandNothingPublic(tx, role)
}

async function demandNoCreate(tx: Tx, role: string): Promise<void> {
  const [open] = await tx`
    select current_database() as database where has_database_privilege(${role}, current_database(), 'CREATE')`
  if (open !== undefined) {
    const database = quoted(String(open['database']))
    throw unfit(
      'Everybody may create schemas in this database, and the scope does not allow that.',
      `Close it first: REVOKE CREATE ON DATABASE ${database} FROM PUBLIC;`,
    )
  }
  const [creates] = await tx`
    select nspname from pg_namespace
    where nspname !~ '^pg_(temp|toast)' and has_schema_privilege(${role}, oid, 'CREATE')`
  if (creates === undefined) return
  const schema = String(creates['nspname'])
  throw unfit(
    `Everybody may create in the schema ${schema}, and the scope does not allow that.`,
    `Close it first: REVOKE CREATE ON SCHEMA ${quoted(schema)} FROM PUBLIC;`,
  )
}

/**
 * Tables that everybody may use, and functions that do what their owner may for everybody. What extensions bring along is theirs;
 * what another lease shows to all goes with it, and would else keep every other one out.
 */
async function demandNothingPublic(tx: Tx, role: string): Promise<void> {
  const rows = await tx`
    with usable as (
      select oid, nspname from pg_namespace
      where nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(temp|toast)'
        and has_schema_privilege(${role}, oid, 'USAGE'))
    select format('%I.%I', u.nspname, c.relname) as name from pg_class c join usable u on u.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and pg_get_userbyid(c.relowner) !~ ${named}
      and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
      and (exists (select from aclexplode(c.relacl) x where x.grantee = 0)
        or exists (select from pg_attribute a, aclexplode(a.attacl) x where a.attrelid = c.oid and x.grantee = 0))
    union all
    select p.oid::regprocedure::text from pg_proc p join usable u on u.oid = p.pronamespace
    where p.prosecdef and pg_get_userbyid(p.proowner) !~ ${named}
      and has_function_privilege(${role}, p.oid, 'EXECUTE')
    order by 1 limit 10`
  if (rows.length === 0) return
  throw unfit(
    `Everybody may use ${rows.map(({ name }) => name).join(', ')}, so this role could too.`,
    'Revoke that from PUBLIC; or, if every lease may have it, say so in the template: "allow_public": true.',
  )
}

/** For people to read. */
function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function unfit(detail: string, hint: string): BrokerError {
  return new BrokerError('conflict', detail, { hint: `Ask whoever runs the database. ${hint}` })
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
