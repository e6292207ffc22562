/**
 * Requests that wait for a human: asked once for each exact request, answered with a passkey, spent once. Never executes
 * anything, and never says yes by itself.
 */
import { and, count, desc, eq, gt, inArray, lte, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Entry } from '../audit/journal.ts'
import type { Context } from '../context.ts'
import { type ApprovalFacts, BrokerError } from '../errors.ts'
import { type Role, roles } from '../identity/operators.ts'
import { type Assertion, assertedBy, assertionOptions } from '../identity/passkeys.ts'
import { newId } from '../ids.ts'
import type { Capability } from '../policy/capability.ts'
import type { Call } from '../providers/provider.ts'
import { announce } from '../store/events.ts'
import type { Db, Tx } from '../store/open.ts'
import { approvals, approvalVotes, capabilities, operators, passkeys } from '../store/schema.ts'
import { shortCode } from './digest.ts'
import { sealedCall } from './sealed.ts'

export type ApprovalRow = typeof approvals.$inferSelect
export type VoteRow = typeof approvalVotes.$inferSelect

/** As it stands now: what has expired is so without anybody writing it down. */
export type State = ApprovalRow['state'] | 'expired'

export type Asked = Pick<
  ApprovalRow,
  | 'agent'
  | 'environment'
  | 'connection'
  | 'operation'
  | 'effect'
  | 'digest'
  | 'request'
  | 'deferred'
  | 'shown'
  | 'approvers'
> & { capability: Capability; call: Call }

/** Pending ones of one agent: more would only tire those who read them. */
const mostPending = 20
/** Who may say yes or no. */
const deciding: readonly Role[] = roles.filter((role) => role !== 'auditor')

export function stateOf(row: Pick<ApprovalRow, 'state' | 'expiresAt'>, now: number): State {
  const alive = row.state === 'pending' || row.state === 'approved'
  return alive && row.expiresAt.getTime() <= now ? 'expired' : row.state
}

/** What the agent is told. */
export function approvalFacts(
  ctx: Pick<Context, 'consoleUrl'>,
  { id, expiresAt, digest, deferred }: ApprovalRow,
): ApprovalFacts {
  return {
    id,
    url: `${ctx.consoleUrl}/console/approvals/${id}`,
    expires_at: expiresAt.toISOString(),
    code: shortCode(digest),
    ...(deferred ? { deferred } : {}),
  }
}

/** One that waits already for the very same request is that one. Throws `limit-exceeded`. */
export async function askForApproval(
  ctx: Context,
  asked: Asked,
  shown: () => Promise<Record<string, unknown>>,
): Promise<ApprovalRow> {
  const held = await alive(ctx.db, asked, ctx.clock.now())
  if (held !== undefined) return held
  await demandRoom(ctx, asked.agent)
  const id = newId('apr')
  const [facts, call, reason] = await Promise.all([
    shown(),
    sealedCall(ctx, id, asked.call),
    reasonOf(ctx.db, asked.capability.jti),
  ])
  const row = await ctx.db.transaction(async (tx) => {
    const now = ctx.clock.now()
    await expire(tx, asked, now)
    const createdAt = new Date(now)
    const { capability, call: _, ...rest } = asked
    const [added] = await tx
      .insert(approvals)
      .values({
        ...rest,
        ...{ id, state: 'pending' as const, shown: facts, call, reason, createdAt },
        capability: { ...capability },
        expiresAt: new Date(now + ctx.config.approvalMs),
      })
      .onConflictDoNothing()
      .returning()
    if (added !== undefined) await announce(tx, `approval:${id}`)
    return added
  })
  const mine = row ?? (await alive(ctx.db, asked, ctx.clock.now()))
  if (mine !== undefined) return mine
  throw new BrokerError('policy-stale', 'This was decided while it was being asked.', {
    hint: 'Send the same request again.',
    retryAfter: 1,
  })
}

type Same = Pick<ApprovalRow, 'agent' | 'digest'>

