/** What a holder, or an unlucky moment, could do to outlive a lease or to be more than one. */
import pg from 'pg'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { keeperOf } from '../../src/leases/postgres-session.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { expectOk, front } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import {
  ask,
  client,
  code,
  type Lease,
  leased,
  ready,
  roles,
  root,
  serverUrl,
  set,
  until,
} from '../support/leased.ts'
import { changeIn, confirm } from '../support/passkey.ts'
import { freshDatabase } from '../support/stores.ts'

const soon = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Whatever asks for a lease stands still just before its row is written. */
async function heldRows(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  const held = await sql.reserve()
  await held`begin`
  await held`lock table leases in share row exclusive mode`
  return {
    release: async () => {
      await held`commit`
      held.release()
      await sql.end()
    },
  }
}

describe('between the judgement of a lease and its row', async () => {
  const url = await freshDatabase()
  const store = await openPostgres(url)
  closeLater(() => store.close())
  const { at, key } = await ready('postgres', await front('postgres', { store }))
  const capability = () => at.capability({ scope: 'leasing', ttl: 600 })
  const out = async () =>
    (await at.admin('GET', '/admin/leases')).json['leases'] as { id: string }[]

  it('a freeze finds the lease, and so it ends', async () => {
    const token = await capability()
    const rows = await heldRows(url)
    const asked = ask(at, token)
    await soon(500)
    const freezing = at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' })
    await Promise.race([freezing, soon(2_000)])
    await rows.release()
    const [answer, frozen] = await Promise.all([asked, freezing])
    expectOk(frozen)
    const user = (answer.json['credential'] as { user: string } | undefined)?.user ?? 'none'
    await until(async () => (await out()).length === 0)
    expect(await roles(user)).toBe(0)
    const lifted = await at.admin('DELETE', `/admin/freezes/${frozen.json['id']}`)
    expectOk(await confirm(at, key, [changeIn(lifted)]))
  })

  it('a connection does not go while a lease of it comes', async () => {
    const token = await capability()
    const removal = changeIn(await at.admin('DELETE', '/admin/connections/pg?confirm=pg'))
    const rows = await heldRows(url)
    const asked = ask(at, token)
    await soon(500)
    const removing = confirm(at, key, [removal])
    await Promise.race([removing, soon(2_000)])
    await rows.release()
    const [answer, removed] = await Promise.all([asked, removing])
    expectOk(answer)
    expect(JSON.stringify(removed.json)).toContain('A lease of pg is out')
    expect((await at.admin('GET', '/admin/connections')).text).toContain('"pg"')
    expectOk(await at.admin('DELETE', `/admin/leases/${answer.json['id']}`))
  })

  it('and a freeze finds the oldest of any number', async () => {
    const lease = await leased(at, await capability())
    await at.broker.ctx.db.execute(`
      insert into leases (id, state, connection, agent, environment, capability, template, places,
        created_at, expires_at, attempts, try_at)
      select 'lse_' || lpad(to_hex(n), 32, '0'), 'ending', connection, 'other', environment, capability, template, places,
        now() + interval '1 minute', expires_at, 1, now() + interval '1 hour'
      from leases, generate_series(1, 1200) n where id = '${lease.id}'`)
    const frozen = expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' }))
    await until(async () => (await roles(lease.credential.user)) === 0)
    expect((await at.admin('GET', '/admin/status')).json).toMatchObject({
      leases: { failing: 1_200 },
    })
    await at.broker.ctx.db.execute(`delete from leases where agent = 'other'`)
    const lifted = await at.admin('DELETE', `/admin/freezes/${frozen.json['id']}`)
    expectOk(await confirm(at, key, [changeIn(lifted)]))
  })
})

const creating = [
  { on: 'schema', schema: 'public', privileges: ['USAGE', 'CREATE'] },
  { on: 'tables', schema: 'public', tables: ['bookings'], privileges: ['SELECT', 'REFERENCES'] },
]

