/** Reads a REST call into its one operation, the resources that it names anywhere, and the request that will leave. Never looks anything up. */
import { BrokerError } from '../../errors.ts'
import type { Effect, Operation, Resource } from '../../policy/operation.ts'
import { type Json, readJson } from '../json.ts'
import type { Call, CanonicalRequest, Reading } from '../provider.ts'
import type { RestCatalogue, RestOperation } from './catalogue.ts'
import { nameWords, type RestKind, whole } from './kinds.ts'
import type { Part } from './template.ts'

const jsonType = /^application\/(?:json|[a-z0-9.-]+\+json)(?:\s*;\s*charset="?utf-8"?)?$/i
const formType = /^application\/x-www-form-urlencoded(?:\s*;\s*charset="?utf-8"?)?$/i

/** Where a second method or a second credential could stand. The connection's own is the only one that leaves. */
const methodNames = /^(?:_method|x-http-method(?:-override)?|x-method-override)$/i
const credentialNames =
  /^(?:access_?token|api_?key|auth_?token|private_token|bearer_token|oauth_token)$/i

/** Last words of a name that points at another thing of the API, or at a foreign place. */
const pointers = new Set([
  ...['id', 'uuid', 'guid', 'slug', 'ref', 'arn', 'url', 'uri', 'host', 'hostname', 'domain'],
])
/** Words of a name whose text may be another thing's. */
const ends = new Set([
  ...['parent', 'source', 'target', 'from', 'to', 'destination', 'origin', 'template', 'clone'],
])

/** What a call names: its resources, what it should have named, and fields that may stand for anything else. */
export type Named = { resources: Resource[]; missing: string[]; unknown: string[] }

/** An API may know more of its resources than its paths say. */
export type Naming = (
  operation: RestOperation,
  parameters: ReadonlyMap<string, string>,
  given: readonly Field[],
) => Named

export function readRest(
  catalogue: RestCatalogue,
  call: Call,
  naming: Naming = byPaths(catalogue),
): Reading {
  const { method } = call
  const segments = call.segments.flatMap((one) => one.split('/'))
  const match = catalogue.route(method === 'HEAD' ? 'GET' : method, segments)
  if (match === null) throw unknown(method, segments)
  demandSeveral(call.segments, match.parts)
  const { of: operation, parameters } = match
  const content = readContent(call)
  const given = [
    ...call.query.flatMap(([path, value]) => fieldsOf('query', path, value)),
    ...content.fields,
  ]
  demandPlain(given)
  const found = naming(operation, parameters, given)
  // What names nothing acts on all there is.
  if (found.resources.length === 0 && !operation.harmless) {
    const all: Resource = { ...whole, role: 'target', argument: 'the API', spread: true }
    if (found.missing.length === 0) found.resources.push(all)
  }
  const effects = effectsOf(operation, content)
  const known: Operation = {
    name: operation.name,
    own: effects,
    effects,
    unknown: false,
    mustName: [...new Set(found.unknown)].map((name) => ({
      field: `${operation.name}.${name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, 100)}`,
      effect: 'unknown' as const,
    })),
    resources: found.resources,
    missing: found.missing,
    harmless: operation.harmless,
    reachesOut: null,
    leadsOn: null,
  }
  const request: CanonicalRequest = {
    method,
    path: pathOf(operation, parameters),
    query: call.query.map(pairSpelled).join('&'),
    contentType: content.type,
    accept: 'application/json',
    body: content.body,
    ...(call.idempotencyKey === undefined ? {} : { idempotencyKey: call.idempotencyKey }),
  }
  return { kind: 'call', operations: [known], request, form: null }
}

/**
 * However the slashes of a path in the path came, they leave as slashes, so it is read as it leaves. An encoded one that would be
 * structure there is refused, and so is a piece that is no segment.
 */
function demandSeveral(segments: readonly string[], parts: readonly Part[]): void {
  let at = 0
  for (const segment of segments) {
    const pieces = segment.split('/')
    const mine = parts.slice(at, at + pieces.length)
    at += pieces.length
    if (pieces.length === 1) continue
    const whole = mine.every((part) => 'several' in part)
    if (whole && pieces.every((one) => one !== '' && one !== '.' && one !== '..')) continue
    throw new BrokerError(
      'ambiguous-request',
      'The URL can be read in two ways: a segment holds a slash.',
      { hint: 'Use the upstream’s own path after /x/{connection}, plainly spelled.' },
    )
  }
}

