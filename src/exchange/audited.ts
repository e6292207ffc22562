/** Writes down every way out of a call once its agent is known: a refusal, or an outcome for what has left. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import type { Site } from '../policy/operation.ts'
import type { Incoming, Target } from './call.ts'
import { type Facts, outcomeEntry, refusalEntry } from './entry.ts'
import type { Answer, Relayed } from './forward.ts'
import type { ReadCall } from './judge.ts'
import { withinLimits } from './limits.ts'
import { countOutside } from './outside.ts'
import { cutBy, whileStanding } from './under-way.ts'

/** What the road has learned so far. Each step adds its part. */
export type Noted = {
  readonly facts: Facts
  read(reading: ReadCall): void
  located(sites: readonly (readonly Site[])[]): void
}

export async function audited(
  ctx: Context,
  incoming: Incoming,
  target: Target,
  capability: Capability,
  road: (noted: Noted) => Promise<Answer>,
): Promise<Answer> {
  const noted = startNotes(incoming, target, capability)
  const label = labelOf(ctx, target.connection)
  try {
    const { connection } = target
    const call = { capability, connection, cut: incoming.cut }
    return await withinLimits(ctx, capability, () => whileStanding(ctx, call, () => road(noted)))
  } catch (error) {
    if (error instanceof BrokerError) {
      countOutside(ctx, capability.agent, error)
      ctx.metrics.calls.inc({ connection: label, verdict: error.code })
      if (!noted.facts.sent) await ctx.journal.refuse(refusalEntry(noted.facts, error))
    }
    throw error
  }
}

/** A name that the caller made up would be a series of its own, for ever. */
function labelOf(ctx: Context, connection: string): string {
  return ctx.realm.now().connections.has(connection) ? connection : 'unknown'
}

function startNotes(incoming: Incoming, target: Target, capability: Capability): Noted {
  const facts: Facts = {
    request: incoming.id,
    connection: target.connection,
    capability,
    operations: [],
    sites: [],
    canonical: null,
    sent: false,
  }
  return {
    facts,
    read: ({ operations, request }) => {
      facts.operations = operations
      facts.canonical = request
    },
    located: (sites) => {
      facts.sites = sites
    },
  }
}

/**
 * Runs what has an open entry, and closes the entry with how it ended: `ok`, `failed` when the upstream said so, and
 * `unknown` when nobody can tell whether it was done. The entry closes when the last byte has gone.
 */
export async function concluded(
  ctx: Context,
  noted: Noted,
  signal: AbortSignal,
  send: () => Promise<Relayed>,
): Promise<Answer> {
  const began = performance.now()
  const { facts } = noted
  facts.sent = true
  const close = (ended: {
    outcome: 'ok' | 'failed' | 'unknown'
    status: number | null
    bytes: number
    code?: string
  }) => {
    const ms = performance.now() - began
    ctx.metrics.seconds.observe(ms / 1000)
    ctx.journal.append(outcomeEntry(facts, { ...ended, ms })).catch((error) => {
      ctx.log.error(
        { err: error, request: facts.request },
        'the outcome of a call could not be audited',
      )
    })
  }
  let answer: Relayed
  try {
    answer = await send()
  } catch (error) {
    const code = error instanceof BrokerError ? error.code : 'internal'
    close({
      outcome: code === 'upstream-credential-rejected' ? 'failed' : 'unknown',
      status: null,
      bytes: 0,
      code,
    })
    throw error
  }
  ctx.metrics.calls.inc({ connection: facts.connection, verdict: 'allow' })
  const { status, body, failed } = answer
  const outcome = failed ? 'failed' : 'ok'
  if (body instanceof Uint8Array) {
    close({ outcome, status, bytes: body.length })
    return answer
  }
  return {
    ...answer,
    body: counted(body, (bytes, whole) => {
      const cut = whole ? null : cutBy(signal)
      close({
        outcome: whole ? outcome : 'unknown',
        status,
        bytes,
        ...(cut === null ? {} : { code: cut.code }),
      })
    }),
  }
}

async function* counted(
  body: AsyncIterable<Uint8Array>,
  ended: (bytes: number, whole: boolean) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  let whole = false
  try {
    for await (const chunk of body) {
      bytes += chunk.length
      yield chunk
    }
    whole = true
  } finally {
    ended(bytes, whole)
  }
}
