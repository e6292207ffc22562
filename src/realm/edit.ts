/**
 * The one way to change policy: a new version, the change and its audit entry commit together or not at all. Once there has
 * been a passkey, what gives authority is not carried out here: it is told, taken back, and left to wait for a touch.
 */
import { sql } from 'drizzle-orm'
import type { Entry } from '../audit/journal.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type Authority, type Diff, differences, onlyRemoves } from '../policy/authority.ts'
import type { Tx } from '../store/open.ts'
import { policy } from '../store/schema.ts'
import { readAuthority } from './authority.ts'
import { policyChannel } from './realm.ts'

/** Who edits, and in which request. An `Operator` fits. */
export type Editor = {
  name: string
  request?: string
  /** How to leave the edit waiting for a passkey. Without it an edit that has to wait is refused. */
  wait?: (found: { diff: Diff; version: number }) => Promise<Error>
  /** It waited, and somebody said yes to this very difference. */
  confirmed?: {
    /** Null where it could not be known before. */
    diff: Diff | null
    /** For the audit entry. */
    facts: Record<string, unknown>
    /** Marks it as done, first in the same transaction. Throws if somebody else did. */
    settle(tx: Tx): Promise<void>
  }
  /** It is one of several that are made together. */
  within?: Within
}

/** The difference is another one by now: whoever said yes saw something else. */
export class DifferenceMoved extends Error {
  readonly diff: Diff
  readonly version: number
  constructor(diff: Diff, version: number) {
    super('the difference is not the one that was agreed to')
    this.name = 'DifferenceMoved'
    this.diff = diff
    this.version = version
  }
}

/** What an edit needs. */
export type Editing = Pick<Context, 'db' | 'journal' | 'realm' | 'log' | 'clock'>

/** Adds facts that only the transaction knows, such as what was there before. No secrets. */
export type Note = (facts: Record<string, unknown>) => void

/**
 * `entry` says who and what; `change` does it and may note what it found. When it resolves, this replica serves the new
 * policy; every other judges again before a call leaves, because the version has moved.
 */
export async function edit<T>(
  ctx: Omit<Editing, 'clock'>,
  entry: Edit,
  change: (tx: Tx, note: Note) => Promise<T>,
): Promise<T> {
  const { by, ...written } = entry
  const make = async (at: Within) => {
    const noted: Record<string, unknown> = {}
    const changed = await change(at.tx, (facts) => Object.assign(noted, facts))
    at.entries.push({ ...written, facts: { ...entry.facts, ...noted } })
    return changed
  }
  if (by?.within !== undefined) return make(by.within)
  return asOne(ctx, by, bringsProof(entry), make)
}

/**
 * Several edits as one: one version, one difference, one touch, all or nothing. They are told apart only in the audit log,
 * below an entry of the whole. `edits` makes them with the editor that it is given, and waits for nothing but the database.
 */
export async function editTogether<T>(
  ctx: Omit<Editing, 'clock'>,
  entry: Told & { by: Editor },
  edits: (by: Editor) => Promise<T>,
): Promise<T> {
  const { by, ...whole } = entry
  return asOne(ctx, by, false, async (at) => {
    at.entries.push(whole)
    return edits({ ...by, within: at })
  })
}

