/** Operators: enrolled by a one-time code, signed in by passphrase, known by a session. Keeps only hashes of all three. */
import { createHash, randomBytes } from 'node:crypto'
import { and, asc, eq, gt, isNull, lte, ne, or, sql } from 'drizzle-orm'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { Name, newId, randomSecret } from '../ids.ts'
import { changeBy, type Editor, edit } from '../realm/edit.ts'
import { type Secret, secret } from '../seal/secret.ts'
import type { Tx } from '../store/open.ts'
import { enrolments, operators, passkeys, policy, sessions } from '../store/schema.ts'
import { fitsAny, hashSecret } from './argon2.ts'
import { hasPasskey } from './passkeys.ts'
import { countTries } from './tries.ts'

export const roles = ['admin', 'approver', 'auditor'] as const
export type Role = (typeof roles)[number]

export type SessionKind = 'cli' | 'console'

export type Operator = { name: string; role: Role; session: string }

export type SignedIn = { token: Secret; operator: string; role: Role; expiresAt: Date }

export const shortestPassphrase = 12

const minute = 60_000
const hour = 60 * minute
/** The first operator's code is printed where the broker starts, and whoever starts it is there. */
const firstCodeLife = 10 * minute
/** An invitation has to reach somebody. */
const invitationLife = 24 * hour
const sessionLife = 8 * hour
const idleLife: Record<SessionKind, number> = { cli: hour, console: hour / 2 }
/** Not every request moves the idle limit, or reading would be writing. */
const touchAfter = minute

export const tries = perContext((ctx) => countTries(ctx.clock))

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** 128 bits as eight groups of four, to be read aloud or typed. */
function newCode(): { code: string; codeHash: string } {
  const bare = randomBytes(16).toString('hex').toUpperCase()
  return { code: (bare.match(/.{4}/g) ?? []).join('-'), codeHash: sha256(bare) }
}

/** How people type it: any case, with or without the hyphens. Null for what cannot be a code. */
export function codeHashOf(typed: string): string | null {
  const bare = typed.slice(0, 100).replace(/[\s-]/g, '').toUpperCase()
  return /^[0-9A-F]{32}$/.test(bare) ? sha256(bare) : null
}

export type EnrolmentCode = {
  code: Secret
  expiresAt: Date
  /** Whether it makes the first operator; else it gives the first passkey to one who is there. */
  first: boolean
}

/** What whoever starts the broker may begin with, until there has been a passkey. */
export async function enrolmentCode(
  ctx: Pick<Context, 'db' | 'clock' | 'realm'>,
): Promise<EnrolmentCode | null> {
  if (ctx.realm.now().guarded) return null
  const [anybody] = await ctx.db.select({ name: operators.name }).from(operators).limit(1)
  const { code, codeHash } = newCode()
  const expiresAt = new Date(ctx.clock.now() + firstCodeLife)
  await ctx.db.insert(enrolments).values({ codeHash, role: 'admin', createdBy: null, expiresAt })
  return { code: secret(code), expiresAt, first: anybody === undefined }
}

export type Invitation = { code: Secret; codeHash: string; expiresAt: Date }

/** Whoever may have to wait makes it first: it is shown at once, and is good once the edit is. */
export function newInvitation(ctx: Pick<Context, 'clock'>): Invitation {
  const { code, codeHash } = newCode()
  return { code: secret(code), codeHash, expiresAt: new Date(ctx.clock.now() + invitationLife) }
}

export async function invite(
  ctx: Context,
  by: Editor,
  { role, made = newInvitation(ctx) }: { role: Role; made?: Invitation },
): Promise<{ code: Secret; expiresAt: Date }> {
  const { code, codeHash, expiresAt } = made
  await edit(
    ctx,
    changeBy(by, 'operator.invite', { role, expires_at: expiresAt.toISOString() }),
    async (tx) => {
      await tx.insert(enrolments).values({ codeHash, role, createdBy: by.name, expiresAt })
    },
  )
  return { code, expiresAt }
}

