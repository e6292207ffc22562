/** Ends leases: when they expire, when what they were given by falls, and after a crash, on whichever replica is first. Gives none. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Context } from '../context.ts'
import {
  agentsDue,
  claimDue,
  cutDue,
  endLease,
  type LeaseRow,
  leasesOut,
  mark,
  renewers,
} from '../leases/leases.ts'
import type { Capability } from '../policy/capability.ts'
import type { Snapshot } from '../realm/realm.ts'
import { standing } from '../tokens/verify.ts'
import { stillOffered } from './lease.ts'

const lookMs = 1_000
/** Of one agent, and of all: whose leases take long to end takes nobody else's time. */
const atOnce = 4
const altogether = 60

export function watchLeases(ctx: Context): { close(): Promise<void> } {
  const closing = new AbortController()
  let wake = () => {}
  let judged = -1
  let cutting: Promise<void> | null = null
  const cut = new Set<string>()
  const underWay = new Map<Promise<unknown>, { agent: string; again: boolean }>()
  const unwatch = ctx.realm.watch(() => wake())
  const watching = watch()
  return {
    close: async () => {
      closing.abort()
      unwatch()
      wake()
      await watching
      await Promise.all([...underWay.keys(), cutting])
    },
  }

  /** Not waited for: one that takes long keeps no other from being judged, or from ending. */
  async function startEnding(): Promise<void> {
    // What failed before takes its time, and none of what is new.
    for (const again of [false, true]) {
      for (const agent of await agentsDue(ctx, again)) {
        const mine = [...underWay.values()].filter(
          (one) => one.agent === agent && one.again === again,
        )
        const free = Math.min(atOnce - mine.length, altogether - underWay.size)
        for (const row of await claimDue(ctx, { agent, again }, free)) end(row, { agent, again })
      }
    }
    // Those that have to wait keep no access meanwhile.
    cutting ??= cutDue(ctx, cut)
      .catch((error: unknown) => ctx.log.warn({ err: error }, 'leases could not be cut'))
      .finally(() => {
        cutting = null
      })
  }

  function end(row: LeaseRow, of: { agent: string; again: boolean }): void {
    const ending = endLease(ctx, row)
      .catch((error: unknown) =>
        ctx.log.warn({ err: error, lease: row.id }, 'a lease was not ended'),
      )
      .finally(() => {
        underWay.delete(ending)
        wake()
      })
    underWay.set(ending, of)
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
