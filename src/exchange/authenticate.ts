/** Who asks: the capability on a request, verified and still standing. Never looks at what is asked for. */
import type { Context } from '../context.ts'
import type { Capability } from '../policy/capability.ts'
import { demand } from '../policy/verdict.ts'
import type { Snapshot } from '../realm/realm.ts'
import { standing, verifyCapability } from '../tokens/verify.ts'
import { type Incoming, presentedCapability } from './call.ts'

/** Throws `invalid-capability`, `capability-expired`, `capability-revoked`, `policy-stale`. */
export async function authenticate(
  ctx: Context,
  incoming: Incoming,
  connection: string,
): Promise<Capability> {
  const capability = await verifyCapability(ctx, presentedCapability(incoming))
  stillStanding(ctx, ctx.realm.now(), capability, connection)
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