const living = inArray(approvals.state, ['pending', 'approved'])

async function alive(db: Db, { agent, digest }: Same, now: number) {
  const [row] = await db
    .select()
    .from(approvals)
    .where(
      and(
        eq(approvals.agent, agent),
        eq(approvals.digest, digest),
        living,
        gt(approvals.expiresAt, new Date(now)),
      ),
    )
  return row
}

async function expire(tx: Tx, { agent, digest }: Same, now: number): Promise<void> {
  await tx
    .update(approvals)
    .set({ state: 'void', because: 'it expired' })
    .where(
      and(
        eq(approvals.agent, agent),
        eq(approvals.digest, digest),
        living,
        lte(approvals.expiresAt, new Date(now)),
      ),
    )
}

async function demandRoom(ctx: Context, agent: string): Promise<void> {
  const [row] = await ctx.db
    .select({ pending: count() })
    .from(approvals)
    .where(
      and(
        eq(approvals.agent, agent),
        eq(approvals.state, 'pending'),
        gt(approvals.expiresAt, new Date(ctx.clock.now())),
      ),
    )
  if ((row?.pending ?? 0) < mostPending) return
  throw new BrokerError('limit-exceeded', `${agent} has ${mostPending} requests waiting.`, {
    hint: 'Wait until a human has decided some of them.',
    retryAfter: 60,
  })
}

async function reasonOf(db: Db, jti: string): Promise<string | null> {
  const [row] = await db
    .select({ reason: capabilities.reason })
    .from(capabilities)
    .where(eq(capabilities.jti, jti))
  return row?.reason ?? null
}

export async function showApproval(db: Db | Tx, id: string): Promise<ApprovalRow> {
  const [row] = await db.select().from(approvals).where(eq(approvals.id, id))
  if (row !== undefined) return row
  throw new BrokerError('not-found', 'There is no such approval.', {
    hint: 'See those that wait with: valetkey approval list',
  })
}

/** Newest first; what waits alone, or all. */
export async function listApprovals(
  ctx: Pick<Context, 'db' | 'clock'>,
  { waiting = false }: { waiting?: boolean } = {},
): Promise<ApprovalRow[]> {
  const pending = and(
    eq(approvals.state, 'pending'),
    gt(approvals.expiresAt, new Date(ctx.clock.now())),
  )
  return ctx.db
    .select()
    .from(approvals)
    .where(waiting ? pending : undefined)
    .orderBy(desc(approvals.createdAt), desc(approvals.id))
    .limit(500)
}

/** Approved ones that the broker executes itself and that nobody has begun for some seconds. */
export async function toExecute(ctx: Pick<Context, 'db' | 'clock'>): Promise<string[]> {
  const now = ctx.clock.now()
  const rows = await ctx.db
    .select({ id: approvals.id })
    .from(approvals)
    .where(
      and(
        eq(approvals.state, 'approved'),
        eq(approvals.deferred, true),
        gt(approvals.expiresAt, new Date(now)),
        lte(approvals.decidedAt, new Date(now - 3_000)),
      ),
    )
    .limit(20)
  return rows.map(({ id }) => id)
}

export async function votesOn(db: Db | Tx, id: string): Promise<VoteRow[]> {
  return db.select().from(approvalVotes).where(eq(approvalVotes.approval, id))
}

/** What the passkey is to sign: this request, and no other. */
export async function approvalOptions(ctx: Context, operator: string, id: string) {
  const row = await showApproval(ctx.db, id)
  demandPending(row, ctx.clock.now())
  return assertionOptions(ctx, { purpose: 'approve', operator, facts: signed(row) })
}

function signed({ id, digest, expiresAt }: ApprovalRow): Record<string, unknown> {
  return { approval: id, digest, expires_at: expiresAt.toISOString() }
}

