/** Leases on record: begun before anything is made upstream, and looked after until it is gone. Never holds what was given. */
import { and, asc, count, desc, eq, gt, inArray, lte, ne, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Capability } from '../policy/capability.ts'
import type { Place } from '../policy/operation.ts'
import type { ConnectionPolicy } from '../realm/realm.ts'
import type { Db, Tx } from '../store/open.ts'
import { agents, leases } from '../store/schema.ts'
import { openCredential } from '../vault/vault.ts'
import type { Lease, LeaseKind, Native } from './kind.ts'

export type LeaseRow = typeof leases.$inferSelect

/** However it ends, whoever finds the row later can end it: nobody works on one for longer. */
const workMs = 60_000
const mostAtOnce = 50
const mostListed = 1_000

/**
 * Writes in a transaction that holds the policy, once what the lease is given by still stands under it, and throws where it does
 * not. Whatever edit comes later finds the row.
 */
export type Given = <T>(write: (tx: Tx) => Promise<T>) => Promise<T>

type Granting = {
  connection: ConnectionPolicy
  capability: Capability
  template: Record<string, unknown>
  places: readonly Place[]
  /** Seconds. */
  ttl: number
}

/** What the holder gets. `credential` is in no row, no log and no audit entry. */
export type Granted = {
  id: string
  connection: string
  expires_at: string
  credential: Record<string, string>
  /** Whether it can be ended before that. */
  revocable: boolean
}

export async function grantLease(ctx: Context, granting: Granting, given: Given): Promise<Granted> {
  const { connection, capability, template, places, ttl } = granting
  const kind = kindOf(ctx, connection.provider)
  const now = ctx.clock.now()
  // Never longer than the capability: whoever needs it longer renews it with a fresh one.
  const until = new Date(Math.min(now + ttl * 1000, capability.expiresAt * 1000))
  const row: typeof leases.$inferInsert = {
    ...{ id: newId('lse'), state: 'making', connection: connection.name, template },
    places: [...places],
    ...{ agent: capability.agent, environment: capability.environment },
    capability: { ...capability },
    ...{ createdAt: new Date(now), expiresAt: until, tryAt: new Date(now + workMs) },
  }
  await given(async (tx) => {
    await demandRoom(tx, capability.agent)
    await tx.insert(leases).values(row)
  })
  const { id } = row
  try {
    const lease = {
      id,
      template,
      until,
      agent: row.agent,
      capability: capability.jti,
      handle: null,
    }
    const made = await kind.create(await nativeOf(ctx, connection), lease)
    const handle = made.handle === null ? null : await ctx.keyring.seal(sealRow(id), made.handle)
    const expiresAt = made.until
    const [active] = await ctx.db
      .update(leases)
      .set({ state: 'active', handle, expiresAt, tryAt: expiresAt })
      .where(and(eq(leases.id, id), eq(leases.state, 'making')))
      .returning({ id: leases.id })
    if (active === undefined) throw await fallen(ctx, id, handle)
    return {
      id,
      connection: connection.name,
      expires_at: expiresAt.toISOString(),
      credential: made.credential,
      revocable: kind.revocable(template),
    }
  } catch (error) {
    await mark(ctx, [id], 'it could not be made')
    throw refusal(connection.name, error)
  }
}

/**
 * It was to end before it was made, and whoever ended it may have found nothing yet: it is ended again, now that it is there.
 */
async function fallen(ctx: Context, id: string, handle: string | null): Promise<BrokerError> {
  const now = new Date(ctx.clock.now())
  const again = {
    state: 'ending' as const,
    endedAt: null,
    handle,
    tryAt: new Date(now.getTime() + workMs),
  }
  const [row] = await ctx.db.update(leases).set(again).where(eq(leases.id, id)).returning()
  if (row !== undefined) await endLease(ctx, row)
  return new BrokerError(
    'capability-revoked',
    'What this lease was given by fell while it was made, so it was ended.',
    { hint: 'Ask for a new capability, if you still may.' },
  )
}

