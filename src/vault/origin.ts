/** Where a credential may be sent: the checks on a connection's base URL and on any address. Never resolves a name. */
import ipaddr from 'ipaddr.js'
import { BrokerError } from '../errors.ts'

/**
 * Addresses by what lies behind them. `metadata` gives out the machine's own credentials, so no permission opens it.
 * Whatever is not plainly public counts as private.
 */
export type Reach = 'public' | 'private' | 'metadata'

const metadataAddresses = new Set([
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '100.100.100.200',
  '168.63.129.16',
  'fd00:ec2::254',
  'fd00:ec2::23',
])

const metadataNames = new Set(['metadata.google.internal', 'metadata', 'instance-data'])

export function reachOfAddress(address: string): Reach {
  if (!ipaddr.isValid(address)) return 'private'
  // An IPv4 address dressed as IPv6 is the IPv4 address.
  const plain = ipaddr.process(address)
  if (metadataAddresses.has(plain.toString())) return 'metadata'
  const inner = plain instanceof ipaddr.IPv6 ? translated(plain) : null
  if (inner !== null) return metadataAddresses.has(inner) ? 'metadata' : 'private'
  return plain.range() === 'unicast' ? 'public' : 'private'
}

/**
 * The IPv4 address that a translator on the way would make of it: 6to4 (RFC 3056), NAT64 (RFC 6052, RFC 8215), and the
 * forms of old that hold one at their end. Whether there is such a translator nobody can tell from here.
 */
function translated({ parts }: ipaddr.IPv6): string | null {
  const words = (from: number) =>
    parts
      .slice(from, from + 2)
      .flatMap((word) => [word >> 8, word & 0xff])
      .join('.')
  if (parts[0] === 0x2002) return words(1)
  if (parts[0] === 0x64 && parts[1] === 0xff9b) return words(6)
  const zeros = parts.slice(0, 4).every((word) => word === 0)
  if (!zeros || parts[5] !== 0 || (parts[4] !== 0 && parts[4] !== 0xffff)) return null
  return parts[6] === 0 ? null : words(6)
}

/** Null for a name that says nothing: the address is checked when it is dialled. */
export function reachOfHost(host: string): Reach | null {
  const name = host
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  if (ipaddr.isValid(name)) return reachOfAddress(name)
  if (metadataNames.has(name)) return 'metadata'
  return name === 'localhost' || name.endsWith('.localhost') ? 'private' : null
}

/** The one spelling of a base URL, without a slash at its end, or the reason why the credential must not go there. */
export function readBaseUrl(text: string, allowPrivate: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null)
    throw refuse('The base URL is no URL.', 'Give one such as https://api.example.com')
  if (url.username !== '' || url.password !== '') {
    throw refuse('The base URL holds a user name or password.', 'Give the secret by itself.')
  }
  if (url.search !== '' || url.hash !== '' || text.includes('?') || text.includes('#')) {
    throw refuse(
      'The base URL has a query or a fragment.',
      'Give the origin and, if need be, a path.',
    )
  }
  const reach = reachOfHost(url.hostname)
  if (reach === 'metadata') {
    throw refuse(`${url.hostname} hands out the machine's own credentials.`, 'It is never allowed.')
  }
  if (reach === 'private' && !allowPrivate) {
    throw refuse(
      `${url.hostname} is a private address.`,
      'If you mean it, allow private addresses for this connection (allow_private).',
    )
  }
  demandEncrypted(url, reach, allowPrivate)
  return url.origin + url.pathname.replace(/\/+$/, '')
}

/** The same for a PostgreSQL server: `postgresql://USER@HOST/DATABASE`, in the clear only where private addresses are allowed. */
export function readServerUrl(text: string, allowPrivate: boolean): string {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw refuse('This is no address of a PostgreSQL server.', `Give one such as ${example}`)
  }
  // The driver takes a comma for several hosts, of which only the whole would have been looked at.
  if (!/^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])$/.test(url.hostname)) {
    throw refuse('The address names no single server.', `Give one such as ${example}`)
  }
  if (url.password !== '') throw refuse('The address holds a password.', 'Give it by itself.')
  if (url.username === '' || !/^\/[^/]+$/.test(url.pathname) || url.hash !== '') {
    throw refuse('The address names no role, or no database.', `Give one such as ${example}`)
  }
  const mode = url.searchParams.get('sslmode') ?? 'verify-full'
  const others = [...url.searchParams.keys()].filter((name) => name !== 'sslmode')
  if (others.length > 0 || !['verify-full', 'disable'].includes(mode)) {
    throw refuse(
      'The address says more than this broker keeps to.',
      'sslmode is verify-full, or disable in a private network.',
    )
  }
  const reach = reachOfHost(url.hostname)
  if (reach === 'metadata' || (reach === 'private' && !allowPrivate)) {
    throw refuse(
      `${url.hostname} is a private address.`,
      'If you mean it, allow private addresses for this connection (allow_private).',
    )
  }
  if (mode === 'disable' && (!allowPrivate || reach === 'public')) {
    throw refuse(
      'sslmode=disable would send everything in the clear.',
      'It is for private addresses only (allow_private).',
    )
  }
  const query = mode === 'disable' ? '?sslmode=disable' : ''
  return `postgresql://${url.username}@${url.host}${url.pathname}${query}`
}

const example = 'postgresql://valetkey@db.example/postgres'

function demandEncrypted(url: URL, reach: Reach | null, allowPrivate: boolean): void {
  if (url.protocol === 'https:') return
  if (url.protocol === 'http:' && allowPrivate && reach !== 'public') return
  throw refuse(
    `${url.protocol}// would send the secret in the clear.`,
    'Use https; http is for private addresses only (allow_private).',
  )
}

function refuse(detail: string, hint: string): BrokerError {
  return new BrokerError('malformed-request', detail, { hint })
}
