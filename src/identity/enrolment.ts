/** A first passkey, enrolled with a one-time code in the same sitting. Never with a session: whoever holds one may have stolen it. */
import { and, eq, gt, isNotNull, isNull, or, sql } from 'drizzle-orm'
import type { z } from 'zod'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { Name } from '../ids.ts'
import { changeBy, edit } from '../realm/edit.ts'
import { announce } from '../store/events.ts'
import type { Db, Tx } from '../store/open.ts'
import { enrolments, operators, passkeys, policy } from '../store/schema.ts'
import { badCode, codeHashOf, type Role, type SignedIn, startSession, tries } from './operators.ts'
import {
  type Created,
  createdBy,
  creationOptions,
  passkeysOf,
  type Registration,
} from './passkeys.ts'
import { giveRecoveryCodes, newRecoveryCodes } from './recovery-codes.ts'

/** Policy that a replica must understand to ask for approvals. */
const format = 2

export type CodeClaim = { code: string; name: string; address: string; request?: string }

/** What the browser is to make, for whoever has a code that is good for a passkey of this name. */
export async function enrolmentOptions(ctx: Context, claim: CodeClaim) {
  const codeHash = await demandCode(ctx, claim)
  const facts = { operator: claim.name, code: codeHash }
  return creationOptions(ctx, { purpose: 'enrol', operator: claim.name, facts })
}

/** Spends the code, makes the operator unless the code has made it before, and keeps the passkey. Recovery codes are shown once. */
export async function enrolPasskey(
  ctx: Context,
  claim: CodeClaim,
  given: { label: string; response: z.infer<typeof Registration> },
): Promise<SignedIn & { recoveryCodes: string[] }> {
  const { name, request } = claim
  const codeHash = await demandCode(ctx, claim)
  const recovery = await newRecoveryCodes()
  const by = { name, ...(request === undefined ? {} : { request }) }
  const { role, passkey } = await edit(
    ctx,
    changeBy(by, 'passkey.enrol', { operator: name }),
    async (tx, note) => {
      const now = ctx.clock.now()
      const made = await createdBy(ctx, tx, given.response, { purpose: 'enrol', operator: name })
      if (made.facts['code'] !== codeHash) throw badCode()
      const granted = await spend(tx, codeHash, name, now)
      const voided = await voidEarlier(tx)
      await keepPasskey(tx, { operator: name, label: given.label, made, usableFrom: now, now })
      await giveRecoveryCodes(tx, name, recovery.hashes, now)
      await tx
        .update(policy)
        .set({ guarded: true, reader: sql`greatest(${policy.reader}, ${format})` })
      await announce(tx, `passkey:${made.id}`)
      note({
        ...{ role: granted, passkey: made.id, public_key: made.publicKey, label: given.label },
        ...(voided === 0 ? {} : { invitations_voided: voided }),
      })
      return { role: granted, passkey: made.id }
    },
  )
  const session = await startSession(ctx, { name, role }, request, { kind: 'console', passkey })
  return { ...session, recoveryCodes: recovery.codes }
}

/** Its hash. Wrong codes are counted, and an unknown name looks like a wrong code. */
async function demandCode(ctx: Context, { code, name, address }: CodeClaim): Promise<string> {
  Name.parse(name)
  const attempt = tries(ctx).begin(`code from ${address}`, address)
  const codeHash = codeHashOf(code)
  if (codeHash === null || (await usableFor(ctx.db, codeHash, name, ctx.clock.now())) === null) {
    throw badCode()
  }
  attempt.succeeded()
  return codeHash
}

/** Until it expires, a code is good for one passkey: of whom it made, or, if it made nobody yet, of a new name. */
function good(codeHash: string, name: string, now: number) {
  return and(
    eq(enrolments.codeHash, codeHash),
    isNull(enrolments.passkeyAt),
    gt(enrolments.expiresAt, new Date(now)),
    or(isNull(enrolments.operator), eq(enrolments.operator, name)),
  )
}

async function usableFor(db: Db, codeHash: string, name: string, now: number) {
  const [row] = await db
    .select()
    .from(enrolments)
    .where(good(codeHash, name, now))
  return row ?? null
}

