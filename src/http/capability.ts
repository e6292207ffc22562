/** Tells an agent what its capability may do, in words and in data. Shows nothing of other environments. */
import { Hono } from 'hono'
import type { Context } from '../context.ts'
import { standingScopes } from '../exchange/judge.ts'
import type { Detail } from '../policy/capability.ts'
import type { Step } from '../policy/operation.ts'
import { writePattern } from '../policy/pattern.ts'
import { providerOf } from '../providers/registry.ts'
import type { Snapshot } from '../realm/realm.ts'
import { budgetOf, leftOf } from '../tokens/budgets.ts'
import { presentedCapability } from '../tokens/presented.ts'
import { demandStandsOnAll } from '../tokens/verify.ts'
import { presenting } from './raw-headers.ts'

export function capabilityInfoRoutes(ctx: Context) {
  return new Hono().get('/v1/capability', async (c) => {
    const capability = await presentedCapability(ctx, presenting(c))
    demandStandsOnAll(ctx, capability)
    const policy = ctx.realm.now()
    const details = await Promise.all(
      capability.details.map(async (detail) => {
        const counted = budgetOf(capability, detail.connection, false) !== null
        return {
          ...detail,
          left: counted ? await leftOf(ctx.db, capability, detail.connection) : null,
        }
      }),
    )
    const scopes = standingScopes(policy, capability)
    const { actors = [], parents = [] } = capability
    const left = Math.max(0, capability.expiresAt - Math.floor(ctx.clock.now() / 1000))
    const who = actors.length === 0 ? capability.agent : `${actors[0]}, for ${capability.agent},`
    c.header('Cache-Control', 'no-store')
    return c.json({
      agent: capability.agent,
      ...(actors.length === 0 ? {} : { actors }),
      ...(parents.length === 0 ? {} : { parents }),
      environment: capability.environment,
      protected: policy.environments.get(capability.environment)?.protected ?? true,
      scopes: scopes.map(({ name }) => name),
      connections: details.map(({ connection, operations, resources, left }) => ({
        connection,
        url: `${ctx.publicUrl}/x/${connection}`,
        operations: operations.map(writePattern),
        ...clientsOf(policy, connection),
        ...(resources === undefined ? {} : { resources: resources.map(spelled) }),
        ...(left === null ? {} : { calls_left: left.calls, writes_left: left.writes }),
      })),
      expires_at: new Date(capability.expiresAt * 1000).toISOString(),
      words: [
        `You are ${who} and act in ${capability.environment} only, for another ${left} s.`,
        ...details.flatMap(inWords),
        'Ids are looked up where they live: what lies outside the environment, or cannot be found, is refused.',
        'Patterns cover reads and writes. What destroys, reveals or executes has to be named exactly, and waits for a human.',
        'For a sub-agent, exchange this for less of it with POST /oauth/token (token-exchange).',
        'If you need more, ask a human; do not look for another credential.',
      ],
    })
  })
}

/** For what starts a client: the variables that it reads. */
function clientsOf(policy: Snapshot, name: string) {
  const provider = providerOf(policy, policy.connections.get(name)?.provider ?? '')
  return provider === undefined ? {} : { clients: provider.clients }
}

type Counted = Detail & { left: { calls: number | null; writes: number | null } | null }

function inWords({ connection, operations, resources, left }: Counted): string[] {
  const only =
    resources === undefined ? '' : `, and only for ${resources.map(spelled).join(' and ')}`
  const counts = [count(left?.calls, 'calls'), count(left?.writes, 'writes')].filter(Boolean)
  return [
    `On ${connection} you may call: ${operations.map(writePattern).join(', ')}${only}.`,
    ...(counts.length === 0 ? [] : [`On ${connection} there are ${counts.join(' and ')} left.`]),
  ]
}

function count(left: number | null | undefined, what: string): string {
  return left == null ? '' : `${left} ${what}`
}

function spelled({ kind, id }: Step): string {
  return `${kind} ${id}`
}
