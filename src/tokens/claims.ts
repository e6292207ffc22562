/** The claims of a capability on the wire, and how they are read and written. Never signs or verifies. */
import { z } from 'zod'
import { Name } from '../ids.ts'
import type { Capability, Detail } from '../policy/capability.ts'
import { type Pattern, parsePattern, writePattern } from '../policy/pattern.ts'

export const tokenType = 'at+jwt'
export const algorithm = 'EdDSA'
/** Seconds. No scope may allow a longer life. */
export const longestLife = 3_600

/** One entry of `authorization_details` (RFC 9396), strict: a field that we do not know might be meant to restrict. */
export const WireDetail = z.strictObject({
  type: z.literal('valetkey'),
  environment: Name,
  connection: Name,
  operations: z.array(z.string().min(1).max(200)).min(1).max(256),
})
export type WireDetail = z.infer<typeof WireDetail>

/** As a client may ask for it: the scopes say which environment, so it need not be repeated. */
export const RequestedDetail = WireDetail.partial({ environment: true })

const Seconds = z.int().positive()

export const Claims = z.strictObject({
  iss: z.string(),
  aud: z.string(),
  sub: Name,
  client_id: Name,
  jti: z.string().regex(/^cap_[0-9a-f]{32}$/),
  iat: Seconds,
  exp: Seconds,
  environment: Name,
  scope: z.string().min(1),
  authorization_details: z.array(WireDetail),
})
export type Claims = z.infer<typeof Claims>

/** The reason why the details cannot be read, or the details. */
export function readDetails(
  wire: readonly Pick<WireDetail, 'connection' | 'operations'>[],
): Detail[] | { problem: string } {
  const details: Detail[] = []
  for (const { connection, operations } of wire) {
    const patterns: Pattern[] = []
    for (const source of operations) {
      const pattern = parsePattern(source)
      if ('problem' in pattern) return pattern
      patterns.push(pattern)
    }
    details.push({ connection, operations: patterns })
  }
  return details
}

export function writeDetails(environment: string, details: readonly Detail[]): WireDetail[] {
  return details.map(({ connection, operations }) => ({
    type: 'valetkey',
    environment,
    connection,
    operations: [...new Set(operations.map(writePattern))],
  }))
}

/** What verified claims say, or null where they contradict themselves. */
export function capabilityOf(claims: Claims): Capability | null {
  const details = readDetails(claims.authorization_details)
  const astray = claims.authorization_details.some((one) => one.environment !== claims.environment)
  if ('problem' in details || astray || claims.sub !== claims.client_id) return null
  return {
    jti: claims.jti,
    agent: claims.sub,
    environment: claims.environment,
    scopes: claims.scope.split(' '),
    details,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
  }
}
