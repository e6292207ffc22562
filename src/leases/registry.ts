/** The kinds of leases that this broker can give, by provider. A further one is a file beside this and a line in it. */
import type { LeaseKinds } from './kind.ts'
import { postgresLeases } from './postgres.ts'

export function leaseKinds(): LeaseKinds {
  return new Map([['postgres', postgresLeases]])
}
