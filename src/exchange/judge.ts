/** Everything between reading a call and sending it: what it would do, whether that is allowed, where it would happen. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type Capability, detailFor } from '../policy/capability.ts'
import { anchored, within } from '../policy/environment.ts'
import { type Gated, gate } from '../policy/gate.ts'
import type { Operation, Site } from '../policy/operation.ts'
import { amongResources } from '../policy/resources.ts'
import { allowed, namedIn, type Scope } from '../policy/scope.ts'
import { allow, type Denial, type Verdict, type Waits } from '../policy/verdict.ts'
import type { Call, Provider, Reading, RefusalForm } from '../providers/provider.ts'
import { providerOf } from '../providers/registry.ts'
import type { ConnectionPolicy, Snapshot } from '../realm/realm.ts'
import { readTarget, type Target } from './call.ts'
import { locateAll, type Where } from './locate.ts'

/** A call that was read: the part of a Reading that goes on. */
export type ReadCall = Extract<Reading, { kind: 'call' }>

export type Judgement = { verdict: Verdict | Waits; sites: readonly (readonly Site[])[] }

/** The connection as the policy has it, with its provider. Throws `unknown-connection`. */
export function connectionOf(
  policy: Snapshot,
  name: string,
): { connection: ConnectionPolicy; provider: Provider; catalogue: unknown } {
  const connection = policy.connections.get(name)
  const provider = connection === undefined ? undefined : providerOf(policy, connection.provider)
  if (connection === undefined || provider === undefined) {
    throw new BrokerError('unknown-connection', `There is no connection "${name}".`, {
      hint: 'GET /v1/capability lists the connections that this capability is for.',
    })
  }
  const catalogue = policy.catalogues.get(name)
  if (catalogue === undefined) {
    throw new BrokerError(
      'unknown-operation',
      `The schema of ${name} cannot be read, so nothing it offers is known.`,
      {
        connection: name,
        hint: `Ask a human to run: valetkey provider refresh ${name}`,
      },
    )
  }
  return { connection, provider, catalogue }
}

/** A call as its provider reads it. Where no parameter takes a slash, one that was encoded is structure to some and text to others. */
export function readWith(provider: Provider, catalogue: unknown, call: Call): Reading {
  if (!provider.slashes && call.segments.some((one) => one.includes('/'))) {
    throw new BrokerError(
      'ambiguous-request',
      'The URL can be read in two ways: a segment holds a slash.',
      { hint: 'Use the upstream’s own path after /x/{connection}, plainly spelled.' },
    )
  }
  return provider.read(catalogue, call)
}

/** What an agent sends to a connection of leases would stand where the scope's own words have to. */
export function demandRelays(ctx: Context, name: string): void {
  const { provider } = connectionOf(ctx.realm.now(), name)
  if (provider.engine !== 'lease') return
  throw new BrokerError('unknown-operation', `${name} relays nothing.`, {
    connection: name,
    hint: 'What it has is leased: POST /v1/leases.',
  })
}

/**
 * The most bytes that a body may have where it is addressed, before anybody has looked at it. A large one is taken only
 * from an agent that may do what it is for.
 */
export function bodyLimit(ctx: Context, target: Target, capability: Capability): number {
  const policy = ctx.realm.now()
  const { provider } = connectionOf(policy, target.connection)
  const large = provider.largeBody(target.segments)
  if (large === null) return ctx.config.limits.bodyBytes
  const scopes = standingScopes(policy, capability)
  return namedIn(capability, scopes, target.connection, large.operation)
    ? large.bytes
    : ctx.config.limits.bodyBytes
}

/** Steps 4 to 6. Nothing is located, and no credential opened, for what is not allowed. */
export async function judge(ctx: Context, where: Where, reading: ReadCall): Promise<Judgement> {
  const { operations } = reading
  const { policy, connection, provider, capability } = where
  const permitted = permits(where, operations)
  if (permitted.verdict === 'deny') return { verdict: permitted, sites: [] }
  const sites = await locateAll(ctx, where, operations)
  const boundaries = { space: connection.space, ownable: ownable(provider) }
  const placed = firstDenial(
    operations.map((one, i) =>
      within(capability.environment, policy.bindings, boundaries, one, sites[i] ?? []),
    ),
  )
  const strays = firstDenial(
    operations.map((one, i) => staysWith(where, boundaries.ownable, one, sites[i] ?? [])),
  )
  const verdict = placed ?? strays ?? reading.form ?? gate(gatedBy(where), operations)
  return { verdict, sites }
}

/** With the resources that the capability was narrowed to, if it was. */
function staysWith(
  { capability, connection }: Where,
  ownable: ReadonlySet<string>,
  operation: Operation,
  sites: readonly Site[],
): Verdict {
  const { resources } = detailFor(capability.details, connection.name) ?? {}
  if (resources === undefined) return allow
  return amongResources(resources, capability.environment, ownable, operation, sites)
}

function gatedBy({ policy, connection, capability }: Where): Gated {
  const { environment: name, agent } = capability
  return {
    // One that is no more counts as protected: what is not known is not assumed.
    environment: policy.environments.get(name) ?? { name, protected: true },
    connection: connection.name,
    scopes: grantedScopes(policy, agent),
    guarded: policy.guarded,
  }
}

/** All that an agent is granted, whichever of them it minted with. */
export function grantedScopes(policy: Snapshot, agent: string): Scope[] {
  return [...(policy.agents.get(agent)?.scopes ?? [])].flatMap((name) => {
    const scope = policy.scopes.get(name)
    return scope === undefined ? [] : [scope]
  })
}

function permits(
  { policy, connection, capability }: Where,
  operations: readonly Operation[],
): Verdict {
  const scopes = standingScopes(policy, capability)
  return (
    firstDenial(operations.map((one) => allowed(capability, scopes, connection.name, one))) ??
    firstDenial(operations.map((one) => anchored(capability.environment, one))) ??
    allow
  )
}

/** The capability's scopes that the agent is still granted, as they stand now. */
export function standingScopes(policy: Snapshot, capability: Capability): Scope[] {
  const granted = policy.agents.get(capability.agent)?.scopes
  return capability.scopes.flatMap((name) => {
    const scope = policy.scopes.get(name)
    return scope !== undefined && granted?.has(name) === true ? [scope] : []
  })
}

function firstDenial(verdicts: readonly Verdict[]): Denial | null {
  return verdicts.find((one) => one.verdict === 'deny') ?? null
}

const boundaries = new WeakMap<Provider, ReadonlySet<string>>()

function ownable(provider: Provider): ReadonlySet<string> {
  const held = boundaries.get(provider)
  if (held !== undefined) return held
  const kinds = new Set(
    provider.kinds.filter(({ bind }) => bind === 'owns').map(({ kind }) => kind),
  )
  boundaries.set(provider, kinds)
  return kinds
}

/** In which form a refusal at this target is shown. Never throws: it is asked while refusing. */
export function refusalForm(ctx: Context, raw: string): RefusalForm {
  try {
    const prefix = raw.startsWith('/explain/') ? '/explain/' : '/x/'
    const target = readTarget(raw, prefix, ctx.config.limits)
    return connectionOf(ctx.realm.now(), target.connection).provider.refusalForm(target.segments)
  } catch (error) {
    if (error instanceof BrokerError) return 'problem'
    throw error
  }
}
