/**
 * Clears up after a lease's role: its sessions end, its code is dropped or emptied, and the data it made goes to a role of this
 * lease alone that nobody can use. Drops no data. Every step can be taken again, so that an end that was cut short goes on.
 */
import type { Native } from './kind.ts'
import { codeOf, ownRights, run, type Sql, settled, within } from './postgres-session.ts'

/** What is data, or holds it. All else that a lease made is dropped. */
const kept = new Set(['table', 'sequence', 'type', 'schema', 'large object'])

/** Few enough for the locks of one transaction. */
const atOnce = 200
/** Shorter than a row is anybody's to work on. */
const attemptMs = 45_000

/** `role` is one that the broker named: letters, digits and underscores. Throws where something is left for a later attempt. */
export async function endRole(native: Native, database: string, role: string): Promise<void> {
  const until = performance.now() + attemptMs
  await within(native, database, async (sql) => {
    const there = await sql`select 1 from pg_roles where rolname = ${role}`
    if (there.length === 0) return
    // First, so that whatever cannot be cleared up is at least nobody's to use.
    await cutOff(native, database, sql, role)
    await endSessions(sql, role)
    await takeBack(sql, role)
    for (const one of await databasesOf(sql, role)) {
      if (one !== database) await within(native, one, (other) => clear(other, role, until))
    }
    await clear(sql, role, until)
    await settled(() => run(sql, 'drop role %I', role))
  })
}

/** What a lease left behind belongs to this one. */
export function keeperOf(role: string): string {
  return role.replace(/^valetkey_/, 'valetkey_kept_')
}

/**
 * Nobody signs in as it any more. A role may alter itself and keep that from being done by a transaction that it leaves open, or has
 * prepared: so its sessions are ended, again and again, while we wait.
 */
