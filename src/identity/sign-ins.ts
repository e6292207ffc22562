/** A command line that is signed in from the console: it shows a code, an operator confirms it there, and it fetches its session, once. */
import { createHash, randomInt } from 'node:crypto'
import { and, eq, gt, isNull, lt, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { randomSecret } from '../ids.ts'
import { type Secret, secret } from '../seal/secret.ts'
import { announce } from '../store/events.ts'
import { operators, signIns } from '../store/schema.ts'
import { type Operator, type SignedIn, startSession } from './operators.ts'

const minute = 60_000
const life = 10 * minute
const mostAtOnce = 200
/** Without letters that are taken for others, and without vowels. */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'

export type SignInRow = typeof signIns.$inferSelect

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function newUserCode(): string {
  const letters = Array.from({ length: 8 }, () => alphabet[randomInt(alphabet.length)]).join('')
  return `${letters.slice(0, 4)}-${letters.slice(4)}`
}

/** `id` is what only this command line knows; `userCode` is what it shows. */
export async function beginSignIn(
  ctx: Pick<Context, 'db' | 'clock'>,
  address: string,
): Promise<{ id: Secret; userCode: string; expiresAt: Date }> {
  const now = ctx.clock.now()
  await ctx.db.delete(signIns).where(lt(signIns.expiresAt, new Date(now)))
  const [row] = await ctx.db.select({ count: sql<number>`count(*)::int` }).from(signIns)
  if ((row?.count ?? 0) >= mostAtOnce) {
    throw new BrokerError('limit-exceeded', 'Too many sign-ins wait to be confirmed.', {
      hint: 'Try again in a few minutes.',
      retryAfter: 60,
    })
  }
  const id = randomSecret('')
  const userCode = newUserCode()
  const expiresAt = new Date(now + life)
  await ctx.db
    .insert(signIns)
    .values({ id: sha256(id), userCode, address, createdAt: new Date(now), expiresAt })
  return { id: secret(id), userCode, expiresAt }
}

/** One that still waits, by the code that its command line shows. */
export async function showSignIn(
  ctx: Pick<Context, 'db' | 'clock'>,
  userCode: string,
): Promise<SignInRow> {
  const [row] = await ctx.db.select().from(signIns).where(waits(userCode, ctx.clock.now()))
  if (row === undefined) throw noSuchSignIn()
  return row
}

function waits(userCode: string, now: number) {
  const typed = userCode.toUpperCase().replace(/[^A-Z]/g, '')
  return and(
    eq(signIns.userCode, `${typed.slice(0, 4)}-${typed.slice(4)}`),
    isNull(signIns.confirmedAt),
    gt(signIns.expiresAt, new Date(now)),
  )
}

function noSuchSignIn(): BrokerError {
  return new BrokerError('not-found', 'No command line waits with this code.', {
    hint: 'Codes are good for ten minutes and once. Run: valetkey login',
  })
}

/** By a console session, or never. Denied, it is gone. */
export async function decideSignIn(
  ctx: Context,
  operator: Operator,
  userCode: string,
  { confirm, request }: { confirm: boolean; request: string },
): Promise<void> {
  const now = ctx.clock.now()
  const { address } = await showSignIn(ctx, userCode)
  const decided = await ctx.db.transaction(async (tx) => {
    const where = waits(userCode, now)
    const rows = confirm
      ? await tx
          .update(signIns)
          .set({ operator: operator.name, confirmedAt: new Date(now) })
          .where(where)
          .returning()
      : await tx.delete(signIns).where(where).returning()
    await announce(tx, `sign-in:${userCode}`)
    return rows.length === 1
  })
  if (!decided) throw noSuchSignIn()
  await ctx.journal.append({
    kind: 'sign-in',
    operator: operator.name,
    request,
    outcome: confirm ? 'confirmed' : 'denied',
    facts: { for: 'cli', address, user_code: userCode },
  })
}

/** Null while nobody has confirmed it. Its session is handed out once. Throws `not-signed-in` when there is nothing to wait for. */
export async function takeSignIn(
  ctx: Context,
  id: string,
  request: string,
): Promise<SignedIn | null> {
  const now = ctx.clock.now()
  const [row] = await ctx.db
    .select()
    .from(signIns)
    .where(and(eq(signIns.id, sha256(id)), gt(signIns.expiresAt, new Date(now))))
  if (row === undefined) {
    throw new BrokerError('not-signed-in', 'This sign-in was denied, was used, or has expired.', {
      hint: 'Run: valetkey login',
    })
  }
  if (row.confirmedAt === null || row.operator === null) return null
  const [taken] = await ctx.db.delete(signIns).where(eq(signIns.id, row.id)).returning()
  const [operator] = await ctx.db.select().from(operators).where(eq(operators.name, row.operator))
  if (taken === undefined || operator === undefined) {
    throw new BrokerError('not-signed-in', 'This sign-in was used.', {
      hint: 'Run: valetkey login',
    })
  }
  return startSession(ctx, operator, request)
}
