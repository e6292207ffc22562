/** Counts failed tries per name and per address, in bounded memory of this process. Never learns whether a name exists. */
import { isIPv6 } from 'node:net'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../context.ts'
import { BrokerError } from '../errors.ts'

type Allowance = { burst: number; everyMs: number }

/** Ten at once, then one in six seconds: of 2^256 secrets none is found so, and a person who mistypes does not notice. */
const perName: Allowance = { burst: 10, everyMs: 6_000 }
const perAddress: Allowance = { burst: 30, everyMs: 2_000 }

const remembered = 10_000

/** A try that has begun. It counts as failed until `succeeded` says otherwise, so that many at once count too. */
export type Try = { succeeded(): void }

export type Tries = {
  /** Throws `limit-exceeded` when there were too many. */
  begin(name: string, address: string): Try
}

export function countTries(clock: Clock): Tries {
  const names = createBuckets(perName, clock)
  const addresses = createBuckets(perAddress, clock)
  return {
    begin(name, address) {
      const byName = names.bucket(name)
      const byAddress = addresses.bucket(network(address))
      const wait = Math.max(byName.wait(), byAddress.wait())
      if (wait > 0) throw tooMany(wait)
      byName.take()
      byAddress.take()
      return {
        succeeded() {
          byName.giveBack()
          byAddress.giveBack()
        },
      }
    },
  }
}

function tooMany(waitMs: number): BrokerError {
  const seconds = Math.ceil(waitMs / 1000)
  return new BrokerError('limit-exceeded', 'There were too many failed tries to sign in.', {
    hint: `Check the secret, and try again in ${seconds} s.`,
    retryAfter: seconds,
  })
}

/** One moment per key: when a full allowance will be back. */
function createBuckets({ burst, everyMs }: Allowance, clock: Clock) {
  const fullAt = new LRUCache<string, number>({ max: remembered })
  return {
    bucket(key: string) {
      const at = () => Math.max(fullAt.get(key) ?? 0, clock.now())
      return {
        wait: () => Math.max(0, at() - clock.now() - (burst - 1) * everyMs),
        take: () => fullAt.set(key, at() + everyMs),
        giveBack: () => fullAt.set(key, at() - everyMs),
      }
    },
  }
}

/** Whoever has one IPv6 address has a /64 of them. */
function network(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address
  const groups = address.split('%', 1)[0]?.split('::') ?? []
  const head = (groups[0] ?? '').split(':').filter((part) => part !== '')
  const tail = (groups[1] ?? '').split(':').filter((part) => part !== '')
  const zeros = groups.length > 1 ? Math.max(0, 8 - head.length - tail.length) : 0
  return [...head, ...Array<string>(zeros).fill('0'), ...tail].slice(0, 4).join(':')
}
