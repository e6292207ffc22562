/** What an edit would give, in words; and that what passes without a passkey gives nothing to anybody. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Authority,
  type AuthorityScope,
  differences,
  onlyRemoves,
} from '../../src/policy/authority.ts'
import type { Capability } from '../../src/policy/capability.ts'
import { gate } from '../../src/policy/gate.ts'
import type { Operation } from '../../src/policy/operation.ts'
import { parseAllow, parseDemand, writePattern } from '../../src/policy/pattern.ts'
import { allowed, type Scope } from '../../src/policy/scope.ts'
import { operation, operationName, pattern } from './operations.ts'

const connection = fc.constantFrom('railway', 'github')
const allow = fc.tuple(connection, pattern).map(([name, one]) => `${name}:${writePattern(one)}`)
const demandText = fc
  .tuple(connection, fc.oneof(operationName, fc.constantFrom('@destructive', '@write', '@read')))
  .map(([name, one]) => `${name}:${one}`)
const environmentName = fc.constantFrom('staging', 'production')
const some = <T extends string>(one: fc.Arbitrary<T>, most: number) =>
  fc.uniqueArray(one, { maxLength: most }).map((all) => all.toSorted())

const scopeNames = ['one', 'two', 'three'] as const
const scope = (name: string): fc.Arbitrary<AuthorityScope> =>
  fc.record({
    name: fc.constant(name),
    environment: environmentName,
    allow: some(allow, 4),
    approve: some(demandText, 2),
    approvers: fc.constantFrom(1, 2),
    bound: fc.boolean(),
    leases: some(fc.constantFrom('pg with a', 'pg with b'), 1),
    maxTtl: fc.constantFrom(300, 900),
    callsPerMinute: fc.constantFrom(null, 10, 60),
  })
const agent = (name: string) =>
  fc.record({
    name: fc.constant(name),
    scopes: some(fc.constantFrom(...scopeNames), 3),
    secrets: some(fc.constantFrom('hash-a', 'hash-b', 'hash-c'), 2),
    keys: some(fc.constantFrom('the key a', 'the key b'), 1),
  })
const each = <T>(names: readonly string[], make: (name: string) => fc.Arbitrary<T>) =>
  fc
    .tuple(...names.map((name) => fc.tuple(fc.integer({ min: 0, max: 4 }), make(name))))
    .map((all) => all.flatMap(([kept, one]) => (kept === 0 ? [] : [one])))

const authority: fc.Arbitrary<Authority> = fc.record({
  agents: each(['cursor', 'ci'], agent),
  scopes: each(scopeNames, scope),
  environments: fc.boolean().map((isProtected) => [
    { name: 'production', protected: true },
    { name: 'staging', protected: isProtected },
  ]),
  bindings: some(fc.constantFrom('staging owns x on railway', 'production owns y on railway'), 2),
  providers: some(fc.constantFrom('neon: deleteProject is destructive'), 1),
  connections: some(fc.constantFrom('railway is railway at https://a.example'), 1),
  operators: some(fc.constantFrom('ada is admin', 'otto is auditor'), 2),
  trusts: some(fc.constantFrom('ci: jobs of a', 'ci: jobs of b'), 2),
  invitations: some(fc.constantFrom('for an admin, code 1'), 1),
  freezes: fc.oneof(
    { weight: 4, arbitrary: fc.constant([]) },
    some(fc.constantFrom('all', 'agent:cursor', 'scope:one', 'environment:staging'), 2),
  ),
})

/** One small edit, that takes or gives: pairs made at random would hardly ever be related. */
type Step = (before: Authority) => Authority
const onScope = (change: (one: AuthorityScope) => AuthorityScope): fc.Arbitrary<Step> =>
  fc.constantFrom(...scopeNames).map((name) => (before) => ({
    ...before,
    scopes: before.scopes.map((one) => (one.name === name ? change(one) : one)),
  }))
