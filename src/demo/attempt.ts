/** One thing the agent tries: sent, told, and compared with what the story says will come of it. Never judges itself. */
import { z } from 'zod'
import { type Document, shortened } from './incident.ts'
import type { Screen } from './screen.ts'
import type { Stage } from './stage.ts'
import { type Answer, json } from './wire.ts'

export type Attempt = {
  say: string
  document: Document
  expected: 'allow' | { code: string; found?: string }
}

const Refusal = z.object({
  code: z.string(),
  detail: z.string(),
  hint: z.string().optional(),
  found: z.string().optional(),
})

export type Tried = Document & {
  say: string
  verdict: 'allow' | 'deny'
  status: number
  ms: number
  refusal?: z.infer<typeof Refusal>
}

export async function tell(stage: Stage, attempt: Attempt, answer: Answer): Promise<Tried> {
  const { screen, pause, claim } = stage
  const { say, document, expected } = attempt
  const refusal = Refusal.safeParse(json(answer.text)).data
  const word = expected === 'allow' ? 'allowed' : expected.code
  claim(`Act II: "${say}" is ${word}`, isAsTold(expected, refusal, answer))

  screen.mark(refusal === undefined ? 'yes' : 'refused', say)
  screen.under(shortened(document.query), 'quiet')
  if (refusal === undefined) tellAnswer(screen, answer)
  else tellRefusal(screen, answer, refusal)
  await pause()
  return {
    say,
    ...document,
    verdict: refusal === undefined ? 'allow' : 'deny',
    status: answer.status,
    ms: Math.round(answer.ms),
    ...(refusal === undefined ? {} : { refusal }),
  }
}

function isAsTold(
  expected: Attempt['expected'],
  refusal: z.infer<typeof Refusal> | undefined,
  answer: Answer,
): boolean {
  if (expected !== 'allow') {
    return refusal?.code === expected.code && refusal.found === expected.found
  }
  const said = json(answer.text)
  const isData = said instanceof Object && 'data' in said && !('errors' in said)
  return refusal === undefined && answer.status === 200 && isData
}

function tellAnswer(screen: Screen, { status, ms, text }: Answer): void {
  screen.under(`${status}, ${ms.toFixed(0)} ms: ${leaves(json(text)).join(', ')}`)
}

function tellRefusal(
  screen: Screen,
  { status, ms }: Answer,
  { code, detail, hint }: z.infer<typeof Refusal>,
): void {
  screen.under(`${status} ${code}, ${ms.toFixed(0)} ms`, 'reason')
  screen.under(shortened(detail))
  if (hint !== undefined) screen.under(shortened(hint), 'quiet')
}

/** The values of an answer without what they are wrapped in. */
function leaves(value: unknown): string[] {
  if (value instanceof Object) return Object.values(value).flatMap(leaves)
  return [String(value)]
}
