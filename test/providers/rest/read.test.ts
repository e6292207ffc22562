/** What a call to a described API is read as: its effects, everything that it names, and the one request that leaves. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { describeByHand } from '../../../src/providers/rest/by-hand.ts'
import { compileRest } from '../../../src/providers/rest/catalogue.ts'
import { readRest } from '../../../src/providers/rest/read.ts'

const catalogue = compileRest(
  describeByHand([
    { route: 'GET /things/{thing_id}', effects: ['read'], query: ['fields', 'thing_id'] },
    { route: 'GET /things', effects: ['read'] },
    { route: 'PATCH /things/{thing_id}', effects: ['write'] },
    {
      name: 'parts/add',
      route: 'POST /things/{thing_id}/parts',
      effects: ['write'],
      fields: ['name', 'tags', 'thing_id'],
    },
    { route: 'DELETE /things/{thing_id}/parts/{part_id}', effects: ['destructive'] },
    { route: 'GET /things/{thing_id}/parts/{part_id}', effects: ['read'] },
    { route: 'POST /move', effects: ['write'] },
    { name: 'files/get', route: 'GET /things/{thing_id}/files/{+path}', effects: ['read'] },
    { name: 'files/raw', route: 'GET /things/{thing_id}/files/{+path}/raw', effects: ['reveal'] },
  ]),
  { resources: { target: 'thing_id' } },
)

type Given = { query?: [string, string][]; body?: string; type?: string | null }

function read(
  method: string,
  path: string | string[],
  { query = [], body = '', type = 'application/json' }: Given = {},
) {
  const reading = readRest(catalogue, {
    method,
    segments: typeof path === 'string' ? path.split('/').slice(1) : path,
    query,
    contentType: body === '' ? null : type,
    body: Buffer.from(body),
  })
  if (reading.kind !== 'call') throw new Error('no call')
  const [operation] = reading.operations
  if (operation === undefined) throw new Error('no operation')
  return { operation, request: reading.request }
}

const named = (given: ReturnType<typeof read>) =>
  given.operation.resources.map(
    ({ kind, id, spread }) => `${kind} ${id}${spread ? ' and more' : ''}`,
  )

const form = 'application/x-www-form-urlencoded'

describe('a call', () => {
  it('names what its path, its query and its body name, at any depth', () => {
    expect(named(read('GET', '/things/one'))).toEqual(['thing one'])
    expect(named(read('GET', '/things/one', { query: [['thing_id', 'two']] }))).toEqual([
      'thing one',
      'thing two and more',
    ])
    expect(named(read('DELETE', '/things/one/parts/p'))).toEqual(['part one/p'])
    expect(
      named(read('POST', '/things/one/parts', { body: '{"a":[{"thing_id":["two",3]}]}' })),
    ).toEqual(['thing one and more', 'thing two and more', 'thing 3 and more'])
    expect(named(read('POST', '/move', { body: '{"part_id":"p","thing_id":"one"}' }))).toEqual([
      'part one/p and more',
      'thing one and more',
      'api whole and more',
    ])
    expect(named(read('POST', '/move', { body: '{"thingId":"two"}' }))).toEqual([
      'thing two and more',
      'api whole and more',
    ])
    expect(named(read('POST', '/move', { body: '{"target":"two"}' }))).toEqual([
      'thing two and more',
      'api whole and more',
    ])
    expect(
      named(read('POST', '/move', { body: 'x[thing_id]=one&thing_id[0]=two', type: form })),
    ).toEqual(['thing one and more', 'thing two and more', 'api whole and more'])
  })

  it('is missing what contains a thing where nobody says it, or two do', () => {
    expect(read('POST', '/move', { body: '{"part_id":"p"}' }).operation.missing).toEqual([
      'thing_id',
    ])
    const two = read('POST', '/move', {
      body: '{"part_id":"p","a":{"thing_id":"1"},"b":{"thing_id":"2"}}',
    })
    expect(two.operation.missing).toEqual(['thing_id'])
  })

  it('has to name what it points at and nobody knows, and what its description does not have', () => {
    const fields = (given: ReturnType<typeof read>) =>
      given.operation.mustName.map(({ field }) => field)
    expect(fields(read('POST', '/things/one/parts', { body: '{"name":"x"}' }))).toEqual([])
    expect(
      fields(read('POST', '/things/one/parts', { body: '{"name":"x","force":true}' })),
    ).toEqual(['parts/add.force'])
    expect(
      fields(read('POST', '/move', { body: '{"owner_id":"x","callbackUrl":"y","a$b":1}' })),
    ).toEqual(['POST /move.owner_id', 'POST /move.callbackUrl'])
    expect(
      fields(read('POST', '/move', { body: '{"paid":true,"valid":1,"thing":{"name":"x"}}' })),
    ).toEqual(['POST /move.thing'])
    expect(
      fields(read('POST', '/move', { body: '{"source":"x","newThing":"y","things":["z"]}' })),
    ).toEqual(['POST /move.source', 'POST /move.newThing', 'POST /move.things'])
    expect(fields(read('POST', '/move', { body: '["one"]' }))).toEqual(['POST /move.body'])
    expect(fields(read('GET', '/things/one', { query: [['force', '1']] }))).toEqual([
      'GET /things/{thing_id}.force',
    ])
  })

  it('has no field without a name, and none that only seems to stand at the top', () => {
    for (const [body, type] of [
      ['{"":{"thing_id":"one"}}', undefined],
      ['{"a":{"":{"thing_id":"one"}}}', undefined],
      ['0[thing_id]=one', form],
      ['[0][thing_id]=one', form],
      ['[thing_id]=one', form],
      ['thing_id[0]x=one', form],
    ] as const) {
      expect(() =>
        read('POST', '/move', { body, ...(type === undefined ? {} : { type }) }),
      ).toThrow(/can be read in two ways/)
    }
    expect(() => read('GET', '/things/one', { query: [['0[thing_id]', 'two']] })).toThrow()
  })

  it('is destructive where it clears something', () => {
    expect(read('PATCH', '/things/one', { body: '{"a":{"b":null}}' }).operation.effects).toEqual([
      'write',
      'destructive',
    ])
    expect(read('PATCH', '/things/one', { body: 'a=', type: form }).operation.own).toContain(
      'destructive',
    )
    expect(read('PATCH', '/things/one', { body: '{"a":1}' }).operation.effects).toEqual(['write'])
  })

  it('leaves as it was read, spelled in one way', () => {
    const { request } = read('PATCH', '/things/a b', {
      body: '{ "b" : [1.0, "\\u00e9"] }',
      query: [['q', 'a b&c']],
    })
    expect(request).toMatchObject({ method: 'PATCH', path: '/things/a%20b', query: 'q=a%20b%26c' })
    expect(Buffer.from(request.body ?? []).toString()).toBe('{"b":[1,"é"]}')
    const sent = read('POST', '/move', { body: 'a+b=c%20d&e', type: form }).request
    expect(Buffer.from(sent.body ?? []).toString()).toBe('a%20b=c%20d&e=')
  })

  it('takes a path in its path, however its slashes are spelled, and sends it in one way', () => {
    for (const path of [
      ['things', 'one', 'files', 'src', 'a b.ts'],
      ['things', 'one', 'files', 'src/a b.ts'],
    ]) {
      const given = read('GET', path)
      expect(given.operation.name).toBe('files/get')
      expect(given.request.path).toBe('/things/one/files/src/a%20b.ts')
      expect(named(given)).toEqual(['thing one and more'])
    }
    // The longer text at the end is the more exact reading.
    expect(read('GET', ['things', 'one', 'files', 'a', 'raw']).operation.name).toBe('files/raw')
    for (const piece of ['a/raw', '../x', 'a/..', 'a//b', '/a', 'a/', './a']) {
      expect(() => read('GET', ['things', 'one', 'files', piece])).toThrow(
        expect.objectContaining({ code: 'ambiguous-request' }),
      )
    }
    expect(() => read('GET', ['things', 'a/parts/b'])).toThrow(
      expect.objectContaining({ code: 'ambiguous-request' }),
    )
    expect(() => read('GET', ['things', 'a/b'])).toThrow(
      expect.objectContaining({ code: 'unknown-operation' }),
    )
  })

  it('as HEAD is judged as its GET', () => {
    expect(read('HEAD', '/things/one')).toMatchObject({
      operation: { name: 'GET /things/{thing_id}', effects: ['read'] },
      request: { method: 'HEAD' },
    })
  })

  it.each([
    ['a path of no route', 'GET', '/nothing', {}, 'unknown-operation'],
    ['a method of no route', 'PUT', '/things/one', {}, 'unknown-operation'],
    ['TRACE', 'TRACE', '/things/one', {}, 'unknown-operation'],
    ['a GET with a body', 'GET', '/things/one', { body: '{}' }, 'ambiguous-request'],
    ['a body that is not what it says', 'POST', '/move', { body: 'a=b' }, 'malformed-request'],
    ['a body of no type', 'POST', '/move', { body: '{}', type: null }, 'malformed-request'],
    [
      'several parts',
      'POST',
      '/move',
      { body: '--x', type: 'multipart/form-data; boundary=x' },
      'malformed-request',
    ],
    [
      'another charset',
      'POST',
      '/move',
      { body: '{}', type: 'application/json; charset=utf-16' },
      'malformed-request',
    ],
    ['a key that is there twice', 'POST', '/move', { body: '{"a":1,"a":2}' }, 'ambiguous-request'],
    [
      'a second method in the body',
      'POST',
      '/move',
      { body: '{"_method":"DELETE"}' },
      'ambiguous-request',
    ],
    [
      'a second method in a form',
      'POST',
      '/move',
      { body: '_method=DELETE', type: form },
      'ambiguous-request',
    ],
    [
      'a second method in the query',
      'POST',
      '/move',
      { query: [['X-HTTP-Method-Override', 'DELETE']] },
      'ambiguous-request',
    ],
    [
      'a credential in the query',
      'GET',
      '/things/one',
      { query: [['access_token', 'x']] },
      'ambiguous-request',
    ],
    [
      'a form in another encoding',
      'POST',
      '/move',
      { body: 'a=é', type: form },
      'malformed-request',
    ],
  ] as [string, string, string, Given, string][])(
    'is refused: %s',
    (_, method, path, given, code) => {
      expect(() => read(method, path, given)).toThrow(expect.objectContaining({ code }))
    },
  )

  it('is read again, as it left, for the same operation', () => {
    const piece = fc.constantFrom('a', 'raw', 'files', 'parts', 'b c', 'a/b', 'x/raw', 'é', 'a%')
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), (pieces) => {
        const path = ['things', ...pieces]
        let first: ReturnType<typeof read>
        try {
          first = read('GET', path)
        } catch {
          return
        }
        const sent = first.request.path.split('/').slice(1).map(decodeURIComponent)
        const second = read('GET', sent)
        expect(second.operation).toEqual(first.operation)
        expect(second.request.path).toBe(first.request.path)
      }),
      { numRuns: 3_000 },
    )
  })

  it('sends the very ids that it was judged by, whatever they are', () => {
    const id = fc
      .string({ minLength: 1, unit: 'binary' })
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is left out
      .filter((one) => !/[/\\;%\u0000-\u001f\u007f]|^\.{1,2}$/.test(one) && one.isWellFormed())
    fc.assert(
      fc.property(id, id, (thing, partOf) => {
        const { operation, request } = read('DELETE', `/things/${thing}/parts/${partOf}`)
        const [, , sentThing = '', , sentPart = ''] = request.path.split('/')
        const sent = [sentThing, sentPart].map(decodeURIComponent)
        expect(operation.resources[0]?.id).toBe(sent.join('/'))
        expect(new URL(request.path, 'http://upstream').pathname.split('/')).toHaveLength(5)
      }),
    )
  })
})
