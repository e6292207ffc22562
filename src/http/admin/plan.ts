/** What makes the configuration the one that a document says: edits, in the order in which they can be made. Makes none of them. */
import type { Edits } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { readTrust } from '../../identity/trusts.ts'
import { listBindings, type Wanted } from '../../realm/bindings.ts'
import type { Bound, Configuration } from './configuration.ts'
import { demandDescribed } from './described.ts'
import { resolveNamed } from './environments.ts'
import { readLeases } from './scopes.ts'

/** What an environment owns and sees, as a document lists it. */
type Bindings = { owns: Bound[]; sees: Bound[] }

export type Step = { words: string; edit: Edits[number] }

/** What makes the configuration the one that is wanted. A section that is not there stays as it is. */
export async function planned(
  ctx: Context,
  is: Configuration,
  wanted: Configuration,
): Promise<Step[]> {
  demandConnections(is, wanted)
  const environments = await environmentSteps(ctx, is, wanted)
  const scopes = scopeSteps(ctx, is, wanted)
  const agents = agentSteps(is, wanted)
  const trusts = trustSteps(is, wanted)
  const providers = providerSteps(is, wanted)
  return [
    ...[...providers.set, ...environments.set, ...scopes.set, ...agents.set, ...trusts.set],
    ...[...trusts.remove, ...agents.remove, ...scopes.remove, ...environments.remove],
    ...providers.remove,
  ]
}

type Steps = { set: Step[]; remove: Step[] }

/** Of one section: what is there and not wanted, and what is wanted and not like that. */
function compared<T>(
  is: Record<string, T> | undefined,
  wanted: Record<string, T> | undefined,
): { gone: string[]; moved: [name: string, to: T, from: T | undefined][] } {
  if (wanted === undefined) return { gone: [], moved: [] }
  const before = is ?? {}
  return {
    gone: Object.keys(before).filter((name) => !Object.hasOwn(wanted, name)),
    moved: Object.entries(wanted).flatMap(([name, to]): [string, T, T | undefined][] => {
      const from = Object.hasOwn(before, name) ? before[name] : undefined
      return from !== undefined && same(from, to) ? [] : [[name, to, from]]
    }),
  }
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]))
}

/** A secret goes where the connection says, so a document never makes, moves or removes one. */
function demandConnections(is: Configuration, { connections }: Configuration): void {
  const { moved } = compared(is.connections, connections)
  const [first] = moved
  if (first === undefined) return
  const [name, , from] = first
  throw new BrokerError(
    'conflict',
    from === undefined
      ? `There is no connection ${name} yet, and a document cannot hold its secret.`
      : `The connection ${name} is another one than the document says.`,
    {
      connection: name,
      hint:
        from === undefined
          ? `Add it first: valetkey connection add ${name}`
          : `To change it, remove it and add it again with its secret: valetkey connection remove ${name}`,
    },
  )
}

function providerSteps(is: Configuration, wanted: Configuration): Steps {
  const { gone, moved } = compared(is.providers, wanted.providers)
  return {
    set: moved.map(([name, { source, overrides, ...description }, from]) => {
      demandDescribed(name, description, overrides)
      return {
        words: `${from === undefined ? 'describe' : 'describe anew'} provider ${name}`,
        edit: { action: 'provider.set', params: { name, source, description, overrides } },
      }
    }),
    remove: gone.map((name) => ({
      words: `remove provider ${name}`,
      edit: { action: 'provider.remove', params: { name } },
    })),
  }
}

async function environmentSteps(
  ctx: Context,
  is: Configuration,
  wanted: Configuration,
): Promise<Steps> {
  const { gone, moved } = compared(is.environments, wanted.environments)
  const set: Step[] = []
  const unbound: Step[] = []
  for (const [name, to, from] of moved) {
    if (from === undefined) {
      const params = { name, protected: to.protected }
      set.push({ words: `add environment ${name}`, edit: { action: 'environment.add', params } })
    } else if (from.protected !== to.protected) {
      const words = `${to.protected ? 'protect' : 'unprotect'} environment ${name}`
      const params = { name, protected: to.protected }
      set.push({ words, edit: { action: 'environment.set', params } })
    }
    const before = await listBindings(ctx, name)
    for (const [connection, bound] of await newlyBound(ctx, to, before)) {
      const wantedHere = bound.map(({ mode, kind, label }) => `${mode} ${kind} ${label}`)
      set.push({
        words: `bind to ${name} on ${connection}: ${wantedHere.join(', ')}`,
        edit: {
          action: 'environment.bind',
          params: { environment: name, connection, wanted: bound },
        },
      })
    }
    const kept = [...to.owns.map(keyed('owns')), ...to.sees.map(keyed('sees'))].flat()
    for (const row of before) {
      if (isKept(kept, row)) continue
      unbound.push({
        words: `unbind from ${name} on ${row.connection}: ${row.mode} ${row.kind} ${row.label}`,
        edit: { action: 'environment.unbind', params: { environment: name, id: row.id } },
      })
    }
  }
  const remove = gone.map(
    (name): Step => ({
      words: `remove environment ${name}`,
      edit: { action: 'environment.remove', params: { name } },
    }),
  )
  // What one gives up another may get: a resource has one owner at a time.
  return { set: [...unbound, ...set], remove }
}

