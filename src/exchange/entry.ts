/** What the audit log says of a call: who, what, where, and how it ended. Never a body, a variable's value or a secret. */
import { hash } from 'node:crypto'
import type { Entry } from '../audit/entry.ts'
import type { BrokerError } from '../errors.ts'
import type { Capability } from '../policy/capability.ts'
import type { Operation, Site } from '../policy/operation.ts'
import type { CanonicalRequest } from '../providers/provider.ts'

/** Facts gathered along the road; whatever is known when it ends is written. */
export type Facts = {
  request: string
  connection: string
  capability: Capability
  operations: readonly Operation[]
  sites: readonly (readonly Site[])[]
  canonical: CanonicalRequest | null
  /** Its entry is open and it may have left: from here on its end is an outcome, not a refusal. */
  sent: boolean
}

/** `approval` is the one that it spends. */
export function callEntry(noted: Facts, approval: string | null): Entry {
  const said = facts(noted)
  return {
    ...about(noted),
    kind: 'call',
    outcome: 'allow',
    facts: approval === null ? said : { ...said, approval },
  }
}

export function refusalEntry(noted: Facts, error: BrokerError): Omit<Entry, 'kind'> {
  const { found, refused, approval } = error.facts
  return {
    ...about(noted),
    ...(noted.operations.length === 0 && error.facts.operation !== undefined
      ? { operation: error.facts.operation }
      : {}),
    outcome: error.code,
    facts: {
      ...facts(noted),
      detail: error.message,
      ...(found === undefined ? {} : { found }),
      ...(refused === undefined ? {} : { refused }),
      ...(approval === undefined ? {} : { approval: approval.id }),
    },
  }
}

export function outcomeEntry(
  noted: Facts,
  ended: {
    outcome: 'ok' | 'failed' | 'unknown'
    status: number | null
    bytes: number
    ms: number
    code?: string
  },
): Entry {
  const { outcome, status, bytes, ms, code } = ended
  return {
    ...about(noted),
    kind: 'outcome',
    outcome,
    facts: { status, bytes, ms: Math.round(ms), ...(code === undefined ? {} : { code }) },
  }
}

function about({ request, connection, capability, operations }: Facts): Omit<Entry, 'kind'> {
  const [first] = operations
  return {
    request,
    agent: capability.agent,
    environment: capability.environment,
    connection,
    ...(first === undefined ? {} : { operation: first.name }),
  }
}

function facts({ capability, operations, sites, canonical }: Facts): Record<string, unknown> {
  return {
    capability: capability.jti,
    scopes: [...capability.scopes],
    operations: operations.map(({ name, effects }) => ({ name, effects: [...effects] })),
    resources: sites.flat().map(({ resource, located }) => ({
      kind: resource.kind,
      id: resource.id,
      places: located.known ? located.places.map(written) : [],
    })),
    ...(canonical === null ? {} : { sent: digest(canonical) }),
  }
}

function written(place: readonly { kind: string; id: string }[]): string {
  return place.map(({ kind, id }) => `${kind}:${id}`).join('/')
}

const digests = new WeakMap<CanonicalRequest, string>()

/** Of the very bytes that leave, so that two entries can be told to be the same request. */
function digest(request: CanonicalRequest): string {
  const known = digests.get(request)
  if (known !== undefined) return known
  const { method, path, query, body } = request
  const start = Buffer.from(`${method} ${path}?${query}\n`)
  const fresh = hash('sha256', Buffer.concat([start, body ?? Buffer.alloc(0)]), 'hex')
  digests.set(request, fresh)
  return fresh
}
