/** Executes approved requests whose agent does not wait: judged and located anew, each at most once, on whichever replica is first. */
import { setTimeout as delay } from 'node:timers/promises'
import { showApproval, stateOf, toExecute, voidApproval } from '../approvals/approvals.ts'
import { openCall } from '../approvals/sealed.ts'
import type { Context } from '../context.ts'
import { BrokerError, codes } from '../errors.ts'
import { newRequestId } from '../ids.ts'
import type { Capability } from '../policy/capability.ts'
import { audited } from './audited.ts'
import { carryOut } from './exchange.ts'

const sweepMs = 5_000
/** As long as anything of the road may take. */
const life = 120

/** Nothing if it is not approved, or not the broker's to execute. What no longer stands makes it void; what may pass later is left to the sweep. */
export async function executeApproved(ctx: Context, id: string): Promise<void> {
  const row = await showApproval(ctx.db, id)
  if (!row.deferred || stateOf(row, ctx.clock.now()) !== 'approved') return
  const call = await openCall(ctx, id, row.call)
  // As it was written: the claims of a capability. That it has expired meanwhile does not matter.
  const asked = row.capability as unknown as Capability
  const capability = { ...asked, expiresAt: Math.ceil(ctx.clock.now() / 1000) + life }
  const stopped = new AbortController()
  const incoming = {
    id: newRequestId(),
    method: call.method,
    target: `/x/${row.connection}`,
    headers: [['valetkey-approval', id]] as const,
    body: async () => call.body,
    address: 'broker',
    signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(life * 1_000)]),
    cut: (why: BrokerError) => stopped.abort(why),
  }
  const target = { connection: row.connection, segments: call.segments, query: call.query }
  try {
    const { body } = await audited(ctx, incoming, target, capability, (noted) =>
      carryOut(ctx, { incoming, target, capability, call, noted }),
    )
    // A stream that nobody reads would never end its entry.
    if (!(body instanceof Uint8Array)) for await (const _ of body);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    // A freeze only suspends: once it is lifted the sweep goes on.
    if (['approval-used', 'frozen'].includes(error.code)) return
    if (codes[error.code].retry === 'later') return
    await voidApproval(ctx, id, error.message)
  }
}

/** Begins at once in the background; a failure is for the sweep. */
export function executeSoon(ctx: Context, id: string): void {
  executeApproved(ctx, id).catch((error: unknown) => {
    ctx.log.error({ err: error, approval: id }, 'an approved request could not be executed')
  })
}

/** Finds what a replica approved and did not live to execute. */
export function watchDeferred(ctx: Context): { close(): Promise<void> } {
  const closing = new AbortController()
  const sweeping = sweep(ctx, closing.signal)
  return {
    close: async () => {
      closing.abort()
      await sweeping
    },
  }
}

async function sweep(ctx: Context, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    // The only way to reject is the abort, which the loop condition sees.
    await delay(sweepMs, undefined, { signal, ref: false }).catch(() => {})
    if (signal.aborted) return
    try {
      for (const id of await toExecute(ctx)) await executeApproved(ctx, id)
    } catch (error) {
      ctx.log.warn({ err: error }, 'approved requests could not be looked for')
    }
  }
}