/** Of what the upstream says no more is told than that. */
function refusal(connection: string, error: unknown): BrokerError {
  if (error instanceof BrokerError) return error
  return new BrokerError(
    'upstream-unreachable',
    `The upstream of ${connection} did not make the credential.`,
    {
      connection,
      hint: 'Nothing of it stays. Try again, or ask whoever runs the broker to look at its log.',
    },
    error,
  )
}

/** One after the other for each agent, so that they are counted. */
async function demandRoom(tx: Tx, agent: string): Promise<void> {
  await tx.select({ name: agents.name }).from(agents).where(eq(agents.name, agent)).for('update')
  const alive = await tx
    .select({ id: leases.id })
    .from(leases)
    .where(and(eq(leases.agent, agent), ne(leases.state, 'ended')))
    .limit(mostAtOnce)
  if (alive.length < mostAtOnce) return
  throw new BrokerError('limit-exceeded', `${agent} has ${mostAtOnce} leases.`, {
    hint: 'End some of them first: DELETE /v1/leases/{id}.',
    retryAfter: 10,
  })
}

/** What a lease was given by, and has been renewed with since: it ends with any of them. */
export function renewers({ capability }: Pick<LeaseRow, 'capability'>): string[] {
  const before = capability['renewers']
  return Array.isArray(before) ? before.map(String) : []
}

const mostRenewers = 100

/** Until later, with a capability of the same agent and line that may lease the same. */
export async function extendLease(
  ctx: Context,
  connection: ConnectionPolicy,
  row: LeaseRow,
  { capability, ttl, given }: { capability: Capability; ttl: number; given: Given },
): Promise<LeaseRow> {
  const kind = kindOf(ctx, connection.provider)
  if (kind.extend === null) {
    throw new BrokerError('conflict', `A lease of ${connection.name} cannot be renewed.`, {
      hint: 'Take a new one.',
    })
  }
  const until = new Date(Math.min(ctx.clock.now() + ttl * 1000, capability.expiresAt * 1000))
  await kind.extend(
    await nativeOf(ctx, connection),
    await leaseOf(ctx, { ...row, expiresAt: until }),
  )
  // Refused here it ends when it was to end before, or with what gave it before.
  const [renewed] = await given(async (tx) => {
    const still = and(eq(leases.id, row.id), eq(leases.state, 'active'))
    // Two that renew at once are both remembered.
    const [before] = await tx.select().from(leases).where(still).for('update')
    if (before === undefined) return []
    const all = new Set([String(before.capability['jti']), ...renewers(before)])
    return tx
      .update(leases)
      .set({
        capability: { ...capability, renewers: [...all].slice(0, mostRenewers) },
        ...{ expiresAt: until, tryAt: until },
      })
      .where(still)
      .returning()
  })
  if (renewed === undefined) throw gone()
  return renewed
}

export function gone(): BrokerError {
  return new BrokerError('not-found', 'There is no such lease, or not any more.', {
    hint: 'Take a new one with POST /v1/leases.',
  })
}

/** For people to read: those that are out, or all that are still on record; the newest thousand. */
export async function listLeases(
  ctx: Pick<Context, 'db'>,
  { agent, all = false }: { agent?: string; all?: boolean } = {},
): Promise<LeaseRow[]> {
  return ctx.db
    .select()
    .from(leases)
    .where(
      and(
        agent === undefined ? undefined : eq(leases.agent, agent),
        all ? undefined : ne(leases.state, 'ended'),
      ),
    )
    .orderBy(desc(leases.createdAt), desc(leases.id))
    .limit(mostListed)
}

