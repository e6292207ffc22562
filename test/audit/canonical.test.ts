import canonicalize from 'canonicalize'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { canonical } from '../../src/audit/canonical.ts'

const data = fc.jsonValue({ stringUnit: 'grapheme', maxDepth: 4 })

/** The same data with every object's keys in another order. */
function reordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reordered)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]) => [key, reordered(item)] as const)
  return Object.fromEntries(entries.reverse())
}

it('the order of keys does not matter', () => {
  fc.assert(
    fc.property(data, (value) => {
      expect(canonical(reordered(value))).toBe(canonical(value))
    }),
  )
})

it('what is parsed from it has the same spelling again, and is the same data', () => {
  fc.assert(
    fc.property(data, (value) => {
      const parsed: unknown = JSON.parse(canonical(value))
      expect(canonical(parsed)).toBe(canonical(value))
      expect(JSON.stringify(reordered(reordered(parsed)))).toBe(JSON.stringify(parsed))
      // JSON has one zero.
      expect(parsed).toEqual(JSON.parse(JSON.stringify(value)))
    }),
  )
})

it('it is the spelling that another implementation of RFC 8785 gives', () => {
  fc.assert(
    fc.property(data, (value) => {
      expect(canonical(value)).toBe(canonicalize(value))
    }),
  )
})

it('two values have the same spelling only if they are the same data', () => {
  fc.assert(
    fc.property(data, data, (one, other) => {
      const same = isSame(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)))
      expect(canonical(one) === canonical(other)).toBe(same)
    }),
  )
  expect(canonical({ a: 1, b: [2] })).not.toBe(canonical({ a: 1, b: ['2'] }))
  expect(canonical(['a,b'])).not.toBe(canonical(['a', 'b']))
})

function isSame(one: unknown, other: unknown): boolean {
  try {
    expect(one).toStrictEqual(other)
    return true
  } catch {
    return false
  }
}

it('keys are sorted by UTF-16 code units, and numbers are spelled as RFC 8785 says', () => {
  expect(canonical({ '\ufb33': 1, '\u{1f600}': 2, '€': 3, '\r': 4, '1': 5, ö: 6 })).toBe(
    '{"\\r":4,"1":5,"ö":6,"€":3,"\u{1f600}":2,"\ufb33":1}',
  )
  expect(canonical([JSON.parse('333333333.33333329'), 1e30, 4.5, 2e-3, 1e-27, -0])).toBe(
    '[333333333.3333333,1e+30,4.5,0.002,1e-27,0]',
  )
})

it('a key named __proto__ is a key like any other', () => {
  expect(canonical(JSON.parse('{"__proto__":{"a":1},"b":2}'))).toBe('{"__proto__":{"a":1},"b":2}')
})

it('what JSON would drop, round or rewrite is refused, and the place is named', () => {
  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  const refused: [unknown, RegExp][] = [
    [{ a: undefined }, /\$\.a is not plain/],
    [[undefined], /\$\[0\] is not plain/],
    [{ a: [Number.NaN] }, /\$\.a\[0\] is not a finite number/],
    [Number.POSITIVE_INFINITY, /\$ is not a finite number/],
    ['\ud800', /\$ holds a lone surrogate/],
    [{ '\udc00': 1 }, /holds a lone surrogate/],
    [1n, /not plain/],
    [new Date(0), /not plain/],
    [new Map(), /not plain/],
    [{ toJSON: () => 'x' }, /\$\.toJSON is not plain/],
    [Symbol('x'), /not plain/],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is refused
    [[1, , 2], /\$\[1\] is not plain/],
    [cyclic, /nested more than 32 levels/],
  ]
  for (const [value, why] of refused) expect(() => canonical(value)).toThrow(why)
})
