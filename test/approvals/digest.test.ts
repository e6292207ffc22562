/** What names a request: whatever matters makes another name, and how it was spelled or ordered does not. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { digestOf, type Judged, shortCode } from '../../src/approvals/digest.ts'

const id = fc.uuid()
const word = fc.stringMatching(/^[a-z]{1,12}$/)
const place = fc.array(fc.record({ kind: word, id }), { minLength: 1, maxLength: 3 })
const site = fc
  .record({ kind: word, id, role: fc.constantFrom('target', 'context'), argument: word, place })
  .map(({ place: home, ...resource }) => ({
    resource,
    located: { known: true, home, places: [home] },
  }))

/** As far as the digest looks at it. */
const judged = fc
  .record({
    agent: word,
    environment: word,
    connection: fc.record({
      ...{ name: fc.constant('railway'), provider: word, baseUrl: fc.webUrl(), placement: word },
      ...{ allowPrivate: fc.boolean(), secretVersion: fc.nat(), schemaHash: word },
    }),
    overlay: word,
    scopes: fc.constant([
      {
        name: 'work',
        version: 1,
        allow: [{ connection: 'railway', pattern: { form: 'exact', name: 'Mutation.x' } }],
      },
    ]),
    operations: fc.constant([{ name: 'Mutation.x', effects: ['destructive'], mustName: [] }]),
    sites: fc.array(fc.array(site, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 2 }),
    request: fc.record({
      method: fc.constantFrom('POST', 'GET'),
      path: word,
      query: word,
      contentType: fc.constantFrom('application/json', 'application/gzip', null),
      accept: fc.constantFrom('application/json', '*/*'),
      body: fc.uint8Array({ minLength: 1, maxLength: 40 }),
    }),
  })
  .map((made) => made as unknown as Judged)

const changes: ((one: Judged) => object)[] = [
  (one) => ({ agent: `${one.agent}x` }),
  (one) => ({ environment: `${one.environment}x` }),
  (one) => ({ overlay: `${one.overlay}x` }),
  (one) => ({ request: { ...one.request, idempotencyKey: 'once' } }),
  (one) => ({ scopes: one.scopes.map((scope) => ({ ...scope, version: 2 })) }),
  () => ({ scopes: [] }),
  (one) => ({ operations: [...one.operations, one.operations[0]] }),
  (one) => ({ sites: [...one.sites, []] }),
  ...(['name', 'baseUrl', 'placement', 'provider', 'schemaHash'] as const).map(
    (name) => (one: Judged) => ({
      connection: { ...one.connection, [name]: `${one.connection[name]}x` },
    }),
  ),
  (one) => ({
    connection: { ...one.connection, secretVersion: one.connection.secretVersion + 1 },
  }),
  (one) => ({ connection: { ...one.connection, allowPrivate: !one.connection.allowPrivate } }),
  ...(['method', 'path', 'query', 'contentType', 'accept'] as const).map(
    (name) => (one: Judged) => ({
      request: { ...one.request, [name]: `${one.request[name]}x` },
    }),
  ),
  (one) => ({ request: { ...one.request, body: flipped(one.request.body) } }),
  (one) => ({ request: { ...one.request, body: null } }),
  (one) => withFirst(one, ({ resource, located }) => [{ ...resource, id: 'other' }, located]),
  (one) => withFirst(one, ({ resource, located }) => [{ ...resource, argument: 'zz1' }, located]),
  (one) => withFirst(one, ({ resource }) => [resource, { known: false }]),
  (one) =>
    withFirst(one, ({ resource, located }) => [
      resource,
      { ...located, places: [[{ kind: 'environment', id: 'production' }]] },
    ]),
]

function flipped(body: Uint8Array | null): Uint8Array {
  const copy = Uint8Array.from(body ?? [])
  copy[0] = (copy[0] ?? 0) ^ 1
  return copy
}

function withFirst(
  { sites: [first = [], ...rest] }: Judged,
  change: (site: Judged['sites'][number][number]) => [object, object],
): object {
  const [one, ...others] = first
  if (one === undefined) throw new Error('there is no site')
  const [resource, located] = change(one)
  return { sites: [[{ resource, located }, ...others], ...rest] }
}

test('one bit of the body, an id, a place, a header, a version: each makes it another request', () => {
  fc.assert(
    fc.property(judged, fc.constantFrom(...changes), (one, change) => {
      expect(digestOf({ ...one, ...change(one) } as Judged)).not.toBe(digestOf(one))
    }),
    { numRuns: 400 },
  )
})

test('the order in which resources and effects were found makes no other request', () => {
  fc.assert(
    fc.property(judged, (one) => {
      const turned = {
        ...one,
        sites: one.sites.map((some) => some.toReversed()),
        operations: one.operations.map((each) => ({
          ...each,
          effects: each.effects.toReversed(),
        })),
      }
      expect(digestOf(turned)).toBe(digestOf(one))
      expect(shortCode(digestOf(one))).toMatch(/^[B-Z]{4}-[B-Z]{4}$/)
    }),
  )
})