type Row = Awaited<ReturnType<typeof listBindings>>[number]
type Keyed = Bound & { mode: 'owns' | 'sees' }

function keyed(mode: 'owns' | 'sees') {
  return (one: Bound): Keyed => ({ ...one, mode })
}

/** By its id, or by the name under which it was bound. */
function isKept(kept: readonly Keyed[], row: Row): boolean {
  return kept.some(
    (one) =>
      one.connection === row.connection &&
      one.mode === row.mode &&
      one.kind === row.kind &&
      (one.id === row.resource || one.id === row.label),
  )
}

async function newlyBound(
  ctx: Context,
  to: Bindings,
  before: readonly Row[],
): Promise<[connection: string, wanted: Wanted[]][]> {
  const all = [...to.owns.map(keyed('owns')), ...to.sees.map(keyed('sees'))]
  const fresh = all.filter((one) => !before.some((row) => isKept([one], row)))
  const byConnection = Map.groupBy(fresh, ({ connection }) => connection)
  return Promise.all(
    [...byConnection].map(async ([connection, ones]) => {
      const named = (mode: 'owns' | 'sees') =>
        ones.filter((one) => one.mode === mode).map(({ kind, id: address }) => ({ kind, address }))
      const wanted = await resolveNamed(ctx, connection, { own: named('owns'), see: named('sees') })
      return [connection, wanted] as [string, Wanted[]]
    }),
  )
}

function scopeSteps(ctx: Context, is: Configuration, wanted: Configuration): Steps {
  const { gone, moved } = compared(is.scopes, wanted.scopes)
  return {
    set: moved.map(([name, to, from]) => ({
      words: `${from === undefined ? 'add' : 'change'} scope ${name}`,
      edit: {
        action: 'scope.set',
        params: {
          ...{ name, environment: to.environment, allow: to.allow, maxTtl: to.max_ttl },
          ...{ callsPerMinute: to.calls_per_minute, approve: to.approve },
          ...{ approvers: to.approvers, bound: to.bound, leases: readLeases(ctx, to.leases) },
        },
      },
    })),
    remove: gone.map((name) => ({
      words: `remove scope ${name}`,
      edit: { action: 'scope.remove', params: { name } },
    })),
  }
}

function agentSteps(is: Configuration, wanted: Configuration): Steps {
  const { gone, moved } = compared(is.agents, wanted.agents)
  return {
    set: moved.flatMap(([name, { scopes }, from]): Step[] => {
      if (from === undefined) {
        const words = `add agent ${name}, without anything to sign in with`
        return [
          { words, edit: { action: 'agent.add', params: { name, scopes, credential: null } } },
        ]
      }
      const lost = from.scopes.filter((one) => !scopes.includes(one))
      const gained = scopes.filter((one) => !from.scopes.includes(one))
      return [
        ...lost.map(
          (scope): Step => ({
            words: `take scope ${scope} from agent ${name}`,
            edit: { action: 'agent.revoke', params: { name, scope } },
          }),
        ),
        ...gained.map(
          (scope): Step => ({
            words: `grant scope ${scope} to agent ${name}`,
            edit: { action: 'agent.grant', params: { name, scope } },
          }),
        ),
      ]
    }),
    remove: gone.map((name) => ({
      words: `remove agent ${name}`,
      edit: { action: 'agent.remove', params: { name } },
    })),
  }
}

/** One that is changed is another one: what its jobs hold is void. */
function trustSteps(is: Configuration, wanted: Configuration): Steps {
  const { gone, moved } = compared(is.trusts, wanted.trusts)
  const removed = (name: string): Step => ({
    words: `remove trust ${name}`,
    edit: { action: 'trust.remove', params: { name } },
  })
  return {
    set: moved.flatMap(([name, { allow_private: allowPrivate, claims, ...to }, from]) => {
      const sources = Object.entries(claims).flatMap(([claim, values]) =>
        values.map((value) => `${claim}=${value}`),
      )
      const { read: _, ...params } = readTrust({ name, ...to, allowPrivate, claims: sources })
      const add: Step = { words: `add trust ${name}`, edit: { action: 'trust.add', params } }
      return from === undefined ? [add] : [removed(name), add]
    }),
    remove: gone.map(removed),
  }
}
