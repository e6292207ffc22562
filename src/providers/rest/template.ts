/** Path templates (OpenAPI 3.1, section 4.8.2) and which of many one request is. Never guesses: two equal answers are none. */

/**
 * One part of a template: text to be met exactly, a parameter that takes one segment, whatever it is, or one that takes several, as
 * the path of a file does.
 */
export type Part = { literal: string } | { parameter: string; several?: true }
export type Template = readonly Part[]

export type Route<T> = { method: string; template: Template; of: T }

/**
 * `parameters` by name, decoded; of one that takes several segments they are joined by slashes. `parts` say what each segment is.
 */
export type Match<T> = {
  of: T
  parameters: ReadonlyMap<string, string>
  parts: readonly Part[]
}

const literalForm = /^[A-Za-z0-9._~!$'()*+,=:@-]+$/
const parameterForm = /^\{(\+?)([A-Za-z0-9_.-]{1,64})\}$/

/**
 * Reads `/projects/{project_id}` and `/files/{+path}` (as RFC 6570 section 3.2.3 writes what may hold slashes). A segment is text or
 * one parameter: what mixes both has more than one reading.
 */
export function readTemplate(text: string): Template | { problem: string } {
  if (!text.startsWith('/')) return { problem: 'it does not begin with a slash' }
  const trimmed = text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text
  const parts: Part[] = []
  const names = new Set<string>()
  for (const segment of trimmed.slice(1).split('/')) {
    const [, plus, parameter] = parameterForm.exec(segment) ?? []
    if (parameter !== undefined) {
      if (names.has(parameter)) return { problem: `it has the parameter ${parameter} twice` }
      names.add(parameter)
      parts.push(plus === '+' ? { parameter, several: true } : { parameter })
    } else if (literalForm.test(segment) && segment !== '.' && segment !== '..') {
      parts.push({ literal: segment })
    } else {
      return { problem: `its segment "${segment.slice(0, 60)}" is neither text nor one parameter` }
    }
  }
  const several = parts.filter((part) => 'several' in part).length
  return several > 1 ? { problem: 'two of its parameters take several segments' } : parts
}

/** Names that say nothing of what they name. */
const vague =
  /^_?(?:id|ids|uuid|guid|uid|pk|oid|name|slug|key|number|num|no|code|identifier|ident|handle|ref|value|index|idx|token|path|item|entity|object|resource|thing|one|x)$|^(?:id|name|slug|uid|key|uuid)_?or_?(?:id|name|slug|uid|key|uuid)$/i

/** With parameters that say what they name: `/projects/{id}` is `/projects/{project_id}`. */
export function specific(template: Template): Template {
  return template.map((part, i) => {
    if ('literal' in part || 'several' in part || !vague.test(part.parameter)) return part
    const noun = collectionBefore(template, i)
    return noun === '' ? part : { ...part, parameter: `${noun}_${part.parameter}`.slice(0, 64) }
  })
}

/** What a parameter stands behind, in the singular: the nearest text that says what it is. */
function collectionBefore(template: Template, at: number): string {
  const texts = template
    .slice(0, at)
    .flatMap((part) => ('literal' in part && !vague.test(part.literal) ? [part.literal] : []))
  return singular((texts.at(-1) ?? '').replaceAll(/[^A-Za-z0-9]+/g, '_').toLowerCase())
}

/**
 * Templates in which a parameter names one kind of thing wherever it stands: one that stands behind different collections, and is
 * called like none of them, is another thing behind each.
 */
export function named(given: readonly Template[]): Template[] {
  const templates = given.map(specific)
  const behind = new Map<string, Set<string>>()
  for (const template of templates) {
    for (const [i, part] of template.entries()) {
      if ('literal' in part) continue
      const held = behind.get(part.parameter) ?? new Set()
      behind.set(part.parameter, held.add(collectionBefore(template, i)))
    }
  }
  const apart = new Set(
    [...behind].flatMap(([parameter, collections]) =>
      collections.size > 1 && !collections.has(nounOf(parameter)) ? [parameter] : [],
    ),
  )
  return templates.map((template) =>
    template.map((part, i) => {
      if ('literal' in part || !apart.has(part.parameter)) return part
      const noun = collectionBefore(template, i)
      return { ...part, parameter: `${noun === '' ? 'root' : noun}_${part.parameter}`.slice(0, 64) }
    }),
  )
}

/** `branchId`, `branch_id`, `branch`: a branch. */
function nounOf(parameter: string): string {
  return parameter
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[_-]?(?:id|uuid|slug|name|number|key)$/, '')
    .replaceAll(/[^a-z0-9]+/g, '_')
}

