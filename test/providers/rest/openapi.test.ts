/** Descriptions taken over: what becomes of them, and that a bad one becomes nothing. */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compileRest } from '../../../src/providers/rest/catalogue.ts'
import { Description } from '../../../src/providers/rest/description.ts'
import { importOpenApi } from '../../../src/providers/rest/openapi.ts'

const neonFile = join(
  createRequire(import.meta.url).resolve('@neondatabase/api-client/package.json'),
  '../public-v2-for-users.gen.yaml',
)

function small(paths: object, more: object = {}): string {
  return JSON.stringify({
    openapi: '3.1.0',
    servers: [{ url: 'https://api.example' }],
    paths,
    ...more,
  })
}

function effectsOf(paths: object, more: object = {}): Record<string, string> {
  const { description } = importOpenApi(small(paths, more))
  return Object.fromEntries(
    description.operations.map(({ name, effects }) => [name, effects.join(' ')]),
  )
}

describe('a description', () => {
  it('of a hundred paths, in YAML, is taken over whole', async () => {
    const { description, left } = importOpenApi(await readFile(neonFile, 'utf8'))
    expect(left).toEqual([])
    expect(description).toMatchObject({
      base_url: 'https://console.neon.tech/api/v2',
      placement: 'bearer',
    })
    expect(description.operations).toHaveLength(163)
    expect(Description.safeParse(description).success).toBe(true)
    const { route, operations } = compileRest(description, {})
    for (const one of operations) {
      const path = one.template.map((part) => ('literal' in part ? part.literal : 'zz'))
      expect(route(one.method, path)?.of.name).toBe(one.name)
    }
    for (const one of description.operations) {
      if (one.method === 'DELETE')
        expect([one.name, one.effects]).toEqual([one.name, expect.arrayContaining(['destructive'])])
      if (/password|token|credential|connection_uri/i.test(`${one.name} ${one.template}`)) {
        expect([one.name, one.effects]).toEqual([one.name, expect.arrayContaining(['reveal'])])
      }
    }
  })

  it('of thousands of operations is taken over within seconds, and looked up in no more time than one of ten', () => {
    const paths = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, i) => [
        `/group${i % 60}/{group_id}/things${i}/{thing_id}`,
        {
          get: { operationId: `getThing${i}`, responses: {} },
          delete: { operationId: `deleteThing${i}`, responses: {} },
        },
      ]),
    )
    const began = performance.now()
    const { description } = importOpenApi(small(paths))
    const many = compileRest(description, {})
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(many.operations).toHaveLength(6_000)
    const few = compileRest({ ...description, operations: description.operations.slice(0, 10) }, {})
    const timed = ({ route }: typeof many) => {
      const start = performance.now()
      for (let i = 0; i < 20_000; i += 1) route('GET', ['group1', 'a', 'things1', 'b'])
      return performance.now() - start
    }
    timed(few)
    timed(many)
    expect(timed(many)).toBeLessThan(10 * timed(few) + 20)
  })

  it('is guessed towards the more dangerous', () => {
    const body = (schema: object) => ({
      requestBody: { content: { 'application/json': { schema } } },
    })
    const answer = (schema: object) => ({
      responses: { 200: { content: { 'application/json': { schema } } } },
    })
    expect(
      effectsOf({
        '/things/{thing_id}': {
          get: { operationId: 'getThing' },
          put: { operationId: 'putThing' },
          patch: {
            operationId: 'patchThing',
            ...body({ type: 'object', properties: { a: { type: 'string' } } }),
          },
          delete: { operationId: 'dropThing' },
        },
        '/things/{thing_id}/flags': {
          patch: {
            operationId: 'flag',
            ...body({ type: 'object', properties: { protected: { type: 'boolean' } } }),
          },
        },
        '/things/{thing_id}/phase': {
          post: {
            operationId: 'phase',
            ...body({ properties: { to: { type: 'string', enum: ['live', 'deleted'] } } }),
          },
        },
        '/things/{thing_id}/restore': { post: { operationId: 'restoreThing' } },
        '/things/{thing_id}/query': { post: { operationId: 'ask' } },
        '/things/{thing_id}/labels': {
          post: { operationId: 'label', ...body({ type: 'object' }) },
        },
        '/things/{thing_id}/state': {
          get: {
            operationId: 'state',
            ...answer({ properties: { inner: { properties: { api_key: { type: 'string' } } } } }),
          },
        },
        '/things/{thing_id}/webhooks': { post: { operationId: 'hook' } },
        '/things': { post: { operationId: 'makeThing' } },
        '/organization/{org_id}': { get: { operationId: 'org' } },
      }),
    ).toEqual({
      getThing: 'read',
      putThing: 'write destructive',
      patchThing: 'write',
      dropThing: 'write destructive',
      flag: 'write destructive',
      phase: 'write destructive',
      restoreThing: 'write destructive',
      ask: 'write execute',
      label: 'write destructive',
      state: 'read reveal',
      hook: 'write reveal',
      makeThing: 'write admin',
      org: 'read admin',
    })
  })

  it('says where its token goes', () => {
    const scheme = (one: object) =>
      importOpenApi(small({ '/a': { get: {} } }, { components: { securitySchemes: { one } } }))
        .description.placement
    expect(scheme({ type: 'http', scheme: 'bearer' })).toBe('bearer')
    expect(scheme({ type: 'apiKey', in: 'header', name: 'X-Api-Key' })).toBe('header:x-api-key')
    expect(scheme({ type: 'apiKey', in: 'header', name: 'Authorization' })).toBe('authorization')
  })

  it('leaves out, and says so, what could not be named or told from another', () => {
    const { description, left } = importOpenApi(
      small({
        '/files/{name}.json': { get: { operationId: 'file' } },
        '/a': { get: { operationId: 'same' }, post: { operationId: 'same' } },
      }),
    )
    expect(left).toEqual([
      { operation: 'GET /files/{name}.json', why: expect.stringContaining('neither text') },
    ])
    expect(description.operations.map(({ name }) => name)).toEqual(['same', 'POST /a'])
  })

  const deep = (levels: number) => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`)
  it.each([
    ['no text of any kind', '{', /cannot be parsed/],
    ['YAML that is none', 'a: [', /cannot be parsed/],
    ['another format', JSON.stringify({ swagger: '2.0', paths: {} }), /no OpenAPI document/],
    ['nothing in it', small({}), /no operation/],
    [
      'a reference to another document',
      small({ '/a': { get: { parameters: [{ $ref: 'https://evil.example/x.json' }] } } }),
      /nothing outside of it is fetched/,
    ],
    [
      'a reference to a file',
      small({ '/a': { get: { parameters: [{ $ref: './x.yaml#/a' }] } } }),
      /nothing outside of it is fetched/,
    ],
    [
      'a reference to nothing',
      small({ '/a': { post: { requestBody: { $ref: '#/components/none' } } } }),
      /refers to nothing/,
    ],
    [
      'a reference to itself',
      small({ '/a': { post: { requestBody: { $ref: '#/x' } } } }, { x: { $ref: '#/x' } }),
      /refers to itself/,
    ],
    ['a schema a thousand deep', small({ '/a': { get: deep(1_000) } }), /nested deeper/],
    [
      'aliases that make it grow',
      `openapi: 3.0.0\npaths: {}\na: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]`,
      /cannot be parsed/,
    ],
  ])('with %s is refused with the reason', (_, text, why) => {
    expect(() => importOpenApi(text)).toThrow(
      expect.objectContaining({ code: 'malformed-request', message: expect.stringMatching(why) }),
    )
  })

  it('is guessed by every word that its names may have', () => {
    const reads = 'kubeconfig connection-string totp dump heapdump appsettings cancel trigger run'
    const writes = 'flush empty reinstall failover drain prune trash abort poweroff import sync'
    const paths = Object.fromEntries([
      ...reads
        .split(' ')
        .map((word) => [`/a/{a_id}/${word}`, { get: { operationId: `r/${word}` } }]),
      ...writes
        .split(' ')
        .map((word) => [`/a/{a_id}/${word}`, { post: { operationId: `w/${word}` } }]),
      [
        '/b/{b_id}',
        {
          get: {
            operationId: 'forced',
            responses: { 200: { content: { 'application/octet-stream': {} } } },
          },
          patch: {
            operationId: 'act',
            parameters: [{ in: 'query', name: 'action', schema: { enum: ['remove'] } }],
          },
        },
      ],
    ])
    const ordinary = Object.entries(effectsOf(paths)).filter(([, said]) =>
      /^(?:read|write)$/.test(said),
    )
    expect(ordinary).toEqual([])
  })

  it.each<[string, () => string | object]>([
    [
      'an address of slashes',
      () => small({ '/a': { get: {} } }, { servers: [{ url: '/'.repeat(1e6) }] }),
    ],
    ['a name of braces', () => small({ '/a/{a_id}': { get: { operationId: '{'.repeat(1e6) } } })],
    [
      'a chain of schemas',
      () => {
        const schemas = Object.fromEntries(
          Array.from({ length: 20_000 }, (_, i) => [
            `s${i}`,
            { properties: { next: { $ref: `#/components/schemas/s${(i + 1) % 20_000}` } } },
          ]),
        )
        const schema = { $ref: '#/components/schemas/s0' }
        const requestBody = { content: { 'application/json': { schema } } }
        return small({ '/a/{a_id}': { post: { requestBody } } }, { components: { schemas } })
      },
    ],
    [
      'an enum that all refer to',
      () => {
        const schemas = { many: { enum: Array.from({ length: 100_000 }, (_, i) => `v${i}`) } }
        const schema = { $ref: '#/components/schemas/many' }
        const requestBody = { content: { 'application/json': { schema } } }
        const all = Array.from({ length: 500 }, (_, i) => [
          `/a${i}/{a_id}`,
          { post: { requestBody } },
        ])
        return small(Object.fromEntries(all), { components: { schemas } })
      },
    ],
  ])('of %s is read, or refused, within seconds', (_, make) => {
    const given = make()
    const began = performance.now()
    try {
      importOpenApi(given)
    } catch (error) {
      expect(error).toMatchObject({ code: 'malformed-request' })
    }
    expect(performance.now() - began).toBeLessThan(3_000)
  })

  it('leaves out what is too long to be kept, and is one that can be loaded', () => {
    const { description, left } = importOpenApi(
      small({
        '/a/{a_id}': {
          get: { operationId: 'fine' },
          post: {
            requestBody: {
              content: {
                'application/json': { schema: { properties: { ['x'.repeat(500)]: {} } } },
              },
            },
          },
        },
        [`/${'b'.repeat(2_000)}`]: { get: {} },
        '/c': { servers: [{ url: 'https://other.example' }], get: { operationId: 'elsewhere' } },
      }),
    )
    expect(description.operations.map(({ name }) => name)).toEqual(['fine'])
    expect(left).toHaveLength(3)
    expect(Description.safeParse(description).success).toBe(true)
  })

  it('of paths that are one is refused, naming both', () => {
    const { description } = importOpenApi(
      small({
        '/a/{b_id}': { get: { operationId: 'one' } },
        '/a/{c_id}': { get: { operationId: 'two' } },
      }),
    )
    expect(() => compileRest(description, {})).toThrow(/one and two cannot be told apart/)
  })

  it('that goes round in circles ends', () => {
    const schemas = {
      node: {
        type: 'object',
        properties: { next: { $ref: '#/components/schemas/node' }, secret: { type: 'string' } },
      },
    }
    const content = { 'application/json': { schema: { $ref: '#/components/schemas/node' } } }
    expect(
      effectsOf(
        { '/a/{a_id}': { get: { operationId: 'round', responses: { 200: { content } } } } },
        { components: { schemas } },
      ),
    ).toEqual({ round: 'read reveal' })
  })
})
