/** How long it takes to make a role for a lease, and to end one: from the request to the answer, one after the other. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { createAuthenticator } from '../../src/demo/authenticator.ts'
import type { Cluster } from '../support/cluster.ts'
import { asOperator, homeIn, type Serving, serve, setUp, signIn, tokenRequest } from './broker.ts'
import { type Claim, percentiles } from './table.ts'
import type { Upstream } from './upstream.ts'

const rounds = 40
const password = 'only-for-the-bench'

export async function leaseClaims(
  folder: string,
  cluster: Cluster,
  upstream: Upstream,
): Promise<Claim[]> {
  await cluster.createDatabase('bench_leasing')
  await cluster.createDatabase('bench_leased')
  await prepare(cluster)
  const home = await homeIn(join(folder, 'leasing'), `${cluster.url}/bench_leasing`)
  const serving = await serve(home)
  try {
    const [agent] = await setUp(serving, upstream)
    if (agent === undefined) throw new Error('there is no agent')
    const admin = asOperator(serving, await signIn(serving))
    const { host } = new URL(cluster.url)
    await admin('POST', '/admin/connections', {
      ...{ name: 'pg', provider: 'postgres', allow_private: true, secret: password },
      base_url: `postgresql://bench_vendor@${host}/bench_vendor?sslmode=disable`,
    })
    const own = [{ kind: 'database', address: 'bench_leased' }]
    await admin('POST', '/admin/environments/staging/bindings', { connection: 'pg', own })
    const grants = [
      { on: 'schema', schema: 'public', privileges: ['USAGE'] },
      { on: 'tables', schema: 'public', privileges: ['SELECT'] },
    ]
    await admin('PUT', '/admin/scopes/leasing', {
      ...{ environment: 'staging', allow: ['pg:lease'] },
      leases: { pg: { database: 'bench_leased', grants } },
    })
    await admin('PUT', `/admin/agents/${agent.name}/grants/leasing`)
    // Until there is a passkey nothing is leased.
    await enrol(serving)
    const request = { ...tokenRequest(agent), body: 'grant_type=client_credentials&scope=leasing' }
    const { access_token: token } = await asked(`${serving.agentUrl}/oauth/token`, request)
    const headers = { authorization: `Bearer ${String(token)}` }
    const [made, ended]: [number[], number[]] = [[], []]
    for (let round = 0; round < rounds; round += 1) {
      const began = performance.now()
      const body = JSON.stringify({ connection: 'pg' })
      const lease = await asked(`${serving.agentUrl}/v1/leases`, { method: 'POST', headers, body })
      made.push(performance.now() - began)
      const then = performance.now()
      const url = `${serving.agentUrl}/v1/leases/${String(lease['id'])}`
      const { state } = await asked(url, { method: 'DELETE', headers })
      if (state !== 'ended') throw new Error(`a lease is ${String(state)}`)
      ended.push(performance.now() - then)
    }
    return [
      { what: 'lease of a PostgreSQL role', value: percentiles(made).words, goal: null },
      { what: 'its end', value: percentiles(ended).words, goal: null },
    ]
  } finally {
    await serving.stop()
  }
}

async function prepare({ url }: Cluster): Promise<void> {
  const root = postgres(`${url}/postgres`, { max: 1, onnotice: () => {} })
  await root.unsafe(`create role bench_vendor login createrole password '${password}'`)
  await root.unsafe('create database bench_vendor owner bench_vendor')
  const names = await root`select datname from pg_database where datallowconn`
  for (const { datname } of names)
    await root`revoke connect on database ${root(datname)} from public`
  await root.unsafe('alter database bench_leased owner to bench_vendor')
  await root.end()
  const leased = postgres(`${url}/bench_leased`, { max: 1, onnotice: () => {} })
  await leased.unsafe(
    'alter schema public owner to bench_vendor; set role bench_vendor; create table t (id int)',
  )
  await leased.end()
}

async function enrol({ operatorUrl, said }: Serving): Promise<void> {
  const code = (await readFile(/\(in the file (.+)\)/.exec(said)?.[1] ?? '', 'utf8')).trim()
  const authenticator = createAuthenticator(operatorUrl)
  const page = (path: string, body: object) =>
    asked(operatorUrl + path, {
      method: 'POST',
      headers: {
        ...{ origin: operatorUrl, 'sec-fetch-site': 'same-origin' },
        ...{ 'content-type': 'application/json', 'x-valetkey': '1' },
      },
      body: JSON.stringify(body),
    })
  const who = { code, name: 'ada' }
  const options = await page('/console/api/enrol/options', who)
  // What the options route answers is what an authenticator takes.
  const response = authenticator.create(options as never)
  await page('/console/api/enrol', { ...who, label: 'bench', response })
}

async function asked(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(url, init)
  const text = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`)
  return JSON.parse(text)
}
