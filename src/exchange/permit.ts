/**
 * What a verdict comes to: a refusal, a request that waits for a human, or leave to open the audit entry. Where an approval
 * is needed, opening the entry and spending it are one transaction.
 */
import {
  type ApprovalRow,
  approvalFacts,
  askForApproval,
  ownApproval,
  spendApproval,
  stateOf,
  unspent,
  voidApproval,
} from '../approvals/approvals.ts'
import { digestOf } from '../approvals/digest.ts'
import { keepOutcome } from '../approvals/sealed.ts'
import { shownTo } from '../approvals/shown.ts'
import type { Entry } from '../audit/journal.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type Capability, carries } from '../policy/capability.ts'
import { inWords, type Site, strictest } from '../policy/operation.ts'
import { demand, type Verdict, type Waits } from '../policy/verdict.ts'
import type { Call } from '../providers/provider.ts'
import { budgetOf } from '../tokens/budgets.ts'
import { standing } from '../tokens/verify.ts'
import { version as program } from '../version.ts'
import type { Incoming } from './call.ts'
import type { Answer } from './forward.ts'
import { grantedScopes, type ReadCall } from './judge.ts'
import { lookupFor, type Where } from './locate.ts'

/** Leave to go on. */
export type Permit = {
  /** Durable when it resolves; rejects with what `isPolicyMoved` recognises when the policy moved. */
  open(entry: Entry): Promise<unknown>
  /** The id that is spent, for the audit entry. */
  approval: string | null
  /** What came back is kept where an approval was spent, so that a lost answer can be fetched again. */
  keep(answer: Answer): Promise<Answer>
}

export type Passing = Where & {
  incoming: Pick<Incoming, 'id' | 'headers'>
  call: Call
  reading: ReadCall
  sites: readonly (readonly Site[])[]
}

/** Throws the refusal that the verdict is, or `approval-required` with where to wait. */
export async function permitted(
  ctx: Context,
  verdict: Verdict | Waits,
  passing: Passing,
): Promise<Permit> {
  const presented = presentedApproval(passing.incoming)
  if (verdict.verdict === 'deny' && presented !== null) {
    await voidIfOwn(ctx, passing.capability, presented, verdict.detail)
  }
  if (verdict.verdict !== 'approval') {
    demand(verdict)
    return freely(ctx, passing)
  }
  const digest = digestIn(passing)
  if (presented === null) throw await waiting(ctx, verdict, passing, digest)
  const row = await ownApproval(ctx.db, passing.capability.agent, presented)
  if (row.digest !== digest || stateOf(row, ctx.clock.now()) !== 'approved') {
    throw unspent(row, digest, ctx.clock.now())
  }
  await demandStanding(ctx, passing, row)
  return spending(ctx, passing, row)
}

function freely(ctx: Context, passing: Passing): Permit {
  const { version } = passing.policy
  const take = taking(passing)
  return {
    open: (entry) =>
      take === null
        ? ctx.journal.open(entry, version)
        : ctx.journal.openSpending(entry, version, take),
    approval: null,
    keep: async (answer) => answer,
  }
}

/** What the call takes from what the capability was given; null where it is not counted. */
function taking({ capability, connection, reading }: Passing) {
  const writes = reading.operations.some(({ effects }) => effects.some((one) => one !== 'read'))
  return budgetOf(capability, connection.name, writes)
}

function spending(ctx: Context, passing: Passing, row: ApprovalRow): Permit {
  const { capability, policy } = passing
  const { id, digest } = row
  const { agent } = capability
  const spend = taking(passing) ?? (async () => {})
  return {
    open: (entry) =>
      spendApproval(ctx, { id, agent, digest, version: policy.version, entry, spend }),
    approval: id,
    keep: async (answer) => {
      const { status, headers, body } = answer
      const whole = body instanceof Uint8Array && body.length <= mostKept
      await keepOutcome(ctx, id, {
        status,
        content_type: headers.find(([name]) => name === 'content-type')?.[1] ?? null,
        body: whole ? Buffer.from(body).toString('utf8') : null,
      }).catch((error: unknown) => {
        ctx.log.error({ err: error, approval: id }, 'the outcome of an approval could not be kept')
      })
      return answer
    },
  }
}

const mostKept = 262_144

