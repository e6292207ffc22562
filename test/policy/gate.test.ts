/** What waits for a human: never less for having more scopes, and in set-up mode everything but reads and writes is refused. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { gate } from '../../src/policy/gate.ts'
import { effects } from '../../src/policy/operation.ts'
import { type Demand, parseDemand } from '../../src/policy/pattern.ts'
import type { Scope } from '../../src/policy/scope.ts'
import { operation } from './operations.ts'

const isProtected = (name: string, guarded: boolean, scopes: readonly Scope[] = []) => ({
  environment: { name, protected: true },
  connection: 'railway',
  scopes,
  guarded,
})

const ordinary = (all: readonly string[]) => all.every((one) => one === 'read' || one === 'write')

it('in set-up mode only reads and writes pass, and all that does not is listed', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 4 }), (all) => {
      const waits = all.filter((one) => !ordinary(one.effects))
      const verdict = gate(isProtected('staging', false), all)
      expect(verdict.verdict).toBe(waits.length === 0 ? 'allow' : 'deny')
      if (verdict.verdict !== 'deny') return
      expect(verdict.code).toBe('approval-required')
      expect(verdict.facts.refused?.map((one) => one.operation)).toEqual(
        waits.map(({ name }) => name),
      )
    }),
    { numRuns: 300 },
  )
})

it('in a protected environment everything but reads and writes waits for approval', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 4 }), (all) => {
      const waits = all.some((one) => !ordinary(one.effects))
      expect(gate(isProtected('production', true), all).verdict).toBe(waits ? 'approval' : 'allow')
    }),
    { numRuns: 300 },
  )
})

const demand: fc.Arbitrary<Demand> = fc.oneof(
  fc.constantFrom(...effects).map((effect) => ({
    connection: 'railway',
    of: { form: 'effect' as const, effect },
  })),
  operation.map(({ name }) => ({ connection: 'railway', of: { form: 'exact' as const, name } })),
)

const scope: fc.Arbitrary<Scope> = fc.record({
  name: fc.constantFrom('a', 'b'),
  environment: fc.constantFrom('staging', 'production'),
  version: fc.constant(1),
  allow: fc.constant([]),
  maxTtl: fc.constant(900),
  callsPerMinute: fc.constant(null),
  approve: fc.array(demand, { maxLength: 3 }),
  approvers: fc.integer({ min: 1, max: 3 }),
  bound: fc.boolean(),
  leases: fc.constant({}),
})

it('a further scope never lowers the gate', () => {
  fc.assert(
    fc.property(
      fc.array(operation, { minLength: 1, maxLength: 3 }),
      fc.array(scope, { maxLength: 3 }),
      scope,
      fc.boolean(),
      (all, scopes, further, guardedEnvironment) => {
        const where = {
          environment: { name: 'staging', protected: guardedEnvironment },
          connection: 'railway',
          guarded: true,
        }
        const before = gate({ ...where, scopes }, all)
        const after = gate({ ...where, scopes: [...scopes, further] }, all)
        if (before.verdict !== 'approval') return
        expect(after.verdict).toBe('approval')
        if (after.verdict !== 'approval') return
        expect(after.approvers).toBeGreaterThanOrEqual(before.approvers)
        expect(after.refused.length).toBeGreaterThanOrEqual(before.refused.length)
      },
    ),
    { numRuns: 500 },
  )
})

it.each([
  [
    'railway:@destructive',
    { connection: 'railway', of: { form: 'effect', effect: 'destructive' } },
  ],
  [
    'railway:Mutation.volumeDelete',
    { connection: 'railway', of: { form: 'exact', name: 'Mutation.volumeDelete' } },
  ],
])('reads %s', (source, read) => {
  expect(parseDemand(source)).toEqual(read)
})

it.each(['@destructive', 'railway:@everything', 'railway:Mutation.*', 'railway:', ''])(
  'refuses %j with the reason',
  (source) => {
    expect(parseDemand(source)).toHaveProperty('problem')
  },
)
