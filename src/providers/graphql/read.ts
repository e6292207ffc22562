/**
 * Reads a GraphQL request over HTTP into operations to judge and the one request to send. Whatever has two readings is
 * refused here; what leaves is printed from what was judged.
 */
import {
  type DocumentNode,
  execute,
  type GraphQLError,
  getVariableValues,
  parse,
  visit,
} from 'graphql'
import { BrokerError } from '../../errors.ts'
import type { Operation as Judged } from '../../policy/operation.ts'
import { type Denial, deny } from '../../policy/verdict.ts'
import { type Json, readJson } from '../json.ts'
import type { Call, CanonicalRequest, Reading } from '../provider.ts'
import type { Catalogue } from './catalogue.ts'
import { classify, rootFields } from './classify.ts'
import { type Operation, readDocument } from './document.ts'

/** One entry of the body: GraphQL over HTTP names them so. */
type Request = { query: string; variables: { [key: string]: Json }; operationName: string | null }

const jsonType = /^application\/json(?:\s*;\s*charset="?utf-8"?)?$/i
/** curl's default, which upstreams read as JSON; or none. */
const looseType = /^application\/x-www-form-urlencoded(?:\s*;\s*charset="?utf-8"?)?$/i
const maxBatch = 10
/** Of a body, in bytes. */
const maxRemembered = 4_096

/** `path` is the upstream's path for GraphQL. A body that only reads is read once, for as long as it is remembered. */
export function readGraphql(catalogue: Catalogue, call: Call, path: string): Reading {
  assertForm(call)
  const { body } = call
  if (body.length > maxRemembered) return readBody(catalogue, body, path)
  const key = `${path}\n${Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1')}`
  const known = catalogue.readings.get(key)
  if (known !== undefined) return known
  const reading = readBody(catalogue, body, path)
  if (onlyReads(reading)) catalogue.readings.set(key, reading)
  return reading
}

/** The variables of what writes may hold secrets, and it is seldom sent twice. */
function onlyReads(reading: Reading): boolean {
  return (
    reading.kind === 'call' &&
    reading.operations.every(({ effects }) => effects.every((effect) => effect === 'read'))
  )
}

function readBody(catalogue: Catalogue, bytes: Uint8Array, path: string): Reading {
  const body = readJson(bytes)
  const requests = (Array.isArray(body) ? body : [body]).map(readRequest)
  if (requests.length === 0 || requests.length > maxBatch) {
    throw malformed(`it is a batch of ${requests.length} requests`)
  }
  const selected = requests.map((request) => select(catalogue, request))
  const [first] = selected
  if (first === undefined) throw malformed('it is empty')
  if (selected.length === 1 && first.all.every(isIntrospection)) {
    return { kind: 'answer', json: introspect(catalogue, first) }
  }
  const judged = selected.map((one) => judge(catalogue, one))
  return {
    kind: 'call',
    operations: judged.flatMap(({ operations }) => operations),
    request: compose(first, judged[0]?.variables ?? {}, path),
    form: formOf(selected, judged),
  }
}

function assertForm(call: Call): void {
  if (call.method !== 'POST') {
    throw new BrokerError('method-not-allowed', `GraphQL is sent with POST, not ${call.method}.`, {
      hint: 'Send the document as JSON in the body of a POST.',
    })
  }
  if (call.query.length > 0) {
    throw new BrokerError('ambiguous-request', 'The URL has a query string beside the body.', {
      hint: 'Send everything in the JSON body, and nothing after the path.',
    })
  }
  if (call.contentType === null || jsonType.test(call.contentType)) return
  if (looseType.test(call.contentType)) return
  const upload = /^multipart\//i.test(call.contentType)
  throw new BrokerError(
    'malformed-request',
    upload
      ? 'File uploads cannot be sent: nothing describes what they would do.'
      : 'The body is not declared as JSON.',
    {
      hint: 'Send Content-Type: application/json and one JSON object with "query" and "variables".',
    },
  )
}

function readRequest(value: Json): Request {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw malformed('a request must be a JSON object with "query" and "variables"')
  }
  const { query, variables = null, operationName = null, extensions = null, ...others } = value
  const [other] = Object.keys(others)
  if (typeof query !== 'string' || query === '') {
    const persisted = extensions !== null || other !== undefined
    throw new BrokerError(
      persisted ? 'ambiguous-request' : 'malformed-request',
      persisted
        ? 'The request names a persisted query without its text, so nobody can tell what it would do.'
        : 'The request has no "query".',
      { hint: 'Send the text of the document in "query".' },
    )
  }
  if (other !== undefined)
    throw malformed(`the request has an unknown member "${other.slice(0, 60)}"`)
  if (operationName !== null && typeof operationName !== 'string') {
    throw malformed('"operationName" must be a string')
  }
  if (variables !== null && (typeof variables !== 'object' || Array.isArray(variables))) {
    throw malformed('"variables" must be an object')
  }
  return {
    query,
    variables: variables ?? {},
    operationName: operationName === '' ? null : operationName,
  }
}

type Selected = { operation: Operation; all: readonly Operation[]; request: Request }

/** The operation that an executor would run (GraphQL specification section 6.1). */
function select(catalogue: Catalogue, request: Request): Selected {
  const { operations } = readDocument(catalogue, request.query)
  const candidates =
    request.operationName === null
      ? operations
      : operations.filter(({ name }) => name === request.operationName)
  const [operation] = candidates
  if (operation === undefined)
    throw malformed(`it has no operation named "${request.operationName?.slice(0, 60)}"`)
  return { operation, all: operations, request }
}