async function asOne<T>(
  ctx: Omit<Editing, 'clock'>,
  by: Editor | undefined,
  proven: boolean,
  make: (at: Within) => Promise<T>,
): Promise<T> {
  const result = await ctx.db
    .transaction(async (tx) => {
      // First, so that edits queue here and each sees all that came before it.
      const [row] = await tx
        .update(policy)
        .set({ version: sql`${policy.version} + 1` })
        .returning({ version: policy.version, guarded: policy.guarded })
      // Of two who confirm at once the second stops here, before it could find that there is nothing left to do.
      await by?.confirmed?.settle(tx)
      const before = row?.guarded === true && !proven ? await readAuthority(tx) : null
      const at: Within = { tx, entries: [] }
      const changed = await make(at)
      if (before !== null) {
        const actions = at.entries.map(actionOf)
        await demandAgreed(by, actions, before, await readAuthority(tx), row?.version ?? 0)
      }
      // What was agreed to stands with the first: of several that is the whole.
      for (const [index, { kind = 'change', facts, ...entry }] of at.entries.entries()) {
        const agreed = index === 0 ? by?.confirmed?.facts : partOf(by)
        const told = { ...facts, ...agreed, policy_version: row?.version }
        await ctx.journal.appendIn(tx, { ...entry, kind, facts: told })
      }
      await tx.execute(sql`select pg_notify(${policyChannel}, ${String(row?.version)})`)
      return changed
    })
    .catch(async (error: unknown) => {
      // Rolled back: what it would have done is known, and nothing was done.
      if (error instanceof MustWait) throw await leftWaiting(by, error)
      throw error
    })
  await ctx.realm.refresh().catch((error) => {
    // It is committed: saying that it failed would be wrong. The poll brings it, and a stale realm serves nothing.
    ctx.log.warn({ err: error }, 'an edit of policy was made, but could not be read back yet')
  })
  return result
}

function partOf(by: Editor | undefined): Record<string, unknown> {
  const change = by?.confirmed?.facts['change']
  return change === undefined ? {} : { change }
}

/** The transaction that several edits share, and what they leave in the audit log. */
type Within = { readonly tx: Tx; readonly entries: Told[] }

type Told = Omit<Entry, 'kind'> & { kind?: 'change' | 'revoke' }

/** The entry of an edit, and who makes it. */
type Edit = Told & { by?: Editor }

/** These carry a code, a recovery code or an assertion of their own, or only stop something. */
const ownProof = /^(operator\.enrol|passkey\.[a-z]+|recovery\.[a-z]+|freeze\.add)$/

/** Even where it could be proven that they only take away: what was laundered through them looks like that. */
const alwaysWaits =
  /^(environment\.(set|remove|bind|unbind)|provider\.[a-z]+|connection\.[a-z]+|agent\.rotate|operator\.[a-z]+|freeze\.lift|trust\.[a-z]+)$/

function actionOf({ facts }: Told): string {
  return String(facts?.['what'] ?? '')
}

function bringsProof(entry: Told): boolean {
  return entry.kind === 'revoke' || ownProof.test(actionOf(entry))
}

/** Inside the transaction, so that nothing stays of what has to wait. */
class MustWait extends Error {
  readonly diff: Diff
  readonly version: number
  constructor(diff: Diff, version: number) {
    super('the edit has to wait for a passkey')
    this.name = 'MustWait'
    this.diff = diff
    this.version = version
  }
}

async function demandAgreed(
  by: Editor | undefined,
  actions: readonly string[],
  before: Authority,
  after: Authority,
  version: number,
): Promise<void> {
  const diff = differences(before, after)
  const agreed = by?.confirmed
  if (agreed !== undefined) {
    if (agreed.diff !== null && spelled(agreed.diff) !== spelled(diff)) {
      throw new DifferenceMoved(diff, version)
    }
    return
  }
  if (!actions.some((one) => alwaysWaits.test(one)) && onlyRemoves(before, after)) return
  throw new MustWait(diff, version)
}

/** As it comes back from a database, in whatever order. */
function spelled({ added, removed }: Diff): string {
  return JSON.stringify([added, removed])
}

async function leftWaiting(by: Editor | undefined, { diff, version }: MustWait): Promise<Error> {
  if (by?.wait !== undefined) return by.wait({ diff, version })
  return new BrokerError('forbidden', 'This gives authority, so it takes a passkey.', {
    hint: 'Make the change with the CLI or the API of the operators, and confirm it in the console.',
  })
}

/** The audit entry of an edit. */
export function changeBy(
  by: Editor,
  what: string,
  facts: Record<string, unknown>,
  about: { environment?: string; connection?: string; agent?: string } = {},
): Omit<Entry, 'kind'> & { by: Editor } {
  return {
    by,
    operator: by.name,
    ...(by.request === undefined ? {} : { request: by.request }),
    ...about,
    outcome: 'ok',
    facts: { ...facts, what },
  }
}
