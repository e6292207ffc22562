/** Reads requests as the broker does and asks the simulated Railway for them directly, so that the two can be compared. */
import { getVariableValues } from 'graphql'
import type { Operation } from '../../../src/policy/operation.ts'
import type { Catalogue } from '../../../src/providers/graphql/catalogue.ts'
import { type Classified, classify } from '../../../src/providers/graphql/classify.ts'
import { readDocument } from '../../../src/providers/graphql/document.ts'
import { readJson } from '../../../src/providers/json.ts'
import type { Call, Reading } from '../../../src/providers/provider.ts'
import { railway } from '../../../src/providers/railway/provider.ts'
import type { Spelled } from './documents.ts'

const utf8 = new TextEncoder()

export function callOf(body: string | object, changes: Partial<Call> = {}): Call {
  return {
    method: 'POST',
    segments: ['graphql', 'v2'],
    query: [],
    contentType: 'application/json',
    body: utf8.encode(typeof body === 'string' ? body : JSON.stringify(body)),
    ...changes,
  }
}

export function reading(
  catalogue: Catalogue,
  body: string | object,
): Extract<Reading, { kind: 'call' }> {
  const read = railway.read(catalogue, callOf(body))
  if (read.kind !== 'call') throw new Error('it was answered from the schema')
  return read
}

/** The bytes that would leave. */
export function canonicalOf(catalogue: Catalogue, body: string | object): string {
  return new TextDecoder().decode(reading(catalogue, body).request.body ?? new Uint8Array())
}

/** What the first operation would do, its coordinates included. */
export function classified(catalogue: Catalogue, { query, variables }: Spelled): Classified {
  const [operation] = readDocument(catalogue, query).operations
  if (operation === undefined) throw new Error('no operation')
  const definitions = operation.node.variableDefinitions ?? []
  const { coerced } = getVariableValues(catalogue.schema, definitions, variables)
  if (coerced === undefined) throw new Error('bad variables')
  return classify(catalogue, operation, coerced)
}

/** Operations without what depends on the order of a document, so that only their meaning is compared. */
export function comparable(operations: readonly Operation[]): unknown[] {
  return operations
    .map((one) => ({
      ...one,
      own: [...one.own].sort(),
      effects: [...one.effects].sort(),
      mustName: sorted(one.mustName),
      resources: sorted(one.resources),
      missing: [...one.missing].sort(),
      // It names the first field that leads out; which one is first is for the document to say.
      reachesOut: one.reachesOut !== null,
      leadsOn: one.leadsOn !== null,
    }))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}

function sorted<T>(items: readonly T[]): string[] {
  return items.map((one) => JSON.stringify(one)).sort()
}

export function jsonOf(text: string): unknown {
  return readJson(utf8.encode(text))
}
