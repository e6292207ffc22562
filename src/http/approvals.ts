/** Tells an agent what became of a request that it asked a human about, and what came back. Its own only. */
import { Hono } from 'hono'
import { type ApprovalRow, approvalFacts, ownApproval, stateOf } from '../approvals/approvals.ts'
import { openOutcome } from '../approvals/sealed.ts'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type Capability, carries } from '../policy/capability.ts'
import { presentedCapability } from '../tokens/presented.ts'
import { demandStandsOnAll } from '../tokens/verify.ts'
import { presenting } from './raw-headers.ts'

const longestWaitMs = 60_000
const lookMs = 500
/** After that nobody is working on it any more. */
const underWayMs = 120_000
const mostWaiting = 50

const waiting = perContext(() => new Map<string, number>())

export function approvalRoutes(ctx: Context) {
  return new Hono().get('/v1/approvals/:id', async (c) => {
    const capability = await presentedCapability(ctx, presenting(c))
    const { agent } = capability
    const stands = () => demandStandsOnAll(ctx, capability)
    stands()
    const asked = Number(c.req.query('wait') ?? 0)
    const waitMs = Number.isFinite(asked) ? Math.min(Math.max(asked, 0) * 1_000, longestWaitMs) : 0
    const id = c.req.param('id')
    demandHere(await ownApproval(ctx.db, agent, id), capability)
    const row = await decided(ctx, { agent, id, waitMs, gone: c.req.raw.signal })
    stands()
    c.header('Cache-Control', 'no-store')
    return c.json(await shown(ctx, row, capability))
  })
}

/** What came back in one environment is for no capability of another, though the agent is the same. */
function demandHere({ environment }: ApprovalRow, capability: Capability): void {
  if (environment === capability.environment) return
  throw new BrokerError('not-found', 'There is no such approval.', {
    hint: `It may be of another environment: this capability is for ${capability.environment}.`,
  })
}

/** Waits while nothing is decided, or while the broker is executing it. */
async function decided(
  ctx: Context,
  { agent, id, waitMs, gone }: { agent: string; id: string; waitMs: number; gone: AbortSignal },
): Promise<ApprovalRow> {
  const end = performance.now() + waitMs
  const leave = takePlace(ctx, agent, waitMs)
  try {
    for (;;) {
      const row = await ownApproval(ctx.db, agent, id)
      const left = end - performance.now()
      if (left <= 0 || gone.aborted || !open(row, ctx.clock.now())) return row
      await news(ctx, id, Math.min(lookMs, left))
    }
  } finally {
    leave()
  }
}

function open(row: ApprovalRow, now: number): boolean {
  const state = stateOf(row, now)
  if (state === 'pending') return true
  return row.deferred && (state === 'approved' || underWay(row, now))
}

function underWay({ state, outcome, usedAt }: ApprovalRow, now: number): boolean {
  return state === 'used' && outcome === null && now - (usedAt?.getTime() ?? 0) < underWayMs
}

function takePlace(ctx: Context, agent: string, waitMs: number): () => void {
  if (waitMs === 0) return () => {}
  const places = waiting(ctx)
  const taken = places.get(agent) ?? 0
  if (taken >= mostWaiting) {
    throw new BrokerError(
      'limit-exceeded',
      `${agent} waits for ${mostWaiting} approvals already.`,
      {
        hint: 'Wait for one of them to be decided.',
        retryAfter: 5,
      },
    )
  }
  places.set(agent, taken + 1)
  return () => {
    const left = (places.get(agent) ?? 1) - 1
    if (left === 0) places.delete(agent)
    else places.set(agent, left)
  }
}

/** Until something happens to it, on whichever replica, or the time is over. */
function news(ctx: Context, id: string, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      off()
      resolve()
    }
    const timer = setTimeout(done, ms)
    const off = ctx.events.on((event) => {
      if (event === `approval:${id}`) done()
    })
  })
}

async function shown(ctx: Context, row: ApprovalRow, capability: Capability) {
  const now = ctx.clock.now()
  const state = stateOf(row, now)
  return {
    ...approvalFacts(ctx, row),
    state,
    connection: row.connection,
    environment: row.environment,
    operation: row.operation,
    ...(row.because === null ? {} : { because: row.because }),
    ...(state === 'used' ? { outcome: await outcomeOf(ctx, row, { now, capability }) } : {}),
    next: next(row, state),
  }
}

/** An agent may know what became of all that it asked for; what came back is for what could have asked. */
async function outcomeOf(
  ctx: Context,
  row: ApprovalRow,
  { now, capability }: { now: number; capability: Capability },
) {
  // As it was written: the claims of a capability.
  const asked = row.capability as unknown as Capability
  if (!carries(capability, asked, row.connection)) {
    return { known: false, why: 'This capability carries less than the one that asked.' }
  }
  if (row.outcome === '') return { known: false, why: 'The answer is kept for a day, and was.' }
  if (row.outcome !== null) {
    const { status, content_type, body } = await openOutcome(ctx, row.id, row.outcome)
    return { known: true, status, content_type, body }
  }
  return underWay(row, now)
    ? { known: false, why: 'It is under way.' }
    : {
        known: false,
        why: 'Nobody can tell whether it was done. Look before anything else; it is never repeated by itself.',
      }
}

function next({ id, deferred }: ApprovalRow, state: ReturnType<typeof stateOf>): string {
  switch (state) {
    case 'pending':
      return `Wait with GET /v1/approvals/${id}?wait=30.`
    case 'approved':
      return deferred
        ? 'The broker is about to execute it; wait here for the outcome.'
        : `Send the same request again with the header Valetkey-Approval: ${id}.`
    case 'used':
      return 'It was sent, once. The outcome is what came back.'
    case 'denied':
      return 'Do not ask again for the same; tell the human you work for.'
    default:
      return 'Send the request again, without the header, to ask anew.'
  }
}
