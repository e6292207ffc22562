/** The one way to the capability that a request presents: found in one place, verified, and held by whoever sends it. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import { readProof } from './dpop.ts'
import { verifyCapability } from './verify.ts'

export type Presenting = {
  method: string
  /** The raw request target. */
  target: string
  /** Names lower case, values as sent, repeats kept. */
  headers: readonly (readonly [string, string])[]
}

/** Headers in which a credential may travel; more than one of them, or one twice, is ambiguous. */
const credentialHeaders = new Set([
  'authorization',
  'project-access-token',
  'team-access-token',
  'proxy-authorization',
])

/** `place` is where a provider's own clients put their token: they know no scheme. */
type Found = { token: string; scheme: 'bearer' | 'dpop' | 'place' }

/** Throws `invalid-capability`, `ambiguous-request`, `capability-expired`, `invalid-proof`. */
export async function presentedCapability(ctx: Context, request: Presenting): Promise<Capability> {
  const { token, scheme } = find(request)
  const capability = await verifyCapability(ctx, token)
  if (capability.key === undefined) {
    if (scheme !== 'dpop') return capability
    throw new BrokerError('invalid-capability', 'This capability is bound to no key.', {
      hint: 'Send it as Authorization: Bearer, or get one that is bound by sending a DPoP proof to POST /oauth/token.',
    })
  }
  if (scheme === 'bearer') {
    throw new BrokerError(
      'invalid-proof',
      'This capability is bound to a key, so it is not enough by itself.',
      {
        hint: 'Send it as Authorization: DPoP, with a proof in the header DPoP (RFC 9449).',
        challenge: 'invalid_dpop_proof',
      },
    )
  }
  const proofs = request.headers.flatMap(([name, value]) => (name === 'dpop' ? [value] : []))
  const proof = await readProof(ctx, { ...request, proofs }, token)
  if (proof.key !== capability.key) throw otherKey()
  await proof.spend()
  return capability
}

/** Of a capability that is exchanged, and of one that is used. */
export function otherKey(): BrokerError {
  return new BrokerError(
    'invalid-proof',
    'The proof is of another key than the one that the capability is bound to.',
    {
      hint: 'Use the key that was used when the capability was minted.',
      challenge: 'invalid_dpop_proof',
    },
  )
}

function find({ headers }: Pick<Presenting, 'headers'>): Found {
  const found = headers.filter(([name]) => credentialHeaders.has(name))
  if (found.length > 1) {
    throw new BrokerError(
      'ambiguous-request',
      `The request carries credentials in ${found.length} places: ${found.map(([name]) => name).join(', ')}.`,
      { hint: 'Send the capability once, as Authorization: Bearer.' },
    )
  }
  const [name, value] = found[0] ?? []
  if (name === undefined || value === undefined) throw missing('The request carries no capability.')
  return name === 'authorization'
    ? fromAuthorization(value)
    : { token: value.trim(), scheme: 'place' }
}

function fromAuthorization(value: string): Found {
  const [, scheme = '', rest = ''] = /^(\S+) +(\S.*)$/.exec(value.trim()) ?? []
  switch (scheme.toLowerCase()) {
    case 'bearer':
    case 'token':
      return { token: rest, scheme: 'bearer' }
    case 'dpop':
      return { token: rest, scheme: 'dpop' }
    case 'basic':
      return { token: fromBasic(rest), scheme: 'place' }
    default:
      throw missing('The Authorization header carries no Bearer token.')
  }
}

/** Clients that know only user and password put the token in one of the two. */
function fromBasic(encoded: string): string {
  const [user = '', password = ''] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
  if (user !== '' && password !== '' && looksSigned(user) && looksSigned(password)) {
    throw new BrokerError('ambiguous-request', 'The Basic credentials carry two tokens.', {
      hint: 'Put the capability in the user name or in the password, not in both.',
    })
  }
  return looksSigned(user) || password === '' ? user : password
}

function looksSigned(text: string): boolean {
  return text.split('.').length === 3
}

function missing(detail: string): BrokerError {
  return new BrokerError('invalid-capability', detail, { hint: whereToGetOne })
}

const whereToGetOne =
  'Get a capability from POST /oauth/token with your client credentials, or with `valetkey token`, and send it as Authorization: Bearer.'
