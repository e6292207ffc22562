/** Reads an OpenAPI document (3.0 or 3.1, JSON or YAML) into a description. Never fetches what it refers to, and never guesses towards the safer. */
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import {
  type Described,
  type Description,
  type Method,
  methods,
  OperationName,
} from './description.ts'
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
/** Of all schemas that are looked through for names; the largest APIs take a tenth. */
const maxSteps = 5_000_000

/** `given` is the text of a document, or the document as it was parsed. Throws `malformed-request`, and then nothing of it is taken. */
export function importOpenApi(given: string | object): Imported {
  const document = readDocument(given)
  demandLocal(document)
  const left: Imported['left'] = []
  const operations: Described[] = []
  const names = new Set<string>()
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of methods) {
      const operation = item[method.toLowerCase()]
      if (!isObject(operation)) continue
      const one = described(document, { path, method, item, operation, names })
      if ('why' in one) left.push(one)
      else {
        names.add(one.name)
        operations.push(one)
      }
    }
  }
  if (operations.length === 0) throw malformed('It describes no operation that could be named.')
  const base = document.servers?.[0]?.url.replace(/\/+$/, '')
  return {
    description: {
      base_url: base !== undefined && z.url().safeParse(base).success ? base : null,
      placement: placementOf(document),
      operations,
    },
    left,
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
  const several = severalIn(document, [item['parameters'], operation['parameters']])
  const template = readTemplate(
    path.replaceAll(/\{([^{}]+)\}/g, (whole, name) => (several.has(name) ? `{+${name}}` : whole)),
  )
  const id = operation['operationId']
  const spelled = `${method} ${path}`
  if ('problem' in template) return { operation: spelled, why: template.problem }
  const exact = writeTemplate(specific(template))
  const named = typeof id === 'string' && OperationName.safeParse(id).success && !names.has(id)
  const name = named ? id : routeName(method, exact)
  if (!OperationName.safeParse(name).success) {
    return { operation: spelled, why: 'it has no name that a scope could have' }
  }
  const body = bodyOf(document, operation)
  const { effects, why } = guess({
    method,
    words: wordsOf(typeof id === 'string' ? id : '', path),
    parameters: template.filter((part) => 'parameter' in part).length,
    free: body?.free === true,
    fields: body?.names ?? new Set(),
    choices: body?.choices ?? new Set(),
    answers: answersOf(document, operation),
  })
  return {
    ...{ name, method, template: exact, effects, guessed: why },
    query: queryOf(document, [item['parameters'], operation['parameters']]),
    fields: body === null ? [] : [...body.names],
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

function queryOf(document: Document, lists: readonly unknown[]): string[] {
  const names = lists.flatMap((list) =>
    (Array.isArray(list) ? list : []).flatMap((one) => {
      const { in: place, name } = resolved(document, one)
      return place === 'query' && typeof name === 'string' ? [name] : []
    }),
  )
  return [...new Set(names)]
}

/** `texts` are those that may hold a text, `choices` all values that are listed anywhere. */
type Names = { names: Set<string>; texts: Set<string>; choices: Set<string>; free: boolean }

function bodyOf(document: Document, operation: Node): Names | null {
  if (operation['requestBody'] === undefined) return null
  const found = noNames()
  for (const schema of schemasOf(document, resolved(document, operation['requestBody']))) {
    gather(document, schema, found, new Set())
  }
  return found
}

function answersOf(document: Document, operation: Node): Set<string> {
  const found = noNames()
  const responses = resolved(document, operation['responses'])
  for (const [status, response] of Object.entries(responses)) {
    if (!/^(?:2|default)/.test(status)) continue
    for (const schema of schemasOf(document, resolved(document, response))) {
      gather(document, schema, found, new Set())
    }
  }
  return found.texts
}

function noNames(): Names {
  return { names: new Set(), texts: new Set(), choices: new Set(), free: false }
}

function schemasOf(document: Document, { content }: Node): unknown[] {
  return Object.values(resolved(document, content)).map((one) => resolved(document, one)['schema'])
}

const walked = new WeakMap<Document, number>()

/** The names of all properties at any depth, and whether there is a place where any may stand. */
function gather(document: Document, schema: unknown, found: Names, seen: Set<unknown>): void {
  const node = resolved(document, schema)
  if (seen.has(node) || found.names.size >= maxNames) return
  seen.add(node)
  const steps = (walked.get(document) ?? 0) + 1
  if (steps > maxSteps)
    throw malformed('Its schemas refer to each other more than can be followed.')
  walked.set(document, steps)
  const { properties, additionalProperties, items, type, enum: listed } = node
  for (const value of Array.isArray(listed) ? listed : []) found.choices.add(String(value))
  if (isObject(properties)) {
    for (const [name, inner] of Object.entries(properties)) {
      found.names.add(name)
      if (mayHoldText(resolved(document, inner))) found.texts.add(name)
      gather(document, inner, found, seen)
    }
  }
  if (isObject(additionalProperties)) {
    // Names of the caller's own choosing, with values that are described.
    gather(document, additionalProperties, found, seen)
    found.free = true
  } else if (additionalProperties === true) found.free = true
  const parts = ['allOf', 'anyOf', 'oneOf'].flatMap((word) => {
    const list = node[word]
    return Array.isArray(list) ? list : []
  })
  for (const part of parts) gather(document, part, found, seen)
  if (items !== undefined) gather(document, items, found, seen)
  const open = type === 'object' && properties === undefined && parts.length === 0
  if (open && additionalProperties !== false && !isObject(additionalProperties)) found.free = true
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