async function cutOff(native: Native, database: string, sql: Sql, role: string): Promise<void> {
  let waiting = true
  const cut = run(sql, 'alter role %I nologin password null connection limit 0', role).finally(
    () => {
      waiting = false
    },
  )
  const clearing = within(native, database, async (other) => {
    while (waiting) {
      await other`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`
      const prepared = await other`
        select distinct database as name from pg_prepared_xacts where owner = ${role}`
      for (const { name } of prepared) {
        await within(native, String(name), (there) => forgetPrepared(there, role))
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })
  await Promise.all([cut, clearing])
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

/**
 * What it was given, before anything is cleared up: whatever of its stays for a later attempt, a function that runs with its rights
 * for one, has none. Statements that cannot be made are left to the rest.
 */
async function takeBack(sql: Sql, role: string): Promise<void> {
  const rows = await sql`
    select format('revoke all on %s %s from %I cascade', case
        when o.type in ('table', 'view', 'materialized view', 'foreign table', 'table column') then 'table'
        when o.type in ('function', 'procedure', 'aggregate') then 'routine' else o.type end,
      case o.type when 'table column' then d.objid::regclass::text else o.identity end, ${role}::text) as statement
    from pg_shdepend d, lateral pg_identify_object(d.classid, d.objid, 0) o
    where d.deptype = 'a' and d.refclassid = 'pg_authid'::regclass
      and d.refobjid = (select oid from pg_roles where rolname = ${role})
      and d.dbid in (0, (select oid from pg_database where datname = current_database()))
      and d.classid <> 'pg_default_acl'::regclass`
  await asFarAsPossible(
    sql,
    rows.map(({ statement }) => String(statement)),
  )
}

/** All in which it owns something or was given something: one may have been made after the lease began. */
async function databasesOf(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select distinct d.datname as name from pg_shdepend s join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and s.refobjid = ${role}::text::regrole
    union
    select database from pg_prepared_xacts where owner = ${role}`
  return rows.map(({ name }) => String(name))
}

/** Leaves the role with nothing in this database. */
async function clear(sql: Sql, role: string, until: number): Promise<void> {
  await forgetPrepared(sql, role)
  await takeBack(sql, role)
  await detach(sql, role, until)
  // Their expressions never change anything, and not every tree of tables lets go of them.
  await asFarAsPossible(sql, await generated(sql, role))
  await dropCode(sql, role, until)
  await asFarAsPossible(sql, await emptying(sql, role, silent))
  await asFarAsPossible(sql, await emptying(sql, role, loud))
  await takeApart(sql, role, until)
  // Nobody else may call what is left: this is for whoever does not know that.
  await asFarAsPossible(sql, [
    ...(await emptying(sql, role, loud, silent)),
    ...(await renames(sql, role)),
  ])
  await handOn(sql, role, until)
  await settled(() => run(sql, 'drop owned by %I', role))
}

/** A transaction that was prepared outlives its session, with its locks. Nobody else may end it. */
async function forgetPrepared(sql: Sql, role: string): Promise<void> {
  const rows = await sql`
    select gid from pg_prepared_xacts where owner = ${role} and database = current_database()`
  if (rows.length === 0) return
  await run(sql, 'set role %I', role)
  for (const { gid } of rows) await run(sql, 'rollback prepared %L', String(gid))
  await sql`reset role`
}

/** What runs when others touch its tables, and what others were given of them. None of it may stay. */
async function detach(sql: Sql, role: string, until: number): Promise<void> {
  for (;;) {
    const statements = await attachments(sql, role)
    if (statements.length === 0) return
    if ((await inTurn(sql, statements)) === 0) {
      throw new Error('what hangs on its tables cannot be taken away')
    }
    demandTime(until)
  }
}

/** In any order that works; what something of others hangs on stays, to be emptied. */
async function dropCode(sql: Sql, role: string, until: number): Promise<void> {
  while ((await inTurn(sql, await drops(sql, role))) > 0) demandTime(until)
}

function demandTime(until: number): void {
  if (performance.now() > until) throw new Error('it left so much that this takes several tries')
}

/** Each by itself where they do not go together. Says how many were done. */
async function inTurn(sql: Sql, statements: readonly string[]): Promise<number> {
  let done = 0
  for (let from = 0; from < statements.length; from += atOnce) {
    const some = statements.slice(from, from + atOnce)
    done += await settled(() => sql.unsafe(some.join(';\n'))).then(
      () => some.length,
      () => oneByOne(sql, some),
    )
  }
  return done
}

/** Needed by something, not ours to touch, or gone with what went before it: by their codes (PostgreSQL, appendix A). */
const stays = new Set(['2BP01', '42501', '42P01', '42703', '42704', '42883'])

/** One that fails keeps none of the others back. Throws the first that failed for any other reason, once all were tried. */
async function oneByOne(sql: Sql, statements: readonly string[]): Promise<number> {
  const failed: unknown[] = []
  let done = 0
  for (const statement of statements) {
    try {
      await settled(() => sql.unsafe(statement))
      done += 1
    } catch (error) {
      if (!stays.has(codeOf(error) ?? '')) failed.push(error)
    }
  }
  if (failed.length > 0) throw failed[0]
  return done
}

async function asFarAsPossible(sql: Sql, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    // What matters about it is looked at by the next step, or was done by the one before.
    await settled(() => sql.unsafe(statement)).catch(() => {})
  }
}

/** The statements that take it away. A default stays where it does no more than count on. */
async function attachments(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    with me as (select oid as id from pg_roles where rolname = ${role}),
    own as (
      select c.oid, c.relkind, c.relacl, c.relrowsecurity or c.relforcerowsecurity as guarded,
        format('%I.%I', n.nspname, c.relname) as name
      from me, pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relowner = me.id and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_temp'),
    code as (
      select p.oid, p.proacl, p.proowner, p.prosecdef, p.prokind, case p.prokind
          when 'a' then p.oid::regprocedure::text
          else format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) end as name
      from me, pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.proowner = me.id),
    given as (
      select case relkind when 'S' then 'sequence' else 'table' end as what, name, grantee
        from own, aclexplode(relacl)
      union
      select 'table', name, x.grantee
        from own join pg_attribute a on a.attrelid = own.oid, aclexplode(a.attacl) x
      union
      select 'routine', code.name, x.grantee
        from code, aclexplode(coalesce(code.proacl, acldefault('f', code.proowner))) x
      union
      select 'type', t.oid::regtype::text, x.grantee
        from me, pg_type t, aclexplode(t.typacl) x where t.typowner = me.id
      union
      select 'schema', quote_ident(n.nspname), x.grantee
        from me, pg_namespace n, aclexplode(n.nspacl) x where n.nspowner = me.id)
    select format('drop trigger %I on %s', t.tgname, own.name) as statement
      from own join pg_trigger t on t.tgrelid = own.oid where not t.tgisinternal and t.tgparentid = 0
    union all
    select format('drop rule %I on %s', r.rulename, own.name)
      from own join pg_rewrite r on r.ev_class = own.oid
      where own.relkind not in ('v', 'm') or r.rulename <> '_RETURN'
    union all
    select format('alter routine %s security invoker', name) from code where prosecdef and prokind <> 'a'
    union all
    select format('drop cast (%s as %s)', c.castsource::regtype, c.casttarget::regtype)
      from pg_cast c where c.castfunc in (select oid from code)
        or exists (select from me, pg_type t where t.typowner = me.id and t.oid in (c.castsource, c.casttarget)
          and not exists (select from pg_depend d
            where d.classid = 'pg_cast'::regclass and d.objid = c.oid and d.deptype = 'i'))
    union all
    select format('alter table %s detach partition %s finalize', i.inhparent::regclass, i.inhrelid::regclass)
      from pg_inherits i where i.inhdetachpending
        and (i.inhparent in (select oid from own) or i.inhrelid in (select oid from own))
    union all
    select format('drop policy %I on %s', p.polname, own.name)
      from own join pg_policy p on p.polrelid = own.oid
    union all
    select format('alter table %s disable row level security, no force row level security', name)
      from own where guarded
    union all
    select format('alter table %s drop constraint %I', own.name, c.conname)
      from own join pg_constraint c on c.conrelid = own.oid
      where c.coninhcount = 0 and c.conparentid = 0
        and (c.contype in ('c', 'x') or c.contype = 'f' and c.confrelid not in (select oid from own)
          or exists (select from pg_index i join pg_opclass o on o.oid = any (i.indclass), me
            where i.indexrelid = c.conindid and o.opcowner = me.id))
    union all
    select format('drop index %s', i.indexrelid::regclass)
      from own join pg_index i on i.indrelid = own.oid join pg_class c on c.oid = i.indexrelid
      where not c.relispartition and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
    union all
    select format('alter table %s alter column %I drop default', own.name, a.attname)
      from own join pg_attrdef d on d.adrelid = own.oid
        join pg_attribute a on a.attrelid = own.oid and a.attnum = d.adnum
      where own.relkind in ('r', 'p', 'f') and a.attgenerated = ''
        and case when pg_column_size(d.adbin) > 1500 then true
          else pg_get_expr(d.adbin, d.adrelid) !~ '^nextval\\(''([^'']|'''')*''::regclass\\)$' end
    union all
    select format('alter domain %s drop constraint %I', c.contypid::regtype, c.conname)
      from me, pg_constraint c join pg_type t on t.oid = c.contypid
      where t.typowner = me.id and c.contype = 'c'
    union all
    select format('alter domain %s drop default', t.oid::regtype)
      from me, pg_type t where t.typowner = me.id and t.typtype = 'd' and t.typdefaultbin is not null
    union all
    select format('revoke all on %s %s from %s cascade', what, name,
        case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end)
      from me, given where grantee <> me.id`
  return rows.map(({ statement }) => String(statement))
}

/** The statements that make columns that were calculated plain ones, with what is in them. */
async function generated(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select format('alter table %s alter column %I drop expression', c.oid::regclass, a.attname) as statement
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where pg_get_userbyid(c.relowner) = ${role} and c.relkind in ('r', 'p')
      and a.attgenerated = 's' and a.attinhcount = 0`
  return rows.map(({ statement }) => String(statement))
}

/** The statements that drop what is no data, and triggers of others that call it. Indexes and partitioned tables hold none. */
async function drops(sql: Sql, role: string): Promise<string[]> {
  const triggers = await sql`
    select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass) as statement
    from pg_trigger t join pg_proc p on p.oid = t.tgfoid
    where not t.tgisinternal and t.tgparentid = 0 and pg_get_userbyid(p.proowner) = ${role}`
  // With the modes of their arguments: two procedures may differ by nothing else.
  const routines = await sql`
    select format('drop %s %I.%I(%s)',
      case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, n.nspname, p.proname,
      case when p.prokind = 'a' and p.pronargs = 0 then '*' else pg_get_function_identity_arguments(p.oid) end) as statement
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where pg_get_userbyid(p.proowner) = ${role}`
  // What is partitioned holds no row itself; its partitions were made tables of their own.
  const partitioned = await sql`
    select format('drop table %s', c.oid::regclass) as statement
    from pg_class c where pg_get_userbyid(c.relowner) = ${role} and c.relkind = 'p'
      and not exists (select from pg_inherits i where i.inhparent = c.oid)`
  const code = (await owned(sql, role)).filter(
    ({ type }) => !kept.has(type) && !routineTypes.has(type),
  )
  return [
    ...[...triggers, ...routines, ...partitioned].map(({ statement }) => String(statement)),
    // As the database itself spells it, quoted where it has to be.
    ...code.map(({ type, identity }) => `drop ${dropped[type] ?? type} ${identity}`),
  ]
}

const routineTypes = new Set(['function', 'procedure', 'aggregate'])

/** Where `drop` knows it by another word. */
const dropped: Readonly<Record<string, string>> = { 'statistics object': 'statistics' }

type Owned = { type: string; identity: string; schema: string | null }

/**
 * In this database, but for large objects, of which there may be any number, and for what was temporary: what a session could not
 * clear up itself goes with the role, or before it by autovacuum.
 */
async function owned(sql: Sql, role: string): Promise<Owned[]> {
  const rows = await sql`
    select o.type, o.identity, o.schema from pg_shdepend d,
      lateral pg_identify_object(d.classid, d.objid, d.objsubid) o
    where d.deptype = 'o' and d.refclassid = 'pg_authid'::regclass
      and d.refobjid = (select oid from pg_roles where rolname = ${role})
      and d.dbid = (select oid from pg_database where datname = current_database())
      and d.classid not in ('pg_default_acl'::regclass, 'pg_largeobject'::regclass)
      and coalesce(o.schema, '') !~ '^pg_temp'`
  return rows.map(({ type, identity, schema }) => ({
    type: String(type),
    identity: String(identity),
    schema: schema === null ? null : String(schema),
  }))
}

/** What takes the place of a function's body. A partition is only taken from its table by one that answers. */
const silent = 'begin return null; end'
const loud = "begin raise exception 'the lease that made this function has ended'; end"

/**
 * The statements that leave of a function what something of others needs, its shape: nothing of what it did, no more rights than its
 * caller's, and no name by which anybody could come upon it. Whoever calls it is told.
 */
async function emptying(
  sql: Sql,
  role: string,
  body: string,
  instead: string = body,
): Promise<string[]> {
  const rows = await sql`
    select format('create or replace %s %I.%I(%s)%s language plpgsql as %L',
        case p.prokind when 'p' then 'procedure' else 'function' end, n.nspname, p.proname, a.list,
        case p.prokind when 'p' then '' when 'w' then ' returns ' || pg_get_function_result(p.oid) || ' window'
          else ' returns ' || pg_get_function_result(p.oid) end,
        ${body}::text) as statement
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace, lateral (
      select string_agg(format('%s %s %s%s', mode, quote_ident(nullif(name, '')), format_type(type, null),
          case when input > p.pronargs - p.pronargdefaults then ' default null' end), ', ' order by place) as list
      from (
        select place, name, type,
          case kind when 'o' then 'out' when 'b' then 'inout' when 'v' then 'variadic' else 'in' end as mode,
          case when kind in ('i', 'b', 'v') then
            count(*) filter (where kind in ('i', 'b', 'v')) over (order by place) end as input
        from (
          select place, name, type, coalesce(kind, 'i') as kind
          from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[]), p.proargmodes, p.proargnames)
            with ordinality as raw(type, kind, name, place)) as plain
        where kind <> 't') as arguments) as a
    where pg_get_userbyid(p.proowner) = ${role} and p.prokind in ('f', 'p', 'w')
      and p.prosrc <> ${loud} and (p.prosrc <> ${silent} or ${instead}::text = ${silent})`
  return rows.map(({ statement }) => String(statement))
}

async function renames(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select format('alter %s %s rename to %I', case p.prokind when 'a' then 'aggregate' else 'routine' end,
      case p.prokind when 'a' then format('%I.%I(%s)', n.nspname, p.proname,
          case p.pronargs when 0 then '*' else pg_get_function_identity_arguments(p.oid) end)
        else format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) end,
      'valetkey_kept_' || p.oid) as statement
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where pg_get_userbyid(p.proowner) = ${role} and p.proname !~ '^valetkey_kept_'`
  return rows.map(({ statement }) => String(statement))
}

