import { buildSchema, type GraphQLField } from 'graphql'
import { describe, expect, it } from 'vitest'
import {
  argumentPaths,
  isIdentifierLike,
  parseArgumentRule,
} from '../../../src/providers/graphql/arguments.ts'
import { coverage } from '../../../src/providers/graphql/coverage.ts'
import type { Overlay } from '../../../src/providers/graphql/overlay.ts'

const shop = `
  scalar Money
  scalar Blob
  interface Thing { id: ID! }
  type Lamp implements Thing { id: ID!, price: Money, room(roomId: ID): Room }
  type Room { name: String, lamps: [Lamp!]! }
  union Found = Lamp | Room
  type Query { lamp(id: ID!): Lamp, find(text: String): Found }
  input Move { lampIds: [ID!]!, to: Target, note: String }
  input Target { roomId: ID! }
  type Mutation { move(input: Move!): Room, paint(lampId: ID!, how: Blob): Lamp }
`

const knowing: Overlay = {
  provider: 'shop',
  roots: {
    'Query.lamp': { effects: ['read'], args: { id: 'lamp' } },
    'Query.find': { effects: ['read'] },
    'Mutation.move': {
      effects: ['write'],
      args: { 'input.lampIds': 'lamp', 'input.to.roomId': 'context room' },
    },
    'Mutation.paint': { effects: ['write'], args: { lampId: 'lamp' } },
  },
  types: {
    Thing: { reach: 'value', fields: 'id' },
    Lamp: { reach: 'environment', fields: 'id price room' },
    Room: { reach: 'shared', fields: 'name lamps' },
    Found: { reach: 'value', fields: '' },
  },
  fields: { 'Lamp.room': { effects: ['read'], args: { roomId: 'room' } } },
  scalars: { Blob: 'untyped' },
}

function gaps(overlay: Overlay, schema = shop) {
  return coverage(buildSchema(schema), overlay)
}

function found(overlay: Overlay, schema = shop) {
  return gaps(overlay, schema).map(({ coordinate, gap }) => `${gap} ${coordinate}`)
}

/** An overlay without some of its entries. */
function without<Entry>(table: Readonly<Record<string, Entry>>, ...keys: string[]) {
  return Object.fromEntries(Object.entries(table).filter(([key]) => !keys.includes(key)))
}

describe('coverage', () => {
  it('finds nothing to say about a schema that is known whole', () => {
    expect(gaps(knowing)).toEqual([])
  })

  it('finds an operation that nobody described, once and not by its arguments', () => {
    const overlay = { ...knowing, roots: without(knowing.roots, 'Mutation.move') }
    expect(found(overlay)).toEqual(['root Mutation.move'])
  })

  it('finds an identifier that nobody described, through lists and nested input', () => {
    const move = { effects: ['write'] as const, args: {} }
    const overlay = { ...knowing, roots: { ...knowing.roots, 'Mutation.move': move } }
    expect(found(overlay)).toEqual([
      'argument Mutation.move(input.lampIds)',
      'argument Mutation.move(input.to.roomId)',
    ])
  })

  it('finds an identifier among the arguments of a nested field', () => {
    expect(found({ ...knowing, fields: {} })).toEqual(['argument Lamp.room(roomId)'])
  })

  it('finds a type that nobody described, and leaves its fields alone', () => {
    const overlay = { ...knowing, types: without(knowing.types, 'Room') }
    expect(found(overlay)).toEqual(['type Room'])
  })

  it('finds unions and interfaces that nobody described', () => {
    const overlay = { ...knowing, types: without(knowing.types, 'Found', 'Thing') }
    expect(found(overlay).sort()).toEqual(['type Found', 'type Thing'])
  })

  it('finds a field that nobody described', () => {
    const types = { ...knowing.types, Room: { reach: 'shared' as const, fields: 'lamps' } }
    expect(found({ ...knowing, types })).toEqual(['field Room.name'])
  })

  it('finds a scalar that stands in arguments, and none that only stands in answers', () => {
    expect(found({ ...knowing, scalars: {} })).toEqual(['scalar Blob'])
  })

  it('finds an input type that contains itself, since an identifier may hide in it', () => {
    const schema = `
      input Filter { text: String, and: [Filter!] }
      type Query { search(filter: Filter): String }
    `
    const overlay = {
      ...knowing,
      roots: { 'Query.search': { effects: ['read'] as const } },
      types: {},
      fields: {},
      scalars: {},
    }
    expect(found(overlay, schema)).toEqual(['argument Query.search(filter.and)'])
  })

  it('says that what the schema lost no longer matters', () => {
    const schema = shop.replace('paint(lampId: ID!, how: Blob)', 'paint(how: Blob)')
    const stale = gaps(
      {
        ...knowing,
        roots: { ...knowing.roots, 'Mutation.burn': { effects: ['destructive'] } },
        types: { ...knowing.types, Candle: { reach: 'value', fields: 'id' } },
        scalars: { ...knowing.scalars, Date: 'plain' },
      },
      schema.replace('price: Money, ', ''),
    )
    expect(stale.map(({ coordinate }) => coordinate)).toEqual([
      'Mutation.paint(lampId)',
      'Mutation.burn',
      'Candle',
      'Lamp.price',
      'Date',
    ])
    expect(stale.every(({ gap, matters }) => gap === 'stale' && !matters)).toBe(true)
  })

  it('says that a gap matters where a call can meet it', () => {
    const schema = `${shop} type Attic { dust: String }`
    const overlay = { ...knowing, types: without(knowing.types, 'Lamp') }
    const matters = gaps(overlay, schema).map(({ coordinate, matters }) => [coordinate, matters])
    expect(Object.fromEntries(matters)).toEqual({ Lamp: true, Attic: false })
  })

  it('is not fooled by names that every object has', () => {
    const schema = 'type constructor { a: Int } type Query { toString: constructor }'
    const overlay = { ...knowing, roots: {}, types: {}, fields: {}, scalars: {} }
    expect(found(overlay, schema)).toEqual(['root Query.toString', 'type constructor'])
  })
})