function unknown(method: string, segments: readonly string[]): BrokerError {
  const path = `/${segments.join('/')}`
  const git = /\/info\/refs$|\/git-(?:upload|receive)-pack$/.test(path)
  return new BrokerError(
    'unknown-operation',
    git
      ? 'Git speaks to a server of its own, and this connection relays calls of an API.'
      : `The API has no ${method.slice(0, 20)} ${path.slice(0, 200)} that this broker knows.`,
    {
      hint: git
        ? 'Take a token for it that lives as long as the work: valetkey lease create, of a connection to github-app.'
        : 'See what there is with GET /v1/capability, or ask a human to describe it: valetkey provider add.',
    },
  )
}

/**
 * Something that was given by a name: in the query, or anywhere in the body. `text` where names and values are all there is, in
 * which upstreams look for credentials too.
 */
export type Field = {
  where: 'query' | 'body'
  path: string
  name: string
  value: string | null
  text?: true
}

/** Of `a[b][0]` all names; only the last has the value. What is empty or a number only counts. */
function fieldsOf(where: Field['where'], path: string, value: string): Field[] {
  const names = path.split(/[[\]]/).filter((piece) => piece !== '' && !/^\d+$/.test(piece))
  return (names.length === 0 ? [path] : names).map((name, i, all) => ({
    ...{ where, path, name, text: true as const },
    value: i === all.length - 1 ? value : null,
  }))
}

type Content = { type: string | null; body: Uint8Array | null; fields: Field[]; clears: boolean }

function readContent({ method, contentType, body }: Call): Content {
  if (body.length === 0) return { type: null, body: null, fields: [], clears: false }
  if (method === 'GET' || method === 'HEAD') {
    throw new BrokerError('ambiguous-request', `A ${method} with a body can be read in two ways.`, {
      hint: 'Send it without one.',
    })
  }
  if (contentType !== null && jsonType.test(contentType)) {
    const json = readJson(body)
    const fields: Field[] = []
    const clears = gather(json, '', '', fields)
    return { type: contentType, body: Buffer.from(JSON.stringify(json)), fields, clears }
  }
  if (contentType !== null && formType.test(contentType)) return readForm(body)
  throw new BrokerError(
    'malformed-request',
    contentType === null
      ? 'The body does not say what it is.'
      : `A body of type ${contentType.slice(0, 80)} is not read.`,
    {
      hint: 'Send JSON as application/json, or a form as application/x-www-form-urlencoded, in UTF-8.',
    },
  )
}

function readForm(body: Uint8Array): Content {
  const text = Buffer.from(body).toString('latin1')
  // What is not encoded is read differently by different servers.
  if (!/^[\x21-\x7e]*$/.test(text)) throw brokenForm()
  const pairs = text.split('&').map((pair): readonly [string, string] => {
    const equals = pair.indexOf('=')
    const [name, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
    return [decoded(name), decoded(value)]
  })
  const fields = pairs.flatMap(([path, value]) => fieldsOf('body', path, value))
  // In a form nothing is null; an empty value is how it says so.
  const clears = pairs.some(([, value]) => value === '')
  const spelled = pairs.map(pairSpelled).join('&')
  return { type: 'application/x-www-form-urlencoded', body: Buffer.from(spelled), fields, clears }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw brokenForm()
  }
}

function brokenForm(): BrokerError {
  return new BrokerError('malformed-request', 'The encoding of the form is broken.', {
    hint: 'Encode it as application/x-www-form-urlencoded, in UTF-8.',
  })
}

