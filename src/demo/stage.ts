/** What every part of the replay is given: where it speaks, how it waits, and how it says that something was as told. */
import type { Screen } from './screen.ts'

export type Claim = { claim: string; held: boolean }

export type Stage = {
  screen: Screen
  /** A moment to read, where somebody reads. */
  pause(): Promise<void>
  /** Remembers whether what the story says is so. */
  claim(claim: string, held: boolean): void
}

/** After so long nobody is made to wait any more: the whole replay stays under ten seconds. */
const patienceMs = 5_000
const momentMs = 220

export function createStage(options: {
  screen: Screen
  pace: boolean
  began: number
}): Stage & { claims: Claim[] } {
  const { screen, pace, began } = options
  const claims: Claim[] = []
  return {
    screen,
    claims,
    pause: async () => {
      if (!pace || performance.now() - began > patienceMs) return
      await new Promise((resolve) => setTimeout(resolve, momentMs))
    },
    claim: (claim, held) => void claims.push({ claim, held }),
  }
}