describe('the paths of arguments', () => {
  function paths(schema: string) {
    const field: GraphQLField<unknown, unknown> | undefined = buildSchema(schema)
      .getQueryType()
      ?.getFields()['q']
    return field === undefined ? [] : argumentPaths(field)
  }

  it('are required only where every step of them is', () => {
    const given = paths(`
      input In { a: ID!, b: ID, c: ID! = "x" }
      type Query { q(must: In!, may: In): Int }
    `).map(({ path, required }) => [path, required])
    expect(Object.fromEntries(given)).toEqual({
      'must.a': true,
      'must.b': false,
      'must.c': false,
      'may.a': false,
      'may.b': false,
      'may.c': false,
    })
  })

  it('carry the suspicion of what stands above them', () => {
    const given = paths(`
      input In { in: [String!], like: String }
      type Query { q(serviceId: In, name: In): Int }
    `)
    expect(given.filter((one) => one.identifierLike).map((one) => one.path)).toEqual([
      'serviceId.in',
      'serviceId.like',
    ])
  })

  it('end where an input type begins to contain itself through another', () => {
    const given = paths(`
      input A { b: B, text: String }
      input B { a: [A!] }
      type Query { q(a: A): Int }
    `)
    expect(given.map((one) => one.path)).toEqual(['a.b.a', 'a.text'])
    expect(given[0]?.identifierLike).toBe(true)
  })
})

describe('a name', () => {
  it.each([
    'id',
    'ids',
    'volumeId',
    'serviceIds',
    'userID',
    'teamIDs',
    'volume_id',
    'uuid',
    'deviceUuid',
  ])('looks like an identifier: %s', (name) => expect(isIdentifierLike(name)).toBe(true))

  it.each(['name', 'paid', 'valid', 'idle', 'grid', 'void', 'ipv6', 'commitSha'])(
    'looks like none: %s',
    (name) => expect(isIdentifierLike(name)).toBe(false),
  )
})

describe('a rule about an argument', () => {
  it('says of what kind, in which part, how far, and whether it must be given', () => {
    const plain = { kind: 'service', role: 'target', spread: false, required: false }
    expect(parseArgumentRule('service')).toEqual(plain)
    expect(parseArgumentRule('context service')).toEqual({ ...plain, role: 'context' })
    expect(parseArgumentRule('service spread!')).toEqual({ ...plain, spread: true, required: true })
    expect(parseArgumentRule('none')).toEqual({ ...plain, kind: 'none' })
  })

  it.each([
    '',
    '!',
    'Service',
    'context',
    'service wide',
    'context service spread',
    ' service',
    'a  b',
  ])('is refused where it is unclear: "%s"', (rule) =>
    expect(() => parseArgumentRule(rule)).toThrow(/no rule about an argument/),
  )
})
