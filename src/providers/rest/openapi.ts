/** Reads an OpenAPI document (3.0 or 3.1, JSON or YAML) into a description. Never fetches what it refers to, and never guesses towards the safer. */
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import { Described, type Description, type Method, methods, OperationName } from './description.ts'
import { namesIn } from './fields.ts'
import { guess, wordsOf } from './guess.ts'
import { readTemplate, routeName, specific, writeTemplate } from './template.ts'

/** What could not be taken over, and why: it stays unknown, and so refused. */
export type Imported = { description: Description; left: { operation: string; why: string }[] }

const Document = z.looseObject({
  openapi: z.string().regex(/^3\.[01]\./, 'is not 3.0 or 3.1'),
  servers: z.array(z.looseObject({ url: z.string() })).optional(),
  paths: z.record(z.string(), z.looseObject({})),
  components: z.looseObject({}).optional(),
  security: z.array(z.record(z.string(), z.unknown())).optional(),
})
type Document = z.infer<typeof Document>

const maxDepth = 200
const maxNames = 5_000
const mostLeft = 1_000
const longestPath = 1_000
/** Of the names of all fields together, in characters. GitHub's have 150,000. */
const mostText = 8_000_000
/** Of all schemas that are looked through for names; the largest APIs take a tenth. */
const maxSteps = 5_000_000

/** `given` is the text of a document, or the document as it was parsed. Throws `malformed-request`, and then nothing of it is taken. */
export function importOpenApi(given: string | object): Imported {
  const document = readDocument(given)
  demandLocal(document)
  const left: Imported['left'] = []
  const routes: string[] = []
  let size = 0
  const operations: Described[] = []
  const names = new Set<string>()
  for (const [path, item] of Object.entries(document.paths)) {
    if (path.length > 4_000) throw malformed(`Its path ${path.slice(0, 60)}… is too long.`)
    for (const method of methods) {
      const operation = item[method.toLowerCase()]
      if (!isObject(operation)) continue
      const one = fitting(described(document, { path, method, item, operation, names }))
      if ('why' in one) {
        left.push(one)
        routes.push(`${method} ${path}`)
      } else {
        names.add(one.name)
        operations.push(one)
        size += [...(one.query ?? []), ...(one.fields ?? [])].reduce(
          (sum, { length }) => sum + length,
          0,
        )
        if (size > mostText) throw malformed('Its operations have more fields than can be kept.')
      }
    }
  }
  if (operations.length === 0) throw malformed('It describes no operation that could be named.')
  if (routes.length > mostLeft) {
    throw malformed(
      `${routes.length} of its operations cannot be taken over, such as ${routes[0]}.`,
    )
  }
  const base = document.servers?.[0]?.url.slice(0, 1_000).replace(/(?<!\/)\/+$/, '')
  return {
    description: {
      base_url: base !== undefined && z.url().safeParse(base).success ? base : null,
      placement: placementOf(document),
      operations,
      ...(routes.length === 0 ? {} : { left: routes }),
    },
    left,
  }
}

/** Whatever is taken over can be kept, and read again. */
function fitting(
  one: Described | { operation: string; why: string },
): Described | { operation: string; why: string } {
  if ('why' in one) return one
  const read = Described.safeParse(one)
  if (read.success) return read.data
  const { path } = read.error.issues[0] ?? { path: [] }
  return {
    operation: `${one.method} ${one.template}`.slice(0, 200),
    why: `its ${path[0] === 'guessed' ? 'names' : String(path[0])} ${path.length > 1 ? 'are' : 'is'} longer than is kept`,
  }
}

