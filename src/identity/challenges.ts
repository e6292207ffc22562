/** Challenges for passkeys: each is made from what is to be signed, kept, and taken once. Never says what was signed. */
import { randomBytes } from 'node:crypto'
import { and, eq, gt, isNull, lt, sql } from 'drizzle-orm'
import { challengeOf, type Purpose } from '../audit/proof.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Db, Tx } from '../store/open.ts'
import { challenges } from '../store/schema.ts'

const minute = 60_000
/** As long as somebody may look at a page before touching the key. */
const life = 5 * minute
/** Anybody may ask to sign in; together they may not fill the table, nor stand in the way of those who are in. */
const mostOfStrangers = 10_000
const mostOfOne = 1_000

export type Challenge = {
  challenge: string
  purpose: Purpose
  operator: string | null
  facts: Record<string, unknown>
}

/** `facts` are what the answer is bound to. A nonce and the expiry are added, so that no two challenges are equal. */
export async function newChallenge(
  ctx: Pick<Context, 'db' | 'clock'>,
  asked: { purpose: Purpose; operator: string | null; facts: Readonly<Record<string, unknown>> },
): Promise<string> {
  const now = ctx.clock.now()
  const expiresAt = new Date(now + life)
  const facts = {
    ...asked.facts,
    nonce: randomBytes(16).toString('base64url'),
    challenge_expires_at: expiresAt.toISOString(),
  }
  const challenge = challengeOf(asked.purpose, facts)
  await demandRoom(ctx.db, now, asked.operator)
  await ctx.db
    .insert(challenges)
    .values({ challenge, purpose: asked.purpose, operator: asked.operator, facts, expiresAt })
  return challenge
}

async function demandRoom(db: Db, now: number, operator: string | null): Promise<void> {
  await db.delete(challenges).where(lt(challenges.expiresAt, new Date(now)))
  const [row] = await db
    .select({ count: sql<number>`count(*)::int` })
    .from(challenges)
    .where(operator === null ? isNull(challenges.operator) : eq(challenges.operator, operator))
  if ((row?.count ?? 0) < (operator === null ? mostOfStrangers : mostOfOne)) return
  throw new BrokerError('limit-exceeded', 'Too many passkeys are being asked for at once.', {
    hint: 'Try again in a minute.',
    retryAfter: 60,
  })
}

/** Gone once taken, with the transaction. Null for one that was never asked for, was taken, has expired, or is for something else. */
export async function takeChallenge(
  tx: Tx,
  now: number,
  challenge: string,
  purpose: Purpose,
): Promise<Challenge | null> {
  const [taken] = await tx
    .delete(challenges)
    .where(
      and(
        eq(challenges.challenge, challenge),
        eq(challenges.purpose, purpose),
        gt(challenges.expiresAt, new Date(now)),
      ),
    )
    .returning()
  return taken === undefined ? null : { ...taken, purpose }
}