describe('a holder that may create', async () => {
  const made = await ready('embedded')
  const { at } = made
  const template = { ...made.template, grants: creating, allow_create: true }
  expectOk(await confirm(at, made.key, [changeIn(await set(at, 'leasing', template))]))
  const capability = () => at.capability({ scope: 'leasing', ttl: 600 })

  const own = (database = made.staging) =>
    postgres({
      host: '127.0.0.1',
      port: Number(new URL(serverUrl()).port),
      ...{ user: made.vendor, password: made.password, database, max: 1, onnotice: () => {} },
    })

  /** What a new lease does, and then what is left of it. */
  async function lived(
    statements: string,
    meanwhile: (lease: Lease) => Promise<void> = async () => {},
  ) {
    const token = await capability()
    const lease = await leased(at, token)
    const one = await client(lease)
    await one.query(statements)
    await meanwhile(lease)
    await one.end()
    const answer = await at.agent(`/v1/leases/${lease.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    return { answer, user: lease.credential.user, keeper: keeperOf(lease.credential.user) }
  }

  it('cannot have anything run with the rights of the connection, by a name that it planted', async () => {
    const token = await capability()
    const lease = await leased(at, token, { ttl: 60 })
    const one = await client(lease)
    await one.query(`
      create table ran (who text);
      grant all on ran to public;
      create function format(text, variadic text[]) returns text language plpgsql as
        $$ begin insert into public.ran values (current_user); return 'select 1'; end $$;
      create function pg_terminate_backend(int) returns boolean language plpgsql as
        $$ begin insert into public.ran values (current_user); return true; end $$;
      create function same(name, text) returns boolean language plpgsql as
        $$ begin insert into public.ran values (current_user); return true; end $$;
      create operator = (leftarg = name, rightarg = text, function = same);
      create operator <> (leftarg = name, rightarg = text, function = same)`)
    expectOk(await ask(at, token, { renew: lease.id, ttl: 300 }))
    const gone = await at.agent(`/v1/leases/${lease.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    expect(gone.json).toMatchObject({ state: 'ended' })
    const sql = root(made.staging)
    expect([...(await sql`select who from ran`)]).toEqual([])
    await sql.end()
  })

  it('leaves nothing that runs, and nothing that a later lease could read or change', async () => {
    const vendor = own()
    const { answer, user, keeper } = await lived(
      `create table heard (who text);
       grant insert on heard to public;
       create function spy() returns int language plpgsql as
         $$ begin insert into public.heard values (session_user); return 1; end $$;
       create function sly() returns int immutable language plpgsql as $$ begin return public.spy(); end $$;
       create function spied(one int default spy(), variadic more text[] default '{}', out a int, out b text)
         returns setof record language plpgsql as $$ begin a := public.spy(); return next; end $$;
       create procedure doing(inout one int) language plpgsql as $$ begin one := public.spy(); end $$;
       create function spying() returns trigger language plpgsql as $$ begin perform public.spy(); return new; end $$;
       create domain odd as int default spy() check (spy() = value);
       create table trap (id serial primary key, note text default pg_read_file('nothing'),
         one int default spy(), two int check (spy() > 0 or two > 0), three int generated always as (4) stored,
         booking int references bookings on delete cascade, five odd, exclude using btree (one with =));
       create index on trap (sly());
       create index on trap (two) where sly() > 0;
       create trigger spying before insert on trap for each row execute function spying();
       create trigger plain before update on trap for each row execute function suppress_redundant_updates_trigger();
       create rule told as on delete to trap do instead insert into heard values (current_user);
       alter table trap enable row level security, force row level security;
       create policy hidden on trap using (spy() > 1);
       grant all on trap to public;
       grant select (note) on trap to public;
       grant all on sequence trap_id_seq to public;
       create table partitioned (id int default spy()) partition by list (id);
       create table part partition of partitioned for values in (1);
       create trigger spying before insert on partitioned for each row execute function spying();
       create text search configuration words (copy = english);
       create collation mine from "C";
       create statistics counted on (two + 1), one from trap`,
      async () => {
        await vendor`create table pinned (id int default spy(), made odd)`
        await vendor`create view pinning as select a, b from spied()`
      },
    )
    expect(answer.json).toMatchObject({ state: 'ended' })
    const sql = root(made.staging)
    const heard = async () => (await sql`select who from heard`).length
    // Its own session ran some of it while it made that, and nobody else's did.
    expect([...(await sql`select distinct who from heard`)]).toEqual([{ who: user }])
    await sql`delete from heard`
    await sql`insert into trap (two, booking, five) values (0, 1, 3)`
    await sql`update trap set two = -1`
    await sql`insert into part values (1)`
    expect([...(await sql`select id, two, note, booking, five from trap`)]).toEqual([
      { id: 1, two: -1, note: null, booking: 1, five: 3 },
    ])
    await sql`delete from bookings where id = 1`
    expect([...(await sql`select id from trap`)]).toEqual([{ id: 1 }])
    for (const calling of ['insert into pinned default values', 'select * from pinning']) {
      expect([calling, await sql.unsafe(calling).catch((error) => String(error.message))]).toEqual([
        calling,
        'the lease that made this function has ended',
      ])
    }
    expect(await heard()).toBe(0)
    const functions = await sql`
      select proname as name, prosecdef as definer, proacl::text as acl from pg_proc
      where pg_get_userbyid(proowner) like 'valetkey%' order by 1`
    // What something of others needs, under no name that anybody could come upon.
    expect(functions.map(({ name }) => name)).toEqual(
      Array(2).fill(expect.stringMatching(/^valetkey_kept_\d+_[0-9a-f]{32}$/)),
    )
    for (const { acl, definer } of functions) {
      expect([acl, definer]).toEqual([`{${keeper}=X/${keeper}}`, false])
    }
    expect([
      ...(await sql`select 1 from pg_ts_config where cfgname = 'words' union all
        select 1 from pg_collation where collname = 'mine' union all
        select 1 from pg_statistic_ext where stxname = 'counted'`),
    ]).toEqual([])

    const later = await leased(at, await capability())
    const two = await client(later)
    for (const statement of [
      'select * from trap',
      'delete from trap',
      'select note from trap',
      "select nextval('trap_id_seq')",
    ]) {
      expect([statement, await code(two.query(statement))]).toEqual([statement, '42501'])
    }
    await two.query('create table a_second (id int)')
    await two.end()
    await sql.end()
    await vendor.end()
    expectOk(await at.admin('DELETE', `/admin/leases/${later.id}`))
    const admin = root('postgres')
    const keepers = await admin`
      select rolname as name, rolcanlogin as login from pg_roles where rolname like 'valetkey_kept%' order by oid`
    expect(keepers.length).toBe(3)
    expect(keepers.slice(1)).toEqual([
      { name: keeper, login: false },
      { name: keeperOf(later.credential.user), login: false },
    ])
    await admin.end()
  })

  it('is cleared up whatever it made, whatever that is called', async () => {
    const { answer, user } = await lived(
      `create table "we""ird
; drop table bookings; --" ("a%s ""b" int default 1 + 1, "c.d" text);
       create table "public" (id int generated always as identity, v int generated always as (id * 2) virtual, s int generated always as (id * 2) stored);
       create unlogged table fast (id int unique, r int4range, exclude using gist (r with &&));
       create table parent (id int check (id > 0), note text default upper('x'));
       create table child (extra int) inherits (parent);
       create table split (id int, at date, check (id > 1)) partition by range (at);
       create table split_one partition of split for values from ('2026-01-01') to ('2027-01-01');
       create table split_rest partition of split default;
       insert into split values (5, '2026-05-05');
       create index on split ((id + 1));
       create table grand (id int, s int generated always as (id * 2) stored);
       create table middle () inherits (grand);
       create table youngest () inherits (middle);
       create table "Ref" (id int primary key, parent_id int references "Ref");
       create type pair as (a int, b text);
       create type colour as enum ('red');
       create function subtype_diff(a float8, b float8) returns float8 immutable language sql as 'select a - b';
       create type span as range (subtype = float8, subtype_diff = subtype_diff);
       create domain small as int check (value < 10);
       create domain smaller as small check (value < 5) default 1;
       create table typed (p pair, c colour, s span, d smaller, many small[]);
       create sequence "my seq" as int;
       create view "a view" as select * from typed;
       create materialized view kept as select 1 as one;
       create view recursive_one as select * from "a view";
       create aggregate total (int) (sfunc = int4pl, stype = int, initcond = '0');
       create function ordered(int, int) returns int immutable language sql as 'select $1 - $2';
       create operator <~ (leftarg = int, rightarg = int, function = int4lt);
       create function "odd ""name" ("an arg" int, variadic text[]) returns table (x int, "y z" text) language sql as 'select 1, $2[1]';
       create procedure p(out a int) language plpgsql as $$ begin a := 1; end $$;
       create text search dictionary dict (template = simple);
       create text search configuration conf (parser = default);
       alter text search configuration conf add mapping for asciiword with dict;
       create statistics st on p, c from typed;
       alter default privileges grant all on tables to public;
       comment on table typed is 'mine';
       alter role current_user set search_path = public;
       create rule silent as on insert to parent do also nothing;
       select lo_create(0)`,
    )
    expect(answer.json).toMatchObject({ state: 'ended' })
    expect(await roles(user)).toBe(0)
    const sql = root(made.staging)
    const left = await sql`
      select relname as name from pg_class where pg_get_userbyid(relowner) = ${keeperOf(user)} and relkind in ('r', 'p') order by 1`
    expect(left.map(({ name }) => name)).toEqual(
      [
        'Ref',
        'child',
        'fast',
        'grand',
        'middle',
        'youngest',
        'parent',
        'public',
        'split',
        'split_one',
        'split_rest',
        'typed',
        'we"ird\n; drop table bookings; --',
      ].toSorted(),
    )
    expect([...(await sql`select id from split_one`)]).toEqual([{ id: 5 }])
    expect(await sql`select count(*)::int as many from bookings`).toEqual([
      { many: expect.any(Number) },
    ])
    await sql.end()
  })

  it('keeps no right where its end cannot be finished, and hides no rule behind another name', async () => {
    const blocked = root(made.staging)
    const { answer, user } = await lived(
      `create table copied as select * from bookings;
       create table heard2 (who text);
       create function spy2() returns int language plpgsql as $$ begin insert into public.heard2 values (current_user); return 1; end $$;
       create rule hidden as on insert to copied do also insert into heard2 values (current_user);
       alter rule hidden on copied rename to "_RETURN";
       create function lasting() returns bigint language sql security definer as 'select count(*) from bookings';
       create function lasting2() returns bigint language sql security definer as 'select count(*) from copied';
       create aggregate cnt (*) (sfunc = int8inc, stype = int8, initcond = '0');
       create procedure pp(a int) language plpgsql as $$ begin end $$;
       create procedure pp(out a int) language plpgsql as $$ begin a := 1; end $$;
       create type mine2 as (a int);
       create function twice(in a mine2, out a int) language sql as 'select 1';
       create cast (mine2 as int) with function twice(mine2)`,
      async () => {
        // Something of the vendor's that the end runs into.
        await blocked`begin`
        await blocked`lock table copied in access share mode`
      },
    )
    expect(answer.json).toMatchObject({ state: 'ending' })
    const later = await leased(at, await capability())
    const two = await client(later)
    for (const call of ['select lasting()', 'select lasting2()', 'select * from copied']) {
      expect([call, await code(two.query(call))]).toEqual([call, '42501'])
    }
    await two.end()
    const sql = root(made.staging)
    const rights = await sql`
      select has_table_privilege(${user}, 'bookings', 'select') as reads, has_schema_privilege(${user}, 'public', 'create') as creates`
    expect([...rights]).toEqual([{ reads: false, creates: false }])
    await blocked`commit`
    await blocked.end()
    await until(async () => (await roles(user)) === 0)
    await sql`insert into copied (id) values (99)`
    expect([...(await sql`select who from heard2`)]).toEqual([])
    expect([
      ...(await sql`select proname from pg_proc where proname in ('cnt', 'pp', 'twice', 'lasting', 'lasting2')`),
    ]).toEqual([])
    await sql.end()
    expectOk(await at.admin('DELETE', `/admin/leases/${later.id}`))
  })

  it('leaves nothing behind that others come upon by its name: a more exact operator, a window function', async () => {
    const vendor = own()
    await vendor`create table names (name varchar)`
    await vendor`insert into names values ('a'), ('b')`
    const { answer, user } = await lived(
      `create table heard3 (who text);
       grant insert on heard3 to public;
       create function not_same(varchar, varchar) returns boolean immutable language plpgsql as $$ begin return $1::text <> $2::text; end $$;
       create operator = (leftarg = varchar, rightarg = varchar, function = not_same);
       create table keyed (v varchar) partition by list ((v = 'z'::varchar));
       create function tell() returns void language plpgsql as $$ begin insert into public.heard3 values (session_user); end $$;
       create function keyed_by(varchar) returns int immutable language plpgsql as $$ begin perform public.tell(); return 1; end $$;
       create table listened (v varchar) partition by list (keyed_by(v));
       create table listened_one partition of listened for values in (1);
       create table listened_rest partition of listened default;
       insert into listened values ('a');
       create table keyed_one partition of keyed default;
       insert into keyed_one values ('a');
       create table by_mine (v varchar, w varchar);
       create index on by_mine (w) where v = 'q'::varchar;
       create function lead(varchar) returns text window language sql as 'select $1::text';
       create type held as (a int);
       create function holds(held) returns text language sql return (select lead('x'::varchar) over ());
       create cast (held as text) with function holds(held)`,
    )
    // What its table is partitioned by stands on the operator, and to take that apart would be to run it.
    expect(answer.json).toMatchObject({ state: 'ending' })
    expect(answer.json['last_error']).toMatch(/^Nobody can sign in .* the operator \d+: drop that/)
    await vendor`alter table keyed detach partition keyed_one`
    await vendor`drop table keyed`
    await until(async () => (await roles(user)) === 0)
    expect([...(await vendor`select name from names where name = 'a'::varchar`)]).toEqual([
      { name: 'a' },
    ])
    const left = await vendor`
      select oprname as name from pg_operator where oprnamespace = 'public'::regnamespace
      union all select proname from pg_proc where pronamespace = 'public'::regnamespace and proname !~ '^(valetkey_kept_|span)'`
    expect([...left]).toEqual([])
    const sql = root(made.staging)
    // Its own session ran it; the end that took its tables apart did not.
    expect([...(await sql`select distinct who from heard3`)]).toEqual([{ who: user }])
    expect([...(await sql`select v from listened_one`)]).toEqual([{ v: 'a' }])
    expect([...(await sql`select v from keyed_one`)]).toEqual([{ v: 'a' }])
    await sql.end()
    await vendor`drop table names`
    await vendor.end()
  })

  const spying = `create sequence alarm;
     grant usage on sequence alarm to public;
     create function spy() returns int language plpgsql as $$ begin
       if session_user !~ '^valetkey_' then perform nextval('public.alarm'); end if;
       return 1; end $$;
     create function sly(a int) returns int immutable language plpgsql as $$ begin return public.spy() + 0 * a; end $$;`
  /** Whether it was run by anybody but a lease, even where that was taken back. */
  const rang = async () => {
    const sql = root(made.staging)
    const [row] = await sql`select is_called from alarm`
    await sql.end()
    return row?.['is_called']
  }
  const held = async () => {
    const lease = await leased(at, await capability())
    return { lease, user: lease.credential.user, one: await client(lease) }
  }
  const end = async ({ id }: Lease) =>
    expectOk(await at.admin('DELETE', `/admin/leases/${id}`)).json

  it('has nothing run as the connection by what refers to its tables, or is in a type of its', async () => {
    const [b, a] = [await held(), await held()]
    await b.one.query(`${spying} create domain dom as int check (public.spy() > 0)`)
    await a.one.query(
      `create table pk (a int primary key) partition by list (a);
       create table pk_one partition of pk for values in (1);
       grant references, select on pk to ${b.user};
       create type comp as (x dom);
       create table pc (c comp primary key) partition by list (c);
       create table pc_one partition of pc for values in ('(1)');
       create table pc_rest partition of pc default;
       create table fc (c comp references pc)`,
    )
    await b.one.query(
      `create table fk (a int references pk, n int); create index on fk ((n + public.sly(1)))`,
    )
    await a.one.end()
    expect(await end(a.lease)).toMatchObject({ state: 'ended' })
    expect(await rang()).toBe(false)
    await b.one.end()
    await end(b.lease)
    expect(await rang()).toBe(false)
    const sql = root(made.staging)
    await sql`drop sequence alarm`
    await sql.end()
  })

  it('is cut off, however it holds on to its own role, and never reads again', async () => {
    const { lease, one } = await held()
    await one.query(
      `create procedure hold() language plpgsql as $$ begin loop
         execute 'alter role current_user password ' || quote_literal('${lease.credential.password}');
         for i in 1..200000 loop
           exit when exists (select from pg_locks where not granted and locktype in ('transactionid', 'tuple'));
           perform pg_sleep(0.0005);
         end loop;
         commit; end loop; end $$`,
    )
    const holding = code(one.query('call hold()'))
    await soon(300)
    expect(await end(lease)).toMatchObject({ state: 'ended' })
    expect(await holding).toBe('57P01')
    await expect(client(lease)).rejects.toThrow()
  })

  it('is not said to have ended while a session of its has yet to say whose it is', async () => {
    const { lease, user, one } = await held()
    const { host, port, password, database } = lease.credential
    const sleeping = new pg.Client({
      ...{ host, port: Number(port), user, password, database, options: '-c post_auth_delay=4' },
    })
    sleeping.on('error', () => {})
    const connected = sleeping.connect().then(
      () => sleeping.query('select 1'),
      () => 'refused',
    )
    await soon(1_000)
    expect(await end(lease)).toMatchObject({
      state: 'ending',
      last_error: expect.stringContaining('a session is beginning'),
    })
    await one.end().catch(() => {})
    await connected.catch(() => {})
    await until(async () => (await roles(user)) === 0)
    await expect(sleeping.query('select 1')).rejects.toThrow()
    await sleeping.end().catch(() => {})
  })

  it('leaves no type behind that is called like a function', async () => {
    const { lease, user, one } = await held()
    await one.query(
      `create domain lower as varchar; create domain md5 as varchar; create type upper as enum ('A');
       create table keepme (x lower, y md5, z upper); insert into keepme values ('Q', 'Q', 'A')`,
    )
    await one.end()
    expect(await end(lease)).toMatchObject({ state: 'ended' })
    expect(await roles(user)).toBe(0)
    const sql = root(made.staging)
    const [row] =
      await sql`select lower('ANN'::varchar) as lower, md5('hello') as md5, upper('ann'::varchar) as upper`
    expect(row).toEqual({ lower: 'ann', md5: '5d41402abc4b2a76b9719d911017c592', upper: 'ANN' })
    expect([...(await sql`select x, z from keepme`)]).toEqual([{ x: 'Q', z: 'A' }])
    await sql.end()
  })

  it('keeps nobody’s lease from ending by idling on what it gave or looked at', async () => {
    const [idler, victim] = [await held(), await held()]
    await victim.one.query('create table pointing3 (id int references bookings)')
    await victim.one.end()
    await idler.one.query(
      `create table bait3 (id int); begin; select 1 from bookings limit 1; grant select on bait3 to ${victim.user}`,
    )
    await end(victim.lease)
    await until(async () => (await roles(victim.user)) === 0)
    await end(idler.lease)
    await idler.one.end().catch(() => {})
  })

  it('keeps nobody’s lease from ending by giving it things', async () => {
    const [spammer, victim] = [await held(), await held()]
    await spammer.one.query('create table bait (id int)')
    let going = true
    const spamming = (async () => {
      while (going) {
        await spammer.one.query(`grant select on bait to ${victim.user}`).catch(() => {})
      }
    })()
    await victim.one.end()
    expect(await end(victim.lease)).toMatchObject({ state: 'ended' })
    going = false
    await spamming
    await spammer.one.end()
    await end(spammer.lease)
  })

  it('stands in nobody’s way for long while it ends, and is itself let off soon', async () => {
    const [b, a] = [await held(), await held()]
    await a.one.query(
      `do $$ begin for i in 1..60 loop
         execute format('create table t%s (id int default 1 + 1, b int references bookings)', i);
         execute format('grant select on t%s to ${b.user}', i); end loop; end $$`,
    )
    await b.one.query(
      `begin; do $$ begin for i in 1..60 loop execute format('select from t%s', i); end loop; end $$`,
    )
    const working = code(b.one.query('select pg_sleep(60)'))
    await a.one.end()
    const began = performance.now()
    expect(await end(a.lease)).toMatchObject({
      state: 'ending',
      last_error: 'Nobody can sign in with it any more, but somebody works on what it made.',
    })
    expect(performance.now() - began).toBeLessThan(5_000)
    await end(b.lease)
    expect(await working).toBe('57P01')
    await until(async () => (await roles(a.user)) === 0)
  })

  it('gives nothing that a lease planted under a name that the scope lists', async () => {
    const { at: other, ...database } = await ready('embedded')
    const listing = {
      ...{ database: database.staging, connection_limit: 2, allow_create: true },
      grants: [
        { on: 'schema', schema: 'public', privileges: ['USAGE', 'CREATE'] },
        { on: 'tables', schema: 'public', tables: ['bookings'], privileges: ['SELECT'] },
      ],
    }
    expectOk(await confirm(other, database.key, [changeIn(await set(other, 'leasing', listing))]))
    const first = await leased(other, await other.capability({ scope: 'leasing' }))
    const one = await client(first)
    await one.query('create table reports (secret text)')
    const reports = {
      ...listing,
      grants: [{ on: 'tables', schema: 'public', tables: ['reports'], privileges: ['SELECT'] }],
    }
    expectOk(await confirm(other, database.key, [changeIn(await set(other, 'leasing', reports))]))
    await one.end()
    for (let i = 0; i < 2; i += 1) {
      const refused = await ask(other, await other.capability({ scope: 'leasing' }))
      expect(refused.json).toMatchObject({ code: 'conflict' })
      expect(refused.json['detail']).toContain('under its name')
      await other.admin('DELETE', `/admin/leases/${first.id}`)
    }
  })

  it('is not said to have ended while a view of its is live, or a name of its can be come upon', async () => {
    const [b, a] = [await held(), await held()]
    await a.one.query(
      `create view waiting as select 1 as one; grant select on waiting to ${b.user};
       create type starts_with as range (subtype = varchar)`,
    )
    await b.one.query('create view pinning2 as select * from waiting')
    await a.one.end()
    const ended = await end(a.lease)
    expect(ended).toMatchObject({ state: 'ending' })
    expect(ended['last_error']).toMatch(/such as the view \d+/)
    await b.one.end()
    await end(b.lease)
    await until(async () => (await roles(a.user)) === 0)
    const sql = root(made.staging)
    expect([
      ...(await sql`select 1 from pg_class where relname in ('waiting', 'pinning2') union all
        select 1 from pg_proc where proname = 'starts_with' and pronamespace = 'public'::regnamespace`),
    ]).toEqual([])
    await sql.end()
  })

  it('keeps no other lease waiting by what it prepared', async () => {
    const { lease, one } = await held()
    await one.query(
      `begin; create table pointing (id int references bookings); prepare transaction 'held'`,
    )
    await one.end()
    const later = await held()
    await later.one.end()
    expect(await end(later.lease)).toMatchObject({ state: 'ended' })
    expect(await end(lease)).toMatchObject({ state: 'ended' })
  })

  it('has nothing run as the connection by what another living lease made', async () => {
    const other = await leased(at, await capability())
    const two = await client(other)
    await two.query(
      `${spying}
       create function same(a varchar, b varchar) returns boolean immutable language plpgsql as $$ begin
         return public.spy() = 1 and a::text = b::text; end $$;
       create domain guarded as int check (public.spy() > value or value > 0);
       create domain guarded_text as text check (public.spy() > 0)`,
    )
    const { answer, user, keeper } = await lived(
      `create table par (a int, b int) partition by list ((a + public.sly(1)));
       create table chi partition of par for values in (2) partition by range (b);
       create table chi_one partition of chi for values from (0) to (9);
       create table chi_rest partition of chi default;
       create table par_rest partition of par default;
       insert into par values (1, 1), (7, 7);
       create operator == (leftarg = varchar, rightarg = varchar, function = public.same);
       create table compared (v varchar) partition by list ((v == 'z'::varchar));
       create table compared_one partition of compared default;
       create table cast_to (v text) partition by list ((length(v::guarded_text)));
       create table cast_one partition of cast_to default;
       create table whole (a int, v text) partition by range ((a::guarded::int));
       create table whole_one partition of whole for values from (1) to (2);
       create table plain (a int check (a + public.sly(1) > 0), b int default public.sly(1),
         c int generated always as (a + public.sly(1)) stored, d guarded default 3,
         exclude using btree ((a + public.sly(1)) with =));
       create index on plain ((a + public.sly(1))) where b > public.sly(0);
       create statistics watched on (a + public.sly(1)), b from plain;
       create view seen as select a + public.sly(1) as a from plain;
       create materialized view kept2 as select a + public.sly(1) as a from plain;
       alter table plain enable row level security;
       create policy somewhat on plain using (a > public.sly(1));
       create rule told as on insert to plain where new.a > public.sly(1) do also nothing;
       create table heir (e int) inherits (plain);
       create table refers (id int primary key, a guarded references refers);
       insert into plain (a) values (1)`,
    )
    const alarm = async () => [...(await sql`select is_called from alarm`)]
    const sql = root(made.staging)
    // Whoever compares would come upon the operator, and only a human can tell what to do with its table.
    expect(answer.json).toMatchObject({ state: 'ending' })
    expect(answer.json['last_error']).toMatch(
      /^Nobody can sign in with it any more, but something that stays stands on 1 of the things that it made, such as the operator \d+: drop that first\.$/,
    )
    expect(await alarm()).toEqual([{ is_called: false }])
    await sql`drop table compared`
    await until(async () => (await roles(user)) === 0)
    // What is partitioned by it stays whole, and nobody's to use.
    const kept = await sql`
      select relname as name from pg_class where pg_get_userbyid(relowner) = ${keeper} and relkind = 'p' order by 1`
    expect(kept.map(({ name }) => name)).toEqual(['cast_to', 'chi', 'par', 'whole'])
    await two.end()
    expectOk(await at.admin('DELETE', `/admin/leases/${other.id}`))
    expect(await alarm()).toEqual([{ is_called: false }])
    await sql.end()
  })

  it.each([
    ['idles in', '', false],
    ['sleeps in', 'select pg_sleep(60)', false],
    ['prepared', "prepare transaction 'mine'", true],
  ])(
    'ends all the same where it %s a transaction that alters its own role',
    async (_, last, leaves) => {
      const token = await capability()
      const lease = await leased(at, token)
      const one = await client(lease)
      await one.query("begin; alter role current_user password 'x'")
      const going = last === '' ? null : one.query(last).catch(() => {})
      if (leaves) await going
      const began = performance.now()
      const gone = await at.admin('DELETE', `/admin/leases/${lease.id}`)
      expect(gone.json).toMatchObject({ state: 'ended' })
      expect(performance.now() - began).toBeLessThan(4_000)
      expect(await roles(lease.credential.user)).toBe(0)
      await one.end().catch(() => {})
    },
  )

  it('keeps no other lease from beginning or ending by doing nothing in a transaction', async () => {
    const token = await capability()
    const victim = await leased(at, token)
    const idle = await leased(at, token)
    const one = await client(idle)
    await one.query('begin; create table pointing (id int references bookings)')
    const [made, gone] = await Promise.all([
      ask(at, token),
      at.admin('DELETE', `/admin/leases/${victim.id}`),
    ])
    expectOk(made)
    expect(gone.json).toMatchObject({ state: 'ended' })
    expect(await roles(victim.credential.user)).toBe(0)
    await one.end().catch(() => {})
    for (const id of [made.json['id'], idle.id])
      expectOk(await at.admin('DELETE', `/admin/leases/${id}`))
    expect(
      (
        await at.agent('/v1/leases/%00', {
          method: 'DELETE',
          headers: { authorization: `Bearer ${token}` },
        })
      ).status,
    ).toBe(404)
  })

  it('cannot make so much, or such things, that its lease never ends', async () => {
    const admin = root('postgres')
    const open = `open_${made.staging}`
    const { answer, user } = await lived(
      `select lo_create(0) from generate_series(1, 9000);
       do $$ begin for n in 1..450 loop execute format('create table many_%s (id serial)', n); end loop; end $$;
       do $$ begin for n in 1..450 loop execute format('create function many_%s() returns int language sql as %L', n, 'select 1'); end loop; end $$`,
      async (lease) => {
        // Made after the lease began, and open to all as PostgreSQL makes it.
        await admin.unsafe(`create database ${open}`)
        await admin.unsafe(`grant create on database ${open} to public`)
        const there = await client(lease, open)
        await there.query(
          'create schema odd; create table odd.things (id int); select lo_create(0)',
        )
        await there.query('begin; create table odd.more (id int)')
        await there.query("prepare transaction 'stays'")
        await there.end()
      },
    )
    expect(answer.json).toMatchObject({ state: 'ended' })
    expect(await roles(user)).toBe(0)
    await admin.unsafe(`drop database ${open}`)
    await admin.end()
  })
})

describe('a database of several agents', async () => {
  const made = await ready('postgres')
  const { at } = made

  it('gives and ends many leases at once, without one of them failing', async () => {
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    const answers = await Promise.all(Array.from({ length: 16 }, () => ask(at, token)))
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' }))
    const out = async () => (await at.admin('GET', '/admin/leases')).json['leases'] as unknown[]
    await until(async () => (await out()).length === 0)
    const { json } = expectOk(await at.admin('GET', '/admin/leases?all=true'))
    const ended = json['leases'] as { state: string; attempts: number }[]
    expect(ended.map(({ attempts }) => attempts)).toEqual(ended.map(() => 0))
    const [frozen] = expectOk(await at.admin('GET', '/admin/freezes')).json['freezes'] as [
      { id: string },
    ]
    const lifted = changeIn(await at.admin('DELETE', `/admin/freezes/${frozen.id}`))
    expectOk(await confirm(at, made.key, [lifted]))
  })

  it('gives an agent no more than fifty at a time, however many it asks for at once', async () => {
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    const answers = await Promise.all(Array.from({ length: 56 }, () => ask(at, token)))
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(50)
    const full = answers.filter(({ status }) => status !== 200)
    expect(full.map(({ json }) => json['code'])).toEqual(Array(6).fill('limit-exceeded'))
    await Promise.all(
      answers.map(({ json }) => json['id'] && at.admin('DELETE', `/admin/leases/${json['id']}`)),
    )
    const out = async () => (await at.admin('GET', '/admin/leases')).json['leases'] as unknown[]
    await until(async () => (await out()).length === 0)
  })

  it('is no boundary where something is open to all: such a thing is named, or permitted in the template', async () => {
    const sql = root(made.staging)
    await sql.unsafe(`
      create view all_salaries as select * from salaries;
      grant select on all_salaries to public;
      create function raise() returns int language sql security definer as 'update salaries set amount = 0 returning 1'`)
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    expect((await ask(at, token)).json).toMatchObject({
      code: 'conflict',
      detail: 'Everybody may use public.all_salaries, public.raise(), so this role could too.',
      hint: expect.stringContaining('"allow_public": true'),
    })
    const permitted = changeIn(await set(at, 'leasing', { ...made.template, allow_public: true }))
    expectOk(await confirm(at, made.key, [permitted]))
    const lease = await leased(at, await at.capability({ scope: 'leasing', ttl: 600 }))
    const asked = changeIn(await set(at, 'leasing', made.template))
    expectOk(await confirm(at, made.key, [asked]))
    await sql.unsafe(
      'drop function raise(); revoke all on all_salaries from public; grant select (amount) on salaries to public',
    )
    const again = await at.capability({ scope: 'leasing', ttl: 600 })
    expect((await ask(at, again)).json['detail']).toContain('public.salaries')
    await sql.unsafe('revoke select (amount) on salaries from public')
    await sql.unsafe(`grant create on database ${made.staging} to public`)
    expect((await ask(at, again)).json['hint']).toContain('REVOKE CREATE ON DATABASE')
    await sql.unsafe(`revoke create on database ${made.staging} from public`)
    const fine = await leased(at, again)
    const opened = await sql.unsafe('grant select on salaries to public')
    expect(opened).toEqual([])
    expect((await ask(at, again, { renew: fine.id })).json['detail']).toContain('public.salaries')
    await sql.end()
    expectOk(await at.admin('DELETE', `/admin/leases/${lease.id}`))
    expectOk(await at.admin('DELETE', `/admin/leases/${fine.id}`))
  })
})
