/**
 * The road an agent's request travels, from capability to upstream call. Nothing leaves before its audit entry is durable,
 * and from the moment that we know who asks, every way out is written down.
 */
import type { Context } from '../context.ts'
import { demand } from '../policy/verdict.ts'
import { openWithFormer } from '../vault/vault.ts'
import { answerFromHere } from './answer.ts'
import { audited, concluded } from './audited.ts'
import { authenticate, stillStanding } from './authenticate.ts'
import { type Incoming, readCall, readTarget } from './call.ts'
import { callEntry } from './entry.ts'
import { type Answer, forward } from './forward.ts'
import { bodyLimit, connectionOf, judge } from './judge.ts'
import { underCurrentPolicy } from './policy.ts'

export async function exchange(ctx: Context, incoming: Incoming): Promise<Answer> {
  const target = readTarget(incoming.target, '/x/', ctx.config.limits)
  const capability = await authenticate(ctx, incoming, target.connection)

  return audited(ctx, incoming, target, capability, async (noted) => {
    const call = await readCall(incoming, target, bodyLimit(ctx, target, capability))

    const ready = await underCurrentPolicy(ctx, async (policy) => {
      const { connection, provider, catalogue } = connectionOf(policy, target.connection)
      stillStanding(ctx, policy, capability, connection.name)
      const reading = provider.read(catalogue, call)
      if (reading.kind === 'answer') return { kind: 'answer' as const, json: reading.json }
      noted.read(reading)
      const { verdict, sites } = await judge(
        ctx,
        { policy, connection, provider, capability },
        reading,
      )
      noted.located(sites)
      demand(verdict)
      // Before the entry: a secret that does not open is a refusal, and not a call of unknown outcome.
      const secrets = await openWithFormer(ctx, connection)
      await ctx.journal.open(callEntry(noted.facts), policy.version)
      return { kind: 'send' as const, connection, provider, request: reading.request, ...secrets }
    })
    if (ready.kind === 'answer') return answerFromHere(ready.json)

    return concluded(ctx, noted, incoming.signal, () =>
      forward(ctx, { ...ready, signal: incoming.signal }),
    )
  })
}