/** One conditional update, so that of two who try at once one finds it spent. */
async function spend(tx: Tx, codeHash: string, name: string, now: number): Promise<Role> {
  const [before] = await tx
    .select({ operator: enrolments.operator })
    .from(enrolments)
    .where(good(codeHash, name, now))
  const at = new Date(now)
  const [spent] = await tx
    .update(enrolments)
    .set({
      passkeyAt: at,
      usedAt: sql`coalesce(${enrolments.usedAt}, ${at.toISOString()}::timestamptz)`,
      operator: name,
    })
    .where(good(codeHash, name, now))
    .returning()
  if (before === undefined || spent === undefined) throw badCode()
  const [there] = await tx.select().from(operators).where(eq(operators.name, name))
  const guarded = await isGuarded(tx)
  if (spent.createdBy !== null && !guarded) throw notTheFirst()
  if (before.operator === name) {
    // Whom this very code made a moment ago, at the command line: who was removed since, or has a passkey by another, is none.
    if (there === undefined || (await passkeysOf(tx, name)).length > 0) throw badCode()
    return there.role
  }
  if (spent.createdBy === null) {
    if (guarded) throw badCode()
    return byStartCode(tx, spent.role, name, at, there?.role)
  }
  if (there !== undefined) throw taken(name)
  await tx.insert(operators).values({ name, role: spent.role, passphrase: null, createdAt: at })
  return spent.role
}

async function isGuarded(tx: Tx): Promise<boolean> {
  const [row] = await tx.select({ guarded: policy.guarded }).from(policy)
  return row?.guarded !== false
}

/** An invitation of that time was made with a session alone, and so perhaps by whoever stole one. */
function notTheFirst(): BrokerError {
  return new BrokerError(
    'forbidden',
    'The first passkey of all is enrolled with the code that the broker prints when it starts.',
    { hint: 'Invitations that are made after it enrol one each.' },
  )
}

/** With the first passkey, what could enrol another without one is over. Says how many invitations that were. */
async function voidEarlier(tx: Tx): Promise<number> {
  if (await isGuarded(tx)) return 0
  const voided = await tx
    .delete(enrolments)
    .where(and(isNotNull(enrolments.createdBy), isNull(enrolments.passkeyAt)))
    .returning({ by: enrolments.createdBy })
  return voided.length
}

/** The code of a start makes the first operator, or gives the first passkey of all to an admin who has none. */
async function byStartCode(
  tx: Tx,
  role: Role,
  name: string,
  createdAt: Date,
  held: Role | undefined,
): Promise<Role> {
  if (held === 'admin') return held
  const [anybody] = await tx.select({ name: operators.name }).from(operators).limit(1)
  if (held !== undefined || anybody !== undefined) {
    throw new BrokerError(
      'conflict',
      `The code of a start is for an admin who is there already, and ${name} is none.`,
      { hint: 'Enter the name of an admin; the code is still good.' },
    )
  }
  await tx.insert(operators).values({ name, role, passphrase: null, createdAt })
  return role
}

function taken(name: string): BrokerError {
  return new BrokerError('conflict', `There already is an operator ${name}.`, {
    hint: 'Choose another name; the code is still good. Whoever lost every passkey is removed by an admin first.',
  })
}

/** A passkey that is known already is somebody’s: the id says so, whoever presents it. */
export async function keepPasskey(
  tx: Tx,
  kept: {
    operator: string
    label: string
    made: Created
    usableFrom: number
    recovery?: boolean
    now: number
  },
): Promise<void> {
  const { operator, label, made, usableFrom, recovery = false, now } = kept
  const added = await tx
    .insert(passkeys)
    .values({
      id: made.id,
      operator,
      name: label,
      publicKey: made.publicKey,
      counter: made.counter,
      transports: made.transports,
      recovery,
      usableFrom: new Date(usableFrom),
      createdAt: new Date(now),
    })
    .onConflictDoNothing()
    .returning({ id: passkeys.id })
  if (added.length > 0) return
  throw new BrokerError('conflict', 'This passkey is enrolled already.', {
    hint: 'Use another authenticator, or sign in with this one.',
  })
}
