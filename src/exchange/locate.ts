/**
 * Finds where everything that a call names lives, by asking the upstream with the connection's own credential. Bounded in
 * time and number; what is not answered is unknown, never assumed.
 */
import { LRUCache } from 'lru-cache'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import {
  type Located,
  type Operation,
  ordinary,
  type Resource,
  type Site,
} from '../policy/operation.ts'
import type { Known, Lookup, Provider } from '../providers/provider.ts'
import type { ConnectionPolicy, Snapshot } from '../realm/realm.ts'
import { ask } from '../vault/lookup.ts'
import { openCredential } from '../vault/vault.ts'
import { spend } from './limits.ts'

export type Where = {
  policy: Snapshot
  connection: ConnectionPolicy
  provider: Provider
  capability: Capability
}

type Remembered = { located: Located; until: number }

/** A look-up that says whether its failure is the upstream's word on the thing, or only a missing answer. */
type Unanswered = { ok: false; why: string; final: boolean }
type Asked = (...question: Parameters<Lookup>) => Promise<{ ok: true; data: unknown } | Unanswered>

function unanswered(why: string): Unanswered {
  return { ok: false, why, final: false }
}

const knownMs = 5_000
const notFoundMs = 30_000
/** A fifth of the upstream's quota is left to operators. */
const operatorsShare = 0.2

const memory = perContext(() => ({
  found: new LRUCache<string, Remembered>({ max: 20_000 }),
  inFlight: new Map<string, Promise<Located>>(),
  quota: new Map<string, { share: number; until: number }>(),
}))

/**
 * Where the resources of each operation of a call live, out of one budget. What destroys is located afresh; the rest may be
 * seconds old.
 */
export async function locateAll(
  ctx: Context,
  where: Where,
  operations: readonly Operation[],
): Promise<Site[][]> {
  const spent = budget(ctx)
  return Promise.all(operations.map((one) => locate(ctx, where, one, spent)))
}

async function locate(
  ctx: Context,
  where: Where,
  operation: Operation,
  spent: Budget,
): Promise<Site[]> {
  if (operation.resources.length === 0) return []
  const pinned = operation.resources
    .filter(({ kind, role }) => kind === 'environment' && role === 'target')
    .map(({ id }) => id)
  const fresh = !ordinary(operation.effects)
  return Promise.all(
    operation.resources.map(async (resource) => ({
      resource,
      located: await remembered(ctx, where, resource, pinned, fresh, spent),
    })),
  )
}

/** The containers that any environment has bound of this API: where to search for what has no look-up by id. */
function knownPlaces({ policy, connection }: Where): Known {
  return {
    places: policy.bindings
      .filter((binding) => binding.space === connection.space)
      .map(({ place }) => place),
  }
}

/** One search per resource in flight, shared by everybody who waits for it. */
function remembered(
  ctx: Context,
  where: Where,
  resource: Resource,
  pinned: readonly string[],
  fresh: boolean,
  spent: Budget,
): Promise<Located> | Located {
  const { found, inFlight } = memory(ctx)
  const { connection, policy, provider } = where
  const key = JSON.stringify([
    connection.name,
    connection.secretVersion,
    policy.version,
    resource.kind,
    resource.id,
    resource.role,
    resource.spread === true,
    resource.within === true,
    resource.role === 'context' ? pinned : null,
  ])
  const known = found.get(key)
  if (known !== undefined && known.until > performance.now() && (!fresh || !known.located.known)) {
    return known.located
  }
  // Joining a search that began before this call could return what was true before it; what destroys begins its own.
  const joined = fresh ? undefined : inFlight.get(key)
  if (joined !== undefined) return joined
  const look = boundedLookup(ctx, where, spent)
  let complete = true
  const lookup: Lookup = async (...question) => {
    const answer = await look(...question)
    if (!answer.ok && !answer.final) complete = false
    return answer
  }
  const searching = provider
    .locate(resource, pinned, lookup, knownPlaces(where))
    .then((located) => {
      // Only a "not found" that the upstream gave is remembered; what went unanswered is asked again.
      const ms = located.known ? knownMs : complete ? notFoundMs : 0
      if (ms > 0) found.set(key, { located, until: performance.now() + ms })
      return located
    })
    .finally(() => {
      if (inFlight.get(key) === searching) inFlight.delete(key)
    })
  if (!fresh) inFlight.set(key, searching)
  return searching
}

