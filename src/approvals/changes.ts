/**
 * Edits of policy that wait for a passkey: kept with what they would change, shown to an admin, carried out once they have
 * signed exactly that. Nothing here decides what has to wait: `edit` does.
 */
import { hash } from 'node:crypto'
import { and, desc, eq, gt } from 'drizzle-orm'
import type { z } from 'zod'
import { canonical } from '../audit/canonical.ts'
import { digestOfChange, type Proof } from '../audit/proof.ts'
import type { Context } from '../context.ts'
import { BrokerError, ChangeWaits } from '../errors.ts'
import {
  addAgent,
  type Credential,
  grantScope,
  removeAgent,
  revokeGrant,
  rotateCredential,
} from '../identity/agents.ts'
import { invite, type Operator, type Role, removeOperator } from '../identity/operators.ts'
import { type Assertion, assertedBy, assertionOptions } from '../identity/passkeys.ts'
import { addTrust, removeTrust, type TrustSetting } from '../identity/trusts.ts'
import { newId } from '../ids.ts'
import { connectionInWords, type Diff, differences } from '../policy/authority.ts'
import type { Environment } from '../policy/environment.ts'
import type { Provider } from '../providers/provider.ts'
import { readAuthority } from '../realm/authority.ts'
import { bind, unbind, type Wanted } from '../realm/bindings.ts'
import { changeBy, DifferenceMoved, type Editor, editTogether } from '../realm/edit.ts'
import { addEnvironment, removeEnvironment, setProtected } from '../realm/environments.ts'
import { type DescribedProvider, removeProvider, setProvider } from '../realm/providers.ts'
import { removeScope, type ScopeSetting, setScope } from '../realm/scopes.ts'
import { secret } from '../seal/secret.ts'
import { announce } from '../store/events.ts'
import type { Db, Tx } from '../store/open.ts'
import { changes, operators } from '../store/schema.ts'
import {
  connectionTarget,
  putConnection,
  refreshSchema,
  removeConnection,
  rotateSecret as rotateConnection,
} from '../vault/vault.ts'
import { liftFreeze } from './freezes.ts'

const life = 24 * 3_600_000
/** Of each operator, so that whoever stole a session crowds out nobody else. */
const mostPending = 50

type Named = { name: string }
/** Providers are looked up by whoever calls: this folder knows none. */
type Known = (name: string) => Provider

const unshown = secret('shown when it was asked for')

/**
 * Every edit that may wait, by its name in the audit log, with all that it needs as plain data: carried out now, or again
 * once it was confirmed. These ask nobody but the database.
 */
const inDatabase = {
  'scope.set': (ctx: Context, by: Editor, p: ScopeSetting) => setScope(ctx, by, p),
  'scope.remove': (ctx: Context, by: Editor, p: Named) => removeScope(ctx, by, p.name),
  'environment.add': (ctx: Context, by: Editor, p: Environment) => addEnvironment(ctx, by, p),
  'environment.set': (ctx: Context, by: Editor, p: Environment) => setProtected(ctx, by, p),
  'environment.remove': (ctx: Context, by: Editor, p: Named) => removeEnvironment(ctx, by, p.name),
  'environment.bind': (
    ctx: Context,
    by: Editor,
    p: { environment: string; connection: string; wanted: readonly Wanted[] },
  ) => bind(ctx, by, p),
  'environment.unbind': (ctx: Context, by: Editor, p: { environment: string; id: string }) =>
    unbind(ctx, by, p.environment, p.id),
  'agent.add': (
    ctx: Context,
    by: Editor,
    p: { name: string; scopes: readonly string[]; credential: Credential | null },
  ) => addAgent(ctx, by, p),
  'agent.remove': (ctx: Context, by: Editor, p: Named) => removeAgent(ctx, by, p.name),
  'agent.grant': (ctx: Context, by: Editor, p: { name: string; scope: string }) =>
    grantScope(ctx, by, p.name, p.scope),
  'agent.revoke': (ctx: Context, by: Editor, p: { name: string; scope: string }) =>
    revokeGrant(ctx, by, p.name, p.scope),
  'agent.rotate': (
    ctx: Context,
    by: Editor,
    { name, ...p }: { name: string; credential: Credential; overlapSeconds: number },
  ) => rotateCredential(ctx, by, name, p),
  'provider.set': (ctx: Context, by: Editor, p: DescribedProvider) => setProvider(ctx, by, p),
  'provider.remove': (ctx: Context, by: Editor, p: Named) => removeProvider(ctx, by, p.name),
  'trust.add': (ctx: Context, by: Editor, p: TrustSetting) => addTrust(ctx, by, p),
  'trust.remove': (ctx: Context, by: Editor, p: Named) => removeTrust(ctx, by, p.name),
  'operator.invite': (
    ctx: Context,
    by: Editor,
    { role, codeHash, expiresAt }: { role: Role; codeHash: string; expiresAt: string },
  ) => invite(ctx, by, { role, made: { code: unshown, codeHash, expiresAt: new Date(expiresAt) } }),
  'operator.remove': (ctx: Context, by: Editor, p: Named) => removeOperator(ctx, by, p.name),
  'connection.remove': (
    ctx: Context,
    by: Editor,
    p: { name: string; confirm: string | undefined },
  ) => removeConnection(ctx, by, p.name, p.confirm),
}

