/** An edit that the broker took and did not carry out: it waits for a passkey. Not a failure; the command ends well, and says so. */
import { differenceLines } from './commands/change.ts'
import type { Speak } from './speak.ts'

export class Waiting extends Error {
  readonly said: Record<string, unknown>

  constructor(said: Record<string, unknown>) {
    super('it waits for a passkey')
    this.name = 'Waiting'
    this.said = said
  }
}

/** What the broker's answer means, if it is one of these. */
export async function waitingIn(response: Response): Promise<Waiting | null> {
  if (response.status !== 202) return null
  const said: unknown = await response.clone().json()
  if (!(said instanceof Object) || !('change' in said)) return null
  return new Waiting(Object.fromEntries(Object.entries(said)))
}

/** Data to stdout, words to stderr: a secret that was made is shown now, and works once the change is confirmed. */
export function tellWaiting({ said }: Waiting, speak: Speak): void {
  for (const line of differenceLines(said['diff'])) speak.words(`  ${line}`)
  speak.words(`Nothing has changed yet: confirm it with a passkey at ${String(said['url'])}`)
  const { secret, code, diff: _, ...rest } = said
  const made = typeof secret === 'string' ? secret : typeof code === 'string' ? code : null
  if (made !== null) speak.words('It is shown once, and good once the change is confirmed:')
  speak.result(said, (page) => page.line(made ?? String(rest['change'])))
}
