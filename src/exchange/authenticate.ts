/** Who asks: the capability on a request, verified and still standing. Never looks at what is asked for. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import { demand } from '../policy/verdict.ts'
import type { Snapshot } from '../realm/realm.ts'
import { presentedCapability } from '../tokens/presented.ts'
import { standing } from '../tokens/verify.ts'
import type { Incoming } from './call.ts'

/** Throws `invalid-capability`, `invalid-proof`, `capability-expired`, `capability-revoked`, `policy-stale`. */
export async function authenticate(
  ctx: Context,
  incoming: Incoming,
  connection: string,
): Promise<Capability> {
  if (ctx.clock.astray?.() === true) {
    throw new BrokerError('policy-stale', "The broker's clock differs from its database's.", {
      hint: 'Whoever runs it has to set the clock of its machine; then send the same request again.',
    })
  }
  const capability = await presentedCapability(ctx, incoming)
  const policy = ctx.realm.now()
  const verdict = standing(policy, capability, connection, ctx.clock.now())
  if (verdict.verdict === 'deny' && verdict.code === 'frozen') {
    // What a frozen agent goes on trying is what whoever froze it wants to know.
    const label = policy.connections.has(connection) ? connection : 'unknown'
    ctx.metrics.calls.inc({ connection: label, verdict: verdict.code })
    const { agent, environment, jti } = capability
    const facts = { capability: jti, detail: verdict.detail }
    const about = { request: incoming.id, agent, environment, connection }
    await ctx.journal.refuse({ ...about, outcome: verdict.code, facts })
  }
  demand(verdict)
  return capability
}

/** Asked again under every policy that a call is judged by. */
export function stillStanding(
  ctx: Context,
  policy: Snapshot,
  capability: Capability,
  connection: string,
): void {
  demand(standing(policy, capability, connection, ctx.clock.now()))
}
