/** A whole broker on ports of its own, before a simulated Railway, with two environments and one agent: the front door of the tests. */
import { randomBytes, randomUUID } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type Broker, startBroker } from '../../src/broker.ts'
import { type Config, readConfig } from '../../src/config.ts'
import { type SimulatedRailway, startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { createLog } from '../../src/log.ts'
import type { Store } from '../../src/store/open.ts'
import { closeLater } from './closing.ts'
import { freshStore, type StoreKind, storesAfter } from './stores.ts'

export type Answer = {
  status: number
  headers: Headers
  text: string
  json: Record<string, unknown>
}

export type Front = {
  broker: Broker
  railway: SimulatedRailway
  /** Lines of the log, as JSON. */
  logged: string[]
  /** The operators' API, as the first admin. */
  admin(method: string, path: string, body?: unknown): Promise<Answer>
  /** Any request to the agent plane. */
  agent(path: string, init?: RequestInit): Promise<Answer>
  /** A capability of the agent `cursor`. */
  capability(options?: { scope?: string; details?: unknown; ttl?: number }): Promise<string>
  /** A GraphQL call through `/x/railway/graphql/v2`, by default as JSON. */
  call(
    capability: string,
    query: string,
    variables?: Record<string, unknown>,
    headers?: Record<string, string>,
  ): Promise<Answer>
  /** The same to `/explain`. */
  explain(capability: string, query: string, variables?: Record<string, unknown>): Promise<Answer>
  /** Mutations that the simulation carried out since the last look; look-ups are not among them. */
  carriedOut(): string[]
  /** Sets a scope of staging and grants it to the agent. */
  scope(
    name: string,
    allow: string[],
    options?: { environment?: string; callsPerMinute?: number },
  ): Promise<void>
  audit(query?: string): Promise<Record<string, unknown>[]>
}

/** Everything that an agent may see or keep goes into the folder that is searched for leaks when the suite ends. */
export function keep(text: string): void {
  appendFileSync(join(inject('output'), `${process.pid}.txt`), `${text}\n`)
}

/** A credential that the search for leaks will recognise. */
export function realToken(): string {
  return `rw_${inject('marker')}_${randomUUID()}`
}

export async function front(
  kind: StoreKind = 'embedded',
  options: {
    config?: (config: Config) => Config
    railway?: SimulatedRailway
    /** Else one of its own. */
    store?: Store
  } = {},
): Promise<Front> {
  const ready = isPlain(options) ? await furnished(kind) : null
  const token = ready?.made.token ?? realToken()
  const railway = options.railway ?? (await startSimulatedRailway({ token }))
  const logged: string[] = []
  const log = logTo((line) => logged.push(line))
  const store = ready?.store ?? options.store ?? (await freshStore(kind))
  // The one that it was set up with had another port.
  if (ready !== null) await store.run('update connections set base_url = $1', [railway.url])
  const config = testConfig(ready?.made.masterKey)
  const broker = await startBroker(options.config?.(config) ?? config, log, async () => ({
    ...store,
    close: async () => {},
  }))
  closeLater(async () => {
    await railway.close()
    await keepEverything()
    await broker.stop()
    keep(logged.join(''))
  })
  const { session, secret } = ready?.made ?? (await settle(broker, railway))
  const admin = adminOf(broker, session)
  const agent: Front['agent'] = (path, init) => send(broker.agentUrl + path, init)

  const scope: Front['scope'] = async (
    name,
    allow,
    { environment = 'staging', callsPerMinute } = {},
  ) => {
    const body = {
      environment,
      allow,
      ...(callsPerMinute === undefined ? {} : { calls_per_minute: callsPerMinute }),
    }
    expectOk(await admin('PUT', `/admin/scopes/${name}`, body))
    expectOk(await admin('PUT', `/admin/agents/cursor/grants/${name}`))
  }
  const capability: Front['capability'] = async ({ scope: name = 'work', details, ttl } = {}) => {
    const form = new URLSearchParams({ grant_type: 'client_credentials', scope: name })
    if (details !== undefined) form.set('authorization_details', JSON.stringify(details))
    if (ttl !== undefined) form.set('ttl', String(ttl))
    const answer = await agent('/oauth/token', {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`cursor:${secret}`)}` },
      body: form,
    })
    return field(expectOk(answer), 'access_token')
  }
  const graphql = (path: string, token: string, query: string, variables: unknown, headers = {}) =>
    agent(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, ...headers },
      body: JSON.stringify({ query, ...(variables === undefined ? {} : { variables }) }),
    })
  let seen = 0
  async function keepEverything() {
    keep((await admin('GET', '/admin/audit/export')).text)
    keep((await send(`${broker.operatorUrl}/metrics`)).text)
    keep(JSON.stringify((await admin('GET', '/admin/connections')).json))
  }
  return {
    broker,
    railway,
    logged,
    admin,
    agent,
    capability,
    scope,
    call: (token, query, variables, headers) =>
      graphql('/x/railway/graphql/v2', token, query, variables, headers),
    explain: (token, query, variables) =>
      graphql('/explain/railway/graphql/v2', token, query, variables),
    carriedOut: () => {
      const all = railway.executed.filter(({ coordinate }) =>
        /^(Mutation\.|POST )/.test(coordinate),
      )
      const fresh = all.slice(seen).map(({ coordinate }) => coordinate)
      seen = all.length
      return fresh
    },
    audit: async (query = '') => {
      const { json } = expectOk(await admin('GET', `/admin/audit?limit=200${query}`))
      // The route's own shape, checked where it is tested.
      return json['entries'] as Record<string, unknown>[]
    },
  }
}

/** Enrolling, connecting and binding take longer than most tests do. */
const furnished = storesAfter(async (store) => {
  const railway = await startSimulatedRailway({ token: realToken() })
  const masterKey = newMasterKey()
  const log = logTo(keep)
  const broker = await startBroker(testConfig(masterKey), log, async () => ({
    ...store,
    close: async () => {},
  }))
  const { session, secret } = await settle(broker, railway)
  await broker.stop()
  await railway.close()
  return { session, secret, masterKey, token: railway.token }
})

/** A broker that knows nothing yet. */
export async function blank(kind: StoreKind = 'embedded'): Promise<Broker> {
  const store = await freshStore(kind)
  const broker = await startBroker(testConfig(), logTo(keep), async () => ({
    ...store,
    close: async () => {},
  }))
  closeLater(() => broker.stop())
  return broker
}

function logTo(write: (line: string) => unknown) {
  // The log only writes.
  return createLog({ level: 'debug', human: false, out: { write } as NodeJS.WritableStream })
}

function isPlain({ railway, store }: { railway?: SimulatedRailway; store?: Store }): boolean {
  return railway === undefined && store === undefined
}

function adminOf({ operatorUrl }: Broker, session: string): Front['admin'] {
  return (method, path, body) =>
    send(operatorUrl + path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${session}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
}

/** The first operator, and all that one agent needs. */
async function settle(broker: Broker, railway: SimulatedRailway) {
  const enrolled = await adminOf(broker, '')('POST', '/admin/session', {
    code: broker.enrolment?.code.reveal(),
    name: 'ada',
    passphrase: 'correct horse battery staple',
  })
  const session = field(enrolled, 'token')
  return { session, secret: await setUp(adminOf(broker, session), railway) }
}

function newMasterKey(): string {
  return randomBytes(32).toString('base64')
}

/** Free ports, and a master key of its own unless one is given. */
export function testConfig(masterKey = newMasterKey()): Config {
  return readConfig({
    VALETKEY_MASTER_KEY: masterKey,
    VALETKEY_AGENT_PORT: '0',
    VALETKEY_OPERATOR_PORT: '0',
  })
}

/** Returns the agent's secret. */
export async function setUp(admin: Front['admin'], railway: SimulatedRailway): Promise<string> {
  expectOk(
    await admin('POST', '/admin/connections', {
      name: 'railway',
      base_url: railway.url,
      allow_private: true,
      secret: railway.token,
    }),
  )
  for (const name of ['staging', 'production']) {
    expectOk(await admin('POST', '/admin/environments', { name, protected: name === 'production' }))
    expectOk(
      await admin('POST', `/admin/environments/${name}/bindings`, {
        connection: 'railway',
        own: [{ kind: 'environment', address: `acme-rentals/${name}` }],
        see: [{ kind: 'project', address: 'acme-rentals' }],
      }),
    )
  }
  expectOk(
    await admin('PUT', '/admin/scopes/work', {
      environment: 'staging',
      allow: ['railway:@read', 'railway:@write'],
    }),
  )
  const added = expectOk(await admin('POST', '/admin/agents', { name: 'cursor', scopes: ['work'] }))
  return field(added, 'secret')
}

export async function send(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, init)
  const text = await response.text()
  keep(`${response.status} ${[...response.headers].join('; ')}\n${text}`)
  return { status: response.status, headers: response.headers, text, json: parsed(text) }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text)
  } catch {
    // Not every answer is JSON; who expects it will miss its members.
    return {}
  }
}

export function expectOk(answer: Answer): Answer {
  if (answer.status >= 300) throw new Error(`${answer.status} ${answer.text}`)
  return answer
}

export function field(answer: Answer, name: string): string {
  const value = answer.json[name]
  if (typeof value !== 'string') throw new Error(`no ${name} in ${answer.text}`)
  return value
}
