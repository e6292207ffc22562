/**
 * Passkeys (WebAuthn Level 3): what an authenticator is asked, and what its answer proves. An answer without user
 * verification, for another page, or to a challenge that was not asked, proves nothing.
 */
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'
import { and, asc, eq, gt, lte, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Proof, Purpose } from '../audit/proof.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Db, Tx } from '../store/open.ts'
import { operators, passkeys } from '../store/schema.ts'
import { type Challenge, newChallenge, takeChallenge } from './challenges.ts'
import type { Role } from './operators.ts'

export type PasskeyRow = typeof passkeys.$inferSelect

type Asking = Pick<Context, 'db' | 'clock' | 'consoleUrl'>

/** Most that one operator may have. */
export const mostPasskeys = 10

/** A big library, and few requests need it. */
const webauthn = () => import('@simplewebauthn/server')

function rpOf({ consoleUrl }: Pick<Context, 'consoleUrl'>): { id: string; origin: string } {
  return { id: new URL(consoleUrl).hostname, origin: consoleUrl }
}

const Base64url = z
  .string()
  .regex(/^[A-Za-z0-9_-]+$/)
  .max(20_000)

/** What a browser gives back when a passkey was made. */
export const Registration = z.object({
  id: Base64url.max(1_400),
  rawId: Base64url.max(1_400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: Base64url,
    attestationObject: Base64url,
    transports: z.array(z.string().max(30)).max(10).optional(),
  }),
})

/** What a browser gives back when a passkey signed. */
export const Assertion = z.object({
  id: Base64url.max(1_400),
  rawId: Base64url.max(1_400),
  type: z.literal('public-key'),
  response: z.object({
    clientDataJSON: Base64url,
    authenticatorData: Base64url,
    signature: Base64url,
    userHandle: Base64url.optional(),
  }),
})

/** Asks for a new passkey of an operator. */
export async function creationOptions(
  ctx: Asking,
  asked: { purpose: Purpose; operator: string; facts: Readonly<Record<string, unknown>> },
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const { generateRegistrationOptions } = await webauthn()
  const held = await passkeysOf(ctx.db, asked.operator)
  const challenge = await newChallenge(ctx, asked)
  return generateRegistrationOptions({
    rpName: 'Valetkey',
    rpID: rpOf(ctx).id,
    userName: asked.operator,
    userID: new TextEncoder().encode(asked.operator),
    challenge: new Uint8Array(Buffer.from(challenge, 'base64url')),
    attestationType: 'none',
    excludeCredentials: held.map(({ id, transports }) => ({ id, transports })),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    supportedAlgorithmIDs: [-8, -7, -257],
  })
}

export type Created = {
  id: string
  publicKey: string
  counter: number
  transports: string[]
  facts: Record<string, unknown>
}

/** The passkey that was made for exactly this operator and purpose. Takes the challenge. Throws `forbidden`. */
export async function createdBy(
  ctx: Asking,
  tx: Tx,
  response: z.infer<typeof Registration>,
  wanted: { purpose: Purpose; operator: string },
): Promise<Created> {
  const { facts, challenge } = await challengeAnswered(ctx, tx, response.response.clientDataJSON, {
    ...wanted,
  })
  const { verifyRegistrationResponse } = await webauthn()
  const { id, origin } = rpOf(ctx)
  const { registrationInfo } = await verifyRegistrationResponse({
    response: { ...response, clientExtensionResults: {} } as RegistrationResponseJSON,
    expectedChallenge: challenge,
    expectedOrigin: origin,
    expectedRPID: id,
    requireUserVerification: true,
    supportedAlgorithmIDs: [-8, -7, -257],
  }).catch((error: unknown) => {
    throw refused(error)
  })
  if (registrationInfo === undefined) throw refused('its signature is wrong')
  const { credential } = registrationInfo
  return {
    id: credential.id,
    publicKey: Buffer.from(credential.publicKey).toString('base64url'),
    counter: credential.counter,
    transports: response.response.transports ?? [],
    facts,
  }
}

/** Asks for a signature over the facts: of one operator's passkeys, or, to sign in, of any. */
export async function assertionOptions(
  ctx: Asking,
  asked: { purpose: Purpose; operator: string | null; facts: Readonly<Record<string, unknown>> },
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { generateAuthenticationOptions } = await webauthn()
  const held = asked.operator === null ? [] : await passkeysOf(ctx.db, asked.operator)
  const challenge = await newChallenge(ctx, asked)
  return generateAuthenticationOptions({
    rpID: rpOf(ctx).id,
    challenge: new Uint8Array(Buffer.from(challenge, 'base64url')),
    userVerification: 'required',
    allowCredentials: held.map(({ id, transports }) => ({ id, transports })),
  })
}

export type Asserted = {
  operator: string
  role: Role
  passkey: string
  /** What was signed, as it was asked. */
  facts: Record<string, unknown>
  proof: Proof
}

