/**
 * Says what one operation of a document would do: effects, resources, reach, for every field by its coordinate. Names and
 * aliases that the caller chose play no part, and `@skip` and `@include` are taken as included. Never looks anything up.
 */
import {
  type FieldNode,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getArgumentValues,
  getNamedType,
  isAbstractType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql'
import { BrokerError } from '../../errors.ts'
import type { Effect, Operation as Judged, Resource } from '../../policy/operation.ts'
import { strictest } from '../../policy/operation.ts'
import {
  type ArgumentMeaning,
  argumentMeanings,
  type Catalogue,
  fieldRule,
  rootRule,
} from './catalogue.ts'
import type { Operation } from './document.ts'

/**
 * How far a position in the answer is from what the environment owns. `owned`: below something of this environment.
 * `seen`: below a parent that several environments share. `out`: across an edge from there into something that belongs
 * to an environment, or to an account; only ids and names may be read, and nothing leads back.
 */
type Reached = 'owned' | 'seen' | 'out'

type Walk = {
  catalogue: Catalogue
  operation: Operation
  variables: Readonly<Record<string, unknown>>
  /** Every field met, by coordinate. */
  coordinates: Set<string>
  effects: Set<Effect>
  mustName: Map<string, Effect | 'unknown'>
  resources: Resource[]
  missing: string[]
  reachesOut: string | null
  leadsOn: string | null
}

export type Classified = { operations: Judged[]; coordinates: ReadonlySet<string> }

/** More than one call could have located. Each is written down, and a short request must not fill the audit log. */
export const mostResources = 100
export const mostRootFields = 100
/** Longer than any id may be; what is cut is no id either. */
const longestId = 200

/** One judged operation for each root field. `variables` are coerced. */
export function classify(
  catalogue: Catalogue,
  operation: Operation,
  variables: Readonly<Record<string, unknown>>,
): Classified {
  const root =
    operation.kind === 'mutation'
      ? catalogue.schema.getMutationType()
      : catalogue.schema.getQueryType()
  if (root == null) throw unknownField(operation.kind)
  const all = new Set<string>()
  const operations = rootFields(operation, operation.node.selectionSet)
    // `__typename` is free, and the rest of introspection never leaves the broker.
    .filter((node) => !node.name.value.startsWith('__'))
    .map((node, i) => {
      if (i === mostRootFields) throw tooMany(`selects more than ${mostRootFields} root fields`)
      const field = root.getFields()[node.name.value]
      if (field === undefined) throw unknownField(node.name.value)
      const walk: Walk = {
        catalogue,
        operation,
        variables,
        coordinates: all,
        effects: new Set(),
        mustName: new Map(),
        resources: [],
        missing: [],
        reachesOut: null,
        leadsOn: null,
      }
      return judgeRoot(walk, `${root.name}.${field.name}`, field, node)
    })
  if (operations.reduce((sum, one) => sum + one.resources.length, 0) > mostResources) {
    throw tooMany(`names more than ${mostResources} resources`)
  }
  return { operations, coordinates: all }
}

function tooMany(what: string): BrokerError {
  return new BrokerError('payload-too-large', `The request ${what}.`, {
    hint: 'Ask for less at a time.',
  })
}

/** The fields at the top of an operation, through fragments. */
export function rootFields(operation: Operation, set: SelectionSetNode): FieldNode[] {
  return set.selections.flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection]
    if (selection.kind === Kind.INLINE_FRAGMENT)
      return rootFields(operation, selection.selectionSet)
    const fragment = operation.fragments.get(selection.name.value)
    return fragment === undefined ? [] : rootFields(operation, fragment.selectionSet)
  })
}

function judgeRoot(
  walk: Walk,
  name: string,
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
): Judged {
  const rule = rootRule(walk.catalogue, name)
  walk.coordinates.add(name)
  // What nobody has classified may do anything.
  const own = new Set<Effect>(rule?.effects ?? ['read', 'write', 'destructive'])
  const given = readArguments(walk, name, field, node)
  for (const effect of given.effects) own.add(effect)
  for (const effect of own) walk.effects.add(effect)
  const owned = walk.resources.some(
    ({ role, kind }) => role === 'target' && walk.catalogue.inEnvironment.has(kind),
  )
  const start = { reached: owned ? ('owned' as const) : ('seen' as const), thing: 0 }
  const below = entered(walk.catalogue, getNamedType(field.type), start)
  select(walk, below, node.selectionSet)
  return {
    name,
    own: [...own],
    effects: [...walk.effects],
    unknown: rule === undefined || given.unknown,
    mustName: [...walk.mustName].map(([named, effect]) => ({ field: named, effect })),
    resources: once(walk.resources),
    missing: walk.missing,
    harmless: rule?.harmless === true && walk.resources.length === 0,
    reachesOut: walk.reachesOut,
    leadsOn: walk.leadsOn,
  }
}

