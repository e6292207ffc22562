/** The outcome of a judgement: a value, never an exception, so that explain, the console and tests can hold it. */
import { BrokerError, type Code, type Facts, type Refused } from '../errors.ts'

export type Denial = { verdict: 'deny'; code: Code; detail: string; facts: Facts }
/** It may pass once so many operators have approved this very request. */
export type Waits = { verdict: 'approval'; approvers: number; refused: Refused[] }
export type Verdict = { verdict: 'allow' } | Denial

export const allow: Verdict = { verdict: 'allow' }

export function deny(code: Code, detail: string, facts: Facts = {}): Denial {
  return { verdict: 'deny', code, detail, facts }
}

/** The one place where a no becomes a thrown refusal. */
export function demand(verdict: Verdict): void {
  if (verdict.verdict === 'deny') throw new BrokerError(verdict.code, verdict.detail, verdict.facts)
}