/**
 * Whose passkey signed, and what. Takes the challenge inside the caller's transaction: with it the answer is spent, and
 * without it nothing was. Throws `forbidden`.
 */
export async function assertedBy(
  ctx: Asking,
  tx: Tx,
  response: z.infer<typeof Assertion>,
  wanted: { purpose: Purpose; operator: string | null },
): Promise<Asserted> {
  const { authenticatorData, clientDataJSON, signature } = response.response
  const asked = await challengeAnswered(ctx, tx, clientDataJSON, wanted)
  const [row] = await tx
    .select({ passkey: passkeys, role: operators.role })
    .from(passkeys)
    .innerJoin(operators, eq(operators.name, passkeys.operator))
    .where(eq(passkeys.id, response.id))
    .for('update', { of: passkeys })
  if (row === undefined) throw refused('this broker does not know the passkey')
  const { passkey, role } = row
  if (wanted.operator !== null && passkey.operator !== wanted.operator) {
    throw refused(`it is not a passkey of ${wanted.operator}`)
  }
  if (passkey.usableFrom.getTime() > ctx.clock.now()) {
    throw refused(
      `it was enrolled with a recovery code and is good from ${passkey.usableFrom.toISOString()} on`,
    )
  }
  const { id: rpId, origin } = rpOf(ctx)
  const { verifyAuthenticationResponse } = await webauthn()
  const { verified, authenticationInfo } = await verifyAuthenticationResponse({
    response: { ...response, clientExtensionResults: {} } as AuthenticationResponseJSON,
    expectedChallenge: asked.challenge,
    expectedOrigin: origin,
    expectedRPID: rpId,
    requireUserVerification: true,
    credential: {
      id: passkey.id,
      publicKey: new Uint8Array(Buffer.from(passkey.publicKey, 'base64url')),
      counter: passkey.counter,
    },
  }).catch((error: unknown) => {
    throw refused(error)
  })
  if (!verified) throw refused('its signature is wrong')
  await tx
    .update(passkeys)
    .set({ counter: authenticationInfo.newCounter, lastUsedAt: new Date(ctx.clock.now()) })
    .where(eq(passkeys.id, passkey.id))
  return {
    operator: passkey.operator,
    role,
    passkey: passkey.id,
    facts: asked.facts,
    proof: {
      purpose: wanted.purpose,
      facts: asked.facts,
      operator: passkey.operator,
      passkey: passkey.id,
      public_key: passkey.publicKey,
      authenticator_data: authenticatorData,
      client_data: clientDataJSON,
      signature,
      origin,
      rp_id: rpId,
    },
  }
}

const ClientData = z.object({ challenge: z.string().max(200) })

/** The challenge that the answer says it answers, if we asked it for this and of this operator. */
async function challengeAnswered(
  ctx: Asking,
  tx: Tx,
  clientData: string,
  { purpose, operator }: { purpose: Purpose; operator: string | null },
): Promise<Challenge> {
  const said = ClientData.safeParse(jsonOf(Buffer.from(clientData, 'base64url').toString()))
  const taken = said.success
    ? await takeChallenge(tx, ctx.clock.now(), said.data.challenge, purpose)
    : null
  if (taken === null) {
    throw refused('what it answers was not asked, was answered before, or was asked too long ago')
  }
  if (taken.operator !== operator) throw refused('it answers what somebody else was asked')
  return taken
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What a browser never sends.
    return null
  }
}

function refused(why: unknown): BrokerError {
  const words = why instanceof Error ? why.message : String(why)
  return new BrokerError('forbidden', `The passkey’s answer does not count: ${words}.`, {
    hint: 'Load the page again and touch the key once more.',
  })
}

export async function passkeysOf(db: Db | Tx, operator: string): Promise<PasskeyRow[]> {
  return db
    .select()
    .from(passkeys)
    .where(eq(passkeys.operator, operator))
    .orderBy(asc(passkeys.createdAt))
}

/** Whether an operator may sign in with a passkey, so that a passphrase does not any more. */
export async function hasPasskey(
  ctx: Pick<Context, 'db' | 'clock'>,
  operator: string,
): Promise<boolean> {
  const [row] = await ctx.db
    .select({ count: sql<number>`count(*)::int` })
    .from(passkeys)
    .where(
      and(eq(passkeys.operator, operator), lte(passkeys.usableFrom, new Date(ctx.clock.now()))),
    )
  return (row?.count ?? 0) > 0
}

/** Passkeys that a recovery code enrolled and that wait: whoever did not expect one cancels it. */
export async function pendingRecoveries(
  ctx: Pick<Context, 'db' | 'clock'>,
): Promise<{ passkey: string; operator: string; usableFrom: Date }[]> {
  return ctx.db
    .select({
      passkey: passkeys.id,
      operator: passkeys.operator,
      usableFrom: passkeys.usableFrom,
    })
    .from(passkeys)
    .where(and(eq(passkeys.recovery, true), gt(passkeys.usableFrom, new Date(ctx.clock.now()))))
    .orderBy(asc(passkeys.usableFrom))
}