/**
 * An object type that may stand at a position of the answer, with how far it is from what the environment owns. `thing`
 * counts, up to two, the things that were entered on the way: 0 above the first, 2 for all beyond it.
 */
type Standing = { type: GraphQLObjectType; reached: Reached; thing: number }

/** The object types that a field of type `type` can answer with, seen from where the field stands. */
function entered(
  catalogue: Catalogue,
  type: GraphQLNamedType,
  from: Omit<Standing, 'type'>,
): Standing[] {
  return objectTypes(catalogue.schema, type).map((one) => ({
    type: one,
    reached: enter(catalogue, one.name, from.reached),
    thing:
      catalogue.types.get(one.name)?.reach === 'value' ? from.thing : Math.min(2, from.thing + 1),
  }))
}

/** Fields are judged on the object types that can answer them, however many interfaces they are selected through. */
function select(
  walk: Walk,
  standings: readonly Standing[],
  set: SelectionSetNode | undefined,
): void {
  for (const selection of set?.selections ?? []) {
    if (selection.kind === Kind.FIELD) {
      if (selection.name.value === '__typename') continue
      const below = standings.flatMap((standing) => visit(walk, standing, selection))
      select(walk, distinct(below), selection.selectionSet)
      continue
    }
    const fragment =
      selection.kind === Kind.INLINE_FRAGMENT
        ? selection
        : walk.operation.fragments.get(selection.name.value)
    if (fragment === undefined) continue
    const condition = fragment.typeCondition?.name.value
    select(walk, narrowed(walk, standings, condition), fragment.selectionSet)
  }
}

/** Each once, or interfaces within interfaces would multiply. */
function distinct(standings: readonly Standing[]): Standing[] {
  return [
    ...new Map(
      standings.map((one) => [`${one.type.name} ${one.reached} ${one.thing}`, one]),
    ).values(),
  ]
}

/** Those to which a fragment applies. One that can apply to none is judged all the same, as if it led out. */
function narrowed(
  walk: Walk,
  standings: readonly Standing[],
  condition: string | undefined,
): readonly Standing[] {
  const type = condition === undefined ? undefined : walk.catalogue.schema.getType(condition)
  if (type === undefined) return standings
  const types = objectTypes(walk.catalogue.schema, type)
  const fitting = standings.filter((standing) => types.includes(standing.type))
  return fitting.length > 0
    ? fitting
    : types.map((one) => ({ type: one, reached: 'out', thing: 2 }))
}

function objectTypes(schema: GraphQLSchema, type: GraphQLNamedType): readonly GraphQLObjectType[] {
  if (isObjectType(type)) return [type]
  return isAbstractType(type) ? schema.getPossibleTypes(type) : []
}

/** Notes a field, and says where its selection stands. */
function visit(walk: Walk, { type, reached, thing }: Standing, node: FieldNode): Standing[] {
  const name = node.name.value
  const coordinate = `${type.name}.${name}`
  const field = type.getFields()[name]
  if (field === undefined) throw unknownField(coordinate)
  walk.coordinates.add(coordinate)
  noteField(walk, type.name, name, { reached, thing })
  const given = readArguments(walk, coordinate, field, node)
  if (given.unknown) walk.mustName.set(coordinate, 'unknown')
  for (const effect of given.effects) walk.effects.add(effect)
  const strays = fieldRule(walk.catalogue, coordinate)?.elsewhere === true
  const from = { reached: strays ? ('out' as const) : reached, thing }
  return entered(walk.catalogue, getNamedType(field.type), from)
}

function noteField(
  walk: Walk,
  type: string,
  name: string,
  { reached, thing }: Omit<Standing, 'type'>,
): void {
  const coordinate = `${type}.${name}`
  const knowledge = walk.catalogue.types.get(type)
  if (knowledge === undefined || !knowledge.fields.has(name))
    walk.mustName.set(coordinate, 'unknown')
  noteEffects(walk, coordinate)
  const strange = knowledge === undefined || knowledge.reach !== 'value'
  if (!strange || knowledge?.harmless.has(name) === true) return
  if (reached === 'out') walk.reachesOut ??= coordinate
  if (thing === 2) walk.leadsOn ??= coordinate
}

