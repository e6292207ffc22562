/** A capability allows no more than its scopes as they stand, and no more than it carries itself. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Capability, type Detail, detailsOf, narrowed } from '../../src/policy/capability.ts'
import { type Operation, ordinary } from '../../src/policy/operation.ts'
import { covers, names, type Pattern } from '../../src/policy/pattern.ts'
import { allowed, type Scope } from '../../src/policy/scope.ts'
import { mostly, operation, pattern, patternOf } from './operations.ts'

const connection = mostly('railway', 'other')
const environment = mostly('staging', 'production')

const scope: fc.Arbitrary<Scope> = fc.record({
  name: fc.constantFrom('one', 'two'),
  environment,
  version: fc.constant(1),
  allow: fc.array(fc.record({ connection, pattern }), { maxLength: 4 }),
  maxTtl: fc.constant(900),
  callsPerMinute: fc.constant(null),
  approve: fc.constant([]),
  approvers: fc.constant(1),
  bound: fc.constant(false),
  leases: fc.constant({}),
})
const details = fc.array(
  fc.record({ connection, operations: fc.array(pattern, { maxLength: 4 }) }),
  { maxLength: 3 },
)

function capability(over: Partial<Capability> = {}): Capability {
  return {
    jti: 'j',
    agent: 'cursor',
    environment: 'staging',
    scopes: ['one'],
    details: [],
    issuedAt: 0,
    expiresAt: 900,
    ...over,
  }
}

const policy = fc.record({
  scopes: fc.array(scope, { maxLength: 3 }),
  details,
  environment,
  connection,
  operation,
})

/** The rule as the design words it, written anew: exact names cover all, the rest only what is known and ordinary. */
function mayPass(patterns: readonly Pattern[], one: Operation): boolean {
  const exact = (name: string) => patterns.some((p) => p.form === 'exact' && p.name === name)
  const plain = !one.unknown && one.own.every((effect) => effect === 'read' || effect === 'write')
  const loose = patterns.some((p) => {
    if (p.form === 'effect') {
      return p.effect === 'write' ? one.own.includes('write') : !one.own.includes('write')
    }
    return p.form === 'glob' && globToRegex(p.source).test(one.name)
  })
  return (exact(one.name) || (plain && loose)) && one.mustName.every(({ field }) => exact(field))
}

function globToRegex(source: string): RegExp {
  return new RegExp(
    `^${source
      .split('*')
      .map((piece) => piece.replaceAll(/[.{}]/g, '\\$&'))
      .join('.*')}$`,
  )
}

describe('allowed', () => {
  it('is exactly what both the scopes of this environment and the capability cover, over generated policies', () => {
    let passed = 0
    fc.assert(
      fc.property(
        policy,
        ({ scopes, details: carried, environment: where, connection: to, operation: one }) => {
          const held = capability({ environment: where, details: carried })
          const verdict = allowed(held, scopes, to, one).verdict
          const granted = scopes
            .filter((each) => each.environment === where)
            .flatMap(({ allow }) => allow)
            .filter((each) => each.connection === to)
            .map((each) => each.pattern)
          const own = carried
            .filter((each) => each.connection === to)
            .flatMap((each) => each.operations)
          expect(verdict === 'allow').toBe(mayPass(granted, one) && mayPass(own, one))
          if (verdict === 'allow') passed += 1
        },
      ),
      { numRuns: 4_000 },
    )
    expect(passed).toBeGreaterThan(20)
  })

  it('never grows when a scope loses a pattern or the capability a detail', () => {
    fc.assert(
      fc.property(policy, fc.nat({ max: 3 }), (p, drop) => {
        const held = capability({ environment: p.environment, details: p.details })
        const fewer = p.scopes.map((each) => ({
          ...each,
          allow: each.allow.filter((_, i) => i !== drop),
        }))
        const narrowed = { ...held, details: p.details.filter((_, i) => i !== drop) }
        const before = allowed(held, p.scopes, p.connection, p.operation).verdict
        if (before === 'allow') return
        expect(allowed(held, fewer, p.connection, p.operation).verdict).toBe('deny')
        expect(allowed(narrowed, p.scopes, p.connection, p.operation).verdict).toBe('deny')
      }),
      { numRuns: 1_500 },
    )
  })

  it('refuses a nested secret with its own code, and says which field', () => {
    const one: Operation = {
      name: 'Query.env',
      own: ['read'],
      effects: ['read', 'reveal'],
      unknown: false,
      mustName: [{ field: 'Env.config', effect: 'reveal' }],
      resources: [],
      missing: [],
      harmless: false,
      reachesOut: null,
      leadsOn: null,
    }
    const allow = [{ connection: 'railway', pattern: patternOf('@read') }]
    const scopes: Scope[] = [
      {
        name: 'one',
        environment: 'staging',
        version: 1,
        allow,
        maxTtl: 900,
        callsPerMinute: null,
        approve: [],
        approvers: 1,
        bound: false,
        leases: {},
      },
    ]
    const held = capability({ details: detailsOf(scopes) })
    expect(allowed(held, scopes, 'railway', one)).toMatchObject({
      code: 'secret-reveal',
      detail: expect.stringContaining('Env.config'),
    })
  })
})