const without = <T>(list: readonly T[], at: number) => list.filter((_, i) => i !== at)
const onAgent = (
  change: (one: Authority['agents'][number]) => Authority['agents'][number],
): fc.Arbitrary<Step> =>
  fc.constantFrom('cursor', 'ci').map((name) => (before) => ({
    ...before,
    agents: before.agents.map((one) => (one.name === name ? change(one) : one)),
  }))
const index = fc.nat({ max: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: index.chain((i) => onScope((s) => ({ ...s, allow: without(s.allow, i) }))),
  },
  allow.chain((one) => onScope((s) => ({ ...s, allow: [...new Set([...s.allow, one])].sort() }))),
  fc.tuple(index, allow).chain(([i, one]) =>
    onScope((s) => ({ ...s, allow: s.allow.with(i % (s.allow.length || 1), one) })).map(
      (inner): Step =>
        (before) =>
          before.scopes.every((s) => s.allow.length > 0) ? inner(before) : before,
    ),
  ),
  demandText.chain((one) =>
    onScope((s) => ({ ...s, approve: [...new Set([...s.approve, one])].sort() })),
  ),
  index.chain((i) => onScope((s) => ({ ...s, approve: without(s.approve, i) }))),
  fc.constantFrom(1, 2).chain((approvers) => onScope((s) => ({ ...s, approvers }))),
  fc.constantFrom(300, 900).chain((maxTtl) => onScope((s) => ({ ...s, maxTtl }))),
  fc
    .constantFrom(null, 10, 60)
    .chain((callsPerMinute) => onScope((s) => ({ ...s, callsPerMinute }))),
  environmentName.chain((environment) => onScope((s) => ({ ...s, environment }))),
  index.map(
    (i): Step =>
      (before) => ({ ...before, scopes: without(before.scopes, i) }),
  ),
  {
    weight: 3,
    arbitrary: index.chain((i) => onAgent((a) => ({ ...a, scopes: without(a.scopes, i) }))),
  },
  fc
    .constantFrom(...scopeNames)
    .chain((one) => onAgent((a) => ({ ...a, scopes: [...new Set([...a.scopes, one])].sort() }))),
  index.chain((i) => onAgent((a) => ({ ...a, secrets: without(a.secrets, i) }))),
  fc
    .constant<Step>((before) => before)
    .chain(() =>
      onAgent((a) => ({ ...a, secrets: [...new Set([...a.secrets, 'hash-new'])].sort() })),
    ),
  index.map(
    (i): Step =>
      (before) => ({ ...before, agents: without(before.agents, i) }),
  ),
  fc.constantFrom('agent:ci', 'all').map(
    (one): Step =>
      (before) => ({
        ...before,
        freezes: [...new Set([...before.freezes, one])].sort(),
      }),
  ),
  index.map(
    (i): Step =>
      (before) => ({ ...before, freezes: without(before.freezes, i) }),
  ),
)

const pair = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(authority, fc.array(step, { minLength: 1, maxLength: 3 }))
      .map(([before, steps]) => [before, steps.reduce((now, one) => one(now), before)] as const),
  },
  { weight: 1, arbitrary: fc.tuple(authority, authority) },
)

type Asking = {
  agent: string
  secret: string
  environment: string
  connection: string
  /** Of the capability. */
  scopes: readonly string[]
}

/** Whoever holds any secret asks everywhere, with everything that the agent has or with one scope alone. */
function askings(policy: Authority): Asking[] {
  return policy.agents.flatMap(({ name, scopes, secrets }) =>
    secrets.flatMap((secret) =>
      ['staging', 'production'].flatMap((environment) =>
        ['railway', 'github'].flatMap((connection) =>
          [scopes, ...scopes.map((one) => [one])].map((carried) => ({
            ...{ agent: name, secret, environment, connection },
            scopes: carried,
          })),
        ),
      ),
    ),
  )
}

/** Half of them are what a pattern covers, or what only an exact name does. */
const asked = fc.oneof(
  operation,
  fc
    .tuple(operation, fc.constantFrom('read' as const, 'write' as const, 'destructive' as const))
    .map(
      ([one, effect]): Operation => ({
        ...one,
        ...{ own: [effect], effects: [effect], unknown: false, mustName: [] },
      }),
    ),
)
const questions = fc.array(asked, { minLength: 6, maxLength: 6 })

