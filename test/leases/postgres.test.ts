/** A role for a while on a real PostgreSQL: what it may, what it may not, and that nothing of it stays in stronger hands. */
import { randomBytes } from 'node:crypto'
import postgres from 'postgres'
import { beforeAll, describe, expect, it } from 'vitest'
import { commanded } from '../cli/valetkey.ts'
import { expectOk, type Front, field, send } from '../support/broker.ts'
import { folder } from '../support/folder.ts'
import {
  ask,
  client,
  code,
  type Lease,
  leased,
  type Ready,
  ready,
  roles,
  root,
  serverUrl,
  set,
  until,
} from '../support/leased.ts'
import { changeIn, confirm } from '../support/passkey.ts'
import { stores } from '../support/stores.ts'
import { twins } from '../support/twins.ts'

describe.each(stores)('a lease on %s', (kind) => {
  let at: Front
  let made: Ready
  let token: string

  beforeAll(async () => {
    made = await ready(kind)
    at = made.at
    token = await at.capability({ scope: 'leasing', ttl: 600 })
  })

  it('is a role that may what the scope lists, in its database and nowhere else', async () => {
    const lease = await leased(at, token)
    const one = await client(lease)
    expect((await one.query('select car from bookings order by id')).rows).toEqual([
      { car: 'van' },
      { car: 'bus' },
    ])
    expect(await code(one.query("insert into bookings values (3, 'bike')"))).toBe('done')
    for (const statement of [
      'select * from salaries',
      'delete from bookings',
      'drop table bookings',
      'create table mine (id int)',
      'create role other',
      'create database other',
      `alter role ${lease.credential.user} createrole`,
      `alter role ${lease.credential.user} valid until 'infinity'`,
      `set role ${made.vendor}`,
      "copy bookings to program 'cat'",
    ]) {
      expect([statement, await code(one.query(statement))]).toEqual([statement, '42501'])
    }
    const row = await one.query(
      'select rolsuper, rolcreaterole, rolconnlimit, rolvaliduntil from pg_roles where rolname = current_user',
    )
    expect(row.rows).toEqual([
      {
        rolsuper: false,
        rolcreaterole: false,
        rolconnlimit: 2,
        rolvaliduntil: new Date(lease.expires_at),
      },
    ])
    await one.end()
    for (const other of [made.production, 'postgres', 'template1']) {
      expect([other, await code(client(lease, other))]).toEqual([other, '42501'])
    }
  })

  it('ends at once when its holder gives it up: its sessions, and the role', async () => {
    const lease = await leased(at, token)
    const one = await client(lease)
    const ended = new Promise((resolve) => one.once('end', resolve))
    const gone = await at.agent(`/v1/leases/${lease.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    expect(gone.json).toMatchObject({ id: lease.id, state: 'ended' })
    await ended
    expect(await roles(lease.credential.user)).toBe(0)
    expect(await code(client(lease))).toBe('28P01')
    const entries = await at.audit('&kind=lease')
    expect(entries).toContainEqual(
      expect.objectContaining({
        outcome: 'ended',
        facts: expect.objectContaining({ lease: lease.id }),
      }),
    )
    expect(JSON.stringify(await at.audit())).not.toContain(lease.credential.password)
  })

  it('ends when it expires, whoever is there', async () => {
    const lease = await leased(at, token, { ttl: 60 })
    // As if the minute had passed.
    await at.broker.ctx.db.execute(
      `update leases set expires_at = now(), try_at = now() where id = '${lease.id}'`,
    )
    await until(async () => (await roles(lease.credential.user)) === 0)
  })

  it('ends with what it was given by: a freeze, a revoked parent, a narrower scope, a lost grant', async () => {
    const falls: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
      [
        'a freeze',
        async () =>
          expectOk(await at.admin('POST', '/admin/freezes', { subject: 'scope:leasing' })),
        async () => {
          const { json } = expectOk(await at.admin('GET', '/admin/freezes'))
          const [freeze] = json['freezes'] as { id: string }[]
          const change = changeIn(await at.admin('DELETE', `/admin/freezes/${freeze?.id}`))
          expectOk(await confirm(at, made.key, [change]))
        },
      ],
      [
        'a revocation',
        async () => {
          const { json } = expectOk(await at.admin('GET', '/admin/capabilities?agent=cursor'))
          for (const { jti } of json['capabilities'] as { jti: string }[]) {
            expectOk(await at.admin('DELETE', `/admin/capabilities/${jti}`))
          }
        },
        async () => {
          token = await at.capability({ scope: 'leasing', ttl: 600 })
        },
      ],
      [
        'a scope that names it no longer',
        async () => expectOk(await set(at, 'leasing', made.template, 'staging', [])),
        async () => {
          const change = changeIn(await set(at, 'leasing', made.template))
          expectOk(await confirm(at, made.key, [change]))
        },
      ],
    ]
    falls.push([
      'a database that is another environment’s by now',
      async () => {
        const { json } = expectOk(await at.admin('GET', '/admin/environments/staging'))
        const bound = (json['bindings'] as { id: string; connection: string }[]).find(
          ({ connection }) => connection === 'pg',
        )
        const path = `/admin/environments/staging/bindings/${bound?.id}`
        expectOk(await confirm(at, made.key, [changeIn(await at.admin('DELETE', path))]))
      },
      async () => {
        const own = [{ kind: 'database', address: made.staging }]
        const path = '/admin/environments/staging/bindings'
        const bound = await at.admin('POST', path, { connection: 'pg', own })
        expectOk(await confirm(at, made.key, [changeIn(bound)]))
      },
    ])
    for (const [what, fall, restore] of falls) {
      const lease = await leased(at, token)
      await fall()
      await until(async () => (await roles(lease.credential.user)) === 0).catch(() => {
        throw new Error(`it outlived ${what}`)
      })
      await restore()
    }
  })

  it('is renewed within what would give it now, and never past its capability', async () => {
    const lease = await leased(at, token, { ttl: 60 })
    const renewed = expectOk(await ask(at, token, { renew: lease.id, ttl: 300 }))
    expect(Date.parse(field(renewed, 'expires_at'))).toBeGreaterThan(Date.parse(lease.expires_at))
    const short = await at.capability({ scope: 'leasing', ttl: 30 })
    const cut = expectOk(await ask(at, short, { renew: lease.id, ttl: 300 }))
    expect(Date.parse(field(cut, 'expires_at'))).toBeLessThan(Date.now() + 31_000)
    expect((await ask(at, token, { renew: `lse_${'0'.repeat(32)}` })).json).toMatchObject({
      code: 'not-found',
    })
  })

  it('is given by its exact name alone, and never on what an agent sends to the connection', async () => {
    await at.admin('PUT', '/admin/scopes/leasing', {
      environment: 'staging',
      allow: [],
      leases: {},
    })
    const plain = await at.capability({ scope: 'work' })
    expect((await ask(at, plain)).json).toMatchObject({ code: 'operation-not-allowed' })
    const template = {
      ...made.template,
      grants: [{ on: 'tables', schema: 'public', privileges: ['SELECT'] }],
    }
    const direct = await send(`${at.broker.agentUrl}/x/pg/lease`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ template, ttl: 60 }),
    })
    expect(direct.json).toMatchObject({ code: 'unknown-operation' })
    const change = changeIn(await set(at, 'leasing', made.template))
    expectOk(await confirm(at, made.key, [change]))
  })

  it('of another environment’s database is refused before a role is made', async () => {
    const change = changeIn(await set(at, 'stray', { ...made.template, database: made.production }))
    expectOk(await confirm(at, made.key, [change]))
    const grant = changeIn(await at.admin('PUT', '/admin/agents/cursor/grants/stray'))
    expectOk(await confirm(at, made.key, [grant]))
    const answer = await ask(at, await at.capability({ scope: 'stray' }))
    expect(answer.json).toMatchObject({ code: 'outside-environment', found: 'production' })
  })

  it('in a protected environment waits for a human, and is made once', async () => {
    const change = changeIn(
      await set(at, 'live', { ...made.template, database: made.production }, 'production'),
    )
    expectOk(await confirm(at, made.key, [change]))
    expectOk(
      await confirm(at, made.key, [
        changeIn(await at.admin('PUT', '/admin/agents/cursor/grants/live')),
      ]),
    )
    const live = await at.capability({ scope: 'live' })
    const waits = await ask(at, live)
    expect(waits.json).toMatchObject({ code: 'approval-required' })
    const { id } = waits.json['approval'] as { id: string }
    const path = `/console/api/approvals/${id}`
    expectOk(await made.key.touch(`${path}/options`, `${path}/approve`))
    const headers = { 'valetkey-approval': id }
    const answers = await Promise.all([1, 2, 3].map(() => ask(at, live, {}, headers)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 403, 403])
  })
})

describe('what a lease leaves behind', async () => {
  const made = await ready('embedded')
  const { at } = made
  const grants = [
    { on: 'schema', schema: 'public', privileges: ['USAGE', 'CREATE'] },
    { on: 'tables', schema: 'public', privileges: ['SELECT', 'INSERT'] },
  ]

  it('is refused where the scope did not ask for it in so many words', async () => {
    const answer = await set(at, 'leasing', { ...made.template, grants })
    expect(answer.json).toMatchObject({
      code: 'malformed-request',
      detail: expect.stringContaining('allow_create'),
    })
  })

  it('keeps its data, in a role that nobody can use, and drops its code', async () => {
    const template = { ...made.template, grants, allow_create: true }
    expectOk(await confirm(at, made.key, [changeIn(await set(at, 'leasing', template))]))
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    const lease = await leased(at, token)
    const one = await client(lease)
    await one.query(`
      create table "my ""own"" things" (id serial, what text);
      insert into "my ""own"" things" (what) values ('kept');
      create view shown as select * from salaries;
      create function sneaky() returns int language sql security definer as 'select 1';
      create function noted() returns trigger language plpgsql as 'begin return new; end';
      create trigger noted before insert on "my ""own"" things" for each row execute function noted();
      create operator === (leftarg = int, rightarg = int, function = int4eq);
      create type mood as enum ('good');
      create table moods (mood mood)`)
    const vendor = postgres({
      host: '127.0.0.1',
      port: Number(new URL(serverUrl()).port),
      user: made.vendor,
      password: made.password,
      database: made.staging,
      max: 1,
      onnotice: () => {},
    })
    // Somebody else's table hangs on its function, which can neither be dropped nor stay as it is.
    await vendor`create table calculated (id int, twice int default sneaky())`
    await one.end()
    await at.agent(`/v1/leases/${lease.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    expect(await roles(lease.credential.user)).toBe(0)
    const sql = root(made.staging)
    expect(await sql`select what from "my ""own"" things"`).toEqual([{ what: 'kept' }])
    const keeper = lease.credential.user.replace('valetkey_', 'valetkey_kept_')
    const owned = await sql`
      select c.relname as name from pg_class c where c.relkind in ('r', 'S', 'v') and pg_get_userbyid(c.relowner) = ${keeper} order by 1`
    expect(owned.map(({ name }) => name)).toEqual([
      'moods',
      'my "own" things',
      'my "own" things_id_seq',
    ])
    const functions = await sql`
      select proname as name, prosecdef as definer, pg_get_userbyid(proowner) as owner, proacl::text as acl
      from pg_proc where pg_get_userbyid(proowner) = ${keeper} or proname in ('sneaky', 'noted')`
    expect([...functions]).toEqual([
      {
        name: expect.stringMatching(/^valetkey_kept_/),
        definer: false,
        owner: keeper,
        acl: expect.not.stringContaining('{=X'),
      },
    ])
    expect(await sql`select 1 from pg_trigger where tgname = 'noted'`).toHaveLength(0)
    expect(await sql`select 1 from pg_operator where oprname = '==='`).toHaveLength(0)
    const [role] = await sql`select rolcanlogin, rolsuper from pg_roles where rolname = ${keeper}`
    expect(role).toEqual({ rolcanlogin: false, rolsuper: false })
    expect(await sql`select has_schema_privilege(${keeper}, 'public', 'CREATE') as may`).toEqual([
      { may: false },
    ])
    expect(await code(vendor`insert into bookings values (9, 'car')`)).toBe('done')
    await vendor.end()
    await sql.end()
  })

  it('is nothing where it cannot be made: an open database, a right that the connection does not hold', async () => {
    const admin = root('postgres')
    const open = `open_${randomBytes(4).toString('hex')}`
    await admin.unsafe(`create database ${open}`)
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    expect((await ask(at, token)).json).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining(open),
      hint: expect.stringContaining('REVOKE CONNECT ON DATABASE'),
    })
    await admin.unsafe(`revoke connect on database ${open} from public`)
    const { json } = expectOk(await at.admin('GET', '/admin/leases?all=true'))
    const [{ id, because }] = json['leases'] as [{ id: string; because: string }]
    expect(because).toBe('it could not be made')
    expect(await roles(id.replace('lse_', 'valetkey_'))).toBe(0)
    await admin.end()

    const sql = root(made.staging)
    await sql.unsafe(`create table borrowed (id int); grant select on borrowed to ${made.vendor}`)
    await sql.end()
    const grants = [
      { on: 'schema', schema: 'public', privileges: ['USAGE'] },
      { on: 'tables', schema: 'public', tables: ['borrowed'], privileges: ['SELECT'] },
    ]
    const change = changeIn(await set(at, 'leasing', { ...made.template, grants }))
    expectOk(await confirm(at, made.key, [change]))
    const fresh = await at.capability({ scope: 'leasing', ttl: 600 })
    expect((await ask(at, fresh)).json).toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining('cannot give all'),
    })
    expectOk(await confirm(at, made.key, [changeIn(await set(at, 'leasing', made.template))]))
  })

  it('is told loudly while it cannot be ended, and ended as soon as it can', async () => {
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    const lease = await leased(at, token)
    const admin = root('postgres')
    await admin.unsafe(`alter role ${made.vendor} nologin`)
    const stuck = await at.agent(`/v1/leases/${lease.id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })
    expect(stuck.json).toMatchObject({ state: 'ending', attempts: 1 })
    expect((await at.admin('GET', '/admin/status')).json).toMatchObject({ leases: { failing: 1 } })
    expect(at.logged.join('')).toContain('its credential may still work')
    await admin.unsafe(`alter role ${made.vendor} login`)
    await until(async () => (await roles(lease.credential.user)) === 0)
    await admin.end()
  })

  it('is nothing of a lease that was to end while it was still being made', async () => {
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    const holder = root(made.staging)
    const held = await holder.reserve()
    await held`begin`
    await held`lock table bookings in access exclusive mode`
    const asked = ask(at, token)
    const alive = async () =>
      (await at.admin('GET', '/admin/leases')).json['leases'] as { id: string; state: string }[]
    await until(async () => (await alive()).some(({ state }) => state === 'making'))
    const id = (await alive()).find(({ state }) => state === 'making')?.id ?? ''
    const frozen = expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' }))
    await until(async () => !(await alive()).some((one) => one.id === id))
    await held`commit`
    held.release()
    await holder.end()
    expect((await asked).status).toBeGreaterThan(399)
    expect(await roles(id.replace('lse_', 'valetkey_'))).toBe(0)
    expect((await alive()).map((one) => one.id)).not.toContain(id)
    const lifted = await at.admin('DELETE', `/admin/freezes/${frozen.json['id']}`)
    expectOk(await confirm(at, made.key, [changeIn(lifted)]))
  })

  it('is cleared up after a crash, of a lease that nobody finished making', async () => {
    const token = await at.capability({ scope: 'leasing', ttl: 600 })
    const lease = await leased(at, token)
    await at.broker.ctx.db.execute(
      `update leases set state = 'making', try_at = now() where id = '${lease.id}'`,
    )
    await until(async () => (await roles(lease.credential.user)) === 0)
  })

  it('is never made by a superuser', async () => {
    const { port, password } = new URL(serverUrl())
    const secret = password
    const answer = await at.admin('POST', '/admin/connections', {
      ...{ name: 'too-strong', provider: 'postgres', allow_private: true, secret },
      base_url: `postgresql://postgres@127.0.0.1:${port}/postgres?sslmode=disable`,
    })
    const [confirmed] = expectOk(await confirm(at, made.key, [changeIn(answer)])).json[
      'changes'
    ] as { why?: string }[]
    expect(confirmed?.why).toContain('superuser')
  })
})