function digestIn({ capability, connection, provider, reading, sites, policy }: Passing): string {
  const { agent, environment } = capability
  return digestOf({
    ...{ agent, environment, connection, sites },
    overlay: provider.version ?? program,
    scopes: grantedScopes(policy, agent).filter((one) => one.environment === environment),
    operations: reading.operations,
    request: reading.request,
  })
}

async function waiting(
  ctx: Context,
  { approvers, refused }: Waits,
  passing: Passing,
  digest: string,
): Promise<BrokerError> {
  const { capability, connection, provider, reading, sites, policy, incoming, call } = passing
  const [first] = refused
  const operation = first?.operation ?? reading.operations[0]?.name ?? ''
  const effect = strictest(reading.operations.flatMap(({ effects }) => effects))
  const row = await askForApproval(
    ctx,
    {
      ...{ capability, call, digest, approvers, operation, effect },
      agent: capability.agent,
      environment: capability.environment,
      connection: connection.name,
      request: incoming.id,
      deferred: prefersAsync(incoming),
      shown: {},
    },
    () =>
      shownTo({
        ...{ capability, policy, connection, provider, reading, sites },
        lookup: lookupFor(ctx, passing),
      }),
  )
  const facts = approvalFacts(ctx, row)
  const next = row.deferred
    ? `The broker sends it once a human approves it; GET /v1/approvals/${row.id}?wait=30 says what came of it.`
    : `Wait with GET /v1/approvals/${row.id}?wait=30; once approved, send the same request again with the header Valetkey-Approval: ${row.id}.`
  return new BrokerError(
    'approval-required',
    `${operation} ${inWords(effect)}, so ${approvers === 1 ? 'a human has' : `${approvers} humans have`} to approve it: ${facts.url} (code ${facts.code}).`,
    {
      ...{ operation, refused, approval: facts, hint: next },
      connection: connection.name,
      environment: capability.environment,
    },
  )
}

/** The capability that asked: its expiry does not matter, its revocation does. A freeze only suspends. */
async function demandStanding(
  ctx: Context,
  { policy, connection }: Passing,
  row: ApprovalRow,
): Promise<void> {
  // As it was written: the claims of a capability.
  const asked = row.capability as unknown as Capability
  const verdict = standing(policy, asked, connection.name, Number.NEGATIVE_INFINITY)
  if (verdict.verdict === 'allow') return
  if (verdict.verdict === 'deny' && verdict.code === 'frozen') demand(verdict)
  const because = 'the capability that asked was revoked'
  await voidApproval(ctx, row.id, because)
  throw unspent({ ...row, state: 'void', because }, row.digest, ctx.clock.now())
}

async function voidIfOwn(
  ctx: Context,
  capability: Capability,
  id: string,
  because: string,
): Promise<void> {
  const own = await ownApproval(ctx.db, capability.agent, id).catch(() => null)
  if (own === null) return
  // As it was written: the claims of a capability. What carries less has no say in it.
  const asked = own.capability as unknown as Capability
  if (carries(capability, asked, own.connection)) await voidApproval(ctx, id, because)
}

const approvalForm = /^apr_[0-9a-f]{32}$/

/** Throws `ambiguous-request` for two, `malformed-request` for what is no id. */
function presentedApproval({ headers }: Pick<Incoming, 'headers'>): string | null {
  const [value, ...more] = headers.flatMap(([name, one]) =>
    name === 'valetkey-approval' ? [one.trim()] : [],
  )
  if (value === undefined) return null
  if (more.length > 0) {
    throw new BrokerError('ambiguous-request', 'The header Valetkey-Approval is sent twice.', {
      hint: 'Send one approval with one request.',
    })
  }
  if (approvalForm.test(value)) return value
  throw new BrokerError('malformed-request', 'The header Valetkey-Approval holds no approval id.', {
    hint: 'The id stands in the refusal that asked for it, and begins with apr_.',
  })
}

/** RFC 7240, section 4.1. */
function prefersAsync({ headers }: Pick<Incoming, 'headers'>): boolean {
  return headers.some(
    ([name, value]) =>
      name === 'prefer' &&
      value.split(',').some((one) => one.split(';')[0]?.trim().toLowerCase() === 'respond-async'),
  )
}
