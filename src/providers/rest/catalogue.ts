/** What the engine looks a call up in: the routes, kinds and effects of one API, with what operators decided over what was guessed. */
import { BrokerError } from '../../errors.ts'
import type { Effect } from '../../policy/operation.ts'
import type { Described, Description, Overrides } from './description.ts'
import { type Kinds, kindsOf, nameWords } from './kinds.ts'
import {
  type Match,
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
}

/** Throws `malformed-request` for templates that cannot be read or told apart, and names that are there twice. */
export function compileRest(description: Description, overrides: Overrides): RestCatalogue {
  const templates = description.operations.map(({ template }) => templateOf(template))
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
  return {
    operations,
    kinds,
    route: router(
      operations.map((one) => ({ method: one.method, template: one.template, of: one })),
    ),
    ...lookupsOf(operations, kinds),
    alias: (field) => aliases.get(field) ?? spelled.get(nameWords(field).join('_')) ?? field,
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
    query: query === null ? null : new Set(query.map(leaf)),
    fields: fields === null ? null : new Set(fields),
    deepest: parameters.filter((one) => !containing.has(one)),
    spreads: last === undefined || 'literal' in last || last.several === true,
  }
}

function leaf(name: string): string {
  return (
    name
      .split(/[[\]]/)
      .filter((piece) => piece !== '')
      .at(-1) ?? name
  )
}

/** Of each kind the shortest path that shows one by all that names it, best where the same path without its end lists them. */
function lookupsOf(
  operations: readonly RestOperation[],
  kinds: Kinds,
): Pick<RestCatalogue, 'shows' | 'lists'> {
  const gets = operations
    .filter(({ method }) => method === 'GET')
    .toSorted((a, b) => a.template.length - b.template.length)
  const byShape = new Map(gets.map((one) => [writeTemplate(one.template), one]))
  const shows = new Map<string, RestOperation>()
  const lists = new Map<string, RestOperation>()
  for (const [parameter, { parameters }] of kinds.byParameter) {
    const fitting = gets.filter(({ template }) => namesAll(template, parameters))
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
  const last = template.at(-1)
  return (
    last !== undefined &&
    'parameter' in last &&
    named.length === parameters.length &&
    named.every((one, i) => one === parameters[i])
  )
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
