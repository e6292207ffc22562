/** How the broker stands, and what holds for every admin route: the gate, the form of refusals, the document, the types. */
import { request } from 'node:http'
import { hc } from 'hono/client'
import { beforeAll, expect, expectTypeOf, test } from 'vitest'
import { type AdminApp, adminDocument, adminRoutes } from '../../../src/http/admin/admin.ts'
import { operatorPlane, type Plane } from '../../support/operator-plane.ts'

let plane: Plane

beforeAll(async () => {
  plane = await operatorPlane()
})

test('the status counts what there is', async () => {
  await plane.call('POST', '/admin/environments', { name: 'staging' })
  const { json, headers } = await plane.call('GET', '/admin/status')
  expect(json).toMatchObject({
    version: expect.stringMatching(/^\d+\.\d+\.\d+/),
    set_up: true,
    store: 'embedded',
    public_url: 'http://localhost:8420',
    console_url: 'http://localhost:8421',
    policy_version: plane.ctx.realm.now().version,
    audit: { seq: expect.any(Number), hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    environments: 1,
    scopes: 0,
    agents: 0,
    connections: [],
    freezes: [],
  })
  expect(headers.get('valetkey-request-id')).toMatch(/^req_/)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(headers.get('x-content-type-options')).toBe('nosniff')
  expect(headers.get('access-control-allow-origin')).toBeNull()
  expect(headers.get('set-cookie')).toBeNull()
})

/** How one gets in; the device sign-in gives nothing until somebody in the console confirms it. */
const entrances = new Set([
  'POST /admin/session',
  'POST /admin/sign-ins',
  'POST /admin/sign-ins/poll',
])

test('every route but signing in needs a session, and nothing is done without one', async () => {
  const routes = operations()
  expect(routes.length).toBeGreaterThan(30)
  for (const { method, path } of routes) {
    if (entrances.has(`${method} ${path}`)) continue
    const body = method === 'GET' || method === 'DELETE' ? undefined : {}
    for (const token of ['', 'vko_'.padEnd(47, 'x'), 'eyJhbGciOiJFZERTQSJ9.e30.x']) {
      const answer = await plane.call(method, path.replaceAll(/\{\w+\}/g, 'staging'), body, token)
      expect([method, path, answer.status]).toEqual([method, path, 401])
      expect(answer.json).toMatchObject({ code: 'not-signed-in' })
    }
  }
  expect(plane.ctx.realm.now().environments.has('staging')).toBe(true)
})

test('an auditor may not send anything that changes, whatever the route', async () => {
  for (const { method, path } of operations()) {
    if (method === 'GET' || path === '/admin/session' || entrances.has(`${method} ${path}`))
      continue
    const body = method === 'DELETE' ? undefined : {}
    const filled = path.replaceAll(/\{\w+\}/g, 'staging')
    const answer = await plane.call(method, filled, body, plane.auditor)
    expect([method, path, answer.status]).toEqual([method, path, 403])
  }
  expect(plane.ctx.realm.now().environments.has('staging')).toBe(true)
})

test('what is not there, and what does not take the method, are told apart', async () => {
  const nothing = await plane.call('GET', '/admin/nothing')
  expect(nothing).toMatchObject({ status: 404, json: { code: 'not-found' } })
  expect(nothing.headers.get('content-type')).toBe('application/problem+json')
  const method = await plane.call('PUT', '/admin/environments', { name: 'x' })
  expect(method).toMatchObject({ status: 405, json: { code: 'method-not-allowed' } })
  expect(method.headers.get('allow')).toBe('GET, POST')
})

test.each([
  ['text that is not JSON', 'application/json', '{"name":'],
  ['a form', 'application/x-www-form-urlencoded', 'name=production'],
  ['JSON that is called text', 'text/plain', '{"name":"production"}'],
  ['JSON that is called nothing', undefined, '{"name":"production"}'],
  ['nothing', 'application/json', ''],
  ['a key that nobody reads', 'application/json', '{"name":"production","role":"admin"}'],
])('a body of %s is refused', async (_what, type, body) => {
  const answer = await raw({
    method: 'POST',
    path: '/admin/environments',
    headers: type === undefined ? {} : { 'content-type': type },
    body,
  })
  expect(answer).toMatchObject({ status: 400, json: { code: 'malformed-request' } })
  expect(plane.ctx.realm.now().environments.has('production')).toBe(false)
})

test('a body that is too large is refused before it is read', async () => {
  const name = 'x'.repeat(1_100_000)
  const answer = await plane.call('POST', '/admin/environments', { name })
  expect(answer).toMatchObject({ status: 413, json: { code: 'payload-too-large' } })
})

test.each([
  ['a foreign origin', { origin: 'https://evil.example.com' }],
  ['an opaque origin', { origin: 'null' }],
  ['a cross-site fetch', { 'sec-fetch-site': 'cross-site' }],
])('a page with %s may not even read', async (_what, headers) => {
  const answer = await raw({ method: 'GET', path: '/admin/status', headers })
  expect(answer).toMatchObject({ status: 403, json: { code: 'forbidden' } })
})

test("the console's own origin may", async () => {
  const headers = { origin: plane.ctx.consoleUrl, 'sec-fetch-site': 'same-origin' }
  expect((await raw({ method: 'GET', path: '/admin/status', headers })).status).toBe(200)
})

test('the document describes every route with its refusals, and names no route twice', () => {
  const document = adminDocument(adminRoutes(plane.ctx))
  expect(document).toMatchObject({
    openapi: '3.1.0',
    paths: {
      '/admin/environments/{name}/bindings': {
        post: {
          responses: {
            201: expect.anything(),
            default: { content: { 'application/problem+json': expect.anything() } },
          },
        },
      },
    },
  })
})

test('a client typed by the routes knows what each answers', async () => {
  const client = hc<AdminApp>(plane.url, { headers: { authorization: `Bearer ${plane.admin}` } })
  const status = await (await client.admin.status.$get()).json()
  expectTypeOf(status.policy_version).toEqualTypeOf<number>()
  expect(status.policy_version).toBe(plane.ctx.realm.now().version)

  const shown = await client.admin.environments[':name'].$get({ param: { name: 'staging' } })
  const environment = await shown.json()
  expectTypeOf(environment.bindings[0]).toExtend<{ mode: 'owns' | 'sees' } | undefined>()
  expect(environment.name).toBe('staging')

  type Setting = Parameters<(typeof client.admin.scopes)[':name']['$put']>[0]['json']
  expectTypeOf<Setting>().toHaveProperty('allow').toEqualTypeOf<string[]>()
  expectTypeOf<Setting['max_ttl']>().toEqualTypeOf<number | undefined>()
})

function operations(): { method: string; path: string }[] {
  const { paths } = adminDocument(adminRoutes(plane.ctx))
  return Object.entries(paths ?? {}).flatMap(([path, item]) =>
    Object.keys(item).map((method) => ({ method: method.toUpperCase(), path })),
  )
}

/** Not fetch, which writes Origin and Sec-Fetch-Site itself. */
async function raw(sent: {
  method: string
  path: string
  headers: Record<string, string>
  body?: string
}): Promise<{ status: number; json: unknown }> {
  const headers = { authorization: `Bearer ${plane.admin}`, ...sent.headers }
  return new Promise((resolve, reject) => {
    const outgoing = request(
      plane.url + sent.path,
      { method: sent.method, headers },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk) => chunks.push(chunk))
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: incoming.statusCode ?? 0, json: JSON.parse(text) })
        })
      },
    )
    outgoing.on('error', reject)
    outgoing.end(sent.body)
  })
}