it('is taken, seen, renewed and ended at a shell', async () => {
  const { at } = await ready('embedded')
  const config = await folder()
  const env = {
    VALETKEY_URL: at.broker.agentUrl,
    VALETKEY_TOKEN: await at.capability({ scope: 'leasing', ttl: 600 }),
  }
  const run = (...args: string[]) => commanded(args, { config, env })
  const made = await run('lease', 'create', 'pg', '--ttl', '5m', '--json')
  const lease = JSON.parse(made.stdout) as Lease
  const one = await client(lease)
  expect((await one.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await one.end()
  const exported = await run('lease', 'create', 'pg', '--format', 'env')
  expect(exported.stdout).toMatch(/^export PGHOST='127.0.0.1'\n(export PG[A-Z]+='[^']+'\n){4}$/)
  expect(await run('lease', 'renew', 'pg', lease.id, '--ttl', '9m')).toMatchObject({ code: 0 })
  expect(await run('lease', 'list')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('valetkey login'),
  })
})

it('is ended by whichever replica is left', async () => {
  const { one, two } = await twins()
  await ready('postgres', one)
  await two.ctx.realm.refresh()
  const answer = await send(`${two.agentUrl}/v1/leases`, {
    method: 'POST',
    headers: { authorization: `Bearer ${await one.capability({ scope: 'leasing', ttl: 600 })}` },
    body: JSON.stringify({ connection: 'pg' }),
  })
  const lease = expectOk(answer).json as unknown as Lease
  expect(await roles(lease.credential.user)).toBe(1)
  await two.stop()
  await one.broker.ctx.db.execute(
    `update leases set expires_at = now(), try_at = now() where id = '${lease.id}'`,
  )
  await until(async () => (await roles(lease.credential.user)) === 0)
})
