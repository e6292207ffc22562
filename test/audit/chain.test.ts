import fc from 'fast-check'
import { expect, it } from 'vitest'
import { canonical } from '../../src/audit/canonical.ts'
import { genesis, type Head, hashOf, type Link, link, verifyChain } from '../../src/audit/chain.ts'
import { checked, kinds } from '../../src/audit/entry.ts'
import { call } from './journals.ts'

function chainOf(length: number): Link[] {
  const links: Link[] = []
  let head: Head = genesis
  for (let number = 1; number <= length; number++) {
    const next = link(head, 1_800_000_000_000 + number, checked(call(number)))
    links.push(next)
    head = next
  }
  return links
}

const links = chainOf(8)
const end = links.at(-1)

it('a body is canonical JSON of the entry, its place, its predecessor and its time', () => {
  const [first] = links
  expect(first?.body).toBe(
    `{"agent":"cursor","at":"2027-01-15T08:00:00.001Z","connection":"railway","environment":"staging","facts":{"resources":[{"id":"1","kind":"project"}]},"kind":"call","operation":"Query.project","outcome":"allow","prev":"${'0'.repeat(64)}","request":"req_1","seq":1,"v":1}`,
  )
  expect(first?.hash).toBe(hashOf(first?.body ?? ''))
})

it('a body that is written member by member is the one canonical spelling of what it says', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1 })
    .filter((text) => !/[\p{Cc}\p{Cs}]/u.test(text))
  const entry = fc.record(
    {
      kind: fc.constantFrom(...kinds),
      ...{ request: name, agent: name, operator: name, environment: name },
      ...{ connection: name, operation: name, outcome: name },
      facts: fc.dictionary(fc.string(), fc.jsonValue()),
    },
    { requiredKeys: ['kind'] },
  )
  fc.assert(
    fc.property(entry, fc.nat(), (said, seq) => {
      const { body } = link({ seq, hash: genesis.hash }, 1_800_000_000_000, checked(said))
      const at = '2027-01-15T08:00:00.000Z'
      expect(body).toBe(canonical({ ...said, at, prev: genesis.hash, seq: seq + 1, v: 1 }))
    }),
  )
})

it('a whole chain has no break, and so has an empty one', async () => {
  expect(await verifyChain(links, end)).toEqual({
    head: { seq: 8, hash: end?.hash },
    broken: null,
  })
  expect(await verifyChain([])).toEqual({ head: genesis, broken: null })
})

it('an edited body is found, at any place and whatever was changed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(7), fc.nat(200), async (index, place) => {
      const edited = links.map((next, at) =>
        at === index ? { ...next, body: flip(next.body, place) } : next,
      )
      const { broken } = await verifyChain(edited, end)
      expect(broken).toMatchObject({ seq: index + 1, how: 'edited' })
    }),
  )
})

it('a body that was edited and hashed again no longer fits its successor', async () => {
  const edited = links.map((next) => {
    if (next.seq !== 3) return next
    const body = next.body.replace('cursor', 'nobody')
    return { ...next, body, hash: hashOf(body) }
  })
  const { broken } = await verifyChain(edited, end)
  expect(broken).toMatchObject({ seq: 4, how: 'edited' })
  expect(broken?.detail).toBe('entry 4 does not follow from entry 3: one of the two was replaced')
})

it('a removed entry is missing', async () => {
  for (let index = 0; index < 7; index++) {
    const { broken } = await verifyChain(links.toSpliced(index, 1), end)
    expect(broken).toMatchObject({ seq: index + 1, how: 'missing' })
  }
})

it('a cut tail is found against a head that is known from elsewhere, and only so', async () => {
  const short = links.slice(0, 5)
  expect((await verifyChain(short, end)).broken).toMatchObject({ seq: 6, how: 'cut' })
  expect((await verifyChain(short)).broken).toBeNull()
})

it('entries in another order are reordered, whether or not they were renumbered', async () => {
  const [a, b, c, d] = links
  if (!a || !b || !c || !d) throw new Error('too short')
  expect((await verifyChain([a, c, b, d])).broken).toMatchObject({ seq: 2, how: 'reordered' })
  const renumbered = [a, { ...c, seq: 2 }, { ...b, seq: 3 }, d]
  expect((await verifyChain(renumbered)).broken).toMatchObject({ seq: 2, how: 'reordered' })
})

it('an entry that stands there twice is reordered', async () => {
  const [a, b] = links
  if (!a || !b) throw new Error('too short')
  expect((await verifyChain([a, b, b])).broken).toMatchObject({ seq: 2, how: 'reordered' })
})

it('another spelling of the same body is refused even with its own hash', async () => {
  const [first] = links
  if (!first) throw new Error('too short')
  const body = ` ${first.body}`
  const { broken } = await verifyChain([{ ...first, body, hash: hashOf(body) }])
  expect(broken).toMatchObject({ seq: 1, how: 'edited' })
})

it('an entry that cannot be hashed, or would break a row, is refused before it has a place', () => {
  expect(() => checked({ kind: 'call', facts: { when: new Date() } })).toThrow('$.facts.when')
  expect(() => checked({ kind: 'call', operation: 'a\0b' })).toThrow('$.operation ')
  expect(() => checked({ kind: 'call', operation: 'a\nb' })).toThrow('$.operation ')
  expect(() => checked({ kind: 'call', agent: '' })).toThrow('$.agent ')
  expect(() => checked({ kind: 'call', agent: '\ud800' })).toThrow('$.agent ')
  expect(checked({ kind: 'call', facts: { text: 'a\0b' } }).facts).toBe('{"text":"a\\u0000b"}')
})

function flip(body: string, place: number): string {
  const at = place % body.length
  const other = body[at] === 'x' ? 'y' : 'x'
  return body.slice(0, at) + other + body.slice(at + 1)
}
