/** Every way the broker says no: one error, one table of codes. Never holds a secret; what is in it may be shown. */

/** What to do about a refusal (design: `retry`). */
export type Retry = 'never' | 'new-capability' | 'after-approval' | 'later'

type Row = { status: number; title: string; retry: Retry }

/** The stable codes. Tests and clients rely on them; the table is the only place that knows HTTP. */
export const codes = {
  'invalid-capability': {
    status: 401,
    title: 'The capability is not valid',
    retry: 'new-capability',
  },
  'capability-expired': {
    status: 401,
    title: 'The capability has expired',
    retry: 'new-capability',
  },
  'capability-revoked': {
    status: 401,
    title: 'The capability was revoked',
    retry: 'new-capability',
  },
  'invalid-proof': {
    status: 401,
    title: 'The key that the capability is bound to was not proven',
    retry: 'never',
  },
  'invalid-client': { status: 401, title: 'The client did not prove who it is', retry: 'never' },
  'not-signed-in': { status: 401, title: 'No operator is signed in', retry: 'never' },
  frozen: { status: 403, title: 'Frozen', retry: 'never' },
  forbidden: { status: 403, title: 'Your role does not allow this', retry: 'never' },
  'unknown-connection': { status: 403, title: 'No such connection', retry: 'never' },
  'malformed-request': { status: 400, title: 'The request cannot be read', retry: 'never' },
  'ambiguous-request': {
    status: 400,
    title: 'The request can be read in two ways',
    retry: 'never',
  },
  'unknown-operation': { status: 403, title: 'Unknown operation', retry: 'never' },
  'operation-not-allowed': { status: 403, title: 'Operation not allowed', retry: 'never' },
  'outside-environment': { status: 403, title: 'Outside the environment', retry: 'never' },
  'resource-unresolved': { status: 403, title: 'A resource could not be located', retry: 'later' },
  'secret-reveal': { status: 403, title: 'The answer would reveal a secret', retry: 'never' },
  'approval-required': {
    status: 403,
    title: 'A human has to approve this',
    retry: 'after-approval',
  },
  'approval-denied': { status: 403, title: 'A human denied this', retry: 'never' },
  'approval-expired': { status: 403, title: 'The approval has expired', retry: 'after-approval' },
  'approval-mismatch': {
    status: 403,
    title: 'The approval is for another request',
    retry: 'never',
  },
  'approval-used': { status: 403, title: 'The approval was used', retry: 'never' },
  'approval-void': { status: 403, title: 'The approval is void', retry: 'never' },
  held: { status: 403, title: 'Held', retry: 'later' },
  cancelled: { status: 403, title: 'Cancelled', retry: 'never' },
  'backup-required': { status: 403, title: 'A recent backup is required', retry: 'later' },
  'limit-exceeded': { status: 429, title: 'A limit was exceeded', retry: 'later' },
  'payload-too-large': { status: 413, title: 'Too large', retry: 'never' },
  'upstream-unreachable': { status: 502, title: 'The upstream cannot be reached', retry: 'later' },
  'upstream-credential-rejected': {
    status: 502,
    title: "The upstream refused the connection's credential",
    retry: 'never',
  },
  'response-unredactable': {
    status: 502,
    title: 'The answer could not be searched for secrets',
    retry: 'never',
  },
  'outcome-unknown': { status: 502, title: 'The outcome is unknown', retry: 'never' },
  'upstream-timeout': { status: 504, title: 'The upstream took too long', retry: 'later' },
  'audit-unavailable': { status: 503, title: 'The audit log cannot be written', retry: 'later' },
  'policy-stale': { status: 503, title: 'The policy could not be confirmed', retry: 'later' },
  'not-found': { status: 404, title: 'Not found', retry: 'never' },
  conflict: { status: 409, title: 'Conflicts with what is there', retry: 'never' },
  'method-not-allowed': { status: 405, title: 'Method not allowed', retry: 'never' },
  internal: { status: 500, title: 'The broker failed', retry: 'later' },
} as const satisfies Record<string, Row>

export type Code = keyof typeof codes

/** One thing that was refused, as the problem document lists it. */
export type Refused = {
  operation: string
  effect?: string
  resource?: { kind: string; id: string }
  found?: string
}

/** What an agent is told of an approval that it waits for. */
export type ApprovalFacts = {
  id: string
  /** Where an operator sees it. */
  url: string
  expires_at: string
  /** A few letters of the request's digest, to compare. */
  code: string
  /** The broker executes it as soon as it is approved. */
  deferred?: boolean
}

/** Facts that travel with a refusal into the problem document. Everything here is shown to the caller. */
export type Facts = {
  hint?: string
  connection?: string
  operation?: string
  environment?: string
  found?: string
  refused?: Refused[]
  approval?: ApprovalFacts
  retry?: Retry
  retryAfter?: number
  /** What a proof of possession is refused with (RFC 9449). */
  challenge?: 'invalid_dpop_proof' | 'use_dpop_nonce'
}

/** `detail` says what happened and why, in one sentence; `hint` says what to do next. `cause` goes to the log only. */
export class BrokerError extends Error {
  readonly code: Code
  readonly facts: Facts

  constructor(code: Code, detail: string, facts: Facts = {}, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause })
    this.name = 'BrokerError'
    this.code = code
    this.facts = facts
  }
}

/** An edit of policy that was left waiting for a passkey: nothing was changed, and nothing is wrong. */
export class ChangeWaits extends Error {
  readonly change: { id: string; url: string; expiresAt: Date; diff: unknown }
  /** What is shown once, of an edit that makes something. */
  shown: Readonly<Record<string, string>> = {}

  constructor(change: ChangeWaits['change']) {
    super(`the change ${change.id} waits for a passkey`)
    this.name = 'ChangeWaits'
    this.change = change
  }
}

/** A problem document (RFC 9457 section 3.1) for an error. Unknown errors become `internal` and say nothing of themselves. */
export function problem(error: unknown, requestId: string): Problem {
  const known =
    error instanceof BrokerError
      ? error
      : new BrokerError('internal', 'Something went wrong inside the broker.', {
          hint: `Ask whoever runs it to look for ${requestId} in its log.`,
        })
  const row: Row = codes[known.code]
  const { retryAfter, ...facts } = known.facts
  return {
    type: `urn:valetkey:problem:${known.code}`,
    title: row.title,
    // Accepted, where the broker itself goes on once it is approved (RFC 7240, section 4.1).
    status: known.facts.approval?.deferred === true ? 202 : row.status,
    detail: known.message,
    code: known.code,
    request_id: requestId,
    retry: row.retry,
    ...facts,
    ...(retryAfter === undefined ? {} : { retry_after: retryAfter }),
  }
}

export type Problem = {
  type: string
  title: string
  status: number
  detail: string
  code: Code
  request_id: string
  retry: Retry
  retry_after?: number
} & Omit<Facts, 'retry' | 'retryAfter'>
