/** The same road up to the gate, without side effects: the verdict on a request, and each fact that led to it. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { whose } from '../policy/environment.ts'
import type { Operation, Site } from '../policy/operation.ts'
import { answerFromHere } from './answer.ts'
import { authenticate } from './authenticate.ts'
import { type Incoming, readCall, readTarget } from './call.ts'
import type { Answer } from './forward.ts'
import { bodyLimit, connectionOf, demandRelays, judge, readWith } from './judge.ts'
import { withinLimits } from './limits.ts'

export async function explain(ctx: Context, incoming: Incoming): Promise<Answer> {
  const target = readTarget(incoming.target, '/explain/', ctx.config.limits)
  const capability = await authenticate(ctx, incoming, target.connection)
  return withinLimits(ctx, capability, async () => {
    demandRelays(ctx, target.connection)
    const call = await readCall(incoming, target, bodyLimit(ctx, target, capability))
    const policy = ctx.realm.now()
    const { connection, provider, catalogue } = connectionOf(policy, target.connection)
    const about = { connection: connection.name, environment: capability.environment }
    try {
      const reading = readWith(provider, catalogue, call)
      if (reading.kind === 'answer') {
        return answerFromHere({ verdict: 'allow', ...about, operations: [], answered_by: 'broker' })
      }
      const { verdict, sites } = await judge(
        ctx,
        { policy, connection, provider, capability },
        reading,
      )
      const found = (place: Site['located'] & { known: true }) => [
        ...new Set(place.places.map((one) => whose(policy.bindings, connection.space, one))),
      ]
      return answerFromHere({
        ...(verdict.verdict === 'deny' ? denied(verdict) : verdict),
        ...about,
        operations: reading.operations.map((one, i) => explained(one, sites[i] ?? [], found)),
      })
    } catch (error) {
      if (!(error instanceof BrokerError)) throw error
      return answerFromHere({
        ...denied({ code: error.code, detail: error.message, facts: error.facts }),
        ...about,
        operations: [],
      })
    }
  })
}

function denied({
  code,
  detail,
  facts,
}: {
  code: string
  detail: string
  facts: BrokerError['facts']
}) {
  return { verdict: 'deny', code, detail, ...facts }
}

function explained(
  operation: Operation,
  sites: readonly Site[],
  found: (located: Site['located'] & { known: true }) => string[],
) {
  return {
    operation: operation.name,
    effects: operation.effects,
    known: !operation.unknown,
    must_be_named: operation.mustName.map(({ field, effect }) => ({ field, effect })),
    resources: operation.resources.map((resource) => {
      const located = sites.find((site) => site.resource === resource)?.located
      return {
        argument: resource.argument,
        kind: resource.kind,
        id: resource.id,
        role: resource.role,
        ...(located === undefined
          ? {}
          : located.known
            ? { found: found(located) }
            : { unresolved: located.why }),
      }
    }),
  }
}
