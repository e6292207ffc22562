/** What leaves is what was judged: one canonical request for all spellings of it, and none for what can be read twice. */
import fc from 'fast-check'
import { buildSchema } from 'graphql'
import { describe, expect, it } from 'vitest'
import { sdl } from '../../../src/demo/railway/schema.ts'
import type { Call } from '../../../src/providers/provider.ts'
import { railway } from '../../../src/providers/railway/provider.ts'
import { meaning, spell } from './documents.ts'
import { railwayLeaf } from './railway-world.ts'
import { callOf, canonicalOf, comparable, jsonOf, reading } from './reading.ts'

const schema = buildSchema(sdl)
const catalogue = railway.compile(sdl)

function refusal(
  body: string | object,
  changes: Partial<Call> = {},
): { code: string; message: string } {
  try {
    railway.read(catalogue, callOf(body, changes))
  } catch (error) {
    return { code: Reflect.get(Object(error), 'code'), message: String(error) }
  }
  throw new Error('it was taken')
}

describe('the request that leaves', () => {
  it('is judged as the one that came, and reading it again changes nothing', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const spelled = spell(schema, meaning(schema, railwayLeaf, g), g, true)
        const came = reading(catalogue, spelled)
        const body = canonicalOf(catalogue, spelled)
        const leaves = reading(catalogue, body)
        expect(comparable(leaves.operations)).toEqual(comparable(came.operations))
        expect(leaves.form).toEqual(came.form)
        expect(canonicalOf(catalogue, body)).toBe(body)
      }),
      { numRuns: 250 },
    )
  })

  it('does not depend on the order of JSON members, on white space or on variables that nobody declared', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const spelled = spell(schema, meaning(schema, railwayLeaf, g), g)
        const { query, variables, operationName } = spelled
        const backwards = Object.fromEntries(Object.entries(variables).reverse())
        const other = {
          ...(operationName === undefined ? {} : { operationName }),
          variables: { stray: 1, ...backwards },
          query: query.replaceAll('\n', ' \n\t,\ufeff\n # x\n').replaceAll(/^/g, '\n'),
        }
        expect(canonicalOf(catalogue, JSON.stringify(other, null, 2))).toBe(
          canonicalOf(catalogue, spelled),
        )
      }),
      { numRuns: 150 },
    )
  })

  const base =
    'query Q($id: String!, $n: Int) { ...A b: project(id: $id) { id } } fragment A on Query { environments(projectId: $id, first: $n) { pageInfo { hasNextPage } } }'
  const canonical = canonicalOf(catalogue, { query: base, variables: { id: 'x', n: 1 } })

  it.each([
    [
      'the name of its only operation given',
      { query: base, variables: { n: 1, id: 'x' }, operationName: 'Q' },
    ],
    ['an empty name', { query: base, variables: { id: 'x', n: 1 }, operationName: '' }],
    ['extensions that are null', { query: base, variables: { id: 'x', n: 1 }, extensions: null }],
    [
      'fragments first',
      { query: base.replace(/^(.*) (fragment .*)$/, '$2 $1'), variables: { id: 'x', n: 1 } },
    ],
    ['a value in its own list', { query: base, variables: { id: 'x', n: 1.0 } }],
    [
      'escapes in JSON',
      JSON.stringify({ query: base, variables: { id: 'x', n: 1 } }).replaceAll('x', '\\u0078'),
    ],
  ])('is the same bytes with %s', (_, body) => {
    expect(canonicalOf(catalogue, body)).toBe(canonical)
  })

  it.each([
    ['an alias', base.replace('b: ', 'c: ')],
    ['a name', base.replace('query Q', 'query R')],
    [
      'the order of fields',
      base.replace('...A b: project(id: $id) { id }', 'b: project(id: $id) { id } ...A'),
    ],
    ['a literal for a variable', base.replace('first: $n', 'first: 1').replace(', $n: Int', '')],
  ])('is other bytes with %s changed, though it means the same', (_, query) => {
    expect(canonicalOf(catalogue, { query, variables: { id: 'x', n: 1 } })).not.toBe(canonical)
  })

  it('carries the defaults of variables and of input fields, and ids as text', () => {
    const query =
      'mutation($i: VariableCollectionUpsertInput!, $s: String = "s") { variableCollectionUpsert(input: $i) serviceUpdate(id: $s, input: {}) { id } }'
    const input = { variables: { A: 'b' }, projectId: 'p', environmentId: 'e' }
    expect(jsonOf(canonicalOf(catalogue, { query, variables: { i: input } }))).toMatchObject({
      variables: { i: { ...input, replace: false, skipDeploys: false }, s: 's' },
    })
  })
})

const project = '{ project(id: "p") { id } }'

