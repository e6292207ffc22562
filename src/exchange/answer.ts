/** Answers that the broker gives itself: its own knowledge, and refusals in the form that the API's clients show. */
import { codes, type Problem } from '../errors.ts'
import type { RefusalForm } from '../providers/provider.ts'
import { proofAlgorithms } from '../tokens/dpop.ts'
import type { Answer } from './forward.ts'

export function answerFromHere(json: unknown): Answer {
  return {
    status: 200,
    headers: [['content-type', 'application/json']],
    body: Buffer.from(JSON.stringify(json)),
  }
}

/** RFC 6750 section 3 and RFC 9449 section 7.1: with which scheme to try, and what was wrong. */
export function challengeOf({ challenge }: Pick<Problem, 'challenge'>): string {
  return challenge === undefined
    ? 'Bearer'
    : `DPoP error="${challenge}", algs="${proofAlgorithms.join(' ')}"`
}

/** A refusal (RFC 9457), with what the API's own clients look for, since they show nothing else. */
export function refusal(problem: Problem, form: RefusalForm): Answer {
  const { retry_after: retryAfter, detail, hint, code } = problem
  const message = hint === undefined ? detail : `${detail} ${hint}`
  const errors = [{ message, extensions: { code, request_id: problem.request_id } }]
  // Stripe's client takes an answer without an `error` for a success, whatever its status.
  const error = { message, code, type: 'valetkey', request_id: problem.request_id }
  const more = { problem: {}, graphql: { errors }, json: { message, error } }[form]
  return {
    status: problem.status,
    headers: [
      ['content-type', form === 'json' ? 'application/json' : 'application/problem+json'],
      ['cache-control', 'no-store'],
      ...(retryAfter === undefined ? [] : [['retry-after', String(retryAfter)] as const]),
      ...(codes[code].status === 401 ? [['www-authenticate', challengeOf(problem)] as const] : []),
    ],
    body: Buffer.from(JSON.stringify({ ...problem, ...more })),
  }
}