/** What one call may still spend on look-ups. */
type Budget = { late: number; left: number }

function budget(ctx: Context): Budget {
  const { locateMs, lookupsPerCall } = ctx.config.limits
  return { late: performance.now() + locateMs, left: lookupsPerCall }
}

/** For whoever describes what was located: out of the same agent's look-ups, and the upstream's quota is left to operators. */
export function lookupFor(ctx: Context, where: Where): Lookup {
  return boundedLookup(ctx, where, budget(ctx))
}

/** Bounded for this call in number and time, and for this agent by the minute. */
function boundedLookup(ctx: Context, where: Where, spent: Budget): Asked {
  return async (document, variables) => {
    const refused = overdrawn(ctx, where, spent)
    if (refused !== null) return refused
    spent.left -= 1
    return look(ctx, where, document, variables, Math.ceil(spent.late - performance.now()))
  }
}

function overdrawn(
  ctx: Context,
  { connection, capability }: Where,
  spent: Budget,
): Unanswered | null {
  if (performance.now() >= spent.late) return unanswered('looking it up took too long')
  if (spent.left === 0) return unanswered('finding it takes too many look-ups')
  if (scarce(ctx, connection.name)) {
    return unanswered(
      'the upstream lets few more requests through, and those are left to operators',
    )
  }
  return spend(
    ctx,
    `look-ups ${capability.agent} ${connection.name}`,
    ctx.config.limits.lookupsPerMinute,
  )
    ? null
    : unanswered('this agent has used up its look-ups for this minute')
}

async function look(
  ctx: Context,
  { connection, provider }: Where,
  document: string,
  variables: Readonly<Record<string, string>>,
  timeoutMs: number,
): ReturnType<Asked> {
  const credential = await openCredential(ctx, connection)
  try {
    const answer = await ask(
      ctx,
      { provider, target: connection, credential },
      document,
      variables,
      {
        timeoutMs,
        answered: (headers) => noteQuota(ctx, connection.name, headers),
      },
    )
    ctx.metrics.lookups.inc({ outcome: answer.kind })
    if (answer.kind === 'data') return { ok: true, data: answer.data }
    // An agent that guesses ids is answered like this too, so it says nothing about the credential's health.
    if (answer.kind === 'rejected') {
      return { ok: false, why: 'the upstream does not show it to this connection', final: true }
    }
    if (answer.kind === 'absent') return { ok: false, why: answer.why, final: true }
    return unanswered(answer.why)
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    ctx.metrics.lookups.inc({ outcome: error.code })
    ctx.log.warn({ err: error, connection: connection.name }, 'a look-up failed')
    return unanswered(
      error.code === 'upstream-timeout'
        ? 'the upstream did not answer in time'
        : 'the upstream could not be reached',
    )
  }
}

/** Reads what the upstream says of its own limit (X-RateLimit-*, as Railway, GitHub and others send it). */
function noteQuota(ctx: Context, connection: string, headers: ReadonlyMap<string, string>): void {
  const limit = Number(headers.get('x-ratelimit-limit') ?? Number.NaN)
  const remaining = Number(headers.get('x-ratelimit-remaining') ?? Number.NaN)
  if (!(limit > 0) || !(remaining >= 0)) return
  memory(ctx).quota.set(connection, { share: remaining / limit, until: performance.now() + 10_000 })
}

/** After ten seconds it is asked again: the window may have turned. */
function scarce(ctx: Context, connection: string): boolean {
  const quota = memory(ctx).quota.get(connection)
  return quota !== undefined && quota.share < operatorsShare && performance.now() < quota.until
}
