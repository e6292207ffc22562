/** Which network addresses an upstream may have. Checked when dialling, so that the checked address is the dialled one. */
import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { BrokerError } from '../errors.ts'

/** Hosts of cloud metadata that count as unicast, or that a private-address permission must not open either. */
const metadata = new Set([
  '169.254.169.254',
  '169.254.170.2',
  '168.63.129.16',
  '100.100.100.200',
  'fd00:ec2::254',
])

/** Loopback and private networks need the operator's word for this connection; metadata services are never reached. */
export function addressAllowed(address: string, allowPrivate: boolean): boolean {
  if (!ipaddr.isValid(address) || isIP(address) === 0) return false
  const parsed = ipaddr.process(address)
  if (metadata.has(parsed.toString())) return false
  const range = parsed.range()
  if (range === 'unicast') return true
  return allowPrivate && (range === 'loopback' || range === 'private' || range === 'uniqueLocal')
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