function scopeOf(one: AuthorityScope): Scope {
  return {
    ...one,
    version: 1,
    leases: {},
    allow: one.allow.map((source) => {
      const parsed = parseAllow(source)
      if ('problem' in parsed) throw new Error(parsed.problem)
      return parsed
    }),
    approve: one.approve.map((source) => {
      const parsed = parseDemand(source)
      if ('problem' in parsed) throw new Error(parsed.problem)
      return parsed
    }),
  }
}

/** 0: passes. 1, 2…: so many humans have to agree. Infinity: refused. By the very functions that judge a call. */
function hurdle(policy: Authority, ask: Asking, what: Operation): number {
  const refused = Number.POSITIVE_INFINITY
  const held = policy.agents.find(({ name }) => name === ask.agent)
  const environment = policy.environments.find(({ name }) => name === ask.environment)
  if (held === undefined || environment === undefined) return refused
  if (!held.secrets.includes(ask.secret)) return refused
  const granted = policy.scopes.filter(({ name }) => held.scopes.includes(name)).map(scopeOf)
  const carried = granted.filter(({ name }) => ask.scopes.includes(name))
  const stopped = [
    'all',
    `agent:${ask.agent}`,
    `environment:${ask.environment}`,
    ...ask.scopes.map((name) => `scope:${name}`),
  ]
  if (policy.freezes.some((one) => stopped.includes(one))) return refused
  const everything = [what.name, ...what.mustName.map(({ field }) => field)].map((name) => ({
    form: 'exact' as const,
    name,
  }))
  const capability: Capability = {
    jti: 'cap',
    agent: ask.agent,
    environment: ask.environment,
    scopes: ask.scopes,
    // What it carries only narrows: one that names everything shows what the scopes say.
    details: [{ connection: ask.connection, operations: everything }],
    issuedAt: 0,
    expiresAt: 0,
  }
  if (allowed(capability, carried, ask.connection, what).verdict !== 'allow') return refused
  const found = gate({ environment, connection: ask.connection, scopes: granted, guarded: true }, [
    what,
  ])
  if (found.verdict === 'deny') return refused
  return found.verdict === 'allow' ? 0 : found.approvers
}