/** Edits of which each is a name above with what it needs. */
export type Edits = readonly {
  [A in keyof typeof inDatabase]: { action: A; params: Parameters<(typeof inDatabase)[A]>[2] }
}[keyof typeof inDatabase][]

const recipes = {
  ...inDatabase,
  'freeze.lift': (ctx: Context, by: Editor, p: { id: string }) => liftFreeze(ctx, by, p.id),
  'connection.add': (
    ctx: Context,
    by: Editor,
    p: {
      name: string
      provider: string
      baseUrl?: string | undefined
      placement?: string | undefined
      allowPrivate: boolean
      secret: string
    },
    known: Known,
  ) => putConnection(ctx, by, known(p.provider), { ...p, secret: secret(p.secret) }),
  'connection.rotate': (
    ctx: Context,
    by: Editor,
    p: { name: string; provider: string; secret: string },
    known: Known,
  ) => rotateConnection(ctx, by, known(p.provider), p.name, secret(p.secret)),
  'connection.refresh': (
    ctx: Context,
    by: Editor,
    p: { name: string; provider: string },
    known: Known,
  ) => refreshSchema(ctx, by, known(p.provider), p.name),
  together: (ctx: Context, by: Editor, { edits }: { edits: Edits }) => together(ctx, by, edits),
}

/** What edits would change together, found out by making them and taking them back. */
export async function previewed(ctx: Context, by: Editor, edits: Edits): Promise<Diff> {
  const found = new Map<'diff', Diff>()
  const rollBack = new Error('only to see what it does')
  await ctx.db
    .transaction(async (tx) => {
      const before = await readAuthority(tx)
      const within = { ...by, within: { tx, entries: [] } }
      for (const { action, params } of edits) await run(action, ctx, within, params, none)
      found.set('diff', differences(before, await readAuthority(tx)))
      throw rollBack
    })
    .catch((error: unknown) => {
      if (error !== rollBack) throw error
    })
  return found.get('diff') ?? { added: [], removed: [] }
}

/** All or nothing, in this order. What reaches out is none of them: nothing waits for the network in a transaction. */
async function together(ctx: Context, by: Editor, edits: Edits): Promise<void> {
  const actions = edits.map(({ action }) => action)
  await editTogether(ctx, changeBy(by, 'together', { actions }), async (within) => {
    for (const { action, params } of edits) await run(action, ctx, within, params, none)
  })
}

export type Action = keyof typeof recipes
type Params<A extends Action> = Parameters<(typeof recipes)[A]>[2]
type Result<A extends Action> = Awaited<ReturnType<(typeof recipes)[A]>>

