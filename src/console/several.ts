/** One decision for many that wait: what somebody else decided meanwhile does not stop the rest. Decides nothing itself. */
import { BrokerError } from '../errors.ts'

export async function decideEach(
  ids: readonly string[],
  decide: (id: string) => Promise<unknown>,
): Promise<void> {
  for (const id of ids) {
    try {
      await decide(id)
    } catch (error) {
      if (!(error instanceof BrokerError && error.code === 'conflict')) throw error
    }
  }
}
