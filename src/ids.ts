/** Names and identifiers: how each is made and how each is recognised. Never looks anything up. */
import { randomBytes, randomUUID } from 'node:crypto'
import { z } from 'zod'

/** A name an operator chooses: connections, environments, scopes, agents. Lower case, so that one name has one spelling. */
export const Name = z
  .string()
  .regex(
    /^[a-z][a-z0-9-]{0,62}$/,
    'a name is lower-case letters, digits and hyphens, starts with a letter, and has at most 63 characters',
  )
export type Name = z.infer<typeof Name>

/** What the broker does by itself is written down under its own name. */
export const OperatorName = Name.refine(
  (name) => name !== 'valetkey',
  'valetkey is the broker’s own name',
)

/** A random identifier with a prefix that says what it names, 122 bits, sortable by nothing on purpose. */
export function newId(
  prefix: 'cap' | 'ses' | 'sec' | 'bnd' | 'frz' | 'apr' | 'chg' | 'rec' | 'key' | 'lse',
): string {
  return `${prefix}_${randomUUID().replaceAll('-', '')}`
}

/**
 * Names a request, from its time in milliseconds and 74 random bits, so that the audit log's index of them grows at its
 * end. It is no secret: it goes back with the answer.
 */
export function newRequestId(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `req_${time}${randomUUID().replaceAll('-', '').slice(12)}`
}

/** 256 random bits in base64url: the secret part of every credential that we make ourselves. */
export function randomSecret(prefix: 'vks_' | 'vko_' | ''): string {
  return prefix + randomBytes(32).toString('base64url')
}