/** Carries an edit out, or throws `ChangeWaits` where it has to wait. */
export async function make<A extends Action>(
  ctx: Context,
  by: Editor,
  action: A,
  params: Params<A>,
  known: Known = none,
): Promise<Result<A>> {
  const wait = (found: { diff: Diff; version: number }) =>
    leaveWaiting(ctx, by, action, params, found)
  // An address that nobody agreed to is asked nothing: else whoever stole a session would have a way to private addresses.
  // Every other edit that reaches out before it waits does so at an address that was agreed to: binding and refreshing with
  // the stored secret, rotating with the one that was just given.
  if (action === 'connection.add' && ctx.realm.now().guarded) {
    const setting = params as Params<'connection.add'>
    const target = await connectionTarget(ctx, known(setting.provider), {
      ...setting,
      secret: secret(setting.secret),
    })
    const words = `Connection ${connectionInWords(target)}, with the secret that was given; its schema is learned once you agree`
    throw await wait({ diff: { added: [words], removed: [] }, version: ctx.realm.now().version })
  }
  return run(action, ctx, { ...by, wait }, params, known)
}

function none(name: string): never {
  throw new Error(`no provider ${name} was given`)
}

function run<A extends Action>(
  action: A,
  ctx: Context,
  by: Editor,
  params: Params<A>,
  known: Known,
): Promise<Result<A>> {
  // The table is made of pairs that fit; the compiler does not follow that through an index.
  const recipe = recipes[action] as unknown as (
    ctx: Context,
    by: Editor,
    params: Params<A>,
    known: Known,
  ) => Promise<Result<A>>
  return recipe(ctx, by, params, known)
}

export type ChangeRow = typeof changes.$inferSelect
export type ChangeState = ChangeRow['state'] | 'expired'

export function stateOfChange(
  row: Pick<ChangeRow, 'state' | 'expiresAt'>,
  now: number,
): ChangeState {
  return row.state === 'pending' && row.expiresAt.getTime() <= now ? 'expired' : row.state
}

function sealRow(id: string): string {
  return `changes/${id}`
}

async function leaveWaiting(
  ctx: Context,
  by: Editor,
  action: Action,
  params: unknown,
  { diff, version }: { diff: Diff; version: number },
): Promise<ChangeWaits> {
  const id = newId('chg')
  const sealed = await ctx.keyring.seal(sealRow(id), JSON.stringify(params))
  const now = ctx.clock.now()
  const expiresAt = new Date(now + life)
  await ctx.db.transaction(async (tx) => {
    // One after the other, so that they are counted.
    await tx.select().from(operators).where(eq(operators.name, by.name)).for('update')
    const mine = and(pendingAt(now), eq(changes.proposedBy, by.name))
    const waiting = await tx.select({ id: changes.id }).from(changes).where(mine)
    if (waiting.length >= mostPending) {
      throw new BrokerError(
        'limit-exceeded',
        `${mostPending} changes of ${by.name} wait already.`,
        {
          hint: 'Confirm or reject some of them in the console first.',
          retryAfter: 60,
        },
      )
    }
    await tx.insert(changes).values({
      ...{ id, action, version, diff, expiresAt },
      ...{ state: 'pending', params: sealed, proposedBy: by.name, createdAt: new Date(now) },
    })
    await ctx.journal.appendIn(tx, {
      kind: 'change',
      operator: by.name,
      ...(by.request === undefined ? {} : { request: by.request }),
      outcome: 'waits',
      facts: { what: 'change.propose', change: id, action, diff },
    })
    await announce(tx, `change:${id}`)
  })
  return new ChangeWaits({ id, url: `${ctx.consoleUrl}/console/changes/${id}`, expiresAt, diff })
}

/** Once decided it is needed no more, and it may hold a secret that nobody wanted here. */
async function emptied(ctx: Context, id: string): Promise<{ params: string }> {
  return { params: await ctx.keyring.seal(sealRow(id), 'null') }
}

function pendingAt(now: number) {
  return and(eq(changes.state, 'pending'), gt(changes.expiresAt, new Date(now)))
}

