/** The allowlist's language: what a pattern covers, and when one lies within another. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ordinary } from '../../src/policy/operation.ts'
import {
  covers,
  narrower,
  parseAllow,
  parsePattern,
  writeAllow,
  writePattern,
} from '../../src/policy/pattern.ts'
import { effortOf } from '../support/effort.ts'
import { operation, operationName, pattern, patternOf } from './operations.ts'

describe('covers', () => {
  it('never covers what is unknown, or more than read and write, but by its exact name', () => {
    fc.assert(
      fc.property(pattern, operation, (one, what) => {
        if (!what.unknown && ordinary(what.own)) return
        expect(covers(one, what)).toBe(one.form === 'exact' && one.name === what.name)
      }),
      { numRuns: 2_000 },
    )
  })

  it.each([
    ['Query.*', 'Query.project', true],
    ['Query.*', 'Mutation.project', false],
    ['*', 'Query.project', true],
    ['*.project', 'Query.project', true],
    ['Q*y.p*t', 'Query.project', true],
    ['Query.project*', 'Query.project', true],
    ['Query.p*p', 'Query.p', false],
    ['*Query*Query*', 'Query.project', false],
    ['query.*', 'Query.project', false],
    ['Query.project', 'Query.projects', false],
  ])('%s against %s: %s', (source, name, expected) => {
    const what = { name, own: ['read' as const], effects: ['read' as const], unknown: false }
    const rest = {
      mustName: [],
      resources: [],
      missing: [],
      harmless: false,
      reachesOut: null,
      leadsOn: null,
    }
    expect(covers(patternOf(source), { ...what, ...rest })).toBe(expected)
  })

  it('ends soon for a glob made to take long', () => {
    const what = { name: `Query.${'a'.repeat(100_000)}b`, own: ['read' as const], unknown: false }
    const rest = {
      mustName: [],
      resources: [],
      missing: [],
      harmless: false,
      reachesOut: null,
      leadsOn: null,
    }
    const glob = patternOf(`${'*a'.repeat(90)}*c`)
    const effort = effortOf(() =>
      expect(covers(glob, { ...what, ...rest, effects: ['read'] })).toBe(false),
    )
    expect(effort).toBeLessThan(500)
  })
})

describe('narrower', () => {
  it('means that every ordinary known operation of the inner is one of the outer', () => {
    let related = 0
    fc.assert(
      fc.property(pattern, pattern, fc.array(operation, { maxLength: 20 }), (inner, outer, all) => {
        if (!narrower(inner, outer)) return
        related += 1
        for (const one of all.filter(({ unknown, own }) => !unknown && ordinary(own))) {
          if (covers(inner, one)) expect(covers(outer, one)).toBe(true)
        }
      }),
      { numRuns: 5_000 },
    )
    expect(related).toBeGreaterThan(200)
  })

  it('is reflexive, and transitive over generated patterns', () => {
    fc.assert(
      fc.property(pattern, pattern, pattern, (a, b, c) => {
        expect(narrower(a, a)).toBe(true)
        if (narrower(a, b) && narrower(b, c)) expect(narrower(a, c)).toBe(true)
      }),
      { numRuns: 5_000 },
    )
  })

  it('never takes an effect, or a wider glob, for narrower', () => {
    for (const [inner, outer] of [
      ['@read', 'Query.*'],
      ['@read', '*'],
      ['Query.*', '@read'],
      ['Query.a', '@read'],
      ['*', 'Query.*'],
      ['*.a', 'Query.*'],
      ['Query.*', 'Query.a*'],
      ['@write', '@read'],
    ] as const) {
      expect([inner, outer, narrower(patternOf(inner), patternOf(outer))]).toEqual([
        inner,
        outer,
        false,
      ])
    }
  })
})

describe('the language', () => {
  it('reads what it writes', () => {
    fc.assert(
      fc.property(pattern, (one) => {
        expect(parsePattern(writePattern(one))).toEqual(one)
        const allow = { connection: 'railway', pattern: one }
        expect(parseAllow(writeAllow(allow))).toEqual(allow)
      }),
    )
    fc.assert(
      fc.property(operationName, (name) => {
        expect(parsePattern(name)).toEqual({ form: 'exact', name })
      }),
    )
  })

  it.each([
    '@destructive',
    '@reveal',
    '@execute',
    '@admin',
    '@',
    '@READ',
    '',
    'Query.(a)',
    'a\nb',
    'Query.*\n',
    'ü',
  ])('refuses %j and says why', (source) => {
    expect(parsePattern(source)).toEqual({ problem: expect.any(String) })
  })

  it.each([
    'railway',
    'railway:',
    ':Query.a',
    'Railway:Query.a',
    '1x:Query.a',
    'railway :Query.a',
    `railway:${'a'.repeat(201)}`,
  ])('refuses %j as an entry of an allowlist', (source) => {
    expect(parseAllow(source)).toEqual({ problem: expect.any(String) })
  })
})