/**
 * Partitions become tables of their own, and what only held them together goes. To take one away is to evaluate what it is
 * partitioned by, with our rights: so not before nothing is left of any function of the role.
 */
async function takeApart(sql: Sql, role: string, until: number): Promise<void> {
  const whole = await sql`
    select 1 from pg_proc p where pg_get_userbyid(p.proowner) = ${role}
      and p.prokind in ('f', 'p', 'w') and p.prosrc not in (${silent}, ${loud})
    union all
    select 1 from pg_proc p where pg_get_userbyid(p.proowner) = ${role} and p.prosqlbody is not null`
  if (whole.length > 0) return
  const rows = await sql`
    select format('alter table %s detach partition %s', i.inhparent::regclass, i.inhrelid::regclass) as statement
    from pg_inherits i join pg_class c on c.oid = i.inhparent
    where c.relkind = 'p' and pg_get_userbyid(c.relowner) = ${role} and not i.inhdetachpending`
  await asFarAsPossible(
    sql,
    rows.map(({ statement }) => String(statement)),
  )
  await dropCode(sql, role, until)
}

/** A few at a time, since a lease may have made any number; then whatever else is left, all at once. */
async function handOn(sql: Sql, role: string, until: number): Promise<void> {
  for (;;) {
    const some = await transfers(sql, role)
    const last = some.length === 0
    const left = last ? await owned(sql, role) : some
    if (left.length === 0) return
    await keeperThere(sql, role)
    const schemas = [...new Set(left.flatMap(({ schema }) => schema ?? []))]
    await settled(() =>
      sql.begin(async (tx) => {
        const keeper = keeperOf(role)
        // To own something in a schema takes that, for as long as it is handed over.
        for (const one of schemas) await run(tx, 'grant create on schema %I to %I', one, keeper)
        await tx.unsafe(some.map(({ statement }) => statement).join(';\n'))
        if (last) await run(tx, 'reassign owned by %I to %I', role, keeper)
        for (const one of schemas) await run(tx, 'revoke create on schema %I from %I', one, keeper)
      }),
    )
    if (last) return
    demandTime(until)
  }
}

