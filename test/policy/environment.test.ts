/** Containment and ownership: nothing outside an environment passes for inside it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  anchored,
  type Binding,
  contains,
  ownedElsewhere,
  whose,
  within,
} from '../../src/policy/environment.ts'
import type { Located, Operation, Place, Site } from '../../src/policy/operation.ts'
import { binding, operation, place } from './operations.ts'

const ownable = new Set(['environment'])
const railway = { space: 'railway', ownable }
const bindings = fc.array(binding, { maxLength: 5 })

const located: fc.Arbitrary<Located> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      known: fc.constant(true as const),
      home: place,
      places: fc.array(place, { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ known: false as const, why: 'the upstream is slow' }) },
)
const site: fc.Arbitrary<Site> = fc.record({
  resource: fc.record({
    kind: fc.constantFrom('environment', 'service'),
    id: fc.constant('x'),
    role: fc.constantFrom('target' as const, 'context' as const),
    argument: fc.constant('id'),
  }),
  located,
})

function siteAt(at: Place): Site {
  const resource = { kind: 'deployment', id: 'd', role: 'target' as const, argument: 'id' }
  return { resource, located: { known: true, home: at, places: [at] } }
}

function operationOf(effect: 'read' | 'write'): Operation {
  return {
    name: 'Mutation.deploymentRedeploy',
    own: [effect],
    effects: [effect],
    unknown: false,
    mustName: [],
    resources: [],
    missing: [],
    harmless: false,
    reachesOut: null,
    leadsOn: null,
  }
}

const mine = (all: readonly Binding[], environment: string, mode: Binding['mode'], at: Place) =>
  all.some(
    (one) =>
      one.environment === environment &&
      one.space === 'railway' &&
      one.mode === mode &&
      contains(one.place, at),
  )

describe('containment', () => {
  it('is a partial order', () => {
    fc.assert(
      fc.property(place, place, place, (a, b, c) => {
        expect(contains(a, a)).toBe(true)
        if (contains(a, b) && contains(b, a)) expect(a).toEqual(b)
        if (contains(a, b) && contains(b, c)) expect(contains(a, c)).toBe(true)
      }),
      { numRuns: 3_000 },
    )
  })

  it('is by kind and id, step by step, and nothing contains by being empty', () => {
    const project: Place = [{ kind: 'project', id: '1' }]
    expect(contains([], project)).toBe(false)
    expect(contains(project, [])).toBe(false)
    expect(contains([{ kind: 'environment', id: '1' }], project)).toBe(false)
    expect(contains(project, [{ kind: 'project', id: '10' }])).toBe(false)
  })
})

describe('ownership', () => {
  it('is never given twice when each binding was asked about first', () => {
    fc.assert(
      fc.property(bindings, place, (wanted, at) => {
        const kept: Binding[] = []
        for (const one of wanted) {
          if (one.mode === 'sees' || !ownedElsewhere(kept, one.environment, one.space, one.place)) {
            kept.push(one)
          }
        }
        const owners = new Set(
          kept
            .filter(
              (one) => one.mode === 'owns' && one.space === 'railway' && contains(one.place, at),
            )
            .map((one) => one.environment),
        )
        expect(owners.size).toBeLessThanOrEqual(1)
        expect(whose(kept, 'railway', at)).toBe([...owners][0] ?? 'elsewhere')
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('within', () => {
  it('lets nothing but a read pass where any place is not owned', () => {
    let passed = 0
    fc.assert(
      fc.property(bindings, operation, fc.array(site, { maxLength: 3 }), (all, one, sites) => {
        const reads = one.effects.every((effect) => effect === 'read')
        if (reads || within('staging', all, railway, one, sites).verdict === 'deny') return
        passed += sites.length > 0 ? 1 : 0
        for (const { located: found } of sites) {
          if (!found.known) throw new Error('what is unknown passed')
          expect(found.places.length).toBeGreaterThan(0)
          for (const at of found.places) expect(mine(all, 'staging', 'owns', at)).toBe(true)
        }
      }),
      { numRuns: 6_000 },
    )
    expect(passed).toBeGreaterThan(20)
  })

  it('lets no read pass into an environment that is not owned, whatever is seen', () => {
    let passed = 0
    fc.assert(
      fc.property(bindings, operation, fc.array(site, { maxLength: 3 }), (all, given, sites) => {
        const one: Operation = { ...given, effects: ['read'] }
        if (within('staging', all, railway, one, sites).verdict === 'deny') return
        passed += sites.length > 0 ? 1 : 0
        for (const { resource, located: found } of sites) {
          if (!found.known) throw new Error('what is unknown passed')
          for (const at of resource.role === 'target' ? [found.home] : found.places) {
            if (mine(all, 'staging', 'owns', at)) continue
            // What was bound as seen by itself is seen; from there nothing leads into an environment.
            const under = at.findIndex(({ kind }) => ownable.has(kind))
            const shared = under < 0 ? at : at.slice(0, under)
            const seen = all.filter((each) => mine([each], 'staging', 'sees', at))
            expect(seen.some(({ place: bound }) => bound.length > shared.length || under < 0)).toBe(
              true,
            )
          }
        }
      }),
      { numRuns: 6_000 },
    )
    expect(passed).toBeGreaterThan(20)
  })

  it('lets a project that is seen be read, and nothing in its environments', () => {
    const project: Place = [{ kind: 'project', id: '1' }]
    const sees: Binding[] = [
      { environment: 'staging', space: 'railway', mode: 'sees', place: project, label: 'acme' },
    ]
    const verdict = (at: Place, effect: 'read' | 'write') =>
      within('staging', sees, railway, operationOf(effect), [siteAt(at)]).verdict
    const service = [...project, { kind: 'service', id: '1' }]
    const environment = [...project, { kind: 'environment', id: '1' }]
    expect(verdict(project, 'read')).toBe('allow')
    expect(verdict(service, 'read')).toBe('allow')
    expect(verdict(service, 'write')).toBe('deny')
    expect(verdict(environment, 'read')).toBe('deny')
    expect(verdict([...environment, { kind: 'thing', id: '1' }], 'read')).toBe('deny')
  })

  it('does not change when other environments or providers bind more', () => {
    fc.assert(
      fc.property(bindings, operation, fc.array(site, { maxLength: 2 }), (all, one, sites) => {
        const own = all.filter(
          ({ environment, space }) => environment === 'staging' && space === 'railway',
        )
        expect(within('staging', all, railway, one, sites).verdict).toBe(
          within('staging', own, railway, one, sites).verdict,
        )
      }),
      { numRuns: 2_000 },
    )
  })

  it('names the environment that owns what was found, and never an upstream name', () => {
    const production: Place = [
      { kind: 'project', id: 'p' },
      { kind: 'environment', id: 'secret-project-name' },
    ]
    const bound = (environment: string, at: Place): Binding => ({
      environment,
      space: 'railway',
      mode: 'owns',
      place: at,
      label: 'x',
    })
    const sites = [siteAt(production)]
    const one = operationOf('write')
    expect(within('staging', [bound('production', production)], railway, one, sites)).toMatchObject(
      {
        code: 'outside-environment',
        facts: { found: 'production' },
      },
    )
    const nobody = within('staging', [], railway, one, sites)
    expect(nobody).toMatchObject({ code: 'outside-environment', facts: { found: 'elsewhere' } })
    expect(JSON.stringify(nobody)).not.toContain('secret-project-name')
  })
})

describe('anchored', () => {
  it('lets pass only what is harmless, or names a target, misses nothing and does not lead out', () => {
    fc.assert(
      fc.property(operation, (one) => {
        const passes = anchored('staging', one).verdict === 'allow'
        if (!passes) return
        expect(one.missing).toEqual([])
        if (one.harmless) return
        expect(one.reachesOut).toBeNull()
        expect(one.resources.some(({ role }) => role === 'target')).toBe(true)
      }),
      { numRuns: 2_000 },
    )
  })
})
