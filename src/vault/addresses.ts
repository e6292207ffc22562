/** Which network addresses an upstream may have. Checked when dialling, so that the checked address is the dialled one. */
import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { BrokerError } from '../errors.ts'
import { reachOfAddress } from './origin.ts'

/** What an operator has permitted for a connection, and whether what is sent there is encrypted. */
export type Permission = { allowPrivate: boolean; encrypted: boolean }

/**
 * Loopback and private networks need the operator's word for this connection; a public one sees nothing that is not
 * encrypted; metadata services are never reached.
 */
export function addressAllowed(address: string, { allowPrivate, encrypted }: Permission): boolean {
  if (isIP(address) === 0) return false
  const reach = reachOfAddress(address)
  return reach === 'public' ? encrypted : reach === 'private' && allowPrivate
}

/** A `lookup` for sockets that fails unless every address of the name is allowed: one bad answer taints the name. */
export function checkedLookup(permission: Permission): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0)
      const [first] = addresses
      const bad = addresses.find(({ address }) => !addressAllowed(address, permission))
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
