/** Path templates (OpenAPI 3.1, section 4.8.2) and which of many one request is. Never guesses: two equal answers are none. */

/** One segment of a template: text to be met exactly, or a parameter that takes one segment, whatever it is. */
export type Part = { literal: string } | { parameter: string }
export type Template = readonly Part[]

export type Route<T> = { method: string; template: Template; of: T }

/** `parameters` by name, decoded. */
export type Match<T> = { of: T; parameters: ReadonlyMap<string, string> }

const literalForm = /^[A-Za-z0-9._~!$'()*+,=:@-]+$/
const parameterForm = /^\{([A-Za-z0-9_.-]{1,64})\}$/

/** Reads `/projects/{project_id}`. A segment is text or one parameter: what mixes both has more than one reading. */
export function readTemplate(text: string): Template | { problem: string } {
  if (!text.startsWith('/')) return { problem: 'it does not begin with a slash' }
  const trimmed = text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text
  const parts: Part[] = []
  const names = new Set<string>()
  for (const segment of trimmed.slice(1).split('/')) {
    const parameter = parameterForm.exec(segment)?.[1]
    if (parameter !== undefined) {
      if (names.has(parameter)) return { problem: `it has the parameter ${parameter} twice` }
      names.add(parameter)
      parts.push({ parameter })
    } else if (literalForm.test(segment) && segment !== '.' && segment !== '..') {
      parts.push({ literal: segment })
    } else {
      return { problem: `its segment "${segment.slice(0, 60)}" is neither text nor one parameter` }
    }
  }
  return parts
}

const vague = /^(?:id|uuid|name|slug|key|number|identifier|_id)$/i

/** With parameters that say what they name: `/projects/{id}` is `/projects/{project_id}`. */
export function specific(template: Template): Template {
  return template.map((part, i) => {
    const before = template[i - 1]
    if ('literal' in part || !vague.test(part.parameter)) return part
    if (before === undefined || !('literal' in before)) return part
    const noun = singular(before.literal.replaceAll(/[^A-Za-z0-9]+/g, '_'))
    return { parameter: `${noun}_${part.parameter}`.slice(0, 64) }
  })
}

function singular(noun: string): string {
  if (/ies$/.test(noun)) return noun.replace(/ies$/, 'y')
  if (/(?:ss|x|ch|sh)es$/.test(noun)) return noun.replace(/es$/, '')
  return noun.length > 2 ? noun.replace(/([^s])s$/, '$1') : noun
}

export function writeTemplate(template: Template): string {
  return template
    .map((part) => ('literal' in part ? `/${part.literal}` : `/{${part.parameter}}`))
    .join('')
}

/** What every request of a template looks like: two routes of one method and one shape cannot be told apart. */
export function shapeOf({ method, template }: Pick<Route<unknown>, 'method' | 'template'>): string {
  const parts = template.map((part) => ('literal' in part ? part.literal : '{}'))
  return `${method} /${parts.join('/')}`
}

type Node<T> = {
  literals: Map<string, Node<T>>
  parameter: Node<T> | null
  routes: Map<string, Route<T>>
}

/**
 * Finds the route that decoded `segments` are. Text beats a parameter; where neither of two routes is at least as exact as the
 * other in every segment, and where there is no route, there is none. The cost depends on the request and not on how many routes
 * there are.
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
    const found: Route<T>[] = []
    collect(root, method, segments, 0, found)
    const best = found.find((one) => found.every((other) => asExact(one, other)))
    return best === undefined ? null : { of: best.of, parameters: parametersOf(best, segments) }
  }
}

function node<T>(): Node<T> {
  return { literals: new Map(), parameter: null, routes: new Map() }
}

function step<T>(at: Node<T>, part: Part): Node<T> {
  if ('parameter' in part) {
    at.parameter ??= node()
    return at.parameter
  }
  const next = at.literals.get(part.literal) ?? node<T>()
  at.literals.set(part.literal, next)
  return next
}

function collect<T>(
  at: Node<T>,
  method: string,
  segments: readonly string[],
  depth: number,
  found: Route<T>[],
): void {
  const segment = segments[depth]
  if (segment === undefined) {
    const route = at.routes.get(method)
    if (route !== undefined) found.push(route)
    return
  }
  const literal = at.literals.get(segment)
  if (literal !== undefined) collect(literal, method, segments, depth + 1, found)
  if (at.parameter !== null) collect(at.parameter, method, segments, depth + 1, found)
}

function asExact(one: Route<unknown>, other: Route<unknown>): boolean {
  return other.template.every((part, i) => {
    const mine = one.template[i]
    return 'parameter' in part || (mine !== undefined && 'literal' in mine)
  })
}

function parametersOf(
  { template }: Pick<Route<unknown>, 'template'>,
  segments: readonly string[],
): Map<string, string> {
  return new Map(
    template.flatMap((part, i) =>
      'parameter' in part ? [[part.parameter, segments[i] ?? ''] as const] : [],
    ),
  )
}
