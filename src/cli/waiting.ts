/** Edits that the broker took and did not carry out: they wait for a passkey. Not a failure; the command ends well, and says so. */
import { differenceLines } from './commands/change.ts'
import type { Speak } from './speak.ts'

type Said = Readonly<Record<string, unknown>>

export class Waiting extends Error {
  readonly all: readonly Said[]

  constructor(all: readonly Said[]) {
    super('it waits for a passkey')
    this.name = 'Waiting'
    this.all = all
  }
}

/** What the broker's answer means, if it is one of these. */
export async function waitingIn(response: Response): Promise<Waiting | null> {
  if (response.status !== 202) return null
  const said: unknown = await response.clone().json()
  if (!(said instanceof Object) || !('change' in said)) return null
  return new Waiting([Object.fromEntries(Object.entries(said))])
}

/** Several edits of one command. One that waits does not keep the others from being asked for. */
export async function inTurn<T>(
  all: readonly T[],
  edit: (one: T) => Promise<unknown>,
): Promise<void> {
  const waiting: Said[] = []
  for (const one of all) {
    try {
      await edit(one)
    } catch (error) {
      if (!(error instanceof Waiting)) throw error
      waiting.push(...error.all)
    }
  }
  if (waiting.length > 0) throw new Waiting(waiting)
}

/** Data to stdout, words to stderr: a secret that was made is shown now, and works once the change is confirmed. */
export function tellWaiting({ all }: Waiting, speak: Speak): void {
  for (const { diff, url } of all) {
    for (const line of differenceLines(diff)) speak.words(`  ${line}`)
    speak.words(`This waits, and is not done yet: confirm it with a passkey at ${String(url)}`)
  }
  const made = all.map(({ secret, code }) => secret ?? code).find((one) => typeof one === 'string')
  if (made !== undefined) speak.words('It is shown once, and good once the change is confirmed:')
  speak.result(all.length === 1 ? all[0] : { changes: all }, (page) => {
    for (const { change, secret, code } of all) page.line(String(secret ?? code ?? change))
  })
}
