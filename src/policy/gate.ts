/** What has to wait for a human, whatever the scope says. Pure. */
import { inWords, type Operation, ordinary, strictest } from './operation.ts'
import { allow, deny, type Verdict } from './verdict.ts'

/**
 * A broker without a single passkey is in set-up mode: nobody could approve, so nothing passes but what reads and writes,
 * in protected and unprotected environments alike.
 */
export function gate(environment: string, operations: readonly Operation[]): Verdict {
  const waiting = operations.filter((operation) => !ordinary(operation.effects))
  const [first] = waiting
  if (first === undefined) return allow
  return deny(
    'approval-required',
    `${first.name} ${inWords(strictest(first.effects))}, so a human has to approve it with a passkey, and no passkey is enrolled on this broker.`,
    {
      operation: first.name,
      environment,
      refused: waiting.map((one) => ({ operation: one.name, effect: strictest(one.effects) })),
      hint: 'This broker is in set-up mode and lets only reads and writes pass. Ask a human to do it; do not look for another credential.',
    },
  )
}
