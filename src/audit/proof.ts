/** What a passkey signed, and whether it did: judged from the proof alone, offline. Never asks a database or a clock. */
import { hash } from 'node:crypto'
import { z } from 'zod'
import { canonical } from './canonical.ts'

export const purposes = [
  'enrol',
  'sign-in',
  'add-passkey',
  'remove-passkey',
  'recovery-codes',
  'recover',
  'approve',
  'confirm',
] as const
export type Purpose = (typeof purposes)[number]

/**
 * What a passkey is asked to sign (WebAuthn Level 3, section 13.4.3): SHA-256 over a label that says what for, and over
 * all facts, a fresh nonce and the expiry among them. Equal facts for another purpose are another challenge.
 */
export function challengeOf(purpose: Purpose, facts: Readonly<Record<string, unknown>>): string {
  return hash('sha256', `valetkey ${purpose} v1\n${canonical(facts)}`, 'base64url')
}

/**
 * What is signed of a change: its edit and the difference that was shown, in one hash. What the edit is made with is sealed,
 * and stands in it by the hash of the sealed text.
 */
export function digestOfChange(change: {
  id: string
  action: string
  params: string
  diff: Readonly<Record<string, unknown>>
}): string {
  const { id, action, params, diff } = change
  return hash('sha256', canonical({ v: 1, id, action, params, diff }), 'hex')
}

const Base64url = z.string().regex(/^[A-Za-z0-9_-]+$/)

const ProofShape = z.strictObject({
  purpose: z.enum(purposes),
  /** All that the challenge was made from. */
  facts: z.record(z.string(), z.unknown()),
  operator: z.string(),
  passkey: Base64url,
  /** COSE. */
  public_key: Base64url,
  authenticator_data: Base64url,
  client_data: Base64url,
  signature: Base64url,
  origin: z.string(),
  rp_id: z.string(),
})

/** Complete: whoever has it needs nothing else to check it. Plain JSON, so that an audit entry can hold it. */
export type Proof = z.infer<typeof ProofShape>

/** Null when the passkey's key said yes, with user verification, to exactly these facts; else what is wrong. */
export async function checkProof(value: unknown): Promise<string | null> {
  const parsed = ProofShape.safeParse(value)
  if (!parsed.success) return 'it is not a proof'
  const proof = parsed.data
  // Loaded here, because most who load this file check none.
  const { verifyAuthenticationResponse } = await import('@simplewebauthn/server')
  try {
    const { verified } = await verifyAuthenticationResponse({
      response: {
        id: proof.passkey,
        rawId: proof.passkey,
        type: 'public-key',
        clientExtensionResults: {},
        response: {
          authenticatorData: proof.authenticator_data,
          clientDataJSON: proof.client_data,
          signature: proof.signature,
        },
      },
      expectedChallenge: challengeOf(proof.purpose, proof.facts),
      expectedOrigin: proof.origin,
      expectedRPID: proof.rp_id,
      requireUserVerification: true,
      credential: {
        id: proof.passkey,
        publicKey: new Uint8Array(Buffer.from(proof.public_key, 'base64url')),
        // That it only rises is for whoever takes it to check, once.
        counter: 0,
      },
    })
    return verified ? null : 'the signature is not of this key'
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