/** One voice for each operator. The last that was needed approves. Throws `forbidden`, `conflict`. */
export async function approve(
  ctx: Context,
  operator: string,
  id: string,
  response: z.infer<typeof Assertion>,
  request: string,
): Promise<ApprovalRow> {
  return ctx.db.transaction(async (tx) => {
    const { role, facts, proof } = await assertedBy(ctx, tx, response, {
      purpose: 'approve',
      operator,
    })
    demandRole(operator, role)
    const [row] = await tx.select().from(approvals).where(eq(approvals.id, id)).for('update')
    if (row === undefined) throw new BrokerError('not-found', 'There is no such approval.')
    const now = ctx.clock.now()
    demandPending(row, now)
    for (const [name, value] of Object.entries(signed(row))) {
      if (facts[name] !== value) {
        throw new BrokerError('forbidden', 'What was signed is another request than this one.')
      }
    }
    const added = await tx
      .insert(approvalVotes)
      .values({ approval: id, operator, vote: 'approve', proof, at: new Date(now) })
      .onConflictDoNothing()
      .returning()
    if (added.length === 0) {
      throw new BrokerError('conflict', `${operator} has approved this already.`, {
        hint: `It takes ${row.approvers} different operators.`,
      })
    }
    const [given] = await voices(tx, id)
    const enough = (given?.voices ?? 0) >= row.approvers
    const after = enough
      ? await tx
          .update(approvals)
          .set({ state: 'approved', decidedAt: new Date(now) })
          .where(eq(approvals.id, id))
          .returning()
      : [row]
    await ctx.journal.appendIn(tx, {
      ...about(row, operator, request),
      outcome: enough ? 'approved' : 'one of several',
      facts: { what: 'approval.approve', approval: id, digest: row.digest, proof },
    })
    await announce(tx, `approval:${id}`)
    return after[0] ?? row
  })
}

/**
 * Those of operators who are still here and may still decide, given with a passkey that they still have: who was removed
 * and invited anew, or took a lost key away, has not said it.
 */
function voices(tx: Tx, id: string) {
  return tx
    .select({ voices: count() })
    .from(approvalVotes)
    .innerJoin(operators, eq(operators.name, approvalVotes.operator))
    .innerJoin(passkeys, eq(passkeys.id, sql`${approvalVotes.proof} ->> 'passkey'`))
    .where(
      and(
        eq(approvalVotes.approval, id),
        eq(approvalVotes.vote, 'approve'),
        eq(passkeys.operator, operators.name),
        inArray(operators.role, [...deciding]),
      ),
    )
}

/** Saying no takes nothing but being an operator who may. Also takes back a yes that was not spent. */
export async function deny(
  ctx: Context,
  operator: { name: string; role: Role },
  id: string,
  { reason, request }: { reason: string | null; request: string },
): Promise<ApprovalRow> {
  demandRole(operator.name, operator.role)
  return ctx.db.transaction(async (tx) => {
    const now = new Date(ctx.clock.now())
    const [row] = await tx
      .update(approvals)
      .set({ state: 'denied', decidedAt: now, because: reason })
      .where(and(eq(approvals.id, id), living, gt(approvals.expiresAt, now)))
      .returning()
    if (row === undefined) {
      const there = await showApproval(tx, id)
      throw new BrokerError('conflict', `This is ${stateOf(there, now.getTime())} already.`)
    }
    const vote = { vote: 'deny' as const, proof: null, at: now }
    await tx
      .insert(approvalVotes)
      .values({ approval: id, operator: operator.name, ...vote })
      .onConflictDoUpdate({ target: [approvalVotes.approval, approvalVotes.operator], set: vote })
    await ctx.journal.appendIn(tx, {
      ...about(row, operator.name, request),
      outcome: 'denied',
      facts: {
        what: 'approval.deny',
        ...{ approval: id, digest: row.digest },
        ...(reason === null ? {} : { reason }),
      },
    })
    await announce(tx, `approval:${id}`)
    return row
  })
}

function about(row: ApprovalRow, operator: string, request: string): Omit<Entry, 'facts'> {
  const { agent, environment, connection, operation } = row
  return { kind: 'approval', operator, request, agent, environment, connection, operation }
}