describe('a request with two readings', () => {
  it.each([
    ['a batch', [{ query: project }, { query: 'mutation { projectDelete(id: "p") }' }]],
    [
      'several operations',
      { query: 'query A { me { id } } mutation B { projectDelete(id: "p") }', operationName: 'A' },
    ],
    [
      'several operations, none of them named',
      { query: 'query A { me { id } } mutation B { projectDelete(id: "p") }' },
    ],
    [
      'several operations with variables of their own',
      {
        query: 'query A { me { id } } mutation B($p: String!) { projectDelete(id: $p) }',
        operationName: 'A',
      },
    ],
    [
      'several mutations',
      { query: 'mutation { a: projectDelete(id: "p") b: projectDelete(id: "q") }' },
    ],
    [
      'introspection beside a field',
      { query: '{ __schema { types { name } } project(id: "p") { id } }' },
    ],
  ])('is judged whole and then refused for its form: %s', (_, body) => {
    const read = reading(catalogue, body)
    expect(read.form).toMatchObject({ code: 'ambiguous-request' })
    expect(read.operations.length).toBeGreaterThan(0)
  })

  it('is refused for what its other operations would do, where the variables fit them', () => {
    const query =
      'query A { me { id } } mutation B($p: String!) { projectDelete(id: $p) } query C($n: Int!) { projects(first: $n) { edges { cursor } } }'
    const read = reading(catalogue, { query, operationName: 'A', variables: { p: 'p' } })
    expect(read.operations.map(({ name }) => name)).toEqual(['Query.me', 'Mutation.projectDelete'])
    expect(read.form).toMatchObject({ code: 'ambiguous-request' })
  })

  it.each([
    [
      'a duplicate key',
      `{"query": ${JSON.stringify(project)}, "query": "{ me { id } }"}`,
      'ambiguous-request',
    ],
    [
      'a duplicate variable',
      `{"query": ${JSON.stringify(project)}, "variables": {"a": 1, "\\u0061": 2}}`,
      'ambiguous-request',
    ],
    [
      'a persisted query',
      '{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "00"}}}',
      'ambiguous-request',
    ],
    ['a document by its id', '{"id": "abc"}', 'ambiguous-request'],
    [
      'an unknown member',
      `{"query": ${JSON.stringify(project)}, "queries": []}`,
      'malformed-request',
    ],
    [
      'variables in a list',
      `{"query": ${JSON.stringify(project)}, "variables": []}`,
      'malformed-request',
    ],
    [
      'a name that is no text',
      `{"query": ${JSON.stringify(project)}, "operationName": 1}`,
      'malformed-request',
    ],
    [
      'a name that it does not have',
      `{"query": ${JSON.stringify(project)}, "operationName": "X"}`,
      'malformed-request',
    ],
    ['an empty batch', '[]', 'malformed-request'],
    ['a batch in a batch', `[[{"query": ${JSON.stringify(project)}}]]`, 'malformed-request'],
    [
      'a batch of a hundred',
      JSON.stringify(Array(100).fill({ query: project })),
      'malformed-request',
    ],
    ['no query', '{}', 'malformed-request'],
    ['text', '"query"', 'malformed-request'],
    ['nothing', '', 'malformed-request'],
    ['a query string', 'query=%7B+me+%7D', 'malformed-request'],
  ])('is refused: %s', (_, body, code) => {
    expect(refusal(body).code).toBe(code)
  })

  it.each([
    ['a missing variable', 'query($id: String!) { project(id: $id) { id } }', {}],
    [
      'a null for what must not be null',
      'query($id: String!) { project(id: $id) { id } }',
      { id: null },
    ],
    ['a null over a default', 'query($id: String = "p") { project(id: $id) { id } }', { id: null }],
    ['a null in a list', 'query($id: String = "p") { project(id: $id) { id } }', { id: [null] }],
    ['a number where text belongs', 'query($id: String!) { project(id: $id) { id } }', { id: 7 }],
    [
      'an input field that nobody knows',
      'mutation($i: VolumeUpdateInput!) { volumeUpdate(volumeId: "v", input: $i) { id } }',
      { i: { state: 'DELETED' } },
    ],
    [
      'an enum value that nobody knows',
      'mutation($s: VolumeState) { volumeInstanceUpdate(volumeId: "v", input: {state: $s}) }',
      { s: 'GONE' },
    ],
  ])('with bad variables is the caller’s mistake: %s', (_, query, variables) => {
    expect(refusal({ query, variables }).code).toBe('malformed-request')
  })

  it.each<[string, Partial<Call>, string]>([
    ['GET', { method: 'GET' }, 'method-not-allowed'],
    ['PUT', { method: 'PUT' }, 'method-not-allowed'],
    ['a query in the URL', { query: [['query', project]] }, 'ambiguous-request'],
    ['a query string of any kind', { query: [['x', '']] }, 'ambiguous-request'],
    ['multipart', { contentType: 'multipart/form-data; boundary=x' }, 'malformed-request'],
    ['GraphQL text', { contentType: 'application/graphql' }, 'malformed-request'],
    ['another charset', { contentType: 'application/json; charset=utf-16' }, 'malformed-request'],
    ['two content types', { contentType: 'application/json, text/plain' }, 'malformed-request'],
    ['an empty content type', { contentType: '' }, 'malformed-request'],
    ['a tab in the content type', { contentType: 'application/json\ta' }, 'malformed-request'],
    ['text that is not UTF-8', { body: Uint8Array.of(0x22, 0xff, 0x22) }, 'malformed-request'],
  ])('is refused however it is sent: %s', (_, changes, code) => {
    expect(refusal({ query: project }, changes).code).toBe(code)
  })

  it.each([
    null,
    'application/json',
    'Application/JSON; charset="UTF-8"',
    'application/x-www-form-urlencoded',
  ])('is none when the content type is %s, as upstreams take it', (contentType) => {
    expect(railway.read(catalogue, callOf({ query: project }, { contentType })).kind).toBe('call')
  })
})

describe('introspection', () => {
  it.each([
    '{ __typename }',
    '{ __schema { queryType { name } } }',
    'query($n: String!) { __type(name: $n) { name fields { name } } }',
    '{ a: __type(name: "Volume") { name } ... on Query { __typename } }',
  ])('is answered by the broker: %s', (query) => {
    const read = railway.read(catalogue, callOf({ query, variables: { n: 'Volume' } }))
    expect(read).toMatchObject({ kind: 'answer', json: { data: expect.anything() } })
    expect(read.kind === 'answer' && Object(read.json).errors).toBeUndefined()
  })

  it('in a batch is refused for the batch, and not answered in part', () => {
    const read = reading(catalogue, [{ query: '{ __typename }' }, { query: '{ __typename }' }])
    expect(read).toMatchObject({ operations: [], form: { code: 'ambiguous-request' } })
  })
})
