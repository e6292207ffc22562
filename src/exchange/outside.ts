/** Counts how often an agent names what belongs to another environment, and freezes one that will not stop. Freezes nobody else. */
import { LRUCache } from 'lru-cache'
import { addFreeze } from '../approvals/freezes.ts'
import { type Context, perContext } from '../context.ts'
import type { BrokerError } from '../errors.ts'
import { itself } from '../policy/freeze.ts'

const minuteMs = 60_000
const remembered = 20_000

/** When each agent was last refused, the oldest first, and whom a freeze is being written for. */
const memory = perContext(() => ({
  refused: new LRUCache<string, number[]>({ max: remembered }),
  freezing: new Set<string>(),
}))

/**
 * `agent` is whose genuine capability was refused, so nobody can be counted against another. A mistake in the form of a
 * request names nothing elsewhere, and does not count.
 */
export function countOutside(ctx: Context, agent: string, error: BrokerError): void {
  const after = ctx.config.freezeAfter
  if (after === 0 || !elsewhere(error)) return
  const { refused, freezing } = memory(ctx)
  const now = ctx.clock.now()
  const lately = [...(refused.get(agent) ?? []), now]
    .filter((at) => now - at < minuteMs)
    .slice(-after)
  refused.set(agent, lately)
  if (lately.length < after || freezing.has(agent)) return
  freezing.add(agent)
  const reason = `${after} of its calls within a minute named what lives outside its environment`
  // The refusal does not wait for it: the next call does, or the one after.
  void addFreeze(ctx, { name: itself }, { subject: `agent:${agent}`, reason })
    .then(() => refused.delete(agent))
    .catch((error: unknown) => {
      ctx.log.error(
        { err: error, agent },
        'an agent could not be frozen; its next refusal tries again',
      )
    })
    .finally(() => freezing.delete(agent))
}

function elsewhere({ code, facts }: BrokerError): boolean {
  return (
    code === 'outside-environment' &&
    facts.refused?.some(({ resource, found }) => resource !== undefined && found !== undefined) ===
      true
  )
}
