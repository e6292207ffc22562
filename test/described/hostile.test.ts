/** What an agent, or a description, could do to have one thing judged and another done. All of it was tried on this broker once. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, expect, inject, it } from 'vitest'
import { expectOk, front, send } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { passkey } from '../support/passkey.ts'

type Reply = (method: string, path: string) => object | null

/** Answers with what `reply` gives, and 404 else. */
async function upstream(reply: Reply) {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    for await (const _ of request);
    const path = (request.url ?? '').split('?')[0] ?? ''
    const method = request.method ?? ''
    asked.push(`${method} ${request.url}`)
    const body = reply(method, path)
    response.writeHead(body === null ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body ?? {}))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeLater(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, url: `http://127.0.0.1:${Object(server.address()).port}` }
}

type Owned = { kind: string; address: string }
type Setting = {
  given: object
  reply: Reply
  own?: Owned[]
  see?: Owned[]
  production?: Owned[]
  allow?: string[]
}

async function ready({ given, reply, own = [], see = [], production = [], allow = [] }: Setting) {
  const { asked, url } = await upstream(reply)
  const at = await front('embedded', { config: (config) => ({ ...config, freezeAfter: 0 }) })
  expectOk(await at.admin('PUT', '/admin/providers/api', { base_url: url, ...given }))
  expectOk(
    await at.admin('POST', '/admin/connections', {
      ...{ name: 'api', base_url: url, allow_private: true },
      secret: `sk_${inject('marker')}_${randomUUID()}`,
    }),
  )
  const bind = async (environment: string, body: object) =>
    expectOk(
      await at.admin('POST', `/admin/environments/${environment}/bindings`, {
        ...{ connection: 'api', ...body },
      }),
    )
  if (own.length + see.length > 0) await bind('staging', { own, see })
  if (production.length > 0) await bind('production', { own: production })
  expectOk(await at.admin('PATCH', '/admin/environments/staging', { protected: false }))
  await at.scope('s', ['api:@read', 'api:@write', ...allow])
  await passkey(at)
  const token = await at.capability({ scope: 's', ttl: 600 })
  asked.length = 0
  const call = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const { status, json } = await send(`${at.broker.agentUrl}/x/api${path}`, {
      ...{ method, redirect: 'manual' },
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { 'content-type': type }),
      },
      ...(body === undefined
        ? {}
        : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    return status < 300 ? 'passed' : json['code']
  }
  return { at, asked, call }
}

const form = 'application/x-www-form-urlencoded'
const projects: Reply = (_, path) =>
  /^\/projects\/p[12]$/.test(path) ? { id: path.slice(-2) } : { done: path }
const p1 = [{ kind: 'project', address: 'p1' }]
const p2 = [{ kind: 'project', address: 'p2' }]
const body = (properties: object) => ({
  content: { 'application/json': { schema: { type: 'object', properties } } },
})
const text = { type: 'string' }

describe('a name that an operation does not have', async () => {
  const { asked, call } = await ready({
    given: {
      openapi: {
        openapi: '3.0.0',
        paths: {
          '/projects/{project_id}': { get: { operationId: 'project' } },
          '/projects': { get: { operationId: 'projects' } },
          '/purge': { post: { operationId: 'purge', requestBody: body({ why: text }) } },
          '/projects/{project_id}/copy': {
            post: { operationId: 'copy', requestBody: body({ project_id: text, name: text }) },
          },
          '/projects/{project_id}/things': {
            get: {
              operationId: 'things',
              parameters: [
                { in: 'query', name: 'limit', schema: text },
                { in: 'query', name: 'project_id', schema: text },
              ],
              responses: { 200: { description: 'x', content: { 'application/json': {} } } },
            },
          },
        },
      },
    },
    ...{ reply: projects, own: p1, production: p2, allow: ['api:purge', 'api:copy', 'api:things'] },
  })

  it.each<[string, string, unknown?, string?]>([
    ['GET', '/projects?project_id=p1'],
    ['GET', '/projects?Project-ID[]=p1'],
    ['HEAD', '/projects?project_id=p1'],
    ['POST', '/purge', { why: 'x' }],
    ['POST', '/purge', { why: 'x', project_id: 'p1' }],
    ['POST', '/purge?project_id=p1', { why: 'x' }],
    ['POST', '/projects/p1/copy', { project_id: 'p2' }],
    ['POST', '/projects/p1/copy', { project_id: { name: 'p2' } }],
    ['POST', '/projects/p1/copy', { project: { name: 'p2' } }],
    ['POST', '/projects/p1/copy', { PROJECTID: 'p2' }],
    ['POST', '/projects/p1/copy', 'project_id[name]=p2', form],
    ['POST', '/projects/p1/copy', 'project_id[0]name=p2', form],
    ['GET', '/projects/p1/things?project_id=p2'],
    ['GET', '/projects/p1/things?project_id[]=p2'],
    ['GET', '/projects/p1/things?project_id[limit]=p2'],
    ['GET', '/projects/p1/things?project_id[0]limit=p2'],
  ])('does not confine it: %s %s %j', async (method, path, given, type) => {
    const before = asked.length
    expect(await call(method, path, given, type)).not.toBe('passed')
    expect(asked.slice(before).filter((one) => !/^GET \/projects\/p[12]$/.test(one))).toEqual([])
  })

  it('and what it has does', async () => {
    expect(await call('POST', '/projects/p1/copy', { project_id: 'p1', name: 'x' })).toBe('passed')
    expect(await call('GET', '/projects/p1/things?project_id=p1&limit=1')).toBe('passed')
  })
})

