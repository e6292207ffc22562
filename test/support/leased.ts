/** A database to lease from, a broker that may, and a holder's hands. */
import { randomBytes, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import pg from 'pg'
import postgres from 'postgres'
import { inject } from 'vitest'
import { type Answer, expectOk, type Front, front, send } from './broker.ts'
import { closeLater } from './closing.ts'
import { type Cluster, startCluster } from './cluster.ts'
import { folder } from './folder.ts'
import { type Key, passkey } from './passkey.ts'
import type { stores } from './stores.ts'

let running: Promise<Cluster> | null = null
let started: Cluster | null = null

/** One for each test file, and gone with it: files share what this module remembers. */
async function start(): Promise<void> {
  running ??= folder().then((where) => startCluster(join(where, 'leased')))
  const fresh = await running
  if (started === fresh) return
  started = fresh
  closeLater(async () => {
    running = null
    started = null
    await fresh.stop()
  })
}

/** `postgres://…` of the server that is leased from, once somebody is `ready`. */
export function serverUrl(): string {
  if (started === null) throw new Error('nobody is ready yet')
  return started.url
}

export const root = (database: string) =>
  postgres(`${serverUrl()}/${database}`, { max: 1, onnotice: () => {} })

export type Credential = {
  host: string
  port: string
  database: string
  user: string
  password: string
}
export type Lease = { id: string; expires_at: string; credential: Credential }

/** Databases of a test's own, and the role that a broker leases from. */
async function prepared() {
  await start()
  const tail = randomBytes(4).toString('hex')
  const [staging, production] = [`staging_${tail}`, `production_${tail}`]
  const vendor = `vendor_${tail}`
  const password = `pg_${inject('marker')}_${randomUUID()}`
  const admin = root('postgres')
  await admin.unsafe(`create role ${vendor} login createrole password '${password}'`)
  for (const name of [staging, production]) {
    await admin.unsafe(`create database ${name} owner ${vendor}`)
    await admin.unsafe(`revoke connect on database ${name} from public`)
    const own = root(name)
    await own.unsafe(`
      alter schema public owner to ${vendor};
      set role ${vendor};
      create table bookings (id int primary key, car text);
      insert into bookings values (1, 'van'), (2, 'bus');
      create table salaries (id int primary key, amount int);
      create sequence ticket`)
    await own.end()
  }
  for (const name of ['postgres', 'template1']) {
    await admin.unsafe(`revoke connect on database ${name} from public`)
  }
  await admin.unsafe(`grant connect on database postgres to ${vendor}`)
  await admin.end()
  return { staging, production, vendor, password }
}

export type Ready = Awaited<ReturnType<typeof prepared>> & { at: Front; key: Key; template: object }

export const readOnly = [
  { on: 'schema', schema: 'public', privileges: ['USAGE'] },
  { on: 'tables', schema: 'public', tables: ['bookings'], privileges: ['SELECT', 'INSERT'] },
  { on: 'sequences', schema: 'public', privileges: ['USAGE'] },
]

export async function ready(kind: (typeof stores)[number], there?: Front): Promise<Ready> {
  const at = there ?? (await front(kind))
  const made = await prepared()
  const { port } = new URL(serverUrl())
  expectOk(
    await at.admin('POST', '/admin/connections', {
      ...{ name: 'pg', provider: 'postgres', allow_private: true, secret: made.password },
      base_url: `postgresql://${made.vendor}@127.0.0.1:${port}/postgres?sslmode=disable`,
    }),
  )
  for (const [environment, address] of [
    ['staging', made.staging],
    ['production', made.production],
  ]) {
    const own = [{ kind: 'database', address }]
    expectOk(
      await at.admin('POST', `/admin/environments/${environment}/bindings`, {
        connection: 'pg',
        own,
      }),
    )
  }
  // The test of staging wants no approval there.
  expectOk(await at.admin('PATCH', '/admin/environments/staging', { protected: false }))
  const template = { database: made.staging, connection_limit: 2, grants: readOnly }
  expectOk(await set(at, 'leasing', template))
  expectOk(await at.admin('PUT', '/admin/agents/cursor/grants/leasing'))
  return { at, key: await passkey(at), ...made, template }
}

export function set(
  at: Front,
  name: string,
  template: object,
  environment = 'staging',
  allow = ['pg:lease'],
) {
  return at.admin('PUT', `/admin/scopes/${name}`, { environment, allow, leases: { pg: template } })
}

export function ask(at: Front, token: string, body: object = {}, headers = {}): Promise<Answer> {
  return send(`${at.broker.agentUrl}/v1/leases`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, ...headers },
    body: JSON.stringify({ connection: 'pg', ...body }),
  })
}

export async function leased(at: Front, token: string, body: object = {}): Promise<Lease> {
  // What an answer gives is not searched for: it is the credential.
  return expectOk(await ask(at, token, body)).json as unknown as Lease
}

export async function client({ credential }: Lease, database?: string): Promise<pg.Client> {
  const { host, port, user, password } = credential
  const one = new pg.Client({
    host,
    port: Number(port),
    user,
    password,
    database: database ?? credential.database,
  })
  one.on('error', () => {})
  await one.connect()
  return one
}

export const code = (work: Promise<unknown>) =>
  work.then(
    () => 'done',
    (error) => String(error.code),
  )

export async function roles(user: string): Promise<number> {
  const sql = root('postgres')
  const rows = await sql`select 1 from pg_roles where rolname = ${user}`
  await sql.end()
  return rows.length
}

export async function until(what: () => Promise<boolean>): Promise<void> {
  for (let left = 100; left > 0; left -= 1) {
    if (await what()) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('it did not come to that')
}
