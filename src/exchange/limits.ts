/** How much one agent may ask at once and in a minute. Counts in memory, per replica; never the reason to let a call pass. */
import { LRUCache } from 'lru-cache'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import type { Answer } from './forward.ts'

type Minute = { startedAt: number; count: number }

const memory = perContext(() => ({
  minutes: new LRUCache<string, Minute>({ max: 20_000 }),
  open: new Map<string, number>(),
}))

/** Takes one of `limit` per minute for `subject`, or says that there is none left. */
export function spend(ctx: Context, subject: string, limit: number): boolean {
  const minute = minuteOf(ctx, subject)
  if (minute.count >= limit) return false
  minute.count += 1
  return true
}

/** Throws `limit-exceeded` for a subject that has none of its `what` left this minute, saying when to try again. */
export function demandLeft(ctx: Context, subject: string, what: string, limit: number): void {
  const key = `${what} ${subject}`
  if (spend(ctx, key, limit)) return
  const { startedAt } = minuteOf(ctx, key)
  const retryAfter = Math.max(1, Math.ceil((startedAt + 60_000 - performance.now()) / 1000))
  throw new BrokerError(
    'limit-exceeded',
    `${subject} made more than ${limit} ${what} in a minute.`,
    {
      hint: `Wait ${retryAfter} s.`,
      retryAfter,
    },
  )
}

function minuteOf(ctx: Context, subject: string): Minute {
  const { minutes } = memory(ctx)
  const now = performance.now()
  const known = minutes.get(subject)
  if (known !== undefined && now - known.startedAt < 60_000) return known
  const minute = { startedAt: now, count: 0 }
  minutes.set(subject, minute)
  return minute
}

/**
 * Runs `work` within what the agent, and each scope of its capability, may ask at once and in a minute. A streamed answer
 * keeps its place until its last byte.
 */
export async function withinLimits(
  ctx: Context,
  { agent, scopes }: Capability,
  work: () => Promise<Answer>,
): Promise<Answer> {
  demandLeft(ctx, agent, 'calls', ctx.config.limits.callsPerMinute)
  const policy = ctx.realm.now()
  for (const name of scopes) {
    const own = policy.scopes.get(name)?.callsPerMinute ?? null
    if (own !== null) demandLeft(ctx, `${agent} under scope ${name}`, 'calls', own)
  }
  const leave = takePlace(ctx, agent)
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

/** Throws `limit-exceeded` when the agent has as many calls under way as it may. Returns what gives the place back. */
function takePlace(ctx: Context, agent: string): () => void {
  const { open } = memory(ctx)
  const limit = ctx.config.limits.concurrentPerAgent
  const count = open.get(agent) ?? 0
  if (count >= limit) {
    throw new BrokerError('limit-exceeded', `${agent} has ${limit} calls under way.`, {
      hint: 'Wait for one of them to end.',
      retryAfter: 1,
    })
  }
  open.set(agent, count + 1)
  ctx.metrics.open.inc()
  return () => {
    ctx.metrics.open.dec()
    const left = (open.get(agent) ?? 1) - 1
    if (left === 0) open.delete(agent)
    else open.set(agent, left)
  }
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