/** Spends a code, makes the operator it is for, and signs them in. A name that is taken does not spend it. */
export async function enrol(
  ctx: Context,
  claimed: { code: string; name: string; passphrase: string; address: string; request?: string },
): Promise<SignedIn> {
  const { name, passphrase, address, request } = claimed
  demandGoodPassphrase(name, passphrase)
  // Not by the name: whoever guesses codes must not shut out the operator of that name.
  const attempt = tries(ctx).begin(`code from ${address}`, address)
  const codeHash = codeHashOf(claimed.code)
  if (codeHash === null || (await usable(ctx, codeHash)) === undefined) throw badCode()
  const hashed = await hashSecret(passphrase)
  const by = { name, ...(request === undefined ? {} : { request }) }
  const role = await edit(ctx, changeBy(by, 'operator.enrol', {}), async (tx, note) => {
    const granted = await spendCode(tx, codeHash, name, ctx.clock.now())
    note({ operator: name, role: granted })
    const createdAt = new Date(ctx.clock.now())
    const added = await tx
      .insert(operators)
      .values({ name, role: granted, passphrase: hashed, createdAt })
      .onConflictDoNothing()
      .returning()
    if (added.length === 0) {
      throw new BrokerError('conflict', `There already is an operator ${name}.`, {
        hint: 'Choose another name; the code is still good.',
      })
    }
    return granted
  })
  attempt.succeeded()
  return startSession(ctx, { name, role }, request)
}

function demandGoodPassphrase(name: string, passphrase: string): void {
  if ([...passphrase].length < shortestPassphrase) {
    throw new BrokerError(
      'malformed-request',
      `A passphrase has at least ${shortestPassphrase} characters.`,
      { hint: 'Four or five words that nobody would guess together are good and easy to type.' },
    )
  }
  const plain = passphrase.toLowerCase().replaceAll(name, '')
  if (new Set(plain).size < 5) {
    throw new BrokerError('malformed-request', 'This passphrase would be guessed at once.', {
      hint: 'Use more than a few different characters, and not your name alone.',
    })
  }
}

function usable(ctx: Pick<Context, 'db' | 'clock'>, codeHash: string) {
  return ctx.db
    .select({ role: enrolments.role })
    .from(enrolments)
    .where(unspent(codeHash, ctx.clock.now()))
    .then((rows) => rows[0])
}

function unspent(codeHash: string, now: number) {
  return and(
    eq(enrolments.codeHash, codeHash),
    isNull(enrolments.usedAt),
    isNull(enrolments.passkeyAt),
    gt(enrolments.expiresAt, new Date(now)),
  )
}

/**
 * One conditional update, so that of two who try at once one finds it spent. What is left of it enrols their first passkey,
 * in the same sitting: an invitation's whole day would be time for whoever reads their terminal.
 */
async function spendCode(tx: Tx, codeHash: string, name: string, now: number): Promise<Role> {
  const sitting = new Date(now + firstCodeLife).toISOString()
  const [spent] = await tx
    .update(enrolments)
    .set({
      usedAt: new Date(now),
      operator: name,
      expiresAt: sql`least(${enrolments.expiresAt}, ${sitting}::timestamptz)`,
    })
    .where(unspent(codeHash, now))
    .returning({ role: enrolments.role, createdBy: enrolments.createdBy })
  if (spent === undefined) throw badCode()
  if (spent.createdBy === null) {
    const [anybody] = await tx.select({ name: operators.name }).from(operators).limit(1)
    // The first operator's codes, of which every start makes one, make the first operator and no second.
    if (anybody !== undefined) throw badCode()
  }
  return spent.role
}

export function badCode(): BrokerError {
  return new BrokerError('not-signed-in', 'This code is wrong, was used, or has expired.', {
    hint: 'Without any operator yet, restart the broker for a new code; else ask an admin for an invitation.',
  })
}

