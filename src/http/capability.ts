/** Tells an agent what its capability may do, in words and in data. Shows nothing of other environments. */
import { Hono } from 'hono'
import type { Context } from '../context.ts'
import { presentedCapability } from '../exchange/call.ts'
import { standingScopes } from '../exchange/judge.ts'
import { type Pattern, writePattern } from '../policy/pattern.ts'
import { demand } from '../policy/verdict.ts'
import { standing, verifyCapability } from '../tokens/verify.ts'
import { rawHeaders } from './raw-headers.ts'

export function capabilityInfoRoutes(ctx: Context) {
  return new Hono().get('/v1/capability', async (c) => {
    const capability = await verifyCapability(ctx, presentedCapability({ headers: rawHeaders(c) }))
    const policy = ctx.realm.now()
    const connections = capability.details.map(({ connection, operations }) => {
      demand(standing(policy, capability, connection, ctx.clock.now()))
      return {
        connection,
        url: `${ctx.publicUrl}/x/${connection}`,
        operations: operations.map(writePattern),
      }
    })
    const scopes = standingScopes(policy, capability)
    const left = Math.max(0, capability.expiresAt - Math.floor(ctx.clock.now() / 1000))
    c.header('Cache-Control', 'no-store')
    return c.json({
      agent: capability.agent,
      environment: capability.environment,
      protected: policy.environments.get(capability.environment)?.protected ?? true,
      scopes: scopes.map(({ name }) => name),
      connections,
      expires_at: new Date(capability.expiresAt * 1000).toISOString(),
      words: [
        `You are ${capability.agent} and act in ${capability.environment} only, for another ${left} s.`,
        ...capability.details.map(({ connection, operations }) => inWords(connection, operations)),
        'Ids are looked up where they live: what lies outside the environment, or cannot be found, is refused.',
        'Patterns cover reads and writes. What destroys, reveals or executes has to be named exactly, and waits for a human.',
        'If you need more, ask a human; do not look for another credential.',
      ],
    })
  })
}

function inWords(connection: string, operations: readonly Pattern[]): string {
  return `On ${connection} you may call: ${operations.map(writePattern).join(', ')}.`
}