it('costs no more than its length, whoever sends it', async () => {
  const { call } = await ready({
    given: {
      operations: [
        { route: 'GET /projects/{project_id}', effects: ['read'] },
        { route: 'PATCH /projects/{project_id}', effects: ['write'] },
        { route: 'GET /projects/{project_id}/branches/{branch_id}', effects: ['read'] },
        { route: 'POST /move', effects: ['write'] },
      ],
    },
    ...{ reply: projects, own: p1 },
  })
  const began = performance.now()
  const deep = {
    ['k'.repeat(400_000)]: Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [i, 1])),
  }
  expect(await call('POST', '/move', deep)).toBe('malformed-request')
  const many = { branch_id: Array.from({ length: 100_000 }, (_, i) => `b${i}`) }
  expect(await call('POST', '/move', many)).toBe('malformed-request')
  const same = { project_id: Array(100_000).fill('p1') }
  expect(await call('PATCH', '/projects/p1', same)).not.toBe('malformed-request')
  const names = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`n${i}`, 1]))
  expect(await call('PATCH', '/projects/p1', names)).toBe('malformed-request')
  expect(performance.now() - began).toBeLessThan(5_000)
})

it.each<[string, string[], Owned, string]>([
  [
    '{pk}',
    ['/projects/{pk}', '/databases/{pk}'],
    { kind: 'project_pk', address: '1' },
    '/databases/1',
  ],
  [
    '{id} behind /id',
    ['/folders/id/{id}', '/sources/id/{id}'],
    { kind: 'folder', address: '1' },
    '/sources/id/1',
  ],
  [
    '{thing}',
    ['/projects/{thing}', '/databases/{thing}'],
    { kind: 'project_thing', address: '1' },
    '/databases/1',
  ],
])('takes %s of two collections for two kinds', async (_, paths, own, other) => {
  const { at, call } = await ready({
    given: {
      operations: paths.flatMap((path) => [
        { route: `GET ${path}`, effects: ['read'] },
        { route: `PATCH ${path}`, effects: ['write'] },
      ]),
    },
    reply: () => ({ id: 1, pk: 1, thing: '1' }),
    own: [own],
  })
  expect(await call('PATCH', other, { name: 'x' })).toBe('outside-environment')
  expect(at).toBeDefined()
})