/** All that may still work, a page at a time: what judges them misses none. */
export async function* leasesOut(
  { db }: Pick<Context, 'db'>,
  states: readonly LeaseRow['state'][] = ['making', 'active'],
): AsyncGenerator<LeaseRow> {
  for (let last = ''; ; ) {
    const page = await db
      .select()
      .from(leases)
      .where(and(inArray(leases.state, [...states]), gt(leases.id, last)))
      .orderBy(asc(leases.id))
      .limit(mostListed)
    yield* page
    const end = page.at(-1)
    if (end === undefined || page.length < mostListed) return
    last = end.id
  }
}

/** How many are out, and of how many the end has failed. */
export async function countLeases({
  db,
}: Pick<Context, 'db'>): Promise<{ alive: number; failing: number }> {
  const failing = sql<number>`count(*) filter (where ${leases.attempts} > 0)`.mapWith(Number)
  const [row] = await db
    .select({ alive: count(), failing })
    .from(leases)
    .where(ne(leases.state, 'ended'))
  return row ?? { alive: 0, failing: 0 }
}

const idForm = /^lse_[0-9a-f]{32}$/

export async function showLease(db: Db, id: string, agent?: string): Promise<LeaseRow> {
  if (!idForm.test(id)) throw gone()
  const mine = agent === undefined ? undefined : eq(leases.agent, agent)
  const [row] = await db
    .select()
    .from(leases)
    .where(and(eq(leases.id, id), mine))
  if (row === undefined) throw gone()
  return row
}

/** They have to end, for whichever replica is first. */
export async function mark(ctx: Context, ids: readonly string[], because: string): Promise<void> {
  if (ids.length === 0) return
  await ctx.db
    .update(leases)
    .set({ state: 'ending', because, tryAt: new Date(ctx.clock.now()) })
    .where(and(inArray(leases.id, [...ids]), inArray(leases.state, ['making', 'active'])))
}

/** An agent's, whose end has failed before or is new; or the one of an id. */
export type Due = { agent: string; again: boolean } | { id: string }

/** Whose leases wait to be ended. */
export async function agentsDue(ctx: Context, again: boolean): Promise<string[]> {
  const rows = await ctx.db
    .selectDistinct({ agent: leases.agent })
    .from(leases)
    .where(
      and(
        ne(leases.state, 'ended'),
        lte(leases.tryAt, new Date(ctx.clock.now())),
        again ? gt(leases.attempts, 0) : eq(leases.attempts, 0),
      ),
    )
    .limit(1_000)
  return rows.map(({ agent }) => agent)
}

/** Those that nobody works on and that should be looked at: each goes to one replica. */
export async function claimDue(ctx: Context, which: Due, most = 1): Promise<LeaseRow[]> {
  if (most <= 0) return []
  const now = new Date(ctx.clock.now())
  const due = ctx.db
    .select({ id: leases.id })
    .from(leases)
    .where(
      and(
        ne(leases.state, 'ended'),
        lte(leases.tryAt, now),
        ...('id' in which
          ? [eq(leases.id, which.id)]
          : [
              eq(leases.agent, which.agent),
              which.again ? gt(leases.attempts, 0) : eq(leases.attempts, 0),
            ]),
      ),
    )
    .orderBy(asc(leases.tryAt))
    .limit(most)
    .for('update', { skipLocked: true })
  return ctx.db
    .update(leases)
    .set({
      state: 'ending',
      tryAt: new Date(now.getTime() + workMs),
      because: sql`coalesce(${leases.because}, case ${leases.state} when 'making' then 'it was never finished' else 'it expired' end)`,
    })
    .where(inArray(leases.id, due))
    .returning()
}