/** Newest first. */
export async function listChanges(
  ctx: Pick<Context, 'db' | 'clock'>,
  { waiting = false }: { waiting?: boolean } = {},
): Promise<ChangeRow[]> {
  return ctx.db
    .select()
    .from(changes)
    .where(waiting ? pendingAt(ctx.clock.now()) : undefined)
    .orderBy(desc(changes.createdAt), desc(changes.id))
    .limit(500)
}

export async function showChange(db: Db | Tx, id: string): Promise<ChangeRow> {
  const [row] = await db.select().from(changes).where(eq(changes.id, id))
  if (row !== undefined) return row
  throw new BrokerError('not-found', 'There is no such change.', {
    hint: 'See those that wait with: valetkey change list',
  })
}

/** What is signed of one: what it would do, as it was shown. */
export function digestOf(row: ChangeRow): string {
  return digestOfChange({ ...row, params: hashOfParams(row) })
}

function hashOfParams({ params }: ChangeRow): string {
  return hash('sha256', params, 'hex')
}

/** One touch may confirm several; each only as whoever touches has seen it, which `digest` says. */
export async function confirmOptions(
  ctx: Context,
  operator: string,
  seen: readonly { id: string; digest: string }[],
) {
  const rows = await pendingOnes(
    ctx,
    seen.map(({ id }) => id),
  )
  const changes = rows.map((row) => ({ id: row.id, digest: digestOf(row) }))
  const moved = changes.find(({ id, digest }) =>
    seen.some((one) => one.id === id && one.digest !== digest),
  )
  if (moved !== undefined) {
    throw new BrokerError('conflict', `The change ${moved.id} is not what you saw any more.`, {
      hint: 'Load the page again, and look at what it would do by now.',
    })
  }
  return assertionOptions(ctx, { purpose: 'confirm', operator, facts: { changes } })
}

async function pendingOnes(ctx: Context, ids: readonly string[]): Promise<ChangeRow[]> {
  const rows = await Promise.all([...new Set(ids)].map((id) => showChange(ctx.db, id)))
  const gone = rows.find((row) => stateOfChange(row, ctx.clock.now()) !== 'pending')
  if (rows.length === 0) throw new BrokerError('malformed-request', 'No change was named.')
  if (gone === undefined) return rows
  throw new BrokerError(
    'conflict',
    `The change ${gone.id} is ${stateOfChange(gone, ctx.clock.now())} already.`,
  )
}

export type Confirmed = {
  id: string
  /** `moved`: it would do something else by now, and shows that; it waits for another look. */
  outcome: 'confirmed' | 'moved' | 'failed'
  why?: string
}

/**
 * The signature is checked and spent first; then each change is carried out in a transaction of its own, in the order
 * given, and only if it still does what was shown.
 */
export async function confirmChanges(
  ctx: Context,
  operator: Operator,
  ids: readonly string[],
  response: z.infer<typeof Assertion>,
  { request, known }: { request: string; known: Known },
): Promise<Confirmed[]> {
  const rows = await pendingOnes(ctx, ids)
  const proof = await ctx.db.transaction(async (tx) => {
    const asserted = await assertedBy(ctx, tx, response, {
      purpose: 'confirm',
      operator: operator.name,
    })
    if (asserted.role !== 'admin') throw notAdmin(operator.name)
    const signed = { changes: rows.map((row) => ({ id: row.id, digest: digestOf(row) })) }
    if (canonical(asserted.facts['changes']) !== canonical(signed.changes)) {
      throw new BrokerError('forbidden', 'What was signed are other changes than these.', {
        hint: 'Load the page again.',
      })
    }
    return asserted.proof
  })
  const done: Confirmed[] = []
  for (const row of rows) {
    done.push(await carryOut(ctx, { name: operator.name, request }, row, { proof }, known))
  }
  return done
}

function notAdmin(name: string): BrokerError {
  return new BrokerError('forbidden', `${name} is no admin, and only admins confirm changes.`)
}

