/** The classifier against the simulated Railway as an oracle: whatever really runs was said before. */
import fc from 'fast-check'
import { buildSchema, Kind, parse, type SelectionSetNode } from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sdl } from '../../../src/demo/railway/schema.ts'
import {
  type Executed,
  type SimulatedRailway,
  startSimulatedRailway,
} from '../../../src/demo/railway/server.ts'
import type { Operation } from '../../../src/policy/operation.ts'
import { compile } from '../../../src/providers/graphql/catalogue.ts'
import type { Overlay } from '../../../src/providers/graphql/overlay.ts'
import { railway as provider } from '../../../src/providers/railway/provider.ts'
import { type Asked, meaning, type Spelled, spell } from './documents.ts'
import { fullWorld, railwayLeaf, worldIds } from './railway-world.ts'
import { canonicalOf, classified, comparable, jsonOf } from './reading.ts'

const schema = buildSchema(sdl)
const catalogue = provider.compile(sdl)

let seeded: SimulatedRailway
let full: SimulatedRailway

beforeAll(async () => {
  seeded = await startSimulatedRailway()
  full = await startSimulatedRailway({ world: fullWorld })
})
afterAll(async () => {
  await seeded.close()
  await full.close()
})

type Ran = { executed: Executed[]; data: unknown; errors: unknown }