/** Takes the access of those that wait for their end, of which there may be many. What fails is left to the end itself. */
export async function cutDue(ctx: Context, cut: Set<string>): Promise<void> {
  const rows = await ctx.db
    .select()
    .from(leases)
    .where(and(ne(leases.state, 'ended'), lte(leases.tryAt, new Date(ctx.clock.now()))))
    .orderBy(asc(leases.tryAt))
    .limit(500)
  const due = rows.filter(({ id }) => !cut.has(id))
  cut.clear()
  for (const { id } of rows) cut.add(id)
  await Promise.all(
    due.slice(0, 20).map(async (row) => {
      const connection = ctx.realm.now().connections.get(row.connection)
      const kind = connection === undefined ? undefined : ctx.leasing.get(connection.provider)
      if (connection === undefined || kind?.cut === undefined) return
      await kind.cut(await nativeOf(ctx, connection), await leaseOf(ctx, row)).catch(() => {})
    }),
  )
  // The rest at the next look.
  for (const { id } of due.slice(20)) cut.delete(id)
}

const firstWaitMs = 1_000
const longestWaitMs = 300_000

/** Ends it upstream. False when that failed: then it is tried again, ever later and ever louder. */
export async function endLease(ctx: Context, row: LeaseRow): Promise<boolean> {
  try {
    const connection = ctx.realm.now().connections.get(row.connection)
    if (connection === undefined) throw new Error('its connection is gone')
    const kind = kindOf(ctx, connection.provider)
    if (kind.revocable(row.template))
      await kind.revoke(await nativeOf(ctx, connection), await leaseOf(ctx, row))
    else if (row.expiresAt.getTime() > ctx.clock.now()) {
      await ctx.db.update(leases).set({ tryAt: row.expiresAt }).where(eq(leases.id, row.id))
      await written(ctx, row, 'still-valid', { until: row.expiresAt.toISOString() })
      return true
    }
  } catch (error) {
    await putOff(ctx, row, error)
    return false
  }
  const ended = {
    state: 'ended' as const,
    endedAt: new Date(ctx.clock.now()),
    handle: null,
    lastError: null,
  }
  await ctx.db
    .update(leases)
    .set(ended)
    .where(and(eq(leases.id, row.id), eq(leases.state, 'ending')))
  await written(ctx, row, 'ended', { attempts: row.attempts + 1 })
  return true
}

async function written(
  ctx: Context,
  row: LeaseRow,
  outcome: 'ended' | 'still-valid',
  facts: Record<string, unknown>,
): Promise<void> {
  const { agent, environment, connection } = row
  await ctx.journal.append({
    kind: 'lease',
    ...{ agent, environment, connection, outcome },
    facts: { lease: row.id, because: row.because, ...facts },
  })
}

async function putOff(ctx: Context, row: LeaseRow, error: unknown): Promise<void> {
  const attempts = row.attempts + 1
  const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(attempts, 10))
  // Jitter, so that many that failed together do not come back together.
  const tryAt = new Date(ctx.clock.now() + waitMs * (0.5 + Math.random() / 2))
  const lastError = whyNot(error)
  ctx.log.error(
    { err: error, lease: row.id, connection: row.connection, attempts },
    'a lease could not be ended, and its credential may still work',
  )
  await ctx.db.update(leases).set({ attempts, tryAt, lastError }).where(eq(leases.id, row.id))
}

/** What an upstream wrote stays in the log; its code is enough to look by. */
function whyNot(error: unknown): string {
  if (error instanceof BrokerError) return error.message
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : null
  return `Its credential may still work${typeof code === 'string' ? ` (${code})` : ''}.`
}

function sealRow(id: string): string {
  return `leases/${id}`
}

async function leaseOf(ctx: Context, row: LeaseRow): Promise<Lease> {
  const { id, template, agent, expiresAt: until } = row
  const handle = row.handle === null ? null : await ctx.keyring.open(sealRow(id), row.handle)
  return { id, template, until, agent, capability: String(row.capability['jti']), handle }
}

async function nativeOf(ctx: Context, connection: ConnectionPolicy): Promise<Native> {
  return { target: connection, credential: await openCredential(ctx, connection) }
}

function kindOf(ctx: Context, provider: string): LeaseKind {
  const kind = ctx.leasing.get(provider)
  if (kind !== undefined) return kind
  throw new Error(`nothing leases ${provider}`)
}
