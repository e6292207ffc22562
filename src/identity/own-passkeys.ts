/** What operators do with passkeys once they have one: sign in, add, remove, recover. Everything that gives takes an assertion. */
import { and, eq, gt } from 'drizzle-orm'
import type { z } from 'zod'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { Name } from '../ids.ts'
import { changeBy, type Editor, edit } from '../realm/edit.ts'
import { announce } from '../store/events.ts'
import { passkeys } from '../store/schema.ts'
import { keepPasskey } from './enrolment.ts'
import {
  demandAnotherAdmin,
  type Operator,
  type SignedIn,
  startSession,
  tries,
} from './operators.ts'
import {
  type Assertion,
  assertedBy,
  createdBy,
  creationOptions,
  mostPasskeys,
  type PasskeyRow,
  passkeysOf,
  type Registration,
} from './passkeys.ts'
import {
  findRecoveryCode,
  giveRecoveryCodes,
  newRecoveryCodes,
  spendRecoveryCode,
} from './recovery-codes.ts'

type Answer = z.infer<typeof Assertion>
type NewKey = { label: string; response: z.infer<typeof Registration> }

/** How long a recovered passkey waits, so that whoever did not ask for it has time to see and to cancel. */
const recoveryWait = 24 * 3_600_000

export async function signInWithPasskey(
  ctx: Context,
  response: Answer,
  request: string,
): Promise<SignedIn> {
  const { operator, role, passkey } = await ctx.db.transaction((tx) =>
    assertedBy(ctx, tx, response, { purpose: 'sign-in', operator: null }),
  )
  return startSession(ctx, { name: operator, role }, request, { kind: 'console', passkey })
}

/** After an assertion that this very thing was asked for. What is asked next bears it, for the audit log. */
export async function addPasskeyOptions(ctx: Context, operator: Operator, response: Answer) {
  const { proof } = await ctx.db.transaction((tx) =>
    assertedBy(ctx, tx, response, { purpose: 'add-passkey', operator: operator.name }),
  )
  const facts = { operator: operator.name, proof }
  return creationOptions(ctx, { purpose: 'add-passkey', operator: operator.name, facts })
}

export async function addPasskey(
  ctx: Context,
  operator: Operator,
  { label, response }: NewKey,
  request: string,
): Promise<void> {
  const { name } = operator
  await edit(
    ctx,
    changeBy({ name, request }, 'passkey.add', { operator: name }),
    async (tx, note) => {
      const made = await createdBy(ctx, tx, response, { purpose: 'add-passkey', operator: name })
      // The challenge for an assertion and that for a new key have one purpose, and differ in this.
      if (made.facts['proof'] === undefined) throw notAsked()
      if ((await passkeysOf(tx, name)).length >= mostPasskeys) throw enough()
      const now = ctx.clock.now()
      await keepPasskey(tx, { operator: name, label, made, usableFrom: now, now })
      await announce(tx, `passkey:${made.id}`)
      note({
        passkey: made.id,
        public_key: made.publicKey,
        label,
        proof: made.facts['proof'],
      })
    },
  )
}

function notAsked(): BrokerError {
  return new BrokerError('forbidden', 'A further passkey takes a touch of one you have.', {
    hint: 'Begin again on the page about passkeys.',
  })
}

function enough(): BrokerError {
  return new BrokerError('conflict', `An operator has at most ${mostPasskeys} passkeys.`, {
    hint: 'Remove one first.',
  })
}

/** The assertion names the passkey that goes. The last one of the last admin stays. */
export async function removePasskey(
  ctx: Context,
  operator: Operator,
  id: string,
  response: Answer,
  request: string,
): Promise<void> {
  const { name } = operator
  await edit(
    ctx,
    changeBy({ name, request }, 'passkey.remove', { operator: name, passkey: id }),
    async (tx, note) => {
      const { role, facts, proof } = await assertedBy(ctx, tx, response, {
        purpose: 'remove-passkey',
        operator: name,
      })
      if (facts['remove'] !== id) throw notAsked()
      const held = await passkeysOf(tx, name)
      const row = held.find((one) => one.id === id)
      if (row === undefined) throw noSuchPasskey()
      const left = held.filter((one) => one.id !== id && usable(one, ctx.clock.now()))
      if (left.length === 0 && role === 'admin') await demandAnotherAdmin(tx, name, ctx.clock.now())
      note({ label: row.name, proof })
      await tx.delete(passkeys).where(eq(passkeys.id, id))
    },
  )
}

