/** What all providers share of which nothing is relayed: their one operation gives a native credential for a while. Pure. */
import { z } from 'zod'
import { BrokerError } from '../errors.ts'
import type { Operation, Resource } from '../policy/operation.ts'
import { readJson } from './json.ts'
import type { Call, Provider, Reading } from './provider.ts'

/** Reveals, so that no pattern covers it: a scope names it exactly. */
export const leaseOperation = 'lease'

const Asked = z.strictObject({
  /** The scope's own, never the agent's. */
  template: z.record(z.string(), z.unknown()),
  /** Seconds. */
  ttl: z.int().positive(),
  /** The id of one that is to last longer. */
  renew: z.string().optional(),
})
export type LeaseAsked = z.infer<typeof Asked>

/** The broker composes the call itself, from the scope: what comes over the wire is no lease. */
export function leaseCall(asked: LeaseAsked): Call {
  return {
    method: 'POST',
    segments: [leaseOperation],
    query: [],
    contentType: 'application/json',
    body: Buffer.from(JSON.stringify(asked)),
  }
}

export function askedIn(call: Pick<Call, 'body'>): LeaseAsked {
  return Asked.parse(readJson(call.body))
}

export function readLease(call: Call, resources: (asked: LeaseAsked) => Resource[]): Reading {
  if (call.method !== 'POST' || call.segments.join('/') !== leaseOperation) {
    throw new BrokerError('unknown-operation', 'This connection relays nothing.', {
      hint: 'What it has is leased: POST /v1/leases.',
    })
  }
  const operation: Operation = {
    name: leaseOperation,
    own: ['reveal'],
    effects: ['reveal'],
    unknown: false,
    mustName: [],
    resources: resources(askedIn(call)),
    missing: [],
    harmless: false,
    reachesOut: null,
    leadsOn: null,
  }
  const request = {
    method: call.method,
    path: `/${leaseOperation}`,
    query: '',
    contentType: 'application/json',
    accept: 'application/json',
    body: call.body,
  }
  return { kind: 'call', operations: [operation], request, form: null }
}

/** Reads a template by its shape, or says where it cannot be read. */
export function templateReader<T extends object>(
  shape: z.ZodType<T>,
): (given: unknown) => T | { problem: string } {
  return (given) => {
    const parsed = shape.safeParse(given)
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    const at = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.join('.')}`
    return { problem: `the template cannot be read${at}: ${issue?.message ?? 'unknown'}` }
  }
}

/** Reads a secret that is a JSON object of one shape. Null says no more: what is in it may be the secret. */
export function secretReader<T>(shape: z.ZodType<T>): (text: string) => T | null {
  return (text) => {
    try {
      const parsed = shape.safeParse(JSON.parse(text))
      return parsed.success ? parsed.data : null
    } catch {
      return null
    }
  }
}

/** There is no schema, no client and no answer of an upstream to be read. */
export const leased = {
  engine: 'lease',
  placements: {},
  compile: () => null,
  largeBody: () => null,
  slashes: false,
  introspection: null,
  clients: { urls: {}, tokens: [] },
  refusalForm: () => 'problem',
  reportsFailure: () => false,
  rejectsCredential: () => false,
} as const satisfies Partial<Provider<null>>