describe('onlyRemoves', () => {
  it('means that whatever passes after it passed before, with no gate weaker', () => {
    const held = { related: 0, changed: 0, passing: 0, gated: 0 }
    fc.assert(
      fc.property(pair, questions, ([before, after], asks) => {
        if (!onlyRemoves(before, after)) return
        held.related += 1
        if (JSON.stringify(before) !== JSON.stringify(after)) held.changed += 1
        for (const ask of askings(after)) {
          for (const what of asks) {
            const now = hurdle(after, ask, what)
            if (now === 0) held.passing += 1
            else if (now < Number.POSITIVE_INFINITY) held.gated += 1
            expect(now).toBeGreaterThanOrEqual(hurdle(before, ask, what))
          }
        }
      }),
      { numRuns: 2_500 },
    )
    // It would hold of a function that always says no.
    expect(held.related).toBeGreaterThan(250)
    expect(held.changed).toBeGreaterThan(100)
    expect(held.passing).toBeGreaterThan(500)
    expect(held.gated).toBeGreaterThan(500)
  })

  it('never lets a scope live longer or be used more often, nor a name come to mean more', () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        if (!onlyRemoves(before, after)) return
        for (const scope of after.scopes) {
          const was = before.scopes.find(({ name }) => name === scope.name)
          expect(was?.environment).toBe(scope.environment)
          expect(scope.maxTtl).toBeLessThanOrEqual(was?.maxTtl ?? 0)
          expect(scope.callsPerMinute ?? 1e9).toBeLessThanOrEqual(was?.callsPerMinute ?? 1e9)
        }
        // An agent without scopes, or a scope that nobody holds, is what a human would grant or be granted next.
        const agents = new Map(before.agents.map((one) => [one.name, one]))
        expect(before.trusts).toEqual(expect.arrayContaining([...after.trusts]))
        for (const { name, secrets, keys } of after.agents) {
          expect(agents.get(name)?.secrets).toEqual(expect.arrayContaining([...secrets]))
          expect(agents.get(name)?.keys).toEqual(expect.arrayContaining([...keys]))
        }
      }),
      { numRuns: 5_000 },
    )
  })

  it('holds of what takes away: a grant, a pattern, a scope, an agent; and of a gate or a freeze more', () => {
    const before: Authority = {
      agents: [{ name: 'cursor', scopes: ['one', 'two'], secrets: ['hash-a'], keys: [] }],
      scopes: [full('one'), { ...full('two'), approve: [], approvers: 1, bound: true }],
      environments: [{ name: 'staging', protected: false }],
      bindings: ['staging owns x on railway'],
      providers: ['neon: deleteProject is destructive'],
      connections: ['railway is railway at https://a.example'],
      operators: ['ada is admin'],
      invitations: [],
      trusts: [],
      freezes: [],
    }
    const [one, two] = before.scopes
    const [cursor] = before.agents
    if (one === undefined || two === undefined || cursor === undefined) throw new Error('no scopes')
    const less: Authority[] = [
      before,
      { ...before, agents: [] },
      { ...before, agents: [{ ...cursor, scopes: ['one'] }] },
      { ...before, scopes: [one] },
      { ...before, scopes: [{ ...one, allow: ['railway:@read'] }, two] },
      { ...before, scopes: [{ ...one, approve: [...one.approve, 'railway:@write'] }, two] },
      { ...before, freezes: ['agent:cursor'] },
    ]
    expect(less.map((after) => onlyRemoves(before, after))).toEqual(less.map(() => true))
    const more: Record<string, Authority> = {
      'the gate goes with its scope': { ...before, scopes: [two] },
      'the gate goes with its grant': { ...before, agents: [{ ...cursor, scopes: ['two'] }] },
      'a gate of a scope that nobody holds, and that somebody may be granted next': {
        ...before,
        agents: [],
        scopes: [{ ...one, approve: [] }, two],
      },
      'one human less for one that nobody holds': {
        ...before,
        agents: [],
        scopes: [{ ...one, approvers: 1 }, two],
      },
      'one human less': {
        ...before,
        scopes: [{ ...one, approvers: 1 }, two],
      },
      'a name that a glob held, and did not cover if it is destructive': {
        ...before,
        scopes: [{ ...one, allow: ['github:Mutation.a'] }, two],
      },
      'no key wanted any more': {
        ...before,
        scopes: [one, { ...two, bound: false }],
      },
      'another lease': { ...before, scopes: [{ ...one, leases: ['pg with a'] }, two] },
      'another key': { ...before, agents: [{ ...cursor, keys: ['the key b'] }] },
      'a trust': { ...before, trusts: ['ci: jobs of a'] },
      'another secret': { ...before, agents: [{ ...cursor, secrets: ['hash-b'], keys: [] }] },
      'an agent without scopes': {
        ...before,
        agents: [cursor, { name: 'ci', scopes: [], secrets: ['hash-b'], keys: [] }],
      },
      'a scope that nobody holds': { ...before, scopes: [one, two, { ...two, name: 'three' }] },
      'another binding': { ...before, bindings: [] },
      'another connection': { ...before, connections: [] },
      'an operator less': { ...before, operators: [] },
      'an invitation': { ...before, invitations: ['for an admin, code 1'] },
      unprotected: { ...before, environments: [{ name: 'staging', protected: true }] },
    }
    for (const [what, after] of Object.entries(more)) {
      expect([what, onlyRemoves(before, after)]).toEqual([what, false])
    }
    expect(onlyRemoves({ ...before, freezes: ['all'] }, before)).toBe(false)
  })
})

