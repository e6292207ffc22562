/** What a capability says, once its signature is known to be ours, and how one is narrowed. Pure. */
import { narrower, type Pattern } from './pattern.ts'
import type { Scope } from './scope.ts'

/** One entry of `authorization_details` (RFC 9396), with its patterns read. */
export type Detail = { connection: string; operations: readonly Pattern[] }

export type Capability = {
  jti: string
  agent: string
  environment: string
  scopes: readonly string[]
  details: readonly Detail[]
  /** Seconds since the epoch. */
  issuedAt: number
  expiresAt: number
}

/** What the scopes allow together, connection by connection: the widest that a capability minted from them can be. */
export function detailsOf(scopes: readonly Scope[]): Detail[] {
  const byConnection = new Map<string, Pattern[]>()
  for (const { connection, pattern } of scopes.flatMap((scope) => scope.allow)) {
    const patterns = byConnection.get(connection)
    if (patterns === undefined) byConnection.set(connection, [pattern])
    else patterns.push(pattern)
  }
  return [...byConnection].map(([connection, operations]) => ({ connection, operations }))
}

/** The requested pattern that is not provably within what is held, or null when all are. */
export function wider(
  requested: readonly Detail[],
  held: readonly Detail[],
): { connection: string; pattern: Pattern } | null {
  for (const { connection, operations } of requested) {
    const outer = held
      .filter((one) => one.connection === connection)
      .flatMap((one) => one.operations)
    const stray = operations.find((pattern) => !outer.some((one) => narrower(pattern, one)))
    if (stray !== undefined) return { connection, pattern: stray }
  }
  return null
}
