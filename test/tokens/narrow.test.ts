import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Capability, detailFor, detailsOf } from '../../src/policy/capability.ts'
import { type Effect, effects, type Operation, ordinary } from '../../src/policy/operation.ts'
import { parseAllow } from '../../src/policy/pattern.ts'
import { allowed, type Scope } from '../../src/policy/scope.ts'
import type { AgentPolicy, Snapshot } from '../../src/realm/realm.ts'
import { attenuate } from '../../src/tokens/attenuate.ts'
import { mint } from '../../src/tokens/mint.ts'
import { OauthError } from '../../src/tokens/oauth-error.ts'
import { verifyCapability } from '../../src/tokens/verify.ts'
import { type Broker, broker } from './broker.ts'

const connection = fc.constantFrom('railway', 'github')
const name = fc.constantFrom(
  'Query.project',
  'Query.projects',
  'Mutation.volumeDelete',
  'Mutation.vary',
)
const pattern = fc.oneof(
  name,
  fc.constantFrom(
    '@read',
    '@write',
    '*',
    'Query.*',
    'Mutation.v*',
    'Mutation.volume*',
    '*ject',
    'Q*t',
    'Query.project*',
  ),
)
const allow = fc.tuple(connection, pattern).map(([one, other]) => `${one}:${other}`)
/** Mostly the one that everything is in, or nearly every case would be refused for that alone. */
const environment = fc.constantFrom(...Array<string>(9).fill('staging'), 'production')
const scopeNames: string[] = ['a', 'b', 'c']
const mostly = (names: string[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(scopeNames) }, fc.subarray(names))

const scopes = fc.tuple(
  ...scopeNames.map((one) =>
    fc.record({
      name: fc.constant(one),
      environment,
      allow: fc.array(allow, { minLength: 1, maxLength: 6 }),
      maxTtl: fc.integer({ min: 600, max: 3_600 }),
    }),
  ),
)

