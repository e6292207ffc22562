/** Ends leases: when they expire, when what they were given by falls, and after a crash, on whichever replica is first. Gives none. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Context } from '../context.ts'
import { claimDue, endLease, type LeaseRow, leasesOut, mark, renewers } from '../leases/leases.ts'
import type { Capability } from '../policy/capability.ts'
import type { Snapshot } from '../realm/realm.ts'
import { standing } from '../tokens/verify.ts'
import { stillOffered } from './lease.ts'

const lookMs = 1_000
/** Of either sort: one that fails takes its time, and none of another's. */
const atOnce = 10

export function watchLeases(ctx: Context): { close(): Promise<void> } {
  const closing = new AbortController()
  let wake = () => {}
  let judged = -1
  const underWay = { new: new Set<Promise<unknown>>(), again: new Set<Promise<unknown>>() }
  const unwatch = ctx.realm.watch(() => wake())
  const watching = watch()
  return {
    close: async () => {
      closing.abort()
      unwatch()
      wake()
      await watching
      await Promise.all([...underWay.new, ...underWay.again])
    },
  }

  /** Not waited for: one that takes long keeps no other from being judged, or from ending. */
  async function startEnding(): Promise<void> {
    for (const which of ['new', 'again'] as const) {
      const ends = underWay[which]
      for (const row of await claimDue(ctx, which, atOnce - ends.size)) {
        const ending = endLease(ctx, row)
          .catch((error: unknown) =>
            ctx.log.warn({ err: error, lease: row.id }, 'a lease was not ended'),
          )
          .finally(() => {
            ends.delete(ending)
            if (ends.size === atOnce - 1) wake()
          })
        ends.add(ending)
      }
    }
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      try {
        const policy = ctx.realm.now()
        if (policy.version !== judged) await endFallen(ctx, policy)
        judged = policy.version
        await startEnding()
      } catch (error) {
        ctx.log.warn({ err: error }, 'leases could not be looked after')
      }
      const woken = new Promise<void>((resolve) => {
        wake = resolve
      })
      // The only way to reject is the abort, which the loop condition sees.
      const waited = delay(lookMs, undefined, { signal: closing.signal, ref: false }).catch(
        () => {},
      )
      await Promise.race([woken, waited])
    }
  }
}

/** Whether what each was given by still stands under this policy. */
async function endFallen(ctx: Context, policy: Snapshot): Promise<void> {
  const fallen = new Map<string, string[]>()
  for await (const row of leasesOut(ctx)) {
    const because = whyFallen(policy, row)
    if (because !== null) fallen.set(because, [...(fallen.get(because) ?? []), row.id])
  }
  for (const [because, ids] of fallen) await mark(ctx, ids, because)
}

function whyFallen(policy: Snapshot, row: LeaseRow): string | null {
  // As it was written: the claims of a capability. That it expires is the lease's own end.
  const capability = row.capability as unknown as Capability
  const verdict = standing(policy, capability, row.connection, Number.NEGATIVE_INFINITY)
  if (verdict.verdict === 'deny') return verdict.detail
  if (renewers(row).some((jti) => policy.revoked.has(jti))) {
    return 'A capability that it was given or renewed with was revoked.'
  }
  return stillOffered(policy, capability, row) ? null : 'its scope does not give it any more'
}
