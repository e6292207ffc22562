/** What a small request could make the broker do for long, or write down at length: each ends before that begins. */
import { describe, expect, it } from 'vitest'
import { sdl } from '../../../src/demo/railway/schema.ts'
import { ids } from '../../../src/demo/railway/world.ts'
import { mostResources, mostRootFields } from '../../../src/providers/graphql/classify.ts'
import { bounds, readDocument } from '../../../src/providers/graphql/document.ts'
import { canonicalId } from '../../../src/providers/railway/kinds.ts'
import { railway } from '../../../src/providers/railway/provider.ts'
import { canonicalOf, reading } from './reading.ts'

/** A list of ids as the target of a read, which the simulation has no use for. */
const catalogue = railway.compile(
  `${sdl} extend type Query { projectsByIds(ids: [String!]!): [Project!]! }`,
)
const one = '{ platformStatus { isStable } }'

function many(count: number, write: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => write(i)).join(' ')
}

function attempt(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    return `${Reflect.get(Object(error), 'code')} ${error}`
  }
  return 'taken'
}

describe('before it is validated, a document is refused', () => {
  it.each([
    ['when nothing uses a fragment', `${one} fragment F on Project { id }`, 'nothing uses'],
    [
      'when an unused fragment selects the same thousands of times',
      `${one} fragment F on Project { ${'workspace { id } '.repeat(2_000)} }`,
      'nothing uses',
    ],
    [
      'when it selects the same more often than anybody needs',
      `{ ${'platformStatus { isStable } '.repeat(bounds.repeats + 1)} }`,
      `more than ${bounds.repeats} times`,
    ],
    [
      'when it does so through fragments and aliases',
      `{ ...F ${'a: platformStatus { isStable } '.repeat(bounds.repeats)} }
       fragment F on Query { a: platformStatus { isStable } }`,
      `more than ${bounds.repeats} times`,
    ],
    [
      'when it has many fragments',
      `{ ${many(bounds.fragments + 1, (i) => `...F${i}`)} }
       ${many(bounds.fragments + 1, (i) => `fragment F${i} on Query { a${i}: platformStatus { isStable } }`)}`,
      `more than ${bounds.fragments} fragments`,
    ],
    [
      'when it has many operations',
      many(bounds.operations + 1, (i) => `query Q${i} ${one}`),
      `more than ${bounds.operations} operations`,
    ],
    ['when it is all comments', '#\n'.repeat(bounds.characters) + one, 'characters'],
  ])('%s', (_, text, why) => {
    const refusal = attempt(() => readDocument(catalogue, text))
    expect(refusal).toContain('malformed-request')
    expect(refusal).toContain(why)
  })
})

it('a subscription that nobody knows is refused without its name, which may be as long as a document', () => {
  const name = 's'.repeat(50_000)
  try {
    readDocument(catalogue, `subscription { ${name} }`)
    expect.unreachable()
  } catch (error) {
    expect(error).toMatchObject({ code: 'unknown-operation' })
    expect(JSON.stringify(Reflect.get(Object(error), 'facts'))).not.toContain('sss')
    expect(String(error)).not.toContain('sss')
  }
})

it('a document at these bounds is taken', () => {
  const text = `
    query Q { ${many(bounds.fragments, (i) => `...F${i}`)} }
    ${many(bounds.fragments, (i) => `fragment F${i} on Query { a${i % 2}: platformStatus { isStable } }`)}`
  expect(attempt(() => readDocument(catalogue, text))).toBe('taken')
})

it('a call has no more root fields than can be written down', () => {
  const fields = (count: number) =>
    reading(catalogue, { query: `{ ${many(count, (i) => `a${i}: platformStatus { isStable }`)} }` })
  expect(fields(mostRootFields).operations).toHaveLength(mostRootFields)
  expect(attempt(() => fields(mostRootFields + 1))).toContain('payload-too-large')
})

describe('the resources of a call', () => {
  const query = 'query ($ids: [String!]!) { projectsByIds(ids: $ids) { id } }'
  const resourcesOf = (list: readonly string[]) =>
    reading(catalogue, { query, variables: { ids: list } }).operations.flatMap(
      (operation) => operation.resources,
    )
  const some = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
    )

  it('name each thing once, however often a list repeats it', () => {
    const { rentals, website } = ids.projects
    const list = [...Array(5_000).fill(rentals), website, ...Array(5_000).fill(rentals)]
    expect(resourcesOf(list).map(({ id }) => id)).toEqual([rentals, website])
    // What is sent is what was asked for.
    expect(JSON.parse(canonicalOf(catalogue, { query, variables: { ids: list } }))).toMatchObject({
      variables: { ids: list },
    })
  })

  it('are no more than could be located', () => {
    expect(resourcesOf(some(mostResources))).toHaveLength(mostResources)
    expect(attempt(() => resourcesOf(some(mostResources + 1)))).toContain('payload-too-large')
  })

  it('are counted over all root fields of an operation', () => {
    const query = `{ ${many(mostResources + 1, (i) => `a${i}: project(id: "${some(200)[i]}") { id }`)} }`
    expect(attempt(() => reading(catalogue, { query }))).toContain('payload-too-large')
  })

  it('are cut when they are longer than any id, and then are none', () => {
    for (const id of ['A'.repeat(500_000), `${'a'.repeat(199)}\u{1f600}${'b'.repeat(9)}`]) {
      const [resource] = resourcesOf([id])
      expect(resource?.id.length).toBeLessThan(210)
      expect(resource?.id.isWellFormed()).toBe(true)
      expect(canonicalId('template', resource?.id ?? '')).toBe(false)
    }
  })
})