/** It owns what this lease leaves behind; nobody can sign in as it, and it may do nothing. */
async function keeperThere(sql: Sql, role: string): Promise<void> {
  const keeper = keeperOf(role)
  const there = await sql`select 1 from pg_roles where rolname = ${keeper}`
  if (there.length > 0) return
  await sql.begin(async (tx) => {
    await run(tx, 'create role %I nologin', keeper)
    await ownRights(tx, keeper)
  })
}

/** The statements that hand over some tables and sequences, or large objects where there are no more of those. */
async function transfers(
  sql: Sql,
  role: string,
): Promise<{ statement: string; schema: string | null }[]> {
  const keeper = keeperOf(role)
  // The sequence of a column goes with its table.
  const relations = await sql`
    select n.nspname as schema, format('alter %s %I.%I owner to %I',
      case c.relkind when 'S' then 'sequence' else 'table' end, n.nspname, c.relname, ${keeper}::text) as statement
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where pg_get_userbyid(c.relowner) = ${role} and n.nspname !~ '^pg_temp' and (c.relkind in ('r', 'p') or c.relkind = 'S'
      and not exists (select from pg_depend d
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')
          and d.refclassid = 'pg_class'::regclass))
    order by c.oid limit ${atOnce}`
  if (relations.length > 0) {
    return relations.map(({ schema, statement }) => ({
      ...{ schema: String(schema), statement: String(statement) },
    }))
  }
  const objects = await sql`
    select concat_ws('; ', format('alter large object %s owner to %I', l.oid, ${keeper}::text),
      (select string_agg(format('revoke all on large object %s from %s cascade', l.oid,
          case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end), '; ')
        from aclexplode(l.lomacl) x where x.grantee <> l.lomowner)) as statement
    from pg_largeobject_metadata l where pg_get_userbyid(l.lomowner) = ${role}
    order by l.oid limit ${10 * atOnce}`
  return objects.map(({ statement }) => ({ schema: null, statement: String(statement) }))
}