/** On a world of its own, since mutations change it. */
async function run(railway: SimulatedRailway, body: unknown): Promise<Ran> {
  railway.reset()
  const response = await fetch(`${railway.url}/graphql/v2`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${railway.token}` },
    body: JSON.stringify(body),
  })
  const { data, errors } = Object(await response.json())
  if (response.status !== 200) throw new Error(`refused by Railway: ${JSON.stringify(errors)}`)
  return { executed: [...railway.executed], data, errors }
}

/** All that a document leads to was reached: no null and no empty list stands where something is selected below. */
function complete({ query }: Spelled, data: unknown): boolean {
  const sets = new Map<string, SelectionSetNode>()
  let root: SelectionSetNode | undefined
  for (const one of parse(query).definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) sets.set(one.name.value, one.selectionSet)
    if (one.kind === Kind.OPERATION_DEFINITION) root = one.selectionSet
  }
  const filled = (set: SelectionSetNode | undefined, value: unknown): boolean => {
    if (set === undefined) return true
    if (Array.isArray(value)) return value.length > 0 && value.every((item) => filled(set, item))
    if (typeof value !== 'object' || value === null) return false
    return set.selections.every((one) => {
      if (one.kind === Kind.INLINE_FRAGMENT) return filled(one.selectionSet, value)
      if (one.kind === Kind.FRAGMENT_SPREAD) return filled(sets.get(one.name.value), value)
      return filled(one.selectionSet, Reflect.get(value, one.alias?.value ?? one.name.value))
    })
  }
  return root !== undefined && filled(root, data)
}

/** What reached resolvers and names something in the world. Telemetry says where a tool was used, and acts on nothing. */
function idsOf(executed: readonly Executed[]): string[] {
  const acting = executed.filter(({ coordinate }) => coordinate !== 'Mutation.cliEventTrack')
  return sortedSet(acting.flatMap(({ args }) => idsIn(args)))
}

function idsIn(value: unknown): string[] {
  if (typeof value === 'string') return worldIds.has(value) ? [value] : []
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(idsIn) : []
}

const sortedSet = (items: Iterable<string>) => [...new Set(items)].sort()
const resourceIds = (operations: readonly Operation[]) =>
  sortedSet(operations.flatMap((one) => one.resources.map(({ id }) => id)))

describe('what the simulated Railway executes', () => {
  it('is in what the classifier said, and so is every id, with @skip and @include anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (g) => {
        const spelled = spell(schema, meaning(schema, railwayLeaf, g), g, true)
        const { operations, coordinates } = classified(catalogue, spelled)
        const { executed } = await run(seeded, spelled)
        expect([...coordinates]).toEqual(
          expect.arrayContaining(sortedSet(executed.map(({ coordinate }) => coordinate))),
        )
        expect(resourceIds(operations)).toEqual(expect.arrayContaining(idsOf(executed)))
      }),
      { numRuns: 200 },
    )
  })

  it('is exactly what the classifier said, where nothing is skipped, null or empty', async () => {
    let equal = 0
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (g) => {
        const spelled = spell(schema, meaning(schema, railwayLeaf, g), g)
        const { operations, coordinates } = classified(catalogue, spelled)
        const { executed, data, errors } = await run(full, spelled)
        const ran = sortedSet(executed.map(({ coordinate }) => coordinate))
        expect([...coordinates]).toEqual(expect.arrayContaining(ran))
        if (errors !== undefined || !complete(spelled, data)) return
        equal += 1
        expect(ran).toEqual(sortedSet(coordinates))
        const said = resourceIds(operations).filter((id) => worldIds.has(id))
        expect(said).toEqual(idsOf(executed))
      }),
      { numRuns: 200 },
    )
    expect(equal).toBeGreaterThan(80)
  })

  it('is the same for the request as it came and for the one that leaves', async () => {
    await fc.assert(
      fc.asyncProperty(fc.gen(), async (g) => {
        const spelled = spell(schema, meaning(schema, railwayLeaf, g), g, true)
        const before = await run(seeded, spelled)
        const after = await run(seeded, jsonOf(canonicalOf(catalogue, spelled)))
        expect(after.executed).toEqual(before.executed)
      }),
      { numRuns: 150 },
    )
  })
})

describe('a classification', () => {
  it('does not depend on how the request is written', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const meant = meaning(schema, railwayLeaf, g)
        const one = classified(catalogue, spell(schema, meant, g))
        const other = classified(catalogue, spell(schema, meant, g, true))
        expect(comparable(other.operations)).toEqual(comparable(one.operations))
        expect(sortedSet(other.coordinates)).toEqual(sortedSet(one.coordinates))
      }),
      { numRuns: 250 },
    )
  })

  it('grows when a field is added, and never loses an effect, a resource or a name', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const more = meaning(schema, railwayLeaf, g)
        const less = { ...more, fields: more.fields.map((one) => thinned(one, g)) }
        const whole = classified(catalogue, spell(schema, more, g)).operations.flatMap(facts)
        const part = classified(catalogue, spell(schema, less, g)).operations.flatMap(facts)
        expect(whole).toEqual(expect.arrayContaining(part))
      }),
      { numRuns: 200 },
    )
  })
})

/** The same field with some of what is below left out; never all, which would not be valid. */
function thinned(one: Asked, g: fc.GeneratorValue): Asked {
  if (one.below === null) return one
  const kept = one.below.filter((_, i) => i === 0 || g(fc.boolean))
  return { ...one, below: kept.map((inner) => thinned(inner, g)) }
}

function facts({ effects, resources, mustName, missing, reachesOut }: Operation): string[] {
  return [
    ...effects,
    ...resources.map((one) => JSON.stringify(one)),
    ...mustName.map((one) => JSON.stringify(one)),
    ...missing,
    ...(reachesOut === null ? [] : ['out']),
  ]
}

/** An API in small: a project is shared by environments, and an account holds both. */
const small = compile(
  `
  scalar Blob scalar Opaque scalar When
  interface Named { id: ID! name: String }
  interface Copied { source: Env lookup(serviceId: ID): String }
  union Item = Env | Project
  type Query {
    env(id: ID!): Env!
    envs(ids: [ID!]!, input: Input): [Env!]!
    project(id: ID!): Project!
    any(id: ID!): Named!
    item(id: ID!): Item!
    me: User!
    status(projectId: ID): Status!
    novelty(id: ID!): String
    wide(environmentId: ID, otherId: ID, blob: Blob, opaque: Opaque, when: When, text: String): Env!
  }
  type Mutation { keep(id: ID!): Boolean drop(serviceId: ID!, environmentId: ID): Boolean }
  input Input { environmentId: ID items: [Inner!] }
  input Inner { serviceId: ID }
  type Env implements Named & Copied {
    id: ID! name: String secret: String source: Env project: Project! parts: Part! runs: [Run!]!
    lookup(serviceId: ID): String store(blob: Blob): String added: String
  }
  type Run { id: ID! log: String env: Env! }
  type Part { size: Int runs: [Run!]! }
  type Project implements Named { id: ID! name: String envs: [Env!]! owner: User! }
  type User implements Named { id: ID! name: String }
  type Status { ok: Boolean detail: Unheard }
  type Unheard { text: String }
  `,
  {
    provider: 'small',
    roots: {
      'Query.env': { effects: ['read'], args: { id: 'env' } },
      'Query.envs': {
        effects: ['read'],
        args: {
          ids: 'env',
          'input.environmentId': 'env',
          'input.items.serviceId': 'context service',
        },
      },
      'Query.project': { effects: ['read'], args: { id: 'project' } },
      'Query.any': { effects: ['read'], args: { id: 'env' } },
      'Query.item': { effects: ['read'], args: { id: 'project' } },
      'Query.me': { effects: ['read'] },
      'Query.status': { effects: ['read'], harmless: true, args: { projectId: 'project' } },
      'Query.wide': { effects: ['read'], args: { environmentId: 'env!' } },
      'Mutation.keep': { effects: ['write'], args: { id: 'env' } },
      'Mutation.drop': {
        effects: ['destructive'],
        args: { serviceId: 'context service', environmentId: 'env spread!' },
      },
    },
    types: {
      Env: {
        reach: 'environment',
        fields: 'id name secret source project parts runs lookup store',
        harmless: 'id',
      },
      Run: { reach: 'environment', fields: 'id log env', harmless: 'id' },
      Part: { reach: 'value', fields: 'size runs' },
      Project: { reach: 'shared', fields: 'id name envs owner', harmless: 'id' },
      User: { reach: 'account', fields: 'id name' },
      Status: { reach: 'value', fields: 'ok detail' },
      Named: { reach: 'value', fields: 'id name' },
      Copied: { reach: 'value', fields: 'source lookup' },
    },
    fields: {
      'Env.secret': { effects: ['reveal'] },
      'Env.source': { effects: ['read'], elsewhere: true },
    },
    scalars: { Blob: 'untyped', When: 'plain' },
  } satisfies Overlay,
  new Set(['env']),
)

function judged(query: string, variables = {}): Operation {
  const [operation] = classified(small, { query, variables }).operations
  if (operation === undefined) throw new Error('no operation')
  return operation
}

describe('reach', () => {
  it.each([
    ['everything below what is owned', '{ env(id: "e") { name runs { log env { name } } } }'],
    ['up to the shared parent', '{ env(id: "e") { project { name } } }'],
    ['from the parent down to ids', '{ project(id: "p") { envs { id } } }'],
    ['to ids where it was copied from', '{ env(id: "e") { source { id } } }'],
    ['through plain parts of what is owned', '{ env(id: "e") { parts { size runs { log } } } }'],
    ['into what names nobody', '{ status { ok } }'],
    ['through an interface into what is owned', '{ env(id: "e") { ... on Named { name } } }'],
  ])('ends within: %s', (_, query) => {
    expect(judged(query).reachesOut).toBeNull()
  })

  it.each([
    ['from a shared parent down', '{ project(id: "p") { envs { name } } }', 'Env.name'],
    ['up and down again', '{ env(id: "e") { project { envs { name } } } }', 'Env.name'],
    [
      'down, and up to a parent',
      '{ project(id: "p") { envs { project { name } } } }',
      'Env.project',
    ],
    ['into an account', '{ me { id } }', 'User.id'],
    ['up into an account', '{ env(id: "e") { project { owner { name } } } }', 'User.name'],
    ['where it was copied from', '{ env(id: "e") { source { name } } }', 'Env.name'],
    ['into a type that nobody described', '{ status { detail { text } } }', 'Unheard.text'],
    [
      'through parts of what is only seen',
      '{ project(id: "p") { envs { parts { runs { log } } } } }',
      'Env.parts',
    ],
    [
      'where it was copied from, through an interface',
      '{ env(id: "e") { ... on Copied { source { name } } } }',
      'Env.name',
    ],
    ['into an account, through an interface', '{ me { ... on Named { id } } }', 'User.id'],
    ['into a member of a union', '{ item(id: "p") { ... on Env { name } } }', 'Env.name'],
    [
      'through a fragment that can apply to nothing',
      '{ env(id: "e") { ... on Named { ... on Project { name } } } }',
      'Project.name',
    ],
  ])('leads out: %s', (_, query, out) => {
    expect(judged(query).reachesOut).toBe(out)
  })

  it('takes an answer of several types for each of them', () => {
    expect(judged('{ any(id: "e") { name } }').reachesOut).toBe('User.name')
    expect(
      classified(small, { query: '{ any(id: "e") { id } }', variables: {} }).coordinates,
    ).toEqual(new Set(['Query.any', 'Env.id', 'Project.id', 'User.id']))
  })
})

describe('what is unknown', () => {
  it('a root field that nobody classified may do anything', () => {
    expect(judged('{ novelty(id: "x") }')).toMatchObject({
      unknown: true,
      own: ['read', 'write', 'destructive'],
      harmless: false,
    })
  })

  it.each([
    ['an identifier that no rule explains', 'otherId: "x"', true],
    ['a scalar that nobody described', 'opaque: {a: 1}', true],
    ['an identifier that is null', 'otherId: null', false],
    ['a plain scalar', 'when: "now"', false],
    ['a text', 'text: "x"', false],
  ])('%s makes the operation unknown: %s → %s', (_, argument, unknown) => {
    expect(judged(`{ wide(environmentId: "e", ${argument}) { id } }`).unknown).toBe(unknown)
  })

  it('a nested field that is not listed, or takes what nobody explained, must be named', () => {
    expect(judged('{ env(id: "e") { added } }').mustName).toEqual([
      { field: 'Env.added', effect: 'unknown' },
    ])
    expect(judged('{ env(id: "e") { lookup(serviceId: "s") } }').mustName).toEqual([
      { field: 'Env.lookup', effect: 'unknown' },
    ])
    expect(
      judged('{ env(id: "e") { ... on Copied { lookup(serviceId: "s") } } }').mustName,
    ).toEqual([{ field: 'Env.lookup', effect: 'unknown' }])
    expect(judged('{ env(id: "e") { lookup } }').mustName).toEqual([])
  })

  it('untyped JSON makes an operation destructive, and below it whatever selects it', () => {
    expect(judged('{ wide(environmentId: "e", blob: {a: 1}) { id } }').own).toEqual([
      'read',
      'destructive',
    ])
    const below = judged('{ env(id: "e") { store(blob: []) } }')
    expect(below.own).toEqual(['read'])
    expect(below.effects).toEqual(['read', 'destructive'])
  })

  it('a field or a type that the schema lacks is refused', () => {
    for (const query of ['{ gone }', '{ env(id: "e") { gone } }', '{ constructor }']) {
      expect(() => judged(query)).toThrow(expect.objectContaining({ code: 'unknown-operation' }))
    }
    expect(() => judged('{ env(id: "e") { ... on Gone { id } } }')).toThrow(
      expect.objectContaining({ code: 'malformed-request' }),
    )
  })
})

describe('resources', () => {
  it('stand with role, spread and argument as the overlay says', () => {
    expect(judged('mutation { drop(serviceId: "s", environmentId: "e") }')).toMatchObject({
      resources: [
        { kind: 'service', id: 's', role: 'context', argument: 'serviceId' },
        { kind: 'env', id: 'e', role: 'target', argument: 'environmentId', spread: true },
      ],
      missing: [],
    })
  })

  it('an argument that has to be given is missing when it is left out, null or an absent variable', () => {
    for (const query of [
      'mutation { drop(serviceId: "s") }',
      'mutation { drop(serviceId: "s", environmentId: null) }',
      'mutation($e: ID) { drop(serviceId: "s", environmentId: $e) }',
    ]) {
      expect(judged(query).missing).toEqual(['environmentId'])
    }
  })

  it('are found in lists and in objects within lists, each item', () => {
    const query = 'query($i: Input) { envs(ids: ["a", "b"], input: $i) { id } }'
    const input = { environmentId: 'c', items: [{ serviceId: 's' }, {}, { serviceId: 7 }] }
    expect(judged(query, { i: input }).resources.map(({ kind, id }) => `${kind} ${id}`)).toEqual([
      'env a',
      'env b',
      'env c',
      'service s',
      'service 7',
    ])
  })

  it('harmless ends where something is named', () => {
    expect(judged('{ status { ok } }').harmless).toBe(true)
    expect(judged('{ status(projectId: "p") { ok } }').harmless).toBe(false)
  })

  it('every root field is judged by itself', () => {
    const query = '{ a: project(id: "p") { id } ... on Query { b: env(id: "e") { secret } } }'
    const { operations } = classified(small, { query, variables: {} })
    expect(operations).toMatchObject([
      { name: 'Query.project', effects: ['read'], mustName: [] },
      {
        name: 'Query.env',
        own: ['read'],
        effects: ['read', 'reveal'],
        mustName: [{ field: 'Env.secret', effect: 'reveal' }],
      },
    ])
  })
})