function readDocument(given: string | object): Document {
  const parsed = Document.safeParse(typeof given === 'string' ? parse(given) : given)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw malformed(
    `It is no OpenAPI document: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
  )
}

function parse(text: string): unknown {
  try {
    // Aliases are how a small YAML becomes a large one; its own bound is for that.
    return /^\s*\{/.test(text) ? JSON.parse(text) : parseYaml(text, { maxAliasCount: 100 })
  } catch (cause) {
    const why = cause instanceof Error ? (cause.message.split('\n')[0] ?? '') : ''
    throw malformed(`It cannot be parsed: ${why.slice(0, 200)}.`)
  }
}

type Node = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whatever it refers to lies in itself, and nothing is deeper than any API needs. */
function demandLocal(document: Document): void {
  const waiting: { at: unknown; depth: number }[] = [{ at: document, depth: 0 }]
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const { at, depth } = one
    if (depth > maxDepth) throw malformed(`It is nested deeper than ${maxDepth} levels.`)
    if (typeof at !== 'object' || at === null) continue
    const reference = Reflect.get(at, '$ref')
    if (typeof reference === 'string' && !reference.startsWith('#/')) {
      throw malformed(
        `It refers to ${reference.slice(0, 100)}, and nothing outside of it is fetched.`,
      )
    }
    for (const inner of Object.values(at)) waiting.push({ at: inner, depth: depth + 1 })
  }
}

function resolved(document: Document, node: unknown, left = 20): Node {
  if (!isObject(node)) return {}
  const reference = node['$ref']
  if (typeof reference !== 'string') return node
  if (left === 0) throw malformed(`${reference.slice(0, 100)} refers to itself.`)
  let at: unknown = document
  for (const piece of reference.slice(2).split('/')) {
    const name = piece.replaceAll('~1', '/').replaceAll('~0', '~')
    at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined
  }
  if (at === undefined) throw malformed(`${reference.slice(0, 100)} refers to nothing.`)
  return resolved(document, at, left - 1)
}

type Place = {
  path: string
  method: Method
  item: Node
  operation: Node
  names: ReadonlySet<string>
}

function described(
  document: Document,
  { path, method, item, operation, names }: Place,
): Described | { operation: string; why: string } {
  if (path.length > longestPath)
    return { operation: `${method} ${path.slice(0, 100)}`, why: 'its path is too long' }
  if (item['servers'] !== undefined || operation['servers'] !== undefined) {
    return { operation: `${method} ${path}`, why: 'it has a server of its own' }
  }
  const lists = [item['parameters'], operation['parameters']]
  const several = severalIn(document, lists)
  const template = readTemplate(
    path.replaceAll(/\{([^{}]+)\}/g, (whole, name) => (several.has(name) ? `{+${name}}` : whole)),
  )
  const { operationId } = operation
  const id = typeof operationId === 'string' && operationId.length <= 200 ? operationId : undefined
  const spelled = `${method} ${path}`
  if ('problem' in template) return { operation: spelled, why: template.problem }
  const exact = writeTemplate(specific(template))
  const named = id !== undefined && OperationName.safeParse(id).success && !names.has(id)
  const name = named ? id : routeName(method, exact)
  if (!OperationName.safeParse(name).success) {
    return { operation: spelled, why: 'it has no name that a scope could have' }
  }
  const body = bodyOf(document, operation)
  const query = queryOf(document, lists)
  const { summary } = operation
  const { effects, why } = guess({
    method,
    words: wordsOf(id ?? '', path, typeof summary === 'string' ? summary.slice(0, 200) : ''),
    parameters: template.filter((part) => 'parameter' in part).length,
    free: body.free,
    fields: new Set([...body.names, ...query.names]),
    choices: new Set([...body.choices, ...query.choices]),
    answers: answersOf(document, operation),
  })
  return {
    ...{ name, method, template: exact, effects, guessed: why.slice(0, 300) },
    ...{ query: query.paths, fields: [...body.paths] },
  }
}

/** As GitHub marks parameters that hold slashes. */
function severalIn(document: Document, lists: readonly unknown[]): Set<string> {
  const names = lists.flatMap((list) =>
    (Array.isArray(list) ? list : []).flatMap((one) => {
      const { in: place, name, 'x-multi-segment': several } = resolved(document, one)
      return place === 'path' && several === true && typeof name === 'string' ? [name] : []
    }),
  )
  return new Set(names)
}

function queryOf(
  document: Document,
  lists: readonly unknown[],
): { paths: string[]; names: string[]; choices: Set<string> } {
  const found = noNames()
  const paths = new Set<string>()
  const names = new Set<string>()
  for (const one of lists.flatMap((list) => (Array.isArray(list) ? list : []))) {
    const { in: place, name, schema } = resolved(document, one)
    if (place !== 'query' || typeof name !== 'string' || name.length > 200) continue
    for (const [i, piece] of (namesIn(name) ?? []).entries()) {
      paths.add(`${i === 0 ? '' : (namesIn(name)?.[i - 1] ?? '')}.${piece}`)
      names.add(piece)
    }
    gather(document, schema, namesIn(name)?.at(-1) ?? '', found)
  }
  return { paths: [...paths, ...found.paths], names: [...names], choices: found.choices }
}

/**
 * `paths` say of each name what it lies in, `texts` are the names that may hold a text, and `choices` all values that are listed
 * anywhere.
 */
type Names = {
  paths: Set<string>
  names: Set<string>
  texts: Set<string>
  choices: Set<string>
  free: boolean
  seen: Map<unknown, Set<string>>
}

function bodyOf(document: Document, operation: Node): Names {
  const found = noNames()
  if (operation['requestBody'] === undefined) return found
  for (const schema of schemasOf(document, resolved(document, operation['requestBody']))) {
    gather(document, schema, '', found)
  }
  return found
}

/** What is answered and not described may be anything: null. */
function answersOf(document: Document, operation: Node): Set<string> | null {
  const found = noNames()
  const responses = resolved(document, operation['responses'])
  let opaque = false
  for (const [status, response] of Object.entries(responses)) {
    if (!/^(?:2|default)/.test(status)) continue
    const { content } = resolved(document, response)
    const types = Object.keys(resolved(document, content))
    opaque ||= types.some((type) => !/json/i.test(type))
    for (const schema of schemasOf(document, resolved(document, response))) {
      gather(document, schema, '', found)
    }
  }
  return opaque || found.names.size >= maxNames ? null : found.texts
}

function noNames(): Names {
  return {
    ...{ paths: new Set(), names: new Set(), texts: new Set(), choices: new Set() },
    ...{ free: false, seen: new Map() },
  }
}

function schemasOf(document: Document, { content }: Node): unknown[] {
  return Object.values(resolved(document, content)).map((one) => resolved(document, one)['schema'])
}

const walked = new WeakMap<Document, number>()

function step(document: Document, steps: number): void {
  const all = (walked.get(document) ?? 0) + steps
  if (all > maxSteps) throw malformed('Its schemas refer to each other more than can be followed.')
  walked.set(document, all)
}

/** Words under which a schema has others that hold for the same value. */
const same = [
  'allOf',
  'anyOf',
  'oneOf',
  'prefixItems',
  'items',
  'then',
  'else',
  'if',
  'not',
  'contains',
]

/**
 * The names of all properties at any depth, and whether there is a place where any may stand. `inside` is the name of what the schema
 * is of. What is beside a reference counts like what it refers to.
 */
function gather(document: Document, whole: unknown, of: string, found: Names): void {
  const waiting: { schema: unknown; inside: string }[] = [{ schema: whole, inside: of }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { schema, inside } = next
    if (!isObject(schema)) {
      // A schema that is true takes anything.
      if (schema === true) found.free = true
      continue
    }
    if (schema['$ref'] !== undefined) waiting.push({ schema: resolved(document, schema), inside })
    const seen = found.seen.get(schema) ?? new Set()
    if (seen.has(inside)) continue
    found.seen.set(schema, seen.add(inside))
    step(document, 1)
    if (found.paths.size >= maxNames) {
      found.free = true
      return
    }
    const { properties, patternProperties, additionalProperties, type } = schema
    for (const value of listedIn(schema)) {
      step(document, 1)
      if (found.choices.size < maxNames) found.choices.add(String(value).slice(0, 100))
    }
    if (schema['format'] === 'password') found.texts.add('password')
    for (const [name, inner] of Object.entries(isObject(properties) ? properties : {})) {
      found.names.add(name)
      found.paths.add(`${inside}.${name}`)
      if (mayHoldText(resolved(document, inner))) found.texts.add(name)
      waiting.push({ schema: inner, inside: name })
    }
    for (const part of same.flatMap((word) => schema[word] ?? []))
      waiting.push({ schema: part, inside })
    // Names of the caller's own choosing. What lies under one of them has no name to be known by.
    for (const inner of [
      additionalProperties,
      ...Object.values(isObject(patternProperties) ? patternProperties : {}),
    ]) {
      if (inner === undefined || inner === false) continue
      waiting.push({ schema: inner, inside: '?' })
      found.paths.add(`${inside}.*`)
      found.free = true
    }
    const parts = same.some((word) => schema[word] !== undefined)
    const open = type === 'object' && properties === undefined && !parts
    if (open && additionalProperties !== false && !isObject(additionalProperties)) found.free = true
    if (Object.keys(schema).length === 0) found.free = true
  }
}

function listedIn({ enum: listed, const: only, default: usual }: Node): unknown[] {
  return [...(Array.isArray(listed) ? listed : []), only, usual].filter(
    (one) => typeof one === 'string',
  )
}

function mayHoldText({ type }: Node): boolean {
  return !['boolean', 'integer', 'number', 'null'].includes(String(type))
}

/** Of the first scheme that it asks for; else as most do. */
function placementOf({ components, security }: Document): string {
  const schemes = isObject(components) ? components['securitySchemes'] : undefined
  const wanted = security?.flatMap((one) => Object.keys(one))[0]
  const all = isObject(schemes) ? schemes : {}
  const scheme = wanted === undefined ? Object.values(all)[0] : all[wanted]
  if (!isObject(scheme)) return 'bearer'
  const { type, in: place, name } = scheme
  if (type !== 'apiKey' || place !== 'header' || typeof name !== 'string') return 'bearer'
  return /^authorization$/i.test(name) ? 'authorization' : `header:${name.toLowerCase()}`
}

function malformed(detail: string): BrokerError {
  return new BrokerError('malformed-request', detail, {
    hint: 'Nothing was changed. Give an OpenAPI 3.0 or 3.1 document as JSON or YAML that refers to nothing outside of it.',
  })
}