function demandRole(name: string, role: Role): void {
  if (deciding.includes(role)) return
  throw new BrokerError('forbidden', `${name} is ${role}, and an auditor decides nothing.`)
}

function demandPending(row: ApprovalRow, now: number): void {
  const state = stateOf(row, now)
  if (state === 'pending') return
  throw new BrokerError('conflict', `This is ${state} already.`, {
    hint: 'The agent asks again if it still needs it.',
  })
}

/** The agent's own, or none: another's ids are no answer. */
export async function ownApproval(db: Db, agent: string, id: string): Promise<ApprovalRow> {
  const [row] = await db
    .select()
    .from(approvals)
    .where(and(eq(approvals.id, id), eq(approvals.agent, agent)))
  if (row !== undefined) return row
  throw new BrokerError('not-found', `${agent} has no approval of this id.`, {
    hint: 'The id stands in the refusal that asked for it.',
  })
}

/** What no longer stands stays so, whatever becomes of it later. */
export async function voidApproval(ctx: Context, id: string, because: string): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    await tx
      .update(approvals)
      .set({ state: 'void', because })
      .where(and(eq(approvals.id, id), living))
    await announce(tx, `approval:${id}`)
  })
}

/**
 * Spends it and opens the audit entry of the call in one transaction, under the policy that it was judged by: of any number
 * who try at once, on any replicas, one finds it unspent.
 */
export async function spendApproval(
  ctx: Context,
  {
    id,
    agent,
    digest,
    version,
    entry,
    spend,
  }: {
    id: string
    agent: string
    digest: string
    version: number
    entry: Entry
    /** What else the call takes. */
    spend: (tx: Tx) => Promise<void>
  },
): Promise<void> {
  await ctx.journal.openSpending(entry, version, async (tx) => {
    const now = new Date(ctx.clock.now())
    const [mine] = await tx
      .update(approvals)
      .set({ state: 'used', usedAt: now, usedBy: entry.request ?? null })
      .where(
        and(
          eq(approvals.id, id),
          eq(approvals.agent, agent),
          eq(approvals.digest, digest),
          eq(approvals.state, 'approved'),
          gt(approvals.expiresAt, now),
          lte(approvals.approvers, sql`(${voices(tx, id)})`),
        ),
      )
      .returning({ id: approvals.id })
    if (mine === undefined) {
      throw unspent(await ownApproval(tx, agent, id), digest, ctx.clock.now())
    }
    await spend(tx)
    await announce(tx, `approval:${id}`)
  })
}

/** Why an approval does not let a request through. */
export function unspent(row: ApprovalRow, digest: string, now: number): BrokerError {
  const outcome = `GET /v1/approvals/${row.id} says what became of it.`
  const again = 'Send the request without the header to ask anew.'
  if (row.digest !== digest) {
    return new BrokerError(
      'approval-mismatch',
      'This approval is for another request: what was approved is sent exactly so, or not at all.',
      { hint: `The request may have changed, or where its resources live. ${again}` },
    )
  }
  switch (stateOf(row, now)) {
    case 'pending':
      return new BrokerError('approval-required', 'Nobody has approved this yet.', {
        hint: `Wait with GET /v1/approvals/${row.id}?wait=30, then send the same request again.`,
      })
    case 'denied':
      return new BrokerError(
        'approval-denied',
        `A human denied this${row.because === null ? '' : `, saying: ${row.because}`}.`,
        { hint: 'Do not ask again for the same; tell the human you work for.' },
      )
    case 'used':
      return new BrokerError('approval-used', 'This approval was used, and each is good once.', {
        hint: outcome,
      })
    case 'expired':
      return new BrokerError(
        'approval-expired',
        `This approval expired at ${row.expiresAt.toISOString()}.`,
        { hint: again },
      )
    default:
      return new BrokerError(
        'approval-void',
        `This approval is void${row.because === null ? ', because whoever gave it may no longer' : `: ${row.because}`}.`,
        { hint: again },
      )
  }
}
