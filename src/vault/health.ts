/** Counts how often an upstream refused a connection's credential in a row. In memory: what a restart forgets, three calls relearn. */
import type { Context } from '../context.ts'

const tries = 3

/** By the realm, of which a process has one, so that the count ends with it. */
const refusals = new WeakMap<Context['realm'], Map<string, number>>()

export function noteCredential(
  ctx: Pick<Context, 'realm' | 'log'>,
  connection: string,
  ok: boolean,
): void {
  const counts = refusals.get(ctx.realm) ?? new Map<string, number>()
  refusals.set(ctx.realm, counts)
  if (ok) {
    counts.delete(connection)
    return
  }
  const count = (counts.get(connection) ?? 0) + 1
  counts.set(connection, count)
  if (count === tries) {
    ctx.log.error({ connection }, 'the upstream keeps refusing the credential of this connection')
  }
}

/** False once the upstream has refused the credential three times in a row. */
export function isHealthy(ctx: Pick<Context, 'realm'>, connection: string): boolean {
  return (refusals.get(ctx.realm)?.get(connection) ?? 0) < tries
}
