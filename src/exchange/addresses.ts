/** Which network addresses an upstream may have. Checked when dialling, so that the checked address is the dialled one. */
import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { BrokerError } from '../errors.ts'
import { reachOfAddress } from '../vault/origin.ts'

/** Loopback and private networks need the operator's word for this connection; metadata services are never reached. */
export function addressAllowed(address: string, allowPrivate: boolean): boolean {
  if (isIP(address) === 0) return false
  const reach = reachOfAddress(address)
  return reach === 'public' || (reach === 'private' && allowPrivate)
}

/** A `lookup` for sockets that fails unless every address of the name is allowed: one bad answer taints the name. */
export function checkedLookup(allowPrivate: boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0)
      const [first] = addresses
      const bad = addresses.find(({ address }) => !addressAllowed(address, allowPrivate))
      if (first === undefined || bad !== undefined) {
        return callback(notAllowed(hostname), '', 0)
      }
      return options.all === true
        ? callback(null, addresses)
        : callback(null, first.address, first.family)
    })
  }
}

export function notAllowed(hostname: string): BrokerError {
  return new BrokerError(
    'upstream-unreachable',
    `${hostname} has an address that this connection may not reach.`,
    {
      hint: 'If the upstream really is on a private network, an operator adds the connection again with --allow-private.',
    },
  )
}