describe('narrowing', () => {
  it('gives nothing that is not in what is held, whatever an operation does and however often it is repeated', () => {
    let given = 0
    fc.assert(
      fc.property(
        details,
        fc.array(details, { minLength: 1, maxLength: 4 }),
        connection,
        operation,
        (root, requests, to, one) => {
          let held: readonly Detail[] = root
          for (const request of requests) {
            const next = narrowed(request, held)
            if ('problem' in next) continue
            given += 1
            held = next
          }
          const of = (list: readonly Detail[]) =>
            list.filter((each) => each.connection === to).flatMap((each) => each.operations)
          if (of(held).some((each) => covers(each, one))) {
            expect(of(root).some((each) => covers(each, one))).toBe(true)
          }
          for (const { field } of one.mustName) {
            if (of(held).some((each) => names(each, field))) {
              expect(of(root).some((each) => names(each, field))).toBe(true)
            }
          }
        },
      ),
      { numRuns: 6_000 },
    )
    expect(given).toBeGreaterThan(500)
  })

  it('of scopes, which judge every call as well, gives nothing more of what is known and ordinary', () => {
    fc.assert(
      fc.property(details, details, connection, operation, (requested, held, to, one) => {
        const next = narrowed(requested, held, { scopes: true })
        if ('problem' in next) return
        if (one.unknown || !ordinary(one.own)) return
        const of = (list: readonly Detail[]) =>
          list.filter((each) => each.connection === to).flatMap((each) => each.operations)
        if (of(next).some((each) => covers(each, one))) {
          expect(of(held).some((each) => covers(each, one))).toBe(true)
        }
      }),
      { numRuns: 4_000 },
    )
  })

  it('never lets a name through that the scopes do not name, however it was asked for', () => {
    fc.assert(
      fc.property(policy, ({ scopes, details: carried, connection: to, operation: one }) => {
        const held = capability({ environment: 'staging', details: carried })
        if (allowed(held, scopes, to, one).verdict !== 'allow') return
        if (one.unknown || !ordinary(one.own)) {
          const all = scopes.flatMap(({ allow }) => allow.map((each) => each.pattern))
          expect(all.some((each) => names(each, one.name))).toBe(true)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('gathers what scopes allow by connection, losing and adding nothing', () => {
    fc.assert(
      fc.property(fc.array(scope, { maxLength: 3 }), (scopes) => {
        const flat = detailsOf(scopes).flatMap((each) =>
          each.operations.map((one) => ({ connection: each.connection, pattern: one })),
        )
        const count = (list: typeof flat) => list.map((each) => JSON.stringify(each)).sort()
        expect(count(flat)).toEqual(count(scopes.flatMap(({ allow }) => [...allow])))
        const all = detailsOf(scopes)
        expect(narrowed(all, all)).toEqual(all)
      }),
    )
  })
})
