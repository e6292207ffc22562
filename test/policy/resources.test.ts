/** What a capability for some resources lets through: nothing that is about anything else, wherever it is named. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Operation, Site } from '../../src/policy/operation.ts'
import { amongResources } from '../../src/policy/resources.ts'

const ownable = new Set(['environment'])
const project = { kind: 'project', id: 'p' }
const environment = (id: string) => ({ kind: 'environment', id })
const service = (id: string) => ({ kind: 'service', id })

const operation: Operation = {
  name: 'Mutation.x',
  own: ['write'],
  effects: ['write'],
  unknown: false,
  mustName: [],
  resources: [],
  missing: [],
  harmless: false,
  reachesOut: null,
  leadsOn: null,
}

type Named = { kind: string; id: string; role: 'target' | 'context' }

/** As a provider would find it: an environment in its project, a service in the pinned environment. */
function site({ kind, id, role }: Named): Site {
  const place =
    kind === 'project'
      ? [project]
      : kind === 'environment'
        ? [project, environment(id)]
        : kind === 'service'
          ? [project, service(id)]
          : [project, environment('e1'), { kind, id }]
  return {
    resource: { kind, id, role, argument: kind },
    located: { known: true, home: place, places: [place] },
  }
}

const named: fc.Arbitrary<Named> = fc.oneof(
  fc.record({
    kind: fc.constant('service'),
    id: fc.constantFrom('s1', 's2'),
    role: fc.constantFrom('target' as const, 'context' as const),
  }),
  fc.record({
    kind: fc.constant('environment'),
    id: fc.constantFrom('e1', 'e2'),
    role: fc.constant('target' as const),
  }),
  fc.record({
    kind: fc.constant('project'),
    id: fc.constant('p'),
    role: fc.constant('context' as const),
  }),
  fc.record({
    kind: fc.constant('deployment'),
    id: fc.constantFrom('d1', 'd2'),
    role: fc.constant('target' as const),
  }),
)

const verdict = (
  listed: { kind: string; id: string }[],
  all: readonly Named[],
  over: Partial<Operation> = {},
) => amongResources(listed, 'staging', ownable, { ...operation, ...over }, all.map(site)).verdict

describe('a capability for one service', () => {
  it('lets nothing through that names another thing, but for what pins or holds the one', () => {
    let passed = 0
    fc.assert(
      fc.property(fc.array(named, { maxLength: 4 }), (all) => {
        if (verdict([service('s1')], all) === 'deny') return
        passed += 1
        expect(all.some(({ kind, id }) => kind === 'service' && id === 's1')).toBe(true)
        for (const { kind, id } of all) {
          if (kind === 'service') expect(id).toBe('s1')
          expect(kind).not.toBe('deployment')
        }
        // An environment that only pins needs the service as its context: beside a target it would be one more thing.
        if (all.some(({ kind }) => kind === 'environment')) {
          expect(all.some(({ kind, role }) => kind === 'service' && role === 'context')).toBe(true)
        }
      }),
      { numRuns: 4_000 },
    )
    expect(passed).toBeGreaterThan(50)
  })

  it('does not read on from there', () => {
    const all = [{ kind: 'service', id: 's1', role: 'target' as const }]
    expect(verdict([service('s1')], all)).toBe('allow')
    expect(verdict([service('s1')], all, { leadsOn: 'Service.project' })).toBe('deny')
  })

  it('cannot be used for what could not be located', () => {
    const lost: Site = {
      resource: { kind: 'deployment', id: 'd1', role: 'target', argument: 'id' },
      located: { known: false, why: 'gone' },
    }
    expect(amongResources([environment('e1')], 'staging', ownable, operation, [lost]).verdict).toBe(
      'deny',
    )
  })
})

describe('a capability for one environment', () => {
  it('covers what lies in it, and reads on', () => {
    const inside = [{ kind: 'deployment', id: 'd1', role: 'target' as const }]
    expect(verdict([environment('e1')], inside)).toBe('allow')
    expect(verdict([environment('e2')], inside)).toBe('deny')
    const whole = [{ kind: 'environment', id: 'e1', role: 'target' as const }]
    expect(verdict([environment('e1')], whole, { leadsOn: 'Environment.deployments' })).toBe(
      'allow',
    )
  })
})
