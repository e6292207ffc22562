/** A running broker: opens everything once in order, serves, and closes in reverse. It never exits the process. */
import { setTimeout as delay } from 'node:timers/promises'
import { desc, eq } from 'drizzle-orm'
import { createApp } from './app.ts'
import { signCheckpoint } from './audit/checkpoint.ts'
import { createJournal } from './audit/journal.ts'
import { mayLagMs, watchClock } from './clock.ts'
import type { Config } from './config.ts'
import type { Context } from './context.ts'
import { watchDeferred } from './exchange/deferred.ts'
import { createDial } from './exchange/dial.ts'
import { watchLeases } from './exchange/lease-watch.ts'
import { behindDoor, settled } from './http/agent-plane.ts'
import { type EnrolmentCode, enrolmentCode } from './identity/operators.ts'
import { keyMakers, leaseKinds } from './leases/registry.ts'
import { drainAll, listenOn, type Planes } from './listen.ts'
import type { Logger } from './log.ts'
import { createMetrics } from './metrics.ts'
import { providerNamed, spaceOf } from './providers/registry.ts'
import { providerFrom } from './providers/rest/provider.ts'
import { watchRealm } from './realm/realm.ts'
import { assertOpens, sealCheckRow } from './seal/check.ts'
import { createKeyring, type Keyring } from './seal/keyring.ts'
import { readMasterKeys } from './seal/master-key.ts'
import { watchEvents } from './store/events.ts'
import { openStore, type Store } from './store/open.ts'
import { auditEntries, sealCheck } from './store/schema.ts'
import { openSigningKeys } from './tokens/keys.ts'
import { version } from './version.ts'

export type Broker = {
  ctx: Context
  agentUrl: string
  operatorUrl: string
  /** Of the listeners for one connection each, by its name. */
  doorUrls: ReadonlyMap<string, string>
  /** For the first operator, or the first passkey; null once there is one. */
  enrolment: EnrolmentCode | null
  /** Says why, when the database is gone for good: nothing will be served any more but refusals. */
  lost: Promise<Error>
  /** Lets calls under way finish, writes what waits, closes. */
  stop(): Promise<void>
}

type OpenStore = (store: Config['store']) => Promise<Store>
type End = () => Promise<void> | void

