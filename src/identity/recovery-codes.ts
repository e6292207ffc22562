/** Recovery codes: ten that work once each, shown once, kept as argon2id only. */
import { randomInt } from 'node:crypto'
import { and, eq, isNull } from 'drizzle-orm'
import { newId } from '../ids.ts'
import type { Db, Tx } from '../store/open.ts'
import { recoveryCodes } from '../store/schema.ts'
import { fitsAny, hashSecret } from './argon2.ts'

const howMany = 10
/** Without letters that are taken for others, and without vowels, so that no code is a word. 20 letters at 4.3 bits: 86 bits. */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'
const letters = 20

/** `codes` are to be shown, once; `hashes` to be kept. */
export async function newRecoveryCodes(): Promise<{ codes: string[]; hashes: string[] }> {
  const codes = Array.from({ length: howMany }, () => {
    const bare = Array.from({ length: letters }, () => alphabet[randomInt(alphabet.length)]).join(
      '',
    )
    return (bare.match(/.{5}/g) ?? []).join('-')
  })
  return { codes, hashes: await Promise.all(codes.map((code) => hashSecret(bareOf(code)))) }
}

function bareOf(typed: string): string {
  return typed
    .slice(0, 100)
    .toUpperCase()
    .replace(/[^A-Z]/g, '')
}

/** Replaces what the operator had. */
export async function giveRecoveryCodes(
  tx: Tx,
  operator: string,
  hashes: readonly string[],
  now: number,
): Promise<void> {
  await tx.delete(recoveryCodes).where(eq(recoveryCodes.operator, operator))
  const createdAt = new Date(now)
  await tx
    .insert(recoveryCodes)
    .values(hashes.map((hash) => ({ id: newId('rec'), operator, hash, createdAt })))
}

/** The id of the unused code that this is, or null. Costs the same for an operator who does not exist. */
export async function findRecoveryCode(
  db: Db,
  operator: string,
  typed: string,
): Promise<string | null> {
  const rows = await unused(db, operator)
  const fitting = await fitsAny(
    bareOf(typed),
    rows.map(({ hash }) => hash),
    howMany,
  )
  return rows.find(({ hash }) => hash === fitting)?.id ?? null
}

export async function unusedRecoveryCodes(db: Db, operator: string): Promise<number> {
  return (await unused(db, operator)).length
}

function unused(db: Db, operator: string) {
  return db
    .select()
    .from(recoveryCodes)
    .where(and(eq(recoveryCodes.operator, operator), isNull(recoveryCodes.usedAt)))
}

/** False for one that somebody used in between. */
export async function spendRecoveryCode(tx: Tx, id: string, now: number): Promise<boolean> {
  const spent = await tx
    .update(recoveryCodes)
    .set({ usedAt: new Date(now) })
    .where(and(eq(recoveryCodes.id, id), isNull(recoveryCodes.usedAt)))
    .returning({ id: recoveryCodes.id })
  return spent.length === 1
}