function usable({ usableFrom }: PasskeyRow, now: number): boolean {
  return usableFrom.getTime() <= now
}

function noSuchPasskey(): BrokerError {
  return new BrokerError('not-found', 'There is no such passkey.')
}

/** A new set; the earlier one is void. */
export async function renewRecoveryCodes(
  ctx: Context,
  operator: Operator,
  response: Answer,
  request: string,
): Promise<string[]> {
  const { name } = operator
  const { codes, hashes } = await newRecoveryCodes()
  await edit(
    ctx,
    changeBy({ name, request }, 'recovery.codes', { operator: name }),
    async (tx, note) => {
      const { proof } = await assertedBy(ctx, tx, response, {
        purpose: 'recovery-codes',
        operator: name,
      })
      note({ proof })
      await giveRecoveryCodes(tx, name, hashes, ctx.clock.now())
    },
  )
  return codes
}

export type RecoveryClaim = { name: string; code: string; address: string }

async function demandRecoveryCode(ctx: Context, claim: RecoveryClaim): Promise<string> {
  const name = Name.safeParse(claim.name).success ? claim.name : ''
  // Not by the name: whoever guesses codes must not shut out the operator of that name.
  const attempt = tries(ctx).begin(`recovery from ${claim.address}`, claim.address)
  const id = await findRecoveryCode(ctx.db, name, claim.code)
  if (id === null) throw badRecoveryCode()
  attempt.succeeded()
  return id
}

function badRecoveryCode(): BrokerError {
  return new BrokerError('not-signed-in', 'The name or the recovery code is wrong, or was used.', {
    hint: 'Each code works once. Another admin can remove you and invite you again.',
  })
}

export async function recoveryOptions(ctx: Context, claim: RecoveryClaim) {
  await demandRecoveryCode(ctx, claim)
  const facts = { operator: claim.name }
  return creationOptions(ctx, { purpose: 'recover', operator: claim.name, facts })
}

/** Spends the code. The passkey is good after the wait, unless anybody cancels it; until then it opens nothing. */
export async function beginRecovery(
  ctx: Context,
  claim: RecoveryClaim,
  { label, response }: NewKey,
  request: string,
): Promise<{ usableFrom: Date }> {
  const { name } = claim
  const id = await demandRecoveryCode(ctx, claim)
  return edit(
    ctx,
    changeBy({ name, request }, 'recovery.begin', { operator: name, address: claim.address }),
    async (tx, note) => {
      const now = ctx.clock.now()
      const usableFrom = new Date(now + recoveryWait)
      if (!(await spendRecoveryCode(tx, id, now))) throw badRecoveryCode()
      const made = await createdBy(ctx, tx, response, { purpose: 'recover', operator: name })
      await keepPasskey(tx, {
        ...{ operator: name, label, made, now },
        ...{ usableFrom: usableFrom.getTime(), recovery: true },
      })
      await announce(tx, `passkey:${made.id}`)
      note({
        ...{ passkey: made.id, public_key: made.publicKey, label },
        usable_from: usableFrom.toISOString(),
      })
      return { usableFrom }
    },
  )
}

/** By any console session: that somebody else is trying to get in is everybody's business. */
export async function cancelRecovery(ctx: Context, by: Editor, passkey: string): Promise<void> {
  await edit(ctx, changeBy(by, 'recovery.cancel', { passkey }), async (tx, note) => {
    const [gone] = await tx
      .delete(passkeys)
      .where(
        and(
          eq(passkeys.id, passkey),
          eq(passkeys.recovery, true),
          gt(passkeys.usableFrom, new Date(ctx.clock.now())),
        ),
      )
      .returning({ operator: passkeys.operator })
    if (gone === undefined) {
      throw new BrokerError('not-found', 'There is no recovery of this passkey that still waits.')
    }
    note({ operator: gone.operator })
    await announce(tx, `passkey:${passkey}`)
  })
}