async function carryOut(
  ctx: Context,
  by: Editor,
  row: ChangeRow,
  { proof }: { proof: Proof },
  known: Known,
): Promise<Confirmed> {
  const { id } = row
  // As it was written.
  const action = row.action as Action
  const opened = await ctx.keyring.open(sealRow(id), row.params)
  const params = JSON.parse(opened.reveal())
  let settled = false
  const spent = await emptied(ctx, id)
  const settle = async (tx: Tx) => {
    const decided = { ...spent, decidedAt: new Date(ctx.clock.now()), decidedBy: by.name }
    const [mine] = await tx
      .update(changes)
      .set({ state: 'confirmed', ...decided })
      .where(and(eq(changes.id, id), pendingAt(ctx.clock.now())))
      .returning({ id: changes.id })
    if (mine === undefined) throw new BrokerError('conflict', 'Somebody else decided this.')
    await announce(tx, `change:${id}`)
    settled = true
  }
  // As it was written. An address was agreed to before anything was known of what is there.
  const agreed = row.diff as unknown as Diff
  // With it the log alone shows what was signed.
  const facts = { change: id, agreed: { params: hashOfParams(row), diff: agreed }, proof }
  const confirmed = { facts, settle, diff: action === 'connection.add' ? null : agreed }
  try {
    await run(action, ctx, { ...by, confirmed }, params, known)
    // A schema that is what was known by now is no edit.
    if (!settled) return await nothingLeft(ctx, by, id)
    return { id, outcome: 'confirmed' }
  } catch (error) {
    if (error instanceof DifferenceMoved) {
      await showAnew(ctx, by, row, error)
      return { id, outcome: 'moved', why: 'It would do something else by now: look again.' }
    }
    if (error instanceof BrokerError) return { id, outcome: 'failed', why: error.message }
    throw error
  }
}

async function showAnew(
  ctx: Context,
  by: Editor,
  { id, action }: ChangeRow,
  { diff, version }: DifferenceMoved,
): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const [shown] = await tx
      .update(changes)
      .set({ diff: { ...diff }, version })
      .where(and(eq(changes.id, id), pendingAt(ctx.clock.now())))
      .returning({ id: changes.id })
    if (shown === undefined) return
    await ctx.journal.appendIn(tx, {
      kind: 'change',
      operator: by.name,
      ...(by.request === undefined ? {} : { request: by.request }),
      outcome: 'waits',
      facts: { what: 'change.moved', change: id, action, diff },
    })
    await announce(tx, `change:${id}`)
  })
}

async function nothingLeft(ctx: Context, by: Editor, id: string): Promise<Confirmed> {
  const because = 'It has been so already.'
  const now = ctx.clock.now()
  await ctx.db
    .update(changes)
    .set({
      ...(await emptied(ctx, id)),
      ...{ state: 'void', decidedAt: new Date(now), decidedBy: by.name, because },
    })
    .where(and(eq(changes.id, id), pendingAt(now)))
  return { id, outcome: 'failed', why: because }
}

/** By any operator who may decide, whatever they signed in with: it gives nothing. */
export async function rejectChange(
  ctx: Context,
  by: { name: string; role: Role; request: string },
  id: string,
  because: string | null,
): Promise<ChangeRow> {
  if (by.role === 'auditor') throw notAdmin(by.name)
  const spent = await emptied(ctx, id)
  return ctx.db.transaction(async (tx) => {
    const now = ctx.clock.now()
    const [row] = await tx
      .update(changes)
      .set({ ...spent, state: 'rejected', decidedAt: new Date(now), decidedBy: by.name, because })
      .where(and(eq(changes.id, id), pendingAt(now)))
      .returning()
    if (row === undefined) {
      const there = await showChange(tx, id)
      throw new BrokerError('conflict', `This is ${stateOfChange(there, now)} already.`)
    }
    await ctx.journal.appendIn(tx, {
      kind: 'change',
      operator: by.name,
      request: by.request,
      outcome: 'rejected',
      facts: { what: 'change.reject', change: id, action: row.action },
    })
    await announce(tx, `change:${id}`)
    return row
  })
}