it('assumes of nothing that it lies in what stands before it, but where it is only read, or an operator says so', async () => {
  const { at, asked, call } = await ready({
    given: {
      operations: [
        { route: 'GET /projects/{project_id}', effects: ['read'] },
        { route: 'PATCH /projects/{project_id}/volumes/{volume_id}', effects: ['write'] },
        { route: 'GET /projects/{project_id}/volumes/{volume_id}/size', effects: ['read'] },
        {
          name: 'copy',
          route: 'POST /projects/{project_id}/copy',
          effects: ['write'],
          fields: ['volume_id'],
        },
        { route: 'POST /projects/{project_id}/from/{from_project_id}', effects: ['write'] },
      ],
      overrides: {},
    },
    ...{ reply: projects, own: p1, production: p2 },
  })
  expect(await call('PATCH', '/projects/p1/volumes/of-p2', {})).toBe('resource-unresolved')
  expect(await call('POST', '/projects/p1/copy', { volume_id: 'of-p2' })).toBe(
    'resource-unresolved',
  )
  expect(await call('POST', '/projects/p1/from/p2')).toBe('resource-unresolved')
  expect(asked.filter((one) => !one.startsWith('GET '))).toEqual([])
  expect(await call('GET', '/projects/p1/volumes/v1/size')).toBe('passed')
  const said = await at.admin('PUT', '/admin/providers/api/overrides', { confined: ['volume_id'] })
  expect(JSON.stringify(said.json)).toContain('lies in what stands before it')
})

it.each<[object, boolean]>([
  [{ id: 'b2', project_id: 'p1' }, true],
  [{ id: 'b2' }, true],
  [{ branch: { id: 'b2', project: { id: 'p1' } } }, true],
  [{ id: 'b2', project_id: 'p2' }, false],
  [{ id: 'b2', projectId: 'p2' }, false],
  [{ id: 'b2', project: { id: 'p2' } }, false],
  [{ id: 'b2', project: 'p2' }, false],
  [{ branch: { id: 'b2' }, project: { id: 'p2' } }, false],
  [{ id: 'b2', project_id: 'p2', endpoint: { branch_id: 'b2' } }, false],
  [{ id: 'b9', name: 'b2' }, false],
  [{ id: 'b9', endpoint: { branch_id: 'b2' } }, false],
])('reads %j as the branch in the project: %s', async (shown, right) => {
  const { call } = await ready({
    given: {
      operations: [
        { route: 'GET /projects/{project_id}', effects: ['read'] },
        { route: 'GET /projects/{project_id}/branches/{branch_id}', effects: ['read'] },
        { route: 'PATCH /projects/{project_id}/branches/{branch_id}', effects: ['write'] },
      ],
    },
    reply: (method, path) =>
      path.endsWith('b2') && method === 'GET' ? shown : projects(method, path),
    own: p1,
  })
  expect(await call('PATCH', '/projects/p1/branches/b2', { note: 'x' })).toBe(
    right ? 'passed' : 'resource-unresolved',
  )
})

it('lists nothing of what is only seen, however the paths of what is in it begin', async () => {
  const { call } = await ready({
    given: {
      operations: [
        { route: 'GET /projects/{project_id}', effects: ['read'] },
        { route: 'GET /projects/{project_id}/services', effects: ['read'] },
        { route: 'GET /services/{service_id}', effects: ['read'] },
      ],
    },
    reply: (_, path) => ({ id: path.split('/').at(-1) }),
    own: [{ kind: 'service', address: 's-staging' }],
    see: p1,
    production: [{ kind: 'service', address: 's-production' }],
  })
  expect(await call('GET', '/projects/p1')).toBe('passed')
  expect(await call('GET', '/projects/p1/services')).toBe('outside-environment')
  expect(await call('GET', '/services/s-production')).toBe('outside-environment')
})

it('knows the ids of one connection from equal ones of another', async () => {
  const live = await upstream(() => ({ of: 'production' }))
  const trial = await upstream(() => ({ of: 'staging' }))
  const at = await front('embedded')
  const operations = [{ route: 'GET /customers', effects: ['read'] }]
  expectOk(await at.admin('PUT', '/admin/providers/pay', { base_url: trial.url, operations }))
  const own = [{ kind: 'api', address: 'whole' }]
  for (const [name, { url }, environment] of [
    ['pay-test', trial, 'staging'],
    ['pay-live', live, 'production'],
  ] as const) {
    const secret = `sk_${inject('marker')}_${randomUUID()}`
    expectOk(
      await at.admin('POST', '/admin/connections', {
        ...{ name, provider: 'pay', base_url: url, allow_private: true, secret },
      }),
    )
    expectOk(
      await at.admin('POST', `/admin/environments/${environment}/bindings`, {
        connection: name,
        own,
      }),
    )
  }
  await at.scope('s', ['pay-test:@read', 'pay-live:@read'])
  const headers = { authorization: `Bearer ${await at.capability({ scope: 's' })}` }
  const get = (name: string) => send(`${at.broker.agentUrl}/x/${name}/customers`, { headers })
  expect((await get('pay-test')).json).toEqual({ of: 'staging' })
  expect((await get('pay-live')).json).toMatchObject({
    code: 'outside-environment',
    found: 'production',
  })
})

