/** What the engine looks a call up in: the routes, kinds and effects of one API, with what operators decided over what was guessed. */
import { BrokerError } from '../../errors.ts'
import type { Effect } from '../../policy/operation.ts'
import type { Described, Description, Overrides } from './description.ts'
import { type Kinds, kindsOf, nameWords } from './kinds.ts'
import {
  type Match,
  named,
  readTemplate,
  router,
  shapeOf,
  type Template,
  writeTemplate,
} from './template.ts'

export type RestOperation = {
  name: string
  method: Described['method']
  template: Template
  effects: readonly Effect[]
  harmless: boolean
  guessed: string | null
  query: ReadonlySet<string> | null
  fields: ReadonlySet<string> | null
  /** The parameters of the path that no other one of it lies in. */
  deepest: readonly string[]
  /** It goes on below what it names, to several things of it at once. */
  spreads: boolean
}

export type RestCatalogue = {
  operations: readonly RestOperation[]
  kinds: Kinds
  route: (method: string, segments: readonly string[]) => Match<RestOperation> | null
  /** By the parameter that names a kind, the operation that shows one, and the one that lists them. */
  shows: ReadonlyMap<string, RestOperation>
  lists: ReadonlyMap<string, RestOperation>
  /** The parameter that a field of a body or a query stands for. */
  alias: (field: string) => string
  /** Fields of which an operator said what they name, whatever the description has. */
  decided: ReadonlySet<string>
  /** Parameters that lie in what is named before them: an operator vouches for that. */
  confined: ReadonlySet<string>
}

/**
 * Throws `malformed-request` for templates that cannot be read or told apart, and names that are there twice. `naming` gives equal
 * parameters to what is of one kind.
 */
export function compileRest(
  description: Description,
  overrides: Overrides,
  naming: (templates: readonly Template[]) => Template[] = named,
): RestCatalogue {
  const templates = naming(description.operations.map(({ template }) => templateOf(template)))
  const kinds = kindsOf(templates)
  const operations = description.operations.map((one, i) =>
    operationOf(one, templates[i] ?? [], kinds, overrides),
  )
  demandDistinct(operations)
  const aliases = new Map(Object.entries(overrides.resources ?? {}))
  // `branchId` in a body is what `branch_id` is in a path.
  const spelled = new Map(
    [...kinds.byParameter.keys()].map((one) => [nameWords(one).join('_'), one]),
  )
  const route = router(
    operations.map((one) => ({ method: one.method, template: one.template, of: one })),
  )
  const left = leftOf(description.left ?? [])
  return {
    operations,
    kinds,
    // What a description has and the broker does not understand is not what happens to look like it.
    route: (method, segments) => (left(method, segments) ? null : route(method, segments)),
    ...lookupsOf(operations, kinds),
    alias: (field) => aliases.get(field) ?? spelled.get(nameWords(field).join('_')) ?? field,
    decided: new Set(aliases.keys()),
    confined: new Set(overrides.confined),
  }
}

/** Whether a request could be one of these routes. A parameter may be any text, and one that takes several segments any path. */
function leftOf(
  routes: readonly string[],
): (method: string, segments: readonly string[]) => boolean {
  const byMethod = Map.groupBy(routes, (one) => one.split(' ')[0] ?? '')
  const forms = new Map(
    [...byMethod].map(([method, some]) => [
      method,
      some.map((one) => {
        const path = one.slice(one.indexOf(' ') + 1).replace(/(?<=.)\/$/, '')
        const pieces = path.split(/(\{[^{}]*\})/).map((piece) => {
          if (!/^\{.*\}$/.test(piece)) return piece.replaceAll(/[^A-Za-z0-9/]/g, '\\$&')
          return piece.startsWith('{+') ? '.+' : '[^/]+'
        })
        return new RegExp(`^${pieces.join('')}$`, 's')
      }),
    ]),
  )
  return (method, segments) => {
    const path = `/${segments.join('/')}`
    return forms.get(method)?.some((form) => form.test(path)) === true
  }
}

function templateOf(text: string): Template {
  const template = readTemplate(text)
  if ('problem' in template)
    throw malformed(`The path ${text.slice(0, 100)} cannot be read: ${template.problem}.`)
  return template
}

function operationOf(
  { name, method, effects, guessed, query, fields }: Described,
  template: Template,
  kinds: Kinds,
  { operations = {} }: Overrides,
): RestOperation {
  const decided = Object.hasOwn(operations, name) ? operations[name] : undefined
  const parameters = template.flatMap((part) => ('parameter' in part ? [part.parameter] : []))
  const containing = new Set(
    parameters.flatMap((one) => kinds.byParameter.get(one)?.parameters.slice(0, -1) ?? []),
  )
  const last = template.at(-1)
  return {
    ...{ name, method, template },
    effects: decided?.effects ?? effects,
    harmless: decided?.harmless === true && parameters.length === 0,
    guessed: decided?.effects === undefined ? guessed : null,
    query: query === null ? null : new Set(query),
    fields: fields === null ? null : new Set(fields),
    deepest: parameters.filter((one) => !containing.has(one)),
    spreads: last === undefined || 'literal' in last || last.several === true,
  }
}

/** Of each kind the shortest path that shows one by all that names it, best where the same path without its end lists them. */
function lookupsOf(
  operations: readonly RestOperation[],
  kinds: Kinds,
): Pick<RestCatalogue, 'shows' | 'lists'> {
  // Whoever is judged may make the broker ask these, so they do nothing but show.
  const gets = operations
    .filter(({ method, effects }) => method === 'GET' && effects.every((one) => one === 'read'))
    .toSorted((a, b) => a.template.length - b.template.length)
  const byShape = new Map(gets.map((one) => [writeTemplate(one.template), one]))
  const byLast = Map.groupBy(gets, ({ template }) => {
    const last = template.at(-1)
    return last !== undefined && 'parameter' in last ? last.parameter : null
  })
  const shows = new Map<string, RestOperation>()
  const lists = new Map<string, RestOperation>()
  for (const [parameter, { parameters }] of kinds.byParameter) {
    const ending = byLast.get(parameter) ?? []
    const fitting = ending.filter(({ template }) => namesAll(template, parameters))
    const listOf = (one: RestOperation) => byShape.get(writeTemplate(one.template.slice(0, -1)))
    const show = fitting.find((one) => listOf(one) !== undefined) ?? fitting[0]
    if (show === undefined) continue
    shows.set(parameter, show)
    const list = listOf(show)
    if (list !== undefined) lists.set(parameter, list)
  }
  return { shows, lists }
}

function namesAll(template: Template, parameters: readonly string[]): boolean {
  const named = template.flatMap((part) => ('parameter' in part ? [part.parameter] : []))
  return named.length === parameters.length && named.every((one, i) => one === parameters[i])
}

function demandDistinct(operations: readonly RestOperation[]): void {
  const names = new Set<string>()
  const shapes = new Map<string, string>()
  for (const one of operations) {
    if (names.has(one.name)) throw malformed(`Two operations are called ${one.name}.`)
    names.add(one.name)
    const shape = shapeOf(one)
    const other = shapes.get(shape)
    if (other !== undefined) {
      throw malformed(`${other} and ${one.name} cannot be told apart: both are ${shape}.`)
    }
    shapes.set(shape, one.name)
  }
}

function malformed(detail: string): BrokerError {
  return new BrokerError('malformed-request', detail, {
    hint: 'Nothing was changed. Mend the description, or leave that operation out.',
  })
}