const details = fc.option(
  fc.array(
    fc.record({
      type: fc.constant('valetkey'),
      environment,
      connection,
      operations: fc.array(pattern, { minLength: 1, maxLength: 2 }),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  { nil: undefined, freq: 2 },
)

const operation = fc.record<Operation>({
  name,
  own: fc.oneof(
    fc.constantFrom<Effect[]>(['read'], ['write']),
    fc.uniqueArray(fc.constantFrom(...effects), { minLength: 1, maxLength: 2 }),
  ),
  effects: fc.constant([]),
  unknown: fc.constantFrom(false, false, false, true),
  mustName: fc.array(
    fc.record({ field: name, effect: fc.constantFrom('reveal' as const, 'unknown' as const) }),
    { maxLength: 1 },
  ),
  resources: fc.constant([]),
  harmless: fc.constant(false),
  reachesOut: fc.constant(null),
  leadsOn: fc.constant(null),
  missing: fc.constant([]),
})

type Written = { name: string; environment: string; allow: string[]; maxTtl: number }

function read(written: Written): Scope {
  const parsed = written.allow.map(parseAllow)
  return {
    ...written,
    version: 1,
    callsPerMinute: null,
    approve: [],
    approvers: 1,
    bound: false,
    leases: {},
    allow: parsed.flatMap((one) => ('problem' in one ? [] : [one])),
  }
}

/** What the scopes allow by themselves, without any capability in between. */
function widest(scopes: readonly Scope[]): Capability {
  return {
    jti: 'none',
    agent: 'cursor',
    environment: scopes[0]?.environment ?? '',
    scopes: scopes.map((one) => one.name),
    details: detailsOf(scopes),
    issuedAt: 0,
    expiresAt: 0,
  }
}

/** A scope that allows what the capability carries and nothing else, so that only its details are judged. */
function alone({ environment, details }: Capability): Scope {
  const allow = details.flatMap((one) =>
    one.operations.map((pattern) => ({ connection: one.connection, pattern })),
  )
  return { ...read({ name: 'a', environment, allow: [], maxTtl: 1 }), allow }
}

/** What a glob may cover. For all else an exact name in the details still needs the exact name in the scope. */
function plain(call: Operation): boolean {
  return !call.unknown && ordinary(call.own) && call.mustName.length === 0
}

describe('a minted capability', () => {
  let ctx: Broker

  beforeAll(async () => {
    ctx = await broker('embedded')
  })

  it('never allows more than its scopes, lives no longer, and carries no scope that was not asked for and granted', async () => {
    let minted = 0
    await fc.assert(
      fc.asyncProperty(
        scopes,
        mostly(scopeNames),
        fc.oneof(
          { weight: 4, arbitrary: fc.subarray(scopeNames, { minLength: 1 }) },
          { weight: 1, arbitrary: fc.constant(['a', 'd']) },
        ),
        details,
        fc.option(fc.integer({ min: -1, max: 1_200 }), { nil: undefined, freq: 2 }),
        fc.array(fc.tuple(connection, operation), { minLength: 10, maxLength: 10 }),
        async (written, granted, requested, narrowing, ttl, calls) => {
          const defined = new Map(written.map((one) => [one.name, read(one)]))
          const agent: AgentPolicy = { name: 'cursor', scopes: new Set(granted) }
          const snapshot: Snapshot = { ...ctx.realm.now(), scopes: defined }
          const judged = { ...ctx, realm: { ...ctx.realm, now: () => snapshot } }
          const given = await mint(judged, {
            agent,
            scopes: requested,
            details: narrowing,
            ...(ttl === undefined ? {} : { ttl }),
          }).catch((error: unknown) => {
            if (error instanceof OauthError) return null
            throw error
          })
          if (given === null) return
          minted += 1

          const capability = await verifyCapability(ctx, given.token)
          const held = capability.scopes.flatMap((one) => defined.get(one) ?? [])
          expect(held.map((one) => one.name)).toEqual(capability.scopes)
          for (const one of capability.scopes) {
            expect(granted).toContain(one)
            expect(requested).toContain(one)
          }
          expect(new Set(held.map((one) => one.environment))).toEqual(
            new Set([capability.environment]),
          )
          const life = capability.expiresAt - capability.issuedAt
          for (const one of held) expect(life).toBeLessThanOrEqual(one.maxTtl)

          for (const [at, call] of calls) {
            const with_ = allowed(capability, held, at, call).verdict
            const without = allowed(widest(held), held, at, call).verdict
            if (without === 'deny') expect(with_).toBe('deny')
            if (narrowing === undefined) expect(with_).toBe(without)
            if (plain(call) && without === 'deny') {
              expect(allowed(capability, [alone(capability)], at, call).verdict).toBe('deny')
            }
          }
        },
      ),
      { numRuns: 400 },
    )
    expect(minted).toBeGreaterThan(100)
  })

  it('yields by no sequence of exchanges one that allows, or lasts for, anything that it did not', async () => {
    let grown = 0
    await fc.assert(
      fc.asyncProperty(
        scopes.map((all) => all.map((one) => ({ ...one, environment: 'staging' }))),
        asked,
        fc.array(asked, { minLength: 1, maxLength: 5 }),
        fc.array(fc.tuple(connection, operation), { minLength: 10, maxLength: 10 }),
        async (written, first, exchanges, calls) => {
          const defined = new Map(written.map((one) => [one.name, read(one)]))
          const agent: AgentPolicy = { name: 'cursor', scopes: new Set(scopeNames) }
          const snapshot: Snapshot = {
            ...ctx.realm.now(),
            scopes: defined,
            agents: new Map([['cursor', agent]]),
          }
          const judged = { ...ctx, realm: { ...ctx.realm, now: () => snapshot } }
          const given = async (minting: Promise<{ token: string }>) => {
            try {
              return await verifyCapability(ctx, (await minting).token)
            } catch (error) {
              if (error instanceof OauthError) return null
              throw error
            }
          }
          const root = await given(mint(judged, { agent, ...first, scopes: scopeNames }))
          if (root === null) return
          let parent = root
          for (const exchange of exchanges) {
            const child = await given(attenuate(judged, { parent, ...exchange }))
            if (child === null) continue
            grown += 1
            expect(child.parents).toEqual([parent.jti, ...(parent.parents ?? [])])
            expect(child.rootedAt).toBe(root.issuedAt)
            expect(child.expiresAt).toBeLessThanOrEqual(parent.expiresAt)
            for (const one of child.scopes) expect(parent.scopes).toContain(one)
            for (const one of child.details) {
              const held = detailFor(root.details, one.connection)
              expect(held).not.toBeNull()
              if (held?.resources !== undefined) {
                expect(held.resources).toEqual(
                  expect.arrayContaining([...(one.resources ?? ['none'])]),
                )
              }
              for (const count of ['maxCalls', 'maxWrites'] as const) {
                const most = held?.[count]
                if (most !== undefined) expect(one[count]).toBeLessThanOrEqual(most)
              }
            }
            parent = child
          }
          // Also under scopes that by then name everything: what a scope gains later is not for a narrower capability.
          const now = (held: readonly string[]) => held.flatMap((one) => defined.get(one) ?? [])
          const later = (held: readonly string[]) =>
            now(held).map((one) => ({ ...one, allow: everything }))
          for (const [at, call] of calls) {
            for (const standing of [now, later]) {
              if (allowed(root, standing(root.scopes), at, call).verdict === 'allow') continue
              expect(allowed(parent, standing(parent.scopes), at, call).verdict).toBe('deny')
            }
          }
        },
      ),
      { numRuns: 300 },
    )
    expect(grown).toBeGreaterThan(100)
  })
})

const resource = fc.constantFrom('railway:service:a', 'railway:service:b', 'railway:service:c')
const few = fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined, freq: 1 })

/** What a client may ask for, sense and nonsense. */
const asked = fc
  .record({
    scopes: fc.oneof(fc.constant([]), fc.subarray(scopeNames)),
    details: fc.option(
      fc.array(
        fc
          .record({
            type: fc.constant('valetkey'),
            connection: mostlyRailway(),
            operations: fc.option(fc.array(pattern, { minLength: 1, maxLength: 2 }), {
              nil: undefined,
            }),
            resources: fc.option(fc.uniqueArray(resource, { minLength: 1 }), {
              nil: undefined,
              freq: 1,
            }),
            max_calls: few,
            max_writes: few,
          })
          .map(({ resources, ...one }) =>
            one.connection === 'railway' ? { ...one, resources } : one,
          ),
        { minLength: 1, maxLength: 2 },
      ),
      { nil: undefined, freq: 3 },
    ),
    ttl: fc.option(fc.integer({ min: 1, max: 1_200 }), { nil: undefined, freq: 2 }),
  })
  .map(
    (one) =>
      JSON.parse(JSON.stringify(one)) as { scopes: string[]; details?: unknown; ttl?: number },
  )

function mostlyRailway() {
  return fc.oneof({ weight: 4, arbitrary: fc.constant('railway') }, connection)
}

const everything = ['railway', 'github'].flatMap((one) =>
  [
    '*',
    '@read',
    '@write',
    'Query.project',
    'Query.projects',
    'Mutation.volumeDelete',
    'Mutation.vary',
  ].flatMap((source) => {
    const parsed = parseAllow(`${one}:${source}`)
    return 'problem' in parsed ? [] : [parsed]
  }),
)