function noteEffects(walk: Walk, coordinate: string): void {
  const extra = fieldRule(walk.catalogue, coordinate)?.effects
  if (extra === undefined) return
  for (const effect of extra) walk.effects.add(effect)
  const worst = strictest(extra)
  if (worst !== 'read') walk.mustName.set(coordinate, worst)
}

/** Where one stands on entering a type. An unknown type may belong to anybody. */
function enter(catalogue: Catalogue, type: string, from: Reached): Reached {
  if (from === 'out') return 'out'
  const reach = catalogue.types.get(type)?.reach
  if (reach === 'value') return from
  if (reach === 'shared') return 'seen'
  if (reach === 'environment') return from === 'owned' ? 'owned' : 'out'
  return 'out'
}

function readArguments(
  walk: Walk,
  coordinate: string,
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
): { unknown: boolean; effects: ReadonlySet<Effect> } {
  const meanings = argumentMeanings(walk.catalogue, coordinate, field)
  const effects = new Set<Effect>()
  const found = { unknown: false, effects }
  if (meanings.length === 0) return found
  const values = argumentValues(field, node, walk.variables)
  for (const { path, name, meaning } of meanings) {
    const given = valuesAt(values, path).filter((value) => value != null)
    const items = given.flatMap(itemsOf)
    if (meaning.is === 'effect') {
      if (given.length > 0) effects.add(meaning.effect)
    } else if (meaning.is === 'unknown') {
      const chosen = given.filter((value) => !sameValue(value, meaning.fallback))
      found.unknown ||= chosen.length > 0
      for (const item of chosen.flatMap(itemsOf))
        walk.resources.push(resource('unknown', name, item))
    } else {
      if (items.length === 0 && meaning.required) walk.missing.push(name)
      for (const item of items) walk.resources.push(resourceOf(meaning, name, item))
    }
  }
  return found
}

/** A variable may be valid where it is declared and still null where it is used: an executor finds that only now. */
function argumentValues(
  field: GraphQLField<unknown, unknown>,
  node: FieldNode,
  variables: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  try {
    return getArgumentValues(field, node, variables)
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    throw new BrokerError(
      'malformed-request',
      `The GraphQL request cannot be taken: ${error.message.slice(0, 300).replace(/\.$/, '')}.`,
      { hint: 'Give each variable that a required argument uses a value.' },
    )
  }
}

function sameValue(a: unknown, b: unknown): boolean {
  return b !== undefined && JSON.stringify(a) === JSON.stringify(b)
}

function resourceOf(
  { kind, role, spread }: Extract<ArgumentMeaning['meaning'], { is: 'resource' }>,
  argument: string,
  value: unknown,
): Resource {
  return { ...resource(kind, argument, value), role, ...(spread ? { spread: true as const } : {}) }
}

/** A value that is no string has no canonical form of an id; locate refuses it by its kind's pattern. */
function resource(kind: string, argument: string, value: unknown): Resource {
  const id = typeof value === 'string' ? value : JSON.stringify(value)
  return {
    kind,
    id: id.length > longestId ? `${id.slice(0, longestId)}…`.toWellFormed() : id,
    role: 'target',
    argument,
  }
}

/** The same id in the same argument is one thing, however often a list repeats it. */
function once(resources: readonly Resource[]): Resource[] {
  const key = ({ kind, id, role, argument, spread }: Resource) =>
    JSON.stringify([kind, id, role, argument, spread === true])
  return [...new Map(resources.map((one) => [key(one), one])).values()]
}

/** All values at a dotted path, lists on the way looked through. A list at its end is a value, empty or not. */
function valuesAt(value: unknown, path: readonly string[]): unknown[] {
  const [key, ...rest] = path
  if (key === undefined) return [value]
  if (Array.isArray(value)) return value.flatMap((item) => valuesAt(item, path))
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return []
  return valuesAt(Reflect.get(value, key), rest)
}

function itemsOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value.flatMap(itemsOf)
  return value == null ? [] : [value]
}

function unknownField(name: string): BrokerError {
  return new BrokerError('unknown-operation', `The API has no ${name}.`, {
    hint: 'The broker knows the API by its schema, which an operator renews with `valetkey provider refresh`.',
  })
}