function full(name: string): AuthorityScope {
  return {
    name,
    environment: 'staging',
    allow: ['railway:@read', 'railway:Mutation.a', 'github:Mutation.*'],
    approve: ['railway:@destructive'],
    approvers: 2,
    bound: false,
    leases: [],
    maxTtl: 900,
    callsPerMinute: 60,
  }
}

describe('differences', () => {
  it('are empty exactly when nothing that gives authority has changed, and turned round they swap', () => {
    fc.assert(
      fc.property(pair, ([before, after]) => {
        const there = differences(before, after)
        expect(differences(after, before)).toEqual({ added: there.removed, removed: there.added })
        expect(differences(before, before)).toEqual({ added: [], removed: [] })
      }),
    )
  })

  it('tell of the agent, or of what holds for all, whenever a call meets a lower hurdle', () => {
    let found = 0
    fc.assert(
      fc.property(pair, questions, ([before, after], asks) => {
        const { added, removed } = differences(before, after)
        for (const ask of askings(after)) {
          for (const what of asks) {
            const [was, is] = [hurdle(before, ask, what), hurdle(after, ask, what)]
            if (is >= was) continue
            found += 1
            // Refused before: somebody or something is new, or no longer stopped. Asked before: a gate is gone.
            const told =
              was === Number.POSITIVE_INFINITY
                ? [
                    ...added.filter((one) =>
                      new RegExp(`^(Agent ${ask.agent} (may|signs)|There is an agent)`).test(one),
                    ),
                    ...removed.filter((one) => one.startsWith('Frozen: ')),
                  ]
                : removed.filter(
                    (one) =>
                      one.startsWith(`Agent ${ask.agent} has to ask before `) ||
                      one.startsWith(`Agent ${ask.agent} needs `) ||
                      one === `Environment ${ask.environment} is protected`,
                  )
            expect(told).not.toEqual([])
          }
        }
      }),
      { numRuns: 1_500 },
    )
    expect(found).toBeGreaterThan(300)
  })

  it('tell that a gate goes with a grant, although the grant is only taken away', () => {
    const open = { ...full('open'), approve: [], approvers: 1 }
    const before: Authority = {
      agents: [{ name: 'cursor', scopes: ['gate', 'open'], secrets: ['hash-a'], keys: [] }],
      scopes: [full('gate'), open].map((one) => ({ ...one, allow: ['railway:@write'] })),
      environments: [{ name: 'staging', protected: false }],
      bindings: [],
      providers: [],
      connections: [],
      operators: [],
      invitations: [],
      trusts: [],
      freezes: [],
    }
    const after = {
      ...before,
      agents: [{ name: 'cursor', scopes: ['open'], secrets: ['hash-a'], keys: [] }],
    }
    expect(onlyRemoves(before, after)).toBe(false)
    expect(differences(before, after).removed).toEqual([
      'Agent cursor has to ask before railway:@destructive in staging',
      'Agent cursor may railway:@write in staging (scope gate)',
      'Agent cursor needs 2 operators for what it has to ask in staging',
    ])
  })

  it('name the agent, the operation, the environment, the scope and the gates of a grant, and nothing else', () => {
    const before: Authority = {
      agents: [{ name: 'cursor', scopes: [], secrets: ['hash-a'], keys: [] }],
      scopes: [full('one')],
      environments: [{ name: 'staging', protected: false }],
      bindings: [],
      providers: [],
      connections: [],
      operators: [],
      invitations: [],
      trusts: [],
      freezes: [],
    }
    const after = {
      ...before,
      agents: [{ name: 'cursor', scopes: ['one'], secrets: ['hash-a'], keys: [] }],
    }
    expect(differences(before, after)).toEqual({
      added: [
        'Agent cursor has to ask before railway:@destructive in staging',
        'Agent cursor may github:Mutation.* in staging (scope one)',
        'Agent cursor may railway:@read in staging (scope one)',
        'Agent cursor may railway:Mutation.a in staging (scope one)',
        'Agent cursor needs 2 operators for what it has to ask in staging',
      ],
      removed: [],
    })
  })
})