describe('a call to an API of which only routes are known', async () => {
  const { asked, call } = await ready({
    given: {
      operations: [
        { route: 'GET /projects/{project_id}', effects: ['read'] },
        { route: 'PATCH /projects/{project_id}', effects: ['write'] },
        { route: 'POST /projects/{project_id}/notes', effects: ['write'] },
      ],
    },
    ...{ reply: projects, own: p1 },
  })

  it.each<[string, string, unknown?, string?]>([
    ['PATCH', '/projects/p1?_method[]=DELETE', {}],
    ['PATCH', '/projects/p1?_method[0]=DELETE', {}],
    ['PATCH', '/projects/p1?.method=DELETE', {}],
    ['PATCH', '/projects/p1?%20_method=DELETE', {}],
    ['PATCH', '/projects/p1?_HttpMethod=DELETE', {}],
    ['PATCH', '/projects/p1?x_http_method_override=DELETE', {}],
    ['PATCH', '/projects/p1?X-HTTP-Method-Override[]=DELETE', {}],
    ['POST', '/projects/p1/notes', '_method[]=DELETE', form],
    ['POST', '/projects/p1/notes', 'access_token[]=x', form],
    ['POST', '/projects/p1/notes?access.token=x', {}],
    ['POST', '/projects/p1/notes?client_secret=x', {}],
    ['POST', '/projects/p1/notes?token=x', {}],
    ['PATCH', '/projects/p1', { note: null }],
    ['PATCH', '/projects/p1', { allowed_ips: [] }],
    ['PATCH', '/projects/p1', { protection: {} }],
    ['PATCH', '/projects/p1', { note: '' }],
    ['PATCH', '/projects/p1', { status: 'deleted' }],
    ['PATCH', '/projects/p1', { $patch: 'delete' }],
    ['PATCH', '/projects/p1', [{ op: 'remove', path: '/x' }], 'application/json-patch+json'],
    ['POST', '/projects/p1/notes', { parent: { name: 'x' } }],
    ['POST', '/projects/p1/notes', { organization: 'competitor' }],
    ['POST', '/projects/p1/notes', { projects: { p2: {} } }],
  ])('is no ordinary write as %s %s %j', async (method, path, given, type) => {
    expect(await call(method, path, given, type)).not.toBe('passed')
    expect(asked.filter((one) => !one.startsWith('GET '))).toEqual([])
  })
})

it('has nothing else match what a description has and could not be taken over', async () => {
  const { asked, call } = await ready({
    given: {
      openapi: {
        openapi: '3.0.0',
        paths: {
          '/projects/{project_id}': { get: { operationId: 'project' } },
          '/projects/{project_id}/records/{record_id}': {
            get: { operationId: 'record' },
            post: { operationId: 'noteRecord', requestBody: body({ note: text }) },
          },
          '/projects/{project_id}/records/@wipe': { post: { summary: 'x' } },
          '/projects/{project_id}/records/{record_id}:purge': { post: { operationId: 'purge' } },
        },
      },
    },
    reply: (_, path) => ({ id: path.split('/').at(-1) }),
    own: p1,
  })
  expect(await call('POST', '/projects/p1/records/r1', { note: 'x' })).toBe('passed')
  expect(await call('POST', '/projects/p1/records/@wipe', { note: 'x' })).toBe('unknown-operation')
  expect(await call('POST', '/projects/p1/records/r1:purge', { note: 'x' })).toBe(
    'unknown-operation',
  )
  expect(asked.filter((one) => /wipe|purge/.test(one))).toEqual([])
})

it('asks nothing of an API to locate a thing but what only shows', async () => {
  const { asked, call } = await ready({
    given: {
      operations: [
        { route: 'GET /triggers/{trigger_id}', effects: ['execute'] },
        { route: 'PATCH /triggers/{trigger_id}', effects: ['write'] },
      ],
    },
    reply: () => ({ id: 't1' }),
  })
  expect(await call('PATCH', '/triggers/t1', {})).toBe('resource-unresolved')
  expect(asked).toEqual([])
})
