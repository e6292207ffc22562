/** In set-up mode nobody can approve, so that nothing passes but reads and writes. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { gate } from '../../src/policy/gate.ts'
import { operation } from './operations.ts'

it('the gate lets only reads and writes pass, and lists all that waits', () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 4 }), (all) => {
      const waits = all.filter(({ effects }) =>
        effects.some((effect) => effect !== 'read' && effect !== 'write'),
      )
      const verdict = gate('staging', all)
      expect(verdict.verdict).toBe(waits.length === 0 ? 'allow' : 'deny')
      if (verdict.verdict === 'allow') return
      expect(verdict.code).toBe('approval-required')
      expect(verdict.facts.refused?.map((one) => one.operation)).toEqual(
        waits.map(({ name }) => name),
      )
    }),
    { numRuns: 500 },
  )
})
