/**
 * The road an agent's request travels, from capability to upstream call. Nothing leaves before its audit entry is durable,
 * and from the moment that we know who asks, every way out is written down.
 */
import type { Context } from '../context.ts'
import type { Need } from '../leases/kind.ts'
import type { Capability } from '../policy/capability.ts'
import type { Site } from '../policy/operation.ts'
import type { Call } from '../providers/provider.ts'
import { keyFor } from '../vault/lookup.ts'
import { openWithFormer } from '../vault/vault.ts'
import { answerFromHere } from './answer.ts'
import { audited, concluded, type Noted } from './audited.ts'
import { authenticate, stillStanding } from './authenticate.ts'
import { type Incoming, readCall, readTarget, type Target } from './call.ts'
import { callEntry } from './entry.ts'
import { type Answer, forward } from './forward.ts'
import { bodyLimit, connectionOf, demandRelays, judge, type ReadCall, readWith } from './judge.ts'
import { leaseAnswer } from './lease.ts'
import { permitted } from './permit.ts'
import { underCurrentPolicy } from './policy.ts'

export async function exchange(ctx: Context, incoming: Incoming): Promise<Answer> {
  const target = readTarget(incoming.target, '/x/', ctx.config.limits)
  const capability = await authenticate(ctx, incoming, target.connection)

  return audited(ctx, incoming, target, capability, async (noted) => {
    demandRelays(ctx, target.connection)
    const call = await readCall(incoming, target, bodyLimit(ctx, target, capability))
    return carryOut(ctx, { incoming, target, capability, call, noted })
  })
}

/** From the call as it was read: the same for one that is executed later, once it was approved. */
export async function carryOut(
  ctx: Context,
  { incoming, target, capability, call, noted }: Underway,
): Promise<Answer> {
  const ready = await underCurrentPolicy(ctx, async (policy) => {
    const { connection, provider, catalogue } = connectionOf(policy, target.connection)
    stillStanding(ctx, policy, capability, connection.name)
    const reading = readWith(provider, catalogue, call)
    if (reading.kind === 'answer') return { kind: 'answer' as const, json: reading.json }
    noted.read(reading)
    const where = { policy, connection, provider, capability }
    const { verdict, sites } = await judge(ctx, where, reading)
    noted.located(sites)
    const permit = await permitted(ctx, verdict, { ...where, incoming, call, reading, sites })
    // Before the entry: a secret that does not open is a refusal, and not a call of unknown outcome.
    const { credential, former } = await openWithFormer(ctx, connection)
    const key = await keyFor(ctx, { target: connection, credential }, needOf(reading, sites))
    // Where something else goes onto the request, the secret is in no answer either.
    const secrets = {
      credential: key,
      former: key === credential ? former : [credential, ...former],
      forget: () => ctx.keys.get(connection.provider)?.forget(credential),
    }
    await permit.open(callEntry(noted.facts, permit.approval))
    const { request } = reading
    return { kind: 'send' as const, connection, provider, permit, request, ...secrets }
  })
  if (ready.kind === 'answer') return answerFromHere(ready.json)

  const leases = ready.provider.engine === 'lease'
  const answer = await concluded(ctx, noted, incoming.signal, () =>
    leases
      ? leaseAnswer(ctx, { ...ready, capability, sites: noted.facts.sites.flat() })
      : forward(ctx, {
          ...ready,
          root: incoming.root ?? `/x/${target.connection}`,
          signal: incoming.signal,
        }),
  )
  // A credential is kept nowhere.
  return leases ? answer : ready.permit.keep(answer)
}

/** What a credential for this call has to be good for. */
function needOf({ operations, request }: ReadCall, sites: readonly (readonly Site[])[]): Need {
  return {
    reads: request.method === 'GET' || request.method === 'HEAD',
    operations: operations.map(({ name }) => name),
    places: sites.flat().map(({ located }) => (located.known ? located.home : [])),
  }
}

export type Underway = {
  incoming: Incoming
  target: Target
  capability: Capability
  call: Call
  noted: Noted
}
