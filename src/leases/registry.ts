/** The kinds of leases that this broker can give, by provider. A further one is a file beside this and a line in it. */
import type { Dial } from '../exchange/dial.ts'
import { awsLeases } from './aws.ts'
import { githubAppLeases } from './github-app.ts'
import { githubKeys } from './github-keys.ts'
import type { Keys, LeaseKinds } from './kind.ts'
import { postgresLeases } from './postgres.ts'

export function leaseKinds({ dial }: { dial: Dial }): LeaseKinds {
  return new Map([
    ['postgres', postgresLeases],
    ['github-app', githubAppLeases(dial)],
    ['aws', awsLeases],
  ])
}

/** What goes onto a request in the place of a connection's secret, by provider. */
export function keyMakers({ dial }: { dial: Dial }): Keys {
  return new Map([['github', githubKeys(dial)]])
}
