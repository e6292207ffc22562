/** Writes a group of entries to the end of the chain in one statement. Never forks it: the head moves by comparison, or under its lock. */
import { desc, eq } from 'drizzle-orm'
import type { Clock } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Store, Tx } from '../store/open.ts'
import { auditEntries, auditHead, policy } from '../store/schema.ts'
import { type Head, type Link, link } from './chain.ts'
import { type Checked, searchable } from './entry.ts'

/** An entry that waits to be written. `version` is the policy it was judged under, null if it is bound to none. */
export type Draft = { entry: Checked; version: number | null }

export type Written = { ok: true; seq: number } | { ok: false; error: unknown }

/** A head, with the time of its entry: the next one is never earlier. */
type Tip = Head & { at: number }

const moved = Symbol('the policy moved')

/** The caller reads the new policy and judges again; whoever does not is told to try later. */
export function policyMoved(): BrokerError {
  const detail = 'The policy changed while this was being judged.'
  return new BrokerError('policy-stale', detail, { hint: 'Send the same request again.' }, moved)
}

export function isPolicyMoved(error: unknown): boolean {
  return error instanceof BrokerError && error.cause === moved
}

/** The policy stays as it was judged by until the caller's transaction is over: an edit that comes later sees what it wrote. */
export async function holdPolicy(tx: Tx, version: number): Promise<void> {
  const [row] = await tx
    .select({ version: policy.version })
    .from(policy)
    .where(eq(policy.id, 1))
    .for('share')
  if (row?.version !== version) throw policyMoved()
}

export function unavailable(detail: string, cause?: unknown): BrokerError {
  const hint =
    'Nothing was sent. Try again shortly; whoever runs the broker should look at its database.'
  return new BrokerError('audit-unavailable', detail, { hint, retryAfter: 1 }, cause)
}

export type Appender = {
  /** One result for each draft, in order. Asks `abandoned` before each statement, and then starts no more. */
  write(drafts: readonly Draft[], abandoned: () => boolean): Promise<Written[]>
  /** The end of the chain as last seen. */
  head(): Head
}

export async function openAppender({
  store,
  clock,
}: {
  store: Store
  clock: Clock
}): Promise<Appender> {
  let tip: Tip = (await readEnd(store)).tip
  let known = true

  return {
    head: () => ({ seq: tip.seq, hash: tip.hash }),
    write: async (drafts, abandoned) => {
      const results = new Map<Draft, Written>()
      await settle(drafts, results, abandoned)
      return drafts.map((draft) => results.get(draft) ?? failed(unavailable('It was not written.')))
    },
  }

  /** A statement that fails for one row fails for all: halves are tried until that row stands alone. */
  async function settle(
    drafts: readonly Draft[],
    results: Map<Draft, Written>,
    abandoned: () => boolean,
  ): Promise<void> {
    try {
      await place(drafts, results, abandoned)
    } catch (error) {
      known = false
      const left = drafts.filter((draft) => !results.has(draft))
      if (left.length > 1 && isRowFault(error)) {
        const middle = Math.ceil(left.length / 2)
        await settle(left.slice(0, middle), results, abandoned)
        await settle(left.slice(middle), results, abandoned)
        return
      }
      for (const draft of left) results.set(draft, failed(asUnavailable(error)))
    }
  }

  async function place(
    drafts: readonly Draft[],
    results: Map<Draft, Written>,
    abandoned: () => boolean,
  ): Promise<void> {
    let version = newest(drafts)
    let left = refuseOlder(drafts, version, results)
    for (let attempt = 0; left.length > 0; attempt++) {
      if (abandoned()) throw unavailable('The audit log could not be written in time.')
      if (!known) await look(abandoned)
      const end = attempt < 2 ? await byComparison(left, version) : await underLock(left, version)
      if (end !== null) {
        const first = end.seq - left.length + 1
        left.forEach((draft, index) => {
          results.set(draft, { ok: true, seq: first + index })
        })
        if (!abandoned()) tip = end
        return
      }
      const current = await look(abandoned)
      if (version !== null && current !== version) {
        left = refuseOlder(left, null, results)
        version = null
      }
    }
  }

  /** Reads the end of the chain anew, and the policy's version. */
  async function look(abandoned: () => boolean): Promise<number> {
    const end = await readEnd(store)
    if (!abandoned()) {
      tip = end.tip
      known = true
    }
    return end.version
  }

  /** The fast path: one round trip. Null if the head or the policy is not where we believed. */
  async function byComparison(drafts: readonly Draft[], version: number | null) {
    const from = tip
    const { placed, end } = chainOnto(from, drafts, clock)
    const [row] = await store.run<{ count: number }>(appendStatement, [
      ...[from.seq, from.hash, end.seq, end.hash, version],
      ...columns(placed, end.at),
    ])
    return row?.count === drafts.length ? end : null
  }

  /** The slow path: always makes progress, unless the policy moved. */
  async function underLock(drafts: readonly Draft[], version: number | null) {
    return store.db.transaction(async (tx) => {
      if (version !== null && (await lockPolicy(tx)) !== version) return null
      return appendUnderLock(tx, drafts, clock)
    })
  }
}