/** An unknown name costs the same and reads the same as a wrong passphrase. */
export async function signIn(
  ctx: Context,
  claimed: { name: string; passphrase: string; address: string; request?: string },
): Promise<SignedIn> {
  const name = Name.safeParse(claimed.name).success ? claimed.name : ''
  const attempt = tries(ctx).begin(name, claimed.address)
  const [row] = await ctx.db.select().from(operators).where(eq(operators.name, name))
  const hashes = row === undefined || row.passphrase === null ? [] : [row.passphrase]
  const fitting = await fitsAny(claimed.passphrase, hashes, 1)
  if (row === undefined || fitting === undefined) {
    ctx.log.warn({ address: claimed.address, request: claimed.request }, 'a sign-in failed')
    throw new BrokerError('not-signed-in', 'The name or the passphrase is wrong.', {
      hint: 'Check both. If the passphrase is lost, an admin can remove you and invite you again.',
    })
  }
  attempt.succeeded()
  if (await hasPasskey(ctx, name)) {
    throw new BrokerError('forbidden', `${name} has a passkey, so a passphrase signs nobody in.`, {
      hint: 'Run: valetkey login --console, which shows a code to confirm in the console.',
    })
  }
  return startSession(ctx, row, claimed.request)
}

/** The audit entry is durable before the token is handed out; a session whose entry failed is known to nobody. */
export async function startSession(
  ctx: Context,
  operator: { name: string; role: Role },
  request: string | undefined,
  { kind, passkey }: { kind: SessionKind; passkey: string | null } = { kind: 'cli', passkey: null },
): Promise<SignedIn> {
  const token = randomSecret('vko_')
  const now = ctx.clock.now()
  const expiresAt = new Date(now + sessionLife)
  const id = newId('ses')
  await ctx.db.insert(sessions).values({
    id,
    operator: operator.name,
    tokenHash: sha256(token),
    createdAt: new Date(now),
    lastUsedAt: new Date(now),
    expiresAt,
    kind,
    passkey,
  })
  await ctx.journal.append({
    kind: 'sign-in',
    operator: operator.name,
    ...(request === undefined ? {} : { request }),
    outcome: 'ok',
    facts: {
      session: id,
      for: kind,
      role: operator.role,
      expires_at: expiresAt.toISOString(),
      ...(passkey === null ? {} : { passkey }),
    },
  })
  return { token: secret(token), operator: operator.name, role: operator.role, expiresAt }
}

/**
 * Who holds this session, or null: eight hours after signing in, or one without a request, it is over; in the console
 * half an hour. A session of one kind is none of the other. What a page asks by itself is `idle`: nobody was there.
 */
export async function sessionFor(
  ctx: Pick<Context, 'db' | 'clock'>,
  token: string,
  { kind = 'cli', idle = false }: { kind?: SessionKind; idle?: boolean } = {},
): Promise<Operator | null> {
  if (!/^vko_[A-Za-z0-9_-]{43}$/.test(token)) return null
  const now = ctx.clock.now()
  const [row] = await ctx.db
    .select({ session: sessions, role: operators.role })
    .from(sessions)
    .innerJoin(operators, eq(operators.name, sessions.operator))
    .where(
      and(
        eq(sessions.tokenHash, sha256(token)),
        eq(sessions.kind, kind),
        gt(sessions.expiresAt, new Date(now)),
      ),
    )
  if (row === undefined) return null
  const { id, operator, lastUsedAt } = row.session
  if (lastUsedAt.getTime() + idleLife[kind] <= now) return null
  if (!idle && lastUsedAt.getTime() + touchAfter <= now) await touch(ctx, id, now)
  return { name: operator, role: row.role, session: id }
}

/** When a session ends at the latest. */
export async function sessionEnd(ctx: Pick<Context, 'db'>, session: string): Promise<Date> {
  const [row] = await ctx.db
    .select({ expiresAt: sessions.expiresAt })
    .from(sessions)
    .where(eq(sessions.id, session))
  if (row !== undefined) return row.expiresAt
  throw new BrokerError('not-signed-in', 'This session was ended meanwhile.', {
    hint: 'Sign in with: valetkey login',
  })
}

