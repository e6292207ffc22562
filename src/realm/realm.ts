/** The policy as one immutable snapshot, watched: it serves what the database confirmed in the last five seconds, and never an older version than it has served. */
import { setTimeout as delay } from 'node:timers/promises'
import { BrokerError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Capability } from '../policy/capability.ts'
import type { Binding, Environment } from '../policy/environment.ts'
import type { Freeze } from '../policy/freeze.ts'
import type { Scope } from '../policy/scope.ts'
import type { Trust } from '../policy/trust.ts'
import type { Provider } from '../providers/provider.ts'
import type { Store } from '../store/open.ts'
import { type Compile, createLoader, type Describe, readVersion, type SpaceOf } from './load.ts'
import { sweep } from './sweep.ts'

export type ConnectionPolicy = {
  name: string
  provider: string
  /** Within which the ids of its API mean something. */
  space: string
  baseUrl: string
  placement: string
  allowPrivate: boolean
  sealed: string
  /** Sealed secrets that it had before, to be looked for in answers. */
  former: readonly string[]
  secretVersion: number
  schemaHash: string
}

/** What an agent signs with: a public key, or where its keys are published. Milliseconds; null for no end. */
export type AgentKey = { id: string; expiresAt: number | null } & (
  | { jwk: Readonly<Record<string, string>> }
  | { jwksUrl: string; allowPrivate: boolean }
)

export type AgentPolicy = {
  name: string
  scopes: ReadonlySet<string>
  keys?: readonly AgentKey[]
}

export type Snapshot = {
  version: number
  /** Whether there has ever been a passkey: false is set-up mode. */
  guarded: boolean
  /** Live freezes by subject. */
  freezes: ReadonlyMap<string, Freeze>
  environments: ReadonlyMap<string, Environment>
  bindings: readonly Binding[]
  scopes: ReadonlyMap<string, Scope>
  agents: ReadonlyMap<string, AgentPolicy>
  trusts: readonly Trust[]
  connections: ReadonlyMap<string, ConnectionPolicy>
  /** Those that operators described; what comes with the program is in the registry. */
  providers: ReadonlyMap<string, Provider>
  /** By connection name. A connection whose schema does not compile has none, so every call to it is refused. */
  catalogues: ReadonlyMap<string, unknown>
  /** The jti of every capability that was revoked by itself and would still be alive. */
  revoked: ReadonlySet<string>
  /** Seconds; whatever was issued before it is void. The latest watermark that applies. */
  notBefore: (capability: Capability, connection: string) => number
}

export type Realm = {
  spaceOf: SpaceOf
  /** Throws `policy-stale` when the database has not confirmed the snapshot for five seconds. */
  now(): Snapshot
  /** Reads what was committed before the call; callers that wait at the same time share one read. */
  refresh(): Promise<Snapshot>
  /** Hears every newer snapshot as soon as this replica serves it. Returns what ends it. */
  watch(heard: (snapshot: Snapshot) => void): () => void
  /** Nothing is read once it resolves. */
  close(): Promise<void>
}

export const policyChannel = 'valetkey_policy'

const pollMs = 500
const staleMs = 5_000
/** A read that takes longer is given up, so that the next one can find a database that has come back. */
const readMs = 4_000
const sweepMs = 600_000

export async function watchRealm(options: {
  store: Store
  log: Logger
  compile: Compile
  describe: Describe
  spaceOf: SpaceOf
  pollMs?: number
}): Promise<Realm> {
  const { store, log, compile, describe, spaceOf } = options
  const load = createLoader({ db: store.db, log, compile, describe, spaceOf })
  const closing = new AbortController()

  let confirmedAt = performance.now()
  let current = await load()
  const watchers = new Set<(snapshot: Snapshot) => void>()

  const reload = async () => {
    const asked = performance.now()
    const loaded = await inTime(load())
    if (loaded.version < current.version) throw wentBack(loaded.version, current.version)
    confirmedAt = asked
    if (loaded.version > current.version) {
      current = loaded
      for (const heard of [...watchers]) heard(loaded)
    }
    return current
  }
  const refresh = shareNext(reload)

  const confirm = async () => {
    const asked = performance.now()
    const served = current.version
    const version = await inTime(readVersion(store.db))
    if (version < served) throw wentBack(version, served)
    if (version > current.version) await refresh()
    else confirmedAt = Math.max(confirmedAt, asked)
  }

  const polling = repeat(options.pollMs ?? pollMs, closing.signal, confirm, (error) =>
    log.warn({ err: error }, 'the policy could not be confirmed'),
  )
  const sweeping = repeat(
    sweepMs,
    closing.signal,
    () => sweep(store.db),
    (error) => log.warn({ err: error }, 'expired rows could not be swept'),
  )
  let reading: Promise<unknown> = Promise.resolve()
  const unlisten = await store
    .listen(policyChannel, () => {
      if (closing.signal.aborted) return
      reading = refresh().catch((error) => log.warn({ err: error }, 'the policy could not be read'))
    })
    .catch((error) => {
      // Behind a connection pooler there is nothing to listen to; the poll finds every edit, half a second later.
      log.warn({ err: error }, 'edits of policy are found by polling only')
      return async () => {}
    })

  return {
    spaceOf,
    now() {
      const age = performance.now() - confirmedAt
      if (age > staleMs) throw stale(age)
      return current
    },
    refresh,
    watch(heard) {
      watchers.add(heard)
      return () => watchers.delete(heard)
    },
    async close() {
      closing.abort()
      // A database that is gone has no listener to take away.
      const unlistened = unlisten().catch(() => {})
      await Promise.all([unlistened, polling, sweeping, reading])
    },
  }
}

function stale(age: number): BrokerError {
  return new BrokerError(
    'policy-stale',
    `The policy was last confirmed ${Math.round(age / 1000)} s ago, and what is older than 5 s is not served.`,
    {
      hint: 'Try again in a few seconds; if it stays so, the broker cannot reach its database.',
      retryAfter: 2,
    },
  )
}

/** A restored database: serving on would judge by a policy that is no more, going back would undo edits unseen. */
function wentBack(found: number, served: number): Error {
  return new Error(
    `the database holds policy version ${found}, but version ${served} was served: restart after a restore`,
  )
}

/**
 * One call runs at a time. Whoever asks meanwhile waits for the next one, which starts after they asked and so sees what
 * they committed.
 */
function shareNext<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> | undefined
  let next: Promise<T> | undefined
  const start = (): Promise<T> => {
    next = undefined
    const mine = work().finally(() => {
      if (running === mine) running = undefined
    })
    running = mine
    return mine
  }
  return () => {
    if (next !== undefined) return next
    if (running === undefined) return start()
    next = running.then(start, start)
    return next
  }
}

async function repeat(
  everyMs: number,
  signal: AbortSignal,
  work: () => Promise<unknown>,
  failed: (error: unknown) => void,
): Promise<void> {
  let failing = false
  while (!signal.aborted) {
    // The only way to reject is the abort, which the loop condition sees.
    await delay(everyMs, undefined, { signal, ref: false }).catch(() => {})
    if (signal.aborted) return
    try {
      await work()
      failing = false
    } catch (error) {
      // Once per outage: the poll runs twice a second.
      if (!failing && !signal.aborted) failed(error)
      failing = true
    }
  }
}

async function inTime<T>(reading: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = delay(readMs, undefined, { signal: timer.signal, ref: false }).then(() => {
    throw new Error(`the database did not answer within ${readMs} ms`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([reading, late])
  } finally {
    timer.abort()
    reading.catch(() => {})
  }
}