export async function startBroker(
  config: Config,
  log: Logger,
  open: OpenStore = openStore,
  planes?: Planes,
): Promise<Broker> {
  const { agent, operator, doors } = planes ?? (await listenOn(config))
  let ends: End[] = []
  const close = () =>
    endAll(
      [...ends, () => drainAll([agent, operator, ...doors.values()], config.limits.drainMs)],
      log,
    )
  try {
    const { ctx, end, lost } = await openContext(config, log, open, {
      publicUrl: config.publicUrl ?? originOf(config, agent.port),
      consoleUrl: config.consoleUrl ?? originOf(config, operator.port),
    })
    ends = end
    const app = createApp(ctx)
    agent.serve(app.agent)
    for (const [name, door] of doors) door.serve(behindDoor(name, app.agent))
    operator.serve(app.operator)
    await ctx.journal.append({ kind: 'start', facts: { version } })
    const deferred = watchDeferred(ctx)
    const leases = watchLeases(ctx)
    ends = [...end, () => lastEntry(ctx), () => deferred.close(), () => leases.close()]
    return {
      ctx,
      agentUrl: originOf(config, agent.port),
      operatorUrl: originOf(config, operator.port),
      doorUrls: new Map([...doors].map(([name, { port }]) => [name, originOf(config, port)])),
      enrolment: await enrolmentCode(ctx),
      lost,
      stop: once(async () => {
        const [failed] = await close()
        if (failed !== undefined) throw new Error(`Stopped, but not in order: ${sentence(failed)}`)
      }),
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Last to first, each whatever became of the others. */
async function endAll(ends: readonly End[], log: Logger): Promise<unknown[]> {
  const failures: unknown[] = []
  for (const end of ends.toReversed()) {
    try {
      await end()
    } catch (error) {
      log.error({ err: error }, 'something could not be closed in order')
      failures.push(error)
    }
  }
  return failures
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let begun: Promise<T> | undefined
  return () => {
    begun ??= work()
    return begun
  }
}

const settleMs = 3_000

/** Calls that were cut still say how they ended, and refusals that were only counted are written, before the stop is. */
async function lastEntry(ctx: Context): Promise<void> {
  await Promise.race([settled(ctx), delay(settleMs, undefined, { ref: false })])
  await ctx.journal.drain()
  await ctx.journal.append({ kind: 'stop', facts: { version } })
}

/** Everything but the listeners. `end` closes it, to be run last to first. */
export async function openContext(
  config: Config,
  log: Logger,
  open: OpenStore,
  urls: { publicUrl: string; consoleUrl: string },
): Promise<{ ctx: Context; end: End[]; lost: Promise<Error> }> {
  const end: End[] = []
  try {
    const store = await openNamed(config.store, open)
    end.push(() => store.close())
    const keyring = await openKeyring(config, store)
    const clock = await watchClock({ store, log })
    end.push(() => clock.close())
    await refuseTurnedBack(store, clock.now())
    const signing = await openSigningKeys({ store, keyring, clock })
    const journal = await createJournal({
      store,
      clock,
      log,
      sign: async (claims) => signCheckpoint(await signing.current('audit'), claims),
    })
    end.push(() => journal.drain())
    const realm = await watchRealm({
      store,
      log,
      compile: (provider, sdl) => providerNamed(provider)?.compile(sdl),
      describe: providerFrom,
      spaceOf,
    })
    end.push(() => realm.close())
    const events = await watchEvents(store, (error) =>
      log.warn({ err: error }, 'what happens elsewhere is found by polling only'),
    )
    end.push(() => events.close())
    const dial = createDial()
    end.push(() => dial.close())
    const metrics = createMetrics()
    const ctx = {
      config,
      ...urls,
      db: store.db,
      keyring,
      clock,
      log,
      metrics,
      realm,
      events,
      journal,
      signing,
      dial,
      leasing: leaseKinds({ dial }),
      keys: keyMakers({ dial }),
    }
    return { ctx, end, lost: store.lost ?? new Promise(() => {}) }
  } catch (error) {
    await endAll(end, log)
    throw error
  }
}

/** What the driver or the server says names neither the setting nor, often, the server. */
async function openNamed(where: Config['store'], open: OpenStore): Promise<Store> {
  try {
    return await open(where)
  } catch (error) {
    if (where.kind === 'embedded' || !hasCode(error)) throw error
    throw new Error(`The database of DATABASE_URL cannot be used: ${sentence(error)}`, {
      cause: error,
    })
  }
}

/** The innermost reason: what wraps it repeats whole statements. Of several addresses tried, the first says enough. */
function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.cause instanceof Error) return sentence(error.cause)
  if (error instanceof AggregateError && error.errors.length > 0) return sentence(error.errors[0])
  return error.message
}

function hasCode(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return typeof Reflect.get(error, 'code') === 'string' || hasCode(error.cause)
}

/** The check row says whether anything was ever sealed, and whether this is the key that did it. */
async function openKeyring(config: Config, store: Store): Promise<Keyring> {
  const [row] = await store.db.select().from(sealCheck)
  const keyring = createKeyring(await readMasterKeys(config.masterKey, row === undefined))
  if (row === undefined) {
    // Of replicas that start at once with different keys, one writes the row and the others stop.
    await store.db
      .insert(sealCheck)
      .values({ id: 1, sealed: await sealCheckRow(keyring) })
      .onConflictDoNothing()
  }
  const [check] = await store.db.select().from(sealCheck).where(eq(sealCheck.id, 1))
  await assertOpens(keyring, check?.sealed ?? null)
  return keyring
}

/** With the clock turned back, what has expired would live again. */
async function refuseTurnedBack(store: Store, now: number): Promise<void> {
  const [last] = await store.db
    .select({ at: auditEntries.at })
    .from(auditEntries)
    .orderBy(desc(auditEntries.seq))
    .limit(1)
  if (last === undefined || last.at.getTime() - now <= mayLagMs) return
  throw new Error(
    `The clock says ${new Date(now).toISOString()}, but the last audit entry was written at ${last.at.toISOString()}: set the clock, then start again`,
  )
}

function originOf({ tls, host }: Config, port: number): string {
  const name = host === '0.0.0.0' || host === '::' || host.startsWith('127.') ? 'localhost' : host
  return `${tls === null ? 'http' : 'https'}://${name.includes(':') ? `[${name}]` : name}:${port}`
}
