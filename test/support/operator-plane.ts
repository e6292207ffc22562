/** The operators' API on a port of its own, over a fresh store and the simulated Railway, with an admin and an auditor signed in. */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import pino from 'pino'
import { createJournal } from '../../src/audit/journal.ts'
import { limits } from '../../src/config.ts'
import type { Context } from '../../src/context.ts'
import { type SimulatedRailway, startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { createDial } from '../../src/exchange/dial.ts'
import { adminRoutes } from '../../src/http/admin/admin.ts'
import { enrolmentCode } from '../../src/identity/operators.ts'
import { keyMakers, leaseKinds } from '../../src/leases/registry.ts'
import { createMetrics } from '../../src/metrics.ts'
import { providerNamed, spaceOf } from '../../src/providers/registry.ts'
import { providerFrom } from '../../src/providers/rest/provider.ts'
import { watchRealm } from '../../src/realm/realm.ts'
import { createKeyring } from '../../src/seal/keyring.ts'
import { watchEvents } from '../../src/store/events.ts'
import { openSigningKeys } from '../../src/tokens/keys.ts'
import { closeLater } from './closing.ts'
import { freshStore, type StoreKind } from './stores.ts'

export type Answer = { status: number; headers: Headers; json: unknown; text: string }

export type Plane = {
  ctx: Context
  url: string
  railway: SimulatedRailway
  /** What the broker logged, line by line. */
  logged: string[]
  admin: string
  auditor: string
  /** As the admin, unless `token` says otherwise. */
  call(method: string, path: string, body?: unknown, token?: string): Promise<Answer>
}

export async function operatorPlane(kind: StoreKind = 'embedded'): Promise<Plane> {
  const logged: string[] = []
  const railway = await startSimulatedRailway()
  const ctx = await contextOver(
    kind,
    pino({ level: 'trace' }, { write: (line) => logged.push(line) }),
  )
  const server = createAdaptorServer({ fetch: adminRoutes(ctx).fetch })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A server on a TCP port has an AddressInfo.
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  closeLater(() => railway.close())
  closeLater(() => new Promise((resolve) => server.close(resolve)))

  const admin = await enrol(url, 'ada', (await enrolmentCode(ctx))?.code.reveal() ?? '')
  const call: Plane['call'] = (method, path, body, token = admin) =>
    send(url, method, path, body, token)
  const invited = await call('POST', '/admin/operators/invitations', { role: 'auditor' })
  const auditor = await enrol(url, 'otto', field(invited.json, 'code'))
  return { ctx, url, railway, logged, admin, auditor, call }
}

async function contextOver(kind: StoreKind, log: Context['log']): Promise<Context> {
  const store = await freshStore(kind)
  const clock = { now: Date.now }
  const keyring = createKeyring([randomBytes(32)])
  const journal = await createJournal({ store, clock, log })
  const realm = await watchRealm({
    store,
    log,
    compile: (provider, sdl) => providerNamed(provider)?.compile(sdl),
    describe: providerFrom,
    spaceOf,
  })
  const events = await watchEvents(store, () => {})
  const dial = createDial()
  closeLater(() => journal.drain())
  closeLater(() => realm.close())
  closeLater(() => events.close())
  closeLater(() => dial.close())
  return {
    config: {
      store: { kind: 'embedded', directory: 'unused' },
      masterKey: { kind: 'value', value: 'unused' },
      host: 'localhost',
      agentPort: 0,
      operatorPort: 0,
      publicUrl: null,
      consoleUrl: null,
      tls: null,
      logLevel: 'trace',
      approvalMs: 1_800_000,
      freezeAfter: 20,
      connectionPorts: new Map(),
      limits,
    },
    publicUrl: 'http://localhost:8420',
    consoleUrl: 'http://localhost:8421',
    db: store.db,
    keyring,
    clock,
    log,
    metrics: createMetrics(),
    realm,
    events,
    journal,
    signing: await openSigningKeys({ store, keyring, clock }),
    dial,
    leasing: leaseKinds({ dial }),
    keys: keyMakers({ dial }),
  }
}

async function enrol(url: string, name: string, code: string): Promise<string> {
  const proof = { code, name, passphrase: `a long passphrase of ${name}` }
  const answer = await send(url, 'POST', '/admin/session', proof, undefined)
  return field(answer.json, 'token')
}

async function send(
  url: string,
  method: string,
  path: string,
  body: unknown,
  token: string | undefined,
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return {
    status: response.status,
    headers: response.headers,
    json:
      isJson && !/ndjson/.test(response.headers.get('content-type') ?? '')
        ? JSON.parse(text)
        : null,
    text,
  }
}

function field(json: unknown, name: string): string {
  const value: unknown = json instanceof Object ? Reflect.get(json, name) : undefined
  if (typeof value !== 'string') throw new Error(`no ${name} in ${JSON.stringify(json)}`)
  return value
}