/** Appends inside the caller's transaction. The caller that also changes policy has locked its row before. */
export async function appendUnderLock(
  tx: Tx,
  drafts: readonly Draft[],
  clock: Clock,
): Promise<Tip> {
  const [head] = await tx
    .select({ seq: auditHead.seq, hash: auditHead.hash })
    .from(auditHead)
    .where(eq(auditHead.id, 1))
    .for('update')
  if (head === undefined) throw unavailable('The audit log has no head.')
  const [last] = await tx
    .select({ at: auditEntries.at })
    .from(auditEntries)
    .orderBy(desc(auditEntries.seq))
    .limit(1)
  const from = { ...head, at: last?.at.getTime() ?? 0 }
  const { placed, end } = chainOnto(from, drafts, clock)
  await tx.insert(auditEntries).values(placed.map((one) => ({ ...one, at: new Date(end.at) })))
  await tx.update(auditHead).set({ seq: end.seq, hash: end.hash }).where(eq(auditHead.id, 1))
  return end
}

async function lockPolicy(tx: Tx): Promise<number | undefined> {
  const [row] = await tx
    .select({ version: policy.version })
    .from(policy)
    .where(eq(policy.id, 1))
    .for('share')
  return row?.version
}

/** Of `append_audit`, in its order: each is given as one text, a value to a line. */
const lined = ['prev', 'hash', 'kind', ...searchable, 'body'] as const

/** Nothing is inserted unless head and policy are where we believe. The types tell a driver how to send each. */
const appendStatement = `select append_audit($1::bigint, $2::text, $3::bigint, $4::text, $5::bigint, $6::timestamptz,
  ${lined.map((_, index) => `$${7 + index}::text`).join(', ')}) as count`

/** As lines, because the driver escapes an array value by value. */
function columns(placed: readonly Placed[], at: number): string[] {
  const column = (name: (typeof lined)[number]) => placed.map((one) => one[name] ?? '').join('\n')
  return [new Date(at).toISOString(), ...lined.map(column)]
}

type Placed = Checked & Link

/** Every entry of a group has the same time, which is never before the entry that it follows. */
function chainOnto(from: Tip, drafts: readonly Draft[], clock: Clock) {
  const now = clock.now()
  if (now < from.at - maxBehind) {
    const [clockSays, entrySays] = [now, from.at].map((time) => new Date(time).toISOString())
    throw unavailable(`The clock says ${clockSays}, but the last audit entry is from ${entrySays}.`)
  }
  const at = Math.max(now, from.at)
  const placed: Placed[] = []
  let head: Head = from
  for (const { entry } of drafts) {
    const next = link(head, at, entry)
    placed.push({ ...entry, ...next })
    head = next
  }
  return { placed, end: { seq: head.seq, hash: head.hash, at } }
}

/** A clock that is further behind would let expired things live again. */
const maxBehind = 5_000

async function readEnd(store: Store): Promise<{ tip: Tip; version: number }> {
  const [row] = await store.run<{ seq: number; hash: string; at: number; version: number }>(
    `select head.seq, head.hash, policy.version,
       coalesce((select extract(epoch from at) * 1000 from audit_entries where seq = head.seq), 0)::float8 as at
     from audit_head head, policy where head.id = 1 and policy.id = 1`,
    [],
  )
  if (row === undefined) throw unavailable('The audit log has no head.')
  const { seq, hash, at, version } = row
  return { tip: { seq, hash, at: Math.round(at) }, version }
}

/** The highest version in the group: a lower one is older for certain, since versions only rise. */
function newest(drafts: readonly Draft[]): number | null {
  return drafts.reduce<number | null>(
    (highest, { version }) => (version === null ? highest : Math.max(version, highest ?? version)),
    null,
  )
}

/** Refuses what was judged under another version than this; what is bound to none stays. */
function refuseOlder(
  drafts: readonly Draft[],
  version: number | null,
  results: Map<Draft, Written>,
): readonly Draft[] {
  const stays = (draft: Draft) => draft.version === null || draft.version === version
  for (const draft of drafts) if (!stays(draft)) results.set(draft, failed(policyMoved()))
  return drafts.filter(stays)
}

function failed(error: unknown): Written {
  return { ok: false, error }
}

function asUnavailable(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error
  return unavailable('The audit log could not be written.', error)
}

/** What the database says of a value it will not take: data, integrity, or a trigger that raised. */
function isRowFault(error: unknown): boolean {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : null
  return typeof code === 'string' && /^(22|23|P0)...$/.test(code)
}
