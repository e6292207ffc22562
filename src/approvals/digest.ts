/** Names one exact request (design section 6, rule 9): equal digests are the same request, and anything that matters makes another. Pure. */
import { hash } from 'node:crypto'
import { canonical } from '../audit/canonical.ts'
import type { Operation, Site } from '../policy/operation.ts'
import { covers } from '../policy/pattern.ts'
import type { Scope } from '../policy/scope.ts'
import type { CanonicalRequest } from '../providers/provider.ts'
import type { ConnectionPolicy } from '../realm/realm.ts'

export type Judged = {
  agent: string
  environment: string
  connection: ConnectionPolicy
  /** What the overlay was when it was judged: it comes with the program. */
  overlay: string
  /** Granted to the agent, in the environment. */
  scopes: readonly Scope[]
  operations: readonly Operation[]
  sites: readonly (readonly Site[])[]
  request: CanonicalRequest
}

/** SHA-256, hex. */
export function digestOf(judged: Judged): string {
  const { agent, environment, connection, overlay, scopes, operations, sites, request } = judged
  const { method, path, query, contentType, accept, body, idempotencyKey } = request
  return hash(
    'sha256',
    canonical({
      v: 1,
      agent,
      environment,
      request: {
        ...{ method, path, query, content_type: contentType, accept },
        ...(idempotencyKey === undefined ? {} : { idempotency_key: idempotencyKey }),
        body: body === null ? null : hash('sha256', body, 'hex'),
      },
      operations: operations.map(({ name, effects }) => ({ name, effects: [...effects].sort() })),
      resources: sites.map((ofOne) => ofOne.map(resourceIn).sort()),
      scopes: bearing(scopes, connection.name, operations)
        .map(({ name, version }) => `${name} ${version}`)
        .sort(),
      connection: {
        ...{ name: connection.name, provider: connection.provider, base_url: connection.baseUrl },
        ...{ placement: connection.placement, allow_private: connection.allowPrivate },
        ...{ secret: connection.secretVersion, schema: connection.schemaHash, overlay },
      },
    }),
    'hex',
  )
}

/** The scopes that say anything about one of the operations. */
function bearing(
  scopes: readonly Scope[],
  connection: string,
  operations: readonly Operation[],
): Scope[] {
  return scopes.filter(({ allow }) =>
    allow.some(
      (one) =>
        one.connection === connection && operations.some((each) => covers(one.pattern, each)),
    ),
  )
}

function resourceIn({ resource, located }: Site): string {
  const { kind, id, role, argument } = resource
  const places = located.known
    ? [located.home, ...located.places].map((place) =>
        place.map((step) => `${step.kind}:${step.id}`).join('/'),
      )
    : ['unknown']
  return canonical([kind, id, role, argument, ...new Set(places.sort())])
}

/** Without letters that are taken for others, and without vowels. */
const alphabet = 'BCDFGHJKLMNPQRSTVWXZ'

/** Eight letters of a digest, for people to compare: 34 bits, enough to tell requests apart and too few to decide by. */
export function shortCode(digest: string): string {
  let rest = BigInt(`0x${digest.slice(0, 16)}`)
  let letters = ''
  for (let i = 0; i < 8; i += 1) {
    letters += alphabet[Number(rest % 20n)]
    rest /= 20n
  }
  return `${letters.slice(0, 4)}-${letters.slice(4)}`
}