function singular(noun: string): string {
  if (/ies$/.test(noun)) return noun.replace(/ies$/, 'y')
  if (/(?:ss|x|ch|sh)es$/.test(noun)) return noun.replace(/es$/, '')
  return noun.length > 2 ? noun.replace(/([^s])s$/, '$1') : noun
}

export function writeTemplate(template: Template): string {
  return template
    .map((part) => {
      if ('literal' in part) return `/${part.literal}`
      return `/{${part.several === true ? '+' : ''}${part.parameter}}`
    })
    .join('')
}

/** What an operation without a name is called, as a scope can name it. */
export function routeName(method: string, template: string): string {
  return `${method} ${template.replaceAll('{+', '{')}`
}

/** What every request of a template looks like: two routes of one method and one shape cannot be told apart. */
export function shapeOf({ method, template }: Pick<Route<unknown>, 'method' | 'template'>): string {
  const parts = template.map((part) =>
    'literal' in part ? part.literal : part.several === true ? '{+}' : '{}',
  )
  return `${method} /${parts.join('/')}`
}

type Node<T> = {
  literals: Map<string, Node<T>>
  parameter: Node<T> | null
  several: Node<T> | null
  routes: Map<string, Route<T>>
}

/** A route with what each segment of the request is in it. */
type Found<T> = { route: Route<T>; parts: readonly Part[] }

/**
 * Finds the route that decoded `segments` are. Text beats a parameter, and that one that takes several segments; where neither of two
 * routes is at least as exact as the other in every segment, and where there is no route, there is none. The cost depends on the
 * request and not on how many routes there are.
 */
export function router<T>(
  routes: readonly Route<T>[],
): (method: string, segments: readonly string[]) => Match<T> | null {
  const root = node<T>()
  for (const route of routes) {
    let at = root
    for (const part of route.template) at = step(at, part)
    at.routes.set(route.method, route)
  }
  return (method, segments) => {
    const found: Found<T>[] = []
    collect({ method, segments, found }, root, [])
    const best = found.find((one) => found.every((other) => asExact(one.parts, other.parts)))
    if (best === undefined) return null
    const { route, parts } = best
    return { of: route.of, parameters: parametersOf(parts, segments), parts }
  }
}

function node<T>(): Node<T> {
  return { literals: new Map(), parameter: null, several: null, routes: new Map() }
}

function step<T>(at: Node<T>, part: Part): Node<T> {
  if ('parameter' in part) {
    if (part.several === true) {
      at.several ??= node()
      return at.several
    }
    at.parameter ??= node()
    return at.parameter
  }
  const next = at.literals.get(part.literal) ?? node<T>()
  at.literals.set(part.literal, next)
  return next
}

type Search<T> = { method: string; segments: readonly string[]; found: Found<T>[] }

/** `taken` says what the segments so far are. A name is only known at the end, when the route is. */
function collect<T>(search: Search<T>, at: Node<T>, taken: readonly Kind[]): void {
  const { method, segments, found } = search
  const segment = segments[taken.length]
  if (segment === undefined) {
    const route = at.routes.get(method)
    if (route !== undefined) found.push({ route, parts: partsOf(route.template, taken) })
    return
  }
  const literal = at.literals.get(segment)
  if (literal !== undefined) collect(search, literal, [...taken, 'literal'])
  if (at.parameter !== null) collect(search, at.parameter, [...taken, 'parameter'])
  if (at.several === null) return
  for (let count = 1; taken.length + count <= segments.length; count += 1) {
    collect(search, at.several, [...taken, ...Array<Kind>(count).fill('several')])
  }
}

type Kind = 'literal' | 'parameter' | 'several'

/** For each segment the part of the template that it is. */
function partsOf(template: Template, taken: readonly Kind[]): Part[] {
  const spare = taken.length - template.length
  return template.flatMap((part) =>
    'several' in part ? Array<Part>(spare + 1).fill(part) : [part],
  )
}

function asExact(one: readonly Part[], other: readonly Part[]): boolean {
  return other.every((part, i) => rank(one[i]) >= rank(part))
}

function rank(part: Part | undefined): number {
  if (part === undefined) return -1
  return 'literal' in part ? 2 : part.several === true ? 0 : 1
}

function parametersOf(parts: readonly Part[], segments: readonly string[]): Map<string, string> {
  const values = new Map<string, string>()
  for (const [i, part] of parts.entries()) {
    if ('literal' in part) continue
    const before = values.get(part.parameter)
    const segment = segments[i] ?? ''
    values.set(part.parameter, before === undefined ? segment : `${before}/${segment}`)
  }
  return values
}