/** All names at any depth, with what is a text or a number there. Says whether anything is null. */
function gather(json: Json, path: string, name: string, into: Field[]): boolean {
  if (json === null) return true
  if (Array.isArray(json)) {
    return json.map((one) => gather(one, path, name, into)).some((cleared) => cleared)
  }
  if (typeof json === 'object') {
    if (name !== '') into.push({ where: 'body', path, name, value: null })
    return Object.entries(json)
      .map(([key, value]) => {
        if (value === null)
          into.push({ where: 'body', path: join(path, key), name: key, value: null })
        return gather(value, join(path, key), key, into)
      })
      .some((cleared) => cleared)
  }
  into.push({ where: 'body', path, name, value: String(json) })
  return false
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function demandPlain(given: readonly Field[]): void {
  const one = given.find(
    ({ path, text }) => methodNames.test(path) || (text && credentialNames.test(path)),
  )
  if (one === undefined) return
  throw new BrokerError(
    'ambiguous-request',
    `${one.path.slice(0, 60)} gives the request a second method or a second credential.`,
    { hint: 'Leave it out: the method is the request’s own, and the broker adds the credential.' },
  )
}

/** What clears a field of something that exists may be how this API deletes it. */
function effectsOf(operation: RestOperation, { clears }: Content): readonly Effect[] {
  const changes = operation.method === 'PATCH' || operation.method === 'PUT'
  if (!clears || !changes || operation.effects.includes('destructive')) return operation.effects
  return [...operation.effects, 'destructive']
}

/** Its parameters, and fields that are called like one. */
function byPaths(catalogue: RestCatalogue): Naming {
  return (operation, parameters, given) => ({
    ...resourcesOf(catalogue, operation, parameters, given),
    unknown: unknownFields(catalogue, operation, given),
  })
}

function unknownFields(
  { kinds, alias }: RestCatalogue,
  operation: RestOperation,
  given: readonly Field[],
): string[] {
  const others = given.filter(({ name }) => !kinds.byParameter.has(alias(name)))
  return [
    ...undeclared(operation, others),
    ...others.filter(({ name, value }) => points(kinds, name, value)).map(({ name }) => name),
  ]
}

/** Fields that the description does not know, at any depth. */
export function undeclared(
  { query, fields }: Pick<RestOperation, 'query' | 'fields'>,
  given: readonly Field[],
): string[] {
  return given.flatMap(({ where, name }) => {
    // A list without a name may be of anything.
    if (name === '') return ['body']
    return (where === 'query' ? query : fields)?.has(name) === false ? [name] : []
  })
}

/** Whether what a name holds may be another thing than those that were judged. */
function points({ words }: RestCatalogue['kinds'], name: string, value: string | null): boolean {
  const all = nameWords(name)
  const last = all.at(-1) ?? ''
  if (pointers.has(last) || pointers.has(last.replace(/s$/, ''))) return true
  return value !== null && all.some((word) => ends.has(word) || words.has(word))
}

function resourcesOf(
  catalogue: RestCatalogue,
  operation: RestOperation,
  parameters: ReadonlyMap<string, string>,
  given: readonly Field[],
): { resources: Resource[]; missing: string[] } {
  const { kinds, alias } = catalogue
  const resources: Resource[] = []
  const missing: string[] = []
  const name = (kind: RestKind, own: string, argument: string, spread: boolean) => {
    const ids = kind.parameters.map((one, i) =>
      i === kind.parameters.length - 1 ? own : (parameters.get(one) ?? beside(given, one, alias)),
    )
    const absent = kind.parameters.find((_, i) => ids[i] === undefined)
    if (absent !== undefined) missing.push(absent)
    else {
      const id = ids.join('/')
      resources.push({
        kind: kind.kind,
        id,
        role: 'target',
        argument,
        ...(spread ? { spread: true } : {}),
      })
    }
  }
  for (const parameter of operation.deepest) {
    const kind = kinds.byParameter.get(parameter)
    const own = parameters.get(parameter)
    if (kind !== undefined && own !== undefined) name(kind, own, parameter, operation.spreads)
  }
  for (const { where, path, name: leaf, value } of given) {
    const kind = kinds.byParameter.get(alias(leaf))
    if (kind === undefined || value === null) continue
    name(kind, value, `${where}.${path}`, true)
  }
  return { resources, missing }
}

/** Where a container is named beside what lies in it; two different ones name none. */
function beside(
  given: readonly Field[],
  parameter: string,
  alias: RestCatalogue['alias'],
): string | undefined {
  const values = new Set(
    given.flatMap(({ name, value }) =>
      alias(name) === parameter && value !== null ? [value] : [],
    ),
  )
  const [only] = values
  return values.size === 1 ? only : undefined
}

/** Rebuilt from what was matched: texts as the template has them, parameters encoded by us. */
function pathOf({ template }: RestOperation, parameters: ReadonlyMap<string, string>): string {
  return template
    .map((part) => {
      if ('literal' in part) return `/${part.literal}`
      const value = parameters.get(part.parameter) ?? ''
      return part.several === true ? severalSpelled(value) : `/${encodeURIComponent(value)}`
    })
    .join('')
}

function severalSpelled(value: string): string {
  return value
    .split('/')
    .map((piece) => `/${encodeURIComponent(piece)}`)
    .join('')
}

function pairSpelled([name, value]: readonly [string, string]): string {
  return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`
}