type JudgedRequest = { operations: readonly Judged[]; variables: Record<string, unknown> }

/** All operations of the document: what is not run now stands in the same text, and is refused for what it would do. */
function judge(catalogue: Catalogue, { operation, all, request }: Selected): JudgedRequest {
  const variables = coerce(catalogue, operation, request.variables)
  const mine = classify(catalogue, operation, variables)
  const others = all
    .filter((one) => one !== operation)
    .flatMap((one) => judgeOther(catalogue, one, request.variables))
  return { operations: [...mine.operations, ...others], variables }
}

/** An operation that is not run, where the variables of the one that is fit it too. Its form refuses the request anyway. */
function judgeOther(
  catalogue: Catalogue,
  operation: Operation,
  variables: Record<string, unknown>,
): readonly Judged[] {
  const definitions = operation.node.variableDefinitions ?? []
  const { coerced } = getVariableValues(catalogue.schema, definitions, variables, { maxErrors: 1 })
  return coerced === undefined ? [] : classify(catalogue, operation, coerced).operations
}

/** Coerces variables by the schema, defaults included; what the operation does not declare is left behind. */
function coerce(
  catalogue: Catalogue,
  operation: Operation,
  variables: Record<string, unknown>,
): Record<string, unknown> {
  const definitions = operation.node.variableDefinitions ?? []
  const result = getVariableValues(catalogue.schema, definitions, variables, { maxErrors: 1 })
  if (result.coerced === undefined)
    throw malformed(clean(result.errors[0]?.message ?? 'a variable is wrong'))
  return result.coerced
}

/** What a request may mean twice. Judged first, so that a refusal names what would have been done. */
function formOf(selected: readonly Selected[], judged: readonly JudgedRequest[]): Denial | null {
  if (selected.length > 1)
    return ambiguous('a batch of several requests', 'Send one request at a time.')
  const [only] = selected
  if (only === undefined) return null
  if (only.all.length > 1) {
    return ambiguous('a document with several operations', 'Send the one operation alone.')
  }
  if (only.operation.kind === 'mutation' && judged[0]?.operations.length !== 1) {
    return ambiguous(
      'several mutations in one operation',
      'Send each mutation in a request of its own.',
    )
  }
  const fields = rootFields(only.operation, only.operation.node.selectionSet)
  return fields.some(isMeta)
    ? ambiguous(
        'introspection together with other fields',
        'Send introspection in a request of its own.',
      )
    : null
}

function ambiguous(what: string, hint: string): Denial {
  return deny('ambiguous-request', `The broker does not send ${what}.`, { hint })
}

function compose(
  { operation }: Selected,
  variables: Record<string, unknown>,
  path: string,
): CanonicalRequest {
  const body = {
    query: operation.canonical,
    variables,
    ...(operation.name === null ? {} : { operationName: operation.name }),
  }
  return {
    method: 'POST',
    path,
    query: '',
    contentType: 'application/json',
    accept: 'application/json',
    body: new TextEncoder().encode(JSON.stringify(body)),
  }
}

function isMeta(field: { name: { value: string } }): boolean {
  return field.name.value === '__schema' || field.name.value === '__type'
}

function isIntrospection(operation: Operation): boolean {
  if (operation.kind !== 'query') return false
  const fields = rootFields(operation, operation.node.selectionSet)
  const named = fields.filter((field) => field.name.value !== '__typename')
  return named.every(isMeta)
}

/** Answered from the broker's own copy of the schema: nothing is sent. */
function introspect(catalogue: Catalogue, { operation, request }: Selected): object {
  const variables = coerce(catalogue, operation, request.variables)
  const key = `${operation.canonical}\n${JSON.stringify(variables)}`
  const known = catalogue.introspections.get(key)
  if (known !== undefined) return known
  const document = parse(operation.canonical, { noLocation: true })
  assertOnce(operation, document)
  const answer = execute({ schema: catalogue.schema, document, variableValues: variables })
  if (answer instanceof Promise) throw malformed('introspection cannot be answered')
  const plain = {
    data: answer.data ?? null,
    ...(answer.errors === undefined ? {} : { errors: answer.errors.map(shown) }),
  }
  catalogue.introspections.set(key, plain)
  return plain
}

const maxIntrospections = 10

/** Without aliases a schema is told once, however long the document; with them a small one makes seconds of work. */
function assertOnce(operation: Operation, document: DocumentNode): void {
  const roots = rootFields(operation, operation.node.selectionSet)
  if (roots.length > maxIntrospections) {
    throw malformed(`it asks for the schema ${roots.length} times`)
  }
  visit(document, {
    Field: ({ alias, name }) => {
      if (alias !== undefined && !isMeta({ name })) {
        throw malformed('introspection takes no aliases but those of __schema and __type')
      }
    },
  })
}

function shown(error: GraphQLError): { message: string } {
  return { message: error.message }
}

function clean(message: string): string {
  return message.replaceAll(/\s+/g, ' ').slice(0, 300).replace(/\.$/, '')
}

function malformed(why: string): BrokerError {
  return new BrokerError('malformed-request', `The GraphQL request cannot be taken: ${why}.`, {
    hint: 'Send one JSON object with "query" and "variables".',
  })
}
