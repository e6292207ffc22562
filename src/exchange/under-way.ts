/**
 * The calls that have not ended: each is cut once its capability no longer stands, or nobody can say that it does. A call
 * that has left is cut with its outcome unknown; it never begins one.
 */
import { type Context, perContext } from '../context.ts'
import { BrokerError, type Code, type Facts } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import type { Snapshot } from '../realm/realm.ts'
import { standing } from '../tokens/verify.ts'
import type { Answer } from './forward.ts'

export type UnderWay = {
  capability: Capability
  connection: string
  /** Ends it, wherever it is; what has not left then never does. */
  cut(why: BrokerError): void
}

/** How soon a replica notices that it has lost its database. */
const lookMs = 250

const calls = perContext((ctx) => {
  const open = new Set<UnderWay>()
  let looking: NodeJS.Timeout | null = null
  ctx.realm.watch((policy) => cutFallen(open, policy))

  /** Only while there are calls, so that nothing outlives the broker. */
  function look(): void {
    looking ??= setInterval(() => {
      if (open.size === 0) {
        if (looking !== null) clearInterval(looking)
        looking = null
      } else cutUnlessConfirmed(ctx, open)
    }, lookMs).unref()
  }

  return {
    enter(call: UnderWay): () => void {
      open.add(call)
      look()
      return () => open.delete(call)
    },
  }
})

/** Runs a call within reach of whatever stops it, to the last byte of a streamed answer. */
export async function whileStanding(
  ctx: Context,
  call: UnderWay,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const leave = calls(ctx).enter(call)
  let streams = false
  try {
    const answer = await work()
    if (answer.body instanceof Uint8Array) return answer
    streams = true
    return { ...answer, body: ending(answer.body, leave) }
  } finally {
    if (!streams) leave()
  }
}

/** Why a call was cut, if it was: its signal aborts with the refusal, and with something else when the caller has gone. */
export function cutBy(signal: AbortSignal): BrokerError | null {
  return signal.reason instanceof BrokerError ? signal.reason : null
}

/** A capability is good for what began before it expired, so at no time does it count as expired here. */
const never = Number.NEGATIVE_INFINITY

function cutFallen(open: Iterable<UnderWay>, policy: Snapshot): void {
  for (const { capability, connection, cut } of open) {
    const verdict = standing(policy, capability, connection, never)
    if (verdict.verdict === 'deny') cut(broken(verdict.code, verdict.detail, verdict.facts))
  }
}

function cutUnlessConfirmed(ctx: Context, open: Iterable<UnderWay>): void {
  try {
    ctx.realm.now()
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    for (const { cut } of open) cut(broken(error.code, error.message, error.facts))
  }
}

function broken(code: Code, detail: string, facts: Facts): BrokerError {
  return new BrokerError(
    code,
    `${detail} This call was under way and was cut, so whether it was done is not known.`,
    facts,
  )
}

async function* ending(
  body: AsyncIterable<Uint8Array>,
  ended: () => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } finally {
    ended()
  }
}