async function touch(ctx: Pick<Context, 'db'>, id: string, now: number): Promise<void> {
  await ctx.db
    .update(sessions)
    .set({ lastUsedAt: new Date(now) })
    .where(eq(sessions.id, id))
}

export async function signOut(ctx: Context, operator: Operator, request?: string): Promise<void> {
  await ctx.db.delete(sessions).where(eq(sessions.id, operator.session))
  await ctx.journal.append({
    kind: 'sign-out',
    operator: operator.name,
    ...(request === undefined ? {} : { request }),
    outcome: 'ok',
    facts: { session: operator.session },
  })
}

export type OperatorShown = {
  name: string
  role: Role
  createdAt: Date
  sessions: number
  /** Those that may be used by now. */
  passkeys: number
}

export async function listOperators(ctx: Pick<Context, 'db' | 'clock'>): Promise<OperatorShown[]> {
  const now = ctx.clock.now()
  const since = (kind: SessionKind) => new Date(now - idleLife[kind])
  const used = (kind: SessionKind) =>
    and(eq(sessions.kind, kind), gt(sessions.lastUsedAt, since(kind)))
  const alive = and(
    eq(sessions.operator, operators.name),
    gt(sessions.expiresAt, new Date(now)),
    or(used('cli'), used('console')),
  )
  const usable = and(eq(passkeys.operator, operators.name), lte(passkeys.usableFrom, new Date(now)))
  return ctx.db
    .select({
      name: operators.name,
      role: operators.role,
      createdAt: operators.createdAt,
      sessions: sql<number>`count(distinct ${sessions.id})::int`,
      passkeys: sql<number>`count(distinct ${passkeys.id})::int`,
    })
    .from(operators)
    .leftJoin(sessions, alive)
    .leftJoin(passkeys, usable)
    .groupBy(operators.name)
    .orderBy(asc(operators.name))
}

/**
 * Ends their sessions and voids the invitations they gave out, and what is left of the code that made them. The last admin
 * who can act stays, or nobody could add another.
 */
export async function removeOperator(ctx: Context, by: Editor, name: string): Promise<void> {
  await edit(ctx, changeBy(by, 'operator.remove', { operator: name }), async (tx, note) => {
    const [row] = await tx.select().from(operators).where(eq(operators.name, name))
    if (row === undefined) {
      throw new BrokerError('not-found', `There is no operator ${name}.`, {
        hint: 'See who there is with: valetkey operator list',
      })
    }
    if (row.role === 'admin') await demandAnotherAdmin(tx, name, ctx.clock.now())
    note({ role: row.role })
    const given = and(eq(enrolments.createdBy, name), isNull(enrolments.usedAt))
    await tx.delete(enrolments).where(or(given, eq(enrolments.operator, name)))
    await tx.delete(operators).where(eq(operators.name, name))
  })
}

/** Once edits wait for a passkey, an admin without one could confirm none. */
export async function demandAnotherAdmin(tx: Tx, name: string, now: number): Promise<void> {
  const [guard] = await tx.select({ guarded: policy.guarded }).from(policy)
  const others = and(eq(operators.role, 'admin'), ne(operators.name, name))
  const able = and(eq(passkeys.operator, operators.name), lte(passkeys.usableFrom, new Date(now)))
  const [other] =
    guard?.guarded === true
      ? await tx
          .select({ name: operators.name })
          .from(operators)
          .innerJoin(passkeys, able)
          .where(others)
          .limit(1)
      : await tx.select({ name: operators.name }).from(operators).where(others).limit(1)
  if (other !== undefined) return
  throw new BrokerError(
    'conflict',
    guard?.guarded === true
      ? `${name} is the last admin with a passkey.`
      : `${name} is the last admin.`,
    { hint: 'Invite another admin first with: valetkey operator invite --role admin' },
  )
}
