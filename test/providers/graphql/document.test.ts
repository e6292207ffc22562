/** Documents at and beyond their bounds: each ends in a clear refusal, in bounded time. */
import { parse, print } from 'graphql'
import { describe, expect, it } from 'vitest'
import { sdl } from '../../../src/demo/railway/schema.ts'
import { bounds, readDocument } from '../../../src/providers/graphql/document.ts'
import { railway } from '../../../src/providers/railway/provider.ts'
import { effortOf } from '../../support/effort.ts'

const catalogue = railway.compile(sdl)

function refusal(text: string): { code: string; message: string } {
  try {
    readDocument(catalogue, text)
  } catch (error) {
    return { code: Reflect.get(Object(error), 'code'), message: String(error) }
  }
  throw new Error('it was taken')
}

const one = '{ me { id } }'

describe('a document is refused', () => {
  it.each([
    ['10,000 levels of selections', '{ a '.repeat(10_000) + '}'.repeat(10_000)],
    ['10,000 levels of lists', `{ regions(projectId: ${'['.repeat(10_000)}) }`],
    ['10,000 levels of objects', `{ regions(projectId: ${'{a:'.repeat(10_000)}) }`],
    ['types of 10,000 levels', `query($v: ${'['.repeat(10_000)}ID) { me { id } }`],
    [
      '100,000 aliases',
      `{ ${Array.from({ length: 100_000 }, (_, i) => `a${i}: me { id }`).join(' ')} }`,
    ],
    ['100,000 directives', `{ me { id ${'@include(if: true) '.repeat(100_000)} } }`],
    ['a comment, and nothing else', '# nothing'],
    ['commas, and nothing else', ',,,,'],
    ['an unfinished string', '{ me(id: "'],
    ['a NUL', '{ me { id\u0000 } }'],
    ['a lone brace', '}'],
    ['a type definition', `${one} type X { a: ID }`],
    ['a schema extension', `${one} extend type Query { a: ID }`],
    ['nothing but fragments', 'fragment F on User { id }'],
    ['a directive that nobody knows', '{ me { id @live } }'],
    [
      'a variable that a server may take for its prototype',
      'query ($__proto__: String!) { project(id: $__proto__) { id } }',
    ],
    ['an argument that nobody knows', '{ me(id: 1) { id } }'],
    ['a repeated argument', '{ project(id: "a", id: "b") { id } }'],
    [
      'a repeated input field',
      'mutation { projectUpdate(id: "a", input: {name: "a", name: "b"}) { id } }',
    ],
    ['a key that two fields claim', '{ project(id: "a") { id } project(id: "b") { id } }'],
    ['a variable that is not declared', '{ project(id: $id) { id } }'],
    ['a variable of another type', 'query($id: Int!) { project(id: $id) { id } }'],
    ['an object without its fields', '{ me }'],
  ])('for %s', (_, text) => {
    const effort = effortOf(() => expect(refusal(text).code).toBe('malformed-request'))
    expect(effort).toBeLessThan(2_000)
  })

  it('when fragments unfold into more of the same than anybody needs', () => {
    const levels = Array.from(
      { length: 30 },
      (_, i) => `fragment F${i} on User { a: id ...F${i + 1} ...F${i + 1} }`,
    )
    const text = `{ me { ...F0 } } ${levels.join(' ')} fragment F30 on User { id }`
    const why = `more than ${bounds.repeats} times in one place`
    expect(effortOf(() => expect(refusal(text).message).toContain(why))).toBeLessThan(1_000)
  })

  it('when a fragment contains itself, directly or in turn', () => {
    for (const text of [
      '{ me { ...A } } fragment A on User { ...A }',
      '{ me { ...A } } fragment A on User { ...B } fragment B on User { ...A }',
    ]) {
      expect(refusal(text)).toMatchObject({
        code: 'malformed-request',
        message: expect.stringContaining(`deeper than ${bounds.depth}`),
      })
    }
  })

  it('for a field that the API lacks, naming it', () => {
    expect(refusal('{ volumes { id } }')).toMatchObject({
      code: 'unknown-operation',
      message: expect.stringContaining('"volumes"'),
    })
  })

  it('for a subscription, naming it', () => {
    expect(refusal('subscription { deploymentLogs(deploymentId: "d") { message } }')).toMatchObject(
      {
        code: 'unknown-operation',
        message: expect.stringContaining('Subscription.deploymentLogs'),
      },
    )
  })

  it('in a sentence of bounded length, however long the name that is wrong', () => {
    expect(refusal(`{ ${'x'.repeat(50_000)} }`).message.length).toBeLessThan(400)
  })
})

describe('a document is taken apart', () => {
  it('into operations that hold the fragments they use and no others', () => {
    const text = `
      query A { me { ...One } }
      query B { me { ...Two } }
      fragment Two on User { name ...One }
      fragment One on User { id }`
    const canonical = readDocument(catalogue, text).operations.map((each) => each.canonical)
    expect(canonical.map((each) => each.match(/fragment \w+/g))).toEqual([
      ['fragment One'],
      ['fragment Two', 'fragment One'],
    ])
  })

  it('at its bounds, and not one beyond', () => {
    const aliases = (count: number) =>
      `{ ${Array.from({ length: count }, (_, i) => `a${i}: platformStatus { isStable }`).join(' ')} }`
    expect(readDocument(catalogue, aliases(bounds.fields / 2)).operations).toHaveLength(1)
    expect(refusal(aliases(bounds.fields / 2 + 1)).code).toBe('malformed-request')
  })

  it('and what it prints parses to the same again', () => {
    const text =
      'query Q($id: String! = "a") { p: project(id: $id) { ... { id @skip(if: true) } } }'
    const [first] = readDocument(catalogue, text).operations
    expect(print(parse(first?.canonical ?? ''))).toBe(first?.canonical)
    expect(readDocument(catalogue, first?.canonical ?? '').operations[0]?.canonical).toBe(
      first?.canonical,
    )
  })
})
