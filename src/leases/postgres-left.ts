/**
 * What the catalogue of a database says that a lease's role left in it, as the statements that clear it up. Only reads; every name in
 * a statement was quoted by the database itself.
 */
import { keeperOf, type Sql } from './postgres-session.ts'

/** What is data, or holds it. All else that a lease made is dropped. */
export const kept = new Set(['table', 'sequence', 'type', 'schema', 'large object'])

export const routineTypes = new Set(['function', 'procedure', 'aggregate'])

/** Where `drop` knows it by another word. */
const dropped: Readonly<Record<string, string>> = { 'statistics object': 'statistics' }

/** `id` is PostgreSQL's own number of it. */
export type Owned = { type: string; identity: string; schema: string | null; id: number }

/** Few enough for the locks of one transaction. */
export const atOnce = 200

/** By the statement that gives it another body: `head language plpgsql as …`. */
export type Routine = { type: string; id: number; head: string; body: string }

/** What takes the place of a function's body. */
export const emptied = "begin raise exception 'the lease that made this function has ended'; end"

/** All in which it owns something or was given something: one may have been made after the lease began. */
export async function databasesOf(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select distinct d.datname as name from pg_shdepend s join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and s.refobjid = ${role}::text::regrole
    union
    select database from pg_prepared_xacts where owner = ${role}`
  return rows.map(({ name }) => String(name))
}

/** The statements that give it back its own schemas. */
export async function ownSchemas(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select format('grant all on schema %I to %I', nspname, ${role}::text) as statement
    from pg_namespace where pg_get_userbyid(nspowner) = ${role}`
  return rows.map(({ statement }) => String(statement))
}

/** The statements that take back what it was given, some at a time. */
export async function grants(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select format('revoke all on %s %s from %I cascade', case
        when o.type in ('table', 'view', 'materialized view', 'foreign table', 'table column') then 'table'
        when o.type in ('function', 'procedure', 'aggregate') then 'routine' else o.type end,
      case o.type when 'table column' then d.objid::regclass::text else o.identity end, ${role}::text) as statement
    from pg_shdepend d, lateral pg_identify_object(d.classid, d.objid, 0) o
    where d.deptype = 'a' and d.refclassid = 'pg_authid'::regclass
      and d.refobjid = (select oid from pg_roles where rolname = ${role})
      and d.dbid in (0, (select oid from pg_database where datname = current_database()))
      and d.classid <> 'pg_default_acl'::regclass
    limit ${atOnce * 10}`
  return rows.map(({ statement }) => String(statement))
}

/** The statements that take away what runs when others touch what is its, and what others were given of that. A default stays where it does no more than count on. */
export async function attachments(sql: Sql, role: string): Promise<string[]> {
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
    select format('drop policy %I on %s', p.polname, own.name)
      from own join pg_policy p on p.polrelid = own.oid
    union all
    select format('alter table %s disable row level security, no force row level security', name)
      from own where guarded
    union all
    select format('alter table %s drop constraint %I', own.name, c.conname)
      from own join pg_constraint c on c.conrelid = own.oid
      where c.coninhcount = 0 and c.conparentid = 0
        and (c.contype in ('c', 'x') or exists (select from pg_index i join pg_opclass o on o.oid = any (i.indclass), me
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
        and case when not exists (select from pg_depend s join pg_class q on q.oid = s.refobjid
              where s.classid = 'pg_attrdef'::regclass and s.objid = d.oid
                and s.refclassid = 'pg_class'::regclass and q.relkind = 'S') then true
          when pg_column_size(d.adbin) > 1500 then true
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

/** The statements that take away what points at tables of others: each locks one of those. */
export async function outwardKeys(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select format('alter table %s drop constraint %I', c.conrelid::regclass, c.conname) as statement
    from pg_constraint c join pg_class own on own.oid = c.conrelid join pg_class other on other.oid = c.confrelid
    where c.contype = 'f' and c.coninhcount = 0 and c.conparentid = 0
      and pg_get_userbyid(own.relowner) = ${role} and other.relowner <> own.relowner`
  return rows.map(({ statement }) => String(statement))
}

