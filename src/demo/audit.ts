/** The broker's own log of the replay, as an operator reads it, and its verification. */
import { z } from 'zod'
import type { Tried } from './attempt.ts'
import { agent } from './set-up.ts'
import type { Stage } from './stage.ts'
import type { Ask } from './wire.ts'

const Entry = z.looseObject({
  seq: z.number(),
  at: z.string(),
  kind: z.string(),
  request: z.string().optional(),
  agent: z.string().optional(),
  environment: z.string().optional(),
  operation: z.string().optional(),
  outcome: z.string().optional(),
  facts: z.looseObject({ found: z.string().optional() }).optional(),
})

const Verified = z.object({
  ok: z.boolean(),
  entries: z.number(),
  head: z.object({ seq: z.number(), hash: z.string() }),
})

type Entry = z.infer<typeof Entry>

export type AuditTold = { entries: Entry[]; verified: z.infer<typeof Verified> }

export async function tellAudit(
  { screen, claim }: Stage,
  ask: Ask,
  tried: readonly Tried[],
): Promise<AuditTold> {
  const { entries } = await ask(
    'GET',
    `/admin/audit?after=0&limit=200&agent=${agent}`,
    z.object({ entries: z.array(Entry) }),
  )
  const verified = await ask('GET', '/admin/audit/verification', Verified)
  const written = new Set(entries.map(({ outcome }) => outcome))
  claim(
    'Act II: every verdict is in the audit log',
    tried.every(({ refusal }) => written.has(refusal?.code ?? 'allow')),
  )
  claim('Act II: the audit log verifies', verified.ok)
  screen.gap()
  screen.say('What the audit log says of it:')
  screen.table(['time UTC', 'agent', 'in', 'operation', 'verdict'], rows(entries))
  screen.quietly(
    'A refusal that repeats, like the one in the fragment, is counted and written once a minute.',
  )
  screen.gap()
  screen.say(
    `${verified.entries} entries, the operator's among them, each with the SHA-256 of the one before: recomputed from the first to the head, ${verified.head.hash.slice(0, 12)}…, ${verified.ok ? 'all of them hold' : 'and they do not hold'}.`,
  )
  return { entries, verified }
}

/** A call and its outcome are two entries and one line. */
function rows(entries: readonly Entry[]): string[][] {
  return entries
    .filter(({ kind }) => kind === 'mint' || kind === 'call' || kind === 'refusal')
    .map((entry) => [
      entry.at.slice(11, 19),
      entry.agent ?? '',
      entry.environment ?? '',
      entry.operation ?? entry.kind,
      verdict(entry, entries),
    ])
}

function verdict(entry: Entry, entries: readonly Entry[]): string {
  const ended = entries.find((one) => one.kind === 'outcome' && one.request === entry.request)
  const found = entry.facts?.found
  const word = [entry.outcome ?? '', ended === undefined ? '' : `, ${ended.outcome}`].join('')
  return found === undefined ? word : `${word}: ${found}`
}
