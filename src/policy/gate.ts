/** What has to wait for a human, whatever a capability allows. Pure. */
import { inWords, type Operation, ordinary, strictest } from './operation.ts'
import { demanded } from './pattern.ts'
import type { Scope } from './scope.ts'
import { allow, type Denial, deny, type Verdict, type Waits } from './verdict.ts'

export type Gated = {
  environment: { name: string; protected: boolean }
  connection: string
  /** All that the agent is granted: which of them it minted with makes no difference. */
  scopes: readonly Scope[]
  /** Whether there has ever been a passkey. */
  guarded: boolean
}

/**
 * In a protected environment everything but reads and writes waits; anywhere, what a granted scope wants approved. The
 * strictest of all counts. Without a single passkey nobody could approve, so nothing passes but what reads and writes.
 */
export function gate(where: Gated, operations: readonly Operation[]): Verdict | Waits {
  if (!where.guarded) return setUpMode(where.environment.name, operations)
  const asking = where.scopes.filter(({ environment }) => environment === where.environment.name)
  const demands = asking.flatMap(({ approve, approvers }) =>
    approve
      .filter(({ connection }) => connection === where.connection)
      .map((demand) => ({ demand, approvers })),
  )
  const waiting = operations.filter(
    (one) =>
      (where.environment.protected && !ordinary(one.effects)) ||
      demands.some(({ demand }) => demanded(demand, one)),
  )
  if (waiting.length === 0) return allow
  return {
    verdict: 'approval',
    approvers: Math.max(1, ...asking.map(({ approvers }) => approvers)),
    refused: waiting.map(({ name, effects }) => ({ operation: name, effect: strictest(effects) })),
  }
}

function setUpMode(environment: string, operations: readonly Operation[]): Denial | Verdict {
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