/** The statements that make columns that were calculated plain ones, with what is in them. */
export async function generated(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select format('alter table %s alter column %I drop expression', c.oid::regclass, a.attname) as statement
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where pg_get_userbyid(c.relowner) = ${role} and c.relkind in ('r', 'p')
      and a.attgenerated = 's' and a.attinhcount = 0`
  return rows.map(({ statement }) => String(statement))
}

/** The statements that drop what is no data, and triggers of others that call it. Indexes and partitioned tables hold none. */
export async function drops(sql: Sql, role: string): Promise<string[]> {
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
  // A type that nothing uses holds no data, and a range type has functions of its name.
  const code = (await owned(sql, role)).filter(
    ({ type }) => type === 'type' || (!kept.has(type) && !routineTypes.has(type)),
  )
  return [
    ...[...triggers, ...routines, ...partitioned].map(({ statement }) => String(statement)),
    // As the database itself spells it, quoted where it has to be.
    ...code.map(({ type, identity }) =>
      type === 'user mapping'
        ? `drop user mapping for ${identity.replace(/ on server /, ' server ')}`
        : `drop ${dropped[type] ?? type} ${identity}`,
    ),
  ]
}

/**
 * In this database, but for large objects, of which there may be any number, and for what was temporary: what a session could not
 * clear up itself goes with the role, or before it by autovacuum.
 */
export async function owned(sql: Sql, role: string): Promise<Owned[]> {
  const rows = await sql`
    select o.type, o.identity, o.schema, d.objid::bigint as id from pg_shdepend d,
      lateral pg_identify_object(d.classid, d.objid, d.objsubid) o
    where d.deptype = 'o' and d.refclassid = 'pg_authid'::regclass
      and d.refobjid = (select oid from pg_roles where rolname = ${role})
      and d.dbid = (select oid from pg_database where datname = current_database())
      and d.classid not in ('pg_default_acl'::regclass, 'pg_largeobject'::regclass)
      and coalesce(o.schema, '') !~ '^pg_temp'`
  return rows.map(({ type, identity, schema, id }) => ({
    type: String(type),
    identity: String(identity),
    schema: schema === null ? null : String(schema),
    id: Number(id),
  }))
}

/** All that have a body. */
export async function functions(sql: Sql, role: string): Promise<Routine[]> {
  const rows = await sql`
    select p.oid::bigint as id, p.prosrc as body, format('create or replace %s %I.%I(%s)%s',
        case p.prokind when 'p' then 'procedure' else 'function' end, n.nspname, p.proname, a.list,
        case p.prokind when 'p' then '' when 'w' then ' returns ' || pg_get_function_result(p.oid) || ' window'
          else ' returns ' || pg_get_function_result(p.oid) end) as head
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
    where pg_get_userbyid(p.proowner) = ${role} and p.prokind in ('f', 'p', 'w')`
  return rows.map(({ id, head, body }) => ({
    ...{ type: 'function', id: Number(id), head: String(head), body: String(body) },
  }))
}

/** What is still called as the holder called it: a routine that could not be renamed, and the functions of a range type. */
export async function named(sql: Sql, role: string): Promise<{ type: string; id: number }[]> {
  const rows = await sql`
    select 'routine' as type, p.oid::bigint as id from pg_proc p
    where pg_get_userbyid(p.proowner) = ${role} and p.proname !~ '^valetkey_kept_'
    union all
    select 'type', t.oid::bigint from pg_type t
    where pg_get_userbyid(t.typowner) = ${role} and t.typname !~ '^valetkey_kept_' and t.typtype in ('d', 'e', 'r')
      and t.typnamespace not in (select oid from pg_namespace where nspname ~ '^pg_temp')
    union all
    select 'range type', t.oid::bigint from pg_type t
      join pg_proc p on p.pronamespace = t.typnamespace and p.prorettype = t.oid and p.pronargs = 2
        and exists (select from pg_depend i where i.classid = 'pg_proc'::regclass and i.objid = p.oid
          and i.refclassid = 'pg_type'::regclass and i.refobjid = t.oid and i.deptype = 'i')
    where pg_get_userbyid(t.typowner) = ${role} and t.typtype = 'r'
      and exists (select from pg_proc o where o.proname = p.proname and o.oid <> p.oid
        and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = o.oid
          and d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid))`
  return rows.map(({ type, id }) => ({ type: String(type), id: Number(id) }))
}

/** So that nobody comes upon it by its name. */
export async function renames(sql: Sql, role: string): Promise<string[]> {
  const rows = await sql`
    select format('alter %s %s rename to %I', case p.prokind when 'a' then 'aggregate' else 'routine' end,
      case p.prokind when 'a' then format('%I.%I(%s)', n.nspname, p.proname,
          case p.pronargs when 0 then '*' else pg_get_function_identity_arguments(p.oid) end)
        else format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) end,
      'valetkey_kept_' || p.oid || '_' || replace(gen_random_uuid()::text, '-', '')) as statement
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where pg_get_userbyid(p.proowner) = ${role} and p.proname !~ '^valetkey_kept_'
    union all
    select format('alter %s %I.%I rename to %I', case t.typtype when 'd' then 'domain' else 'type' end, n.nspname, t.typname,
      'valetkey_kept_' || t.oid || '_' || replace(gen_random_uuid()::text, '-', ''))
    from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where pg_get_userbyid(t.typowner) = ${role} and t.typname !~ '^valetkey_kept_' and n.nspname !~ '^pg_temp'
      and (t.typtype in ('d', 'e', 'r') or t.typtype = 'c' and exists (
        select from pg_class c where c.oid = t.typrelid and c.relkind = 'c'))`
  return rows.map(({ statement }) => String(statement))
}

/** The statements that hand over some tables and sequences, or large objects where there are no more of those. */
export async function transfers(
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
