/** Compares a schema with the overlay laid over it and lists what is left to the strict defaults. It decides nothing. */
import {
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isAbstractType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  isUnionType,
} from 'graphql'
import { type ArgumentPath, argumentPaths, plainArguments } from './arguments.ts'
import type { Overlay } from './overlay.ts'

export type Gap = {
  /** `Mutation.volumeDelete`, `Mutation.volumeDelete(volumeId)`, `Volume`, `Volume.name`. */
  coordinate: string
  gap: 'root' | 'argument' | 'type' | 'field' | 'scalar' | 'stale'
  reason: string
  consequence: string
  /** Whether somebody who uses this API can notice. */
  matters: boolean
}

export function coverage(schema: GraphQLSchema, overlay: Overlay): Gap[] {
  return [
    ...unknownRoots(schema, overlay),
    ...unknownArguments(schema, overlay),
    ...unknownScalars(schema, overlay),
    ...unknownTypes(schema, overlay),
    ...unknownFields(schema, overlay),
    ...staleRules(schema, overlay),
  ]
}

type Coordinate = { coordinate: string; field: GraphQLField<unknown, unknown> }

function rootFields(schema: GraphQLSchema): Coordinate[] {
  return rootTypes(schema).flatMap((type) => fieldsOf(type))
}

function rootTypes(schema: GraphQLSchema) {
  const all = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
  return all.filter((type) => type !== null && type !== undefined)
}

function fieldsOf(type: GraphQLNamedType): Coordinate[] {
  if (!isObjectType(type) && !isInterfaceType(type)) return []
  return Object.values(type.getFields()).map((field) => ({
    coordinate: `${type.name}.${field.name}`,
    field,
  }))
}

function unknownRoots(schema: GraphQLSchema, overlay: Overlay): Gap[] {
  return rootFields(schema)
    .filter(({ coordinate }) => !Object.hasOwn(overlay.roots, coordinate))
    .map(({ coordinate }) => ({
      coordinate,
      gap: 'root',
      reason: 'Nothing says what it does.',
      consequence:
        'No pattern covers it and it counts as destructive; a scope has to name it exactly.',
      matters: true,
    }))
}

/** Of what is known; an unknown root or type is listed whole. */
function unknownArguments(schema: GraphQLSchema, overlay: Overlay): Gap[] {
  const roots = rootFields(schema).filter(({ coordinate }) =>
    Object.hasOwn(overlay.roots, coordinate),
  )
  const nested = outputTypes(schema)
    .filter(({ name }) => Object.hasOwn(overlay.types, name))
    .flatMap(fieldsOf)
  return [...roots, ...nested].flatMap(({ coordinate, field }) => {
    const plain = plainArguments(overlay, coordinate)
    return argumentPaths(field)
      .filter(({ path, identifierLike }) => identifierLike || plain?.has(path) === false)
      .filter(({ path }) => !Object.hasOwn(argumentRules(overlay, coordinate), path))
      .map((argument) => unknownArgument(coordinate, argument))
  })
}

function argumentRules(overlay: Overlay, coordinate: string): Readonly<Record<string, string>> {
  return overlay.roots[coordinate]?.args ?? overlay.fields[coordinate]?.args ?? {}
}

function unknownArgument(coordinate: string, { path, type, identifierLike }: ArgumentPath): Gap {
  return {
    coordinate: `${coordinate}(${path})`,
    gap: 'argument',
    reason: identifierLike
      ? `It looks like an identifier (${type.name}), and nothing says of what.`
      : `Nothing says what it does (${type.name}).`,
    consequence: identifierLike
      ? 'A call that gives it is refused, since nothing can locate what it names.'
      : 'A call that gives it is refused, since it may widen what the operation does.',
    matters: true,
  }
}

/** Once for each scalar, wherever it stands. */
function unknownScalars(schema: GraphQLSchema, overlay: Overlay): Gap[] {
  return [...argumentScalars(schema)]
    .filter((name) => !Object.hasOwn(overlay.scalars, name))
    .map((name) => ({
      coordinate: name,
      gap: 'scalar',
      reason: 'It stands in arguments, and nothing says whether it carries structure.',
      consequence: 'A call that gives one is refused, since anything may hide in it.',
      matters: true,
    }))
}

function argumentScalars(schema: GraphQLSchema): Set<string> {
  const fields = [...rootFields(schema), ...outputTypes(schema).flatMap(fieldsOf)]
  const types = fields.flatMap(({ field }) => argumentPaths(field).map(({ type }) => type))
  const custom = types.filter((type) => isScalarType(type) && !isSpecifiedScalarType(type))
  return new Set(custom.map((type) => type.name))
}

/** The object, interface and union types that an answer can be made of, roots and introspection apart. */
function outputTypes(schema: GraphQLSchema): GraphQLNamedType[] {
  const roots = new Set<GraphQLNamedType>(rootTypes(schema))
  return Object.values(schema.getTypeMap()).filter(
    (type) =>
      (isObjectType(type) || isInterfaceType(type) || isUnionType(type)) &&
      !isIntrospectionType(type) &&
      !roots.has(type),
  )
}

function unknownTypes(schema: GraphQLSchema, overlay: Overlay): Gap[] {
  const reachable = reachableTypes(schema)
  return outputTypes(schema)
    .filter(({ name }) => !Object.hasOwn(overlay.types, name))
    .map((type) => ({
      coordinate: type.name,
      gap: 'type',
      reason: 'Nothing says whether it belongs to an environment.',
      consequence: 'A scope has to name exactly each of its fields that a call selects.',
      matters: reachable.has(type),
    }))
}

function reachableTypes(schema: GraphQLSchema): Set<GraphQLNamedType> {
  const reached = new Set<GraphQLNamedType>()
  const waiting: GraphQLNamedType[] = [...rootTypes(schema)]
  for (let type = waiting.pop(); type !== undefined; type = waiting.pop()) {
    if (reached.has(type)) continue
    reached.add(type)
    if (isAbstractType(type)) waiting.push(...schema.getPossibleTypes(type))
    waiting.push(...fieldsOf(type).map(({ field }) => getNamedType(field.type)))
    // A fragment may select on any interface that a reachable object has.
    if (isObjectType(type)) waiting.push(...type.getInterfaces())
  }
  return reached
}

function unknownFields(schema: GraphQLSchema, overlay: Overlay): Gap[] {
  return outputTypes(schema).flatMap((type) => {
    if (!Object.hasOwn(overlay.types, type.name)) return []
    const known = new Set(words(overlay.types[type.name]?.fields ?? ''))
    return fieldsOf(type)
      .filter(({ field }) => !known.has(field.name))
      .map(({ coordinate }) => ({
        coordinate,
        gap: 'field' as const,
        reason: 'Nothing says what it tells.',
        consequence: 'A scope has to name the field exactly.',
        matters: true,
      }))
  })
}

function words(list: string): string[] {
  return list.split(/\s+/).filter((word) => word !== '')
}

/** Rules that the schema has no use for: it changed, or they are misspelled. */
function staleRules(schema: GraphQLSchema, overlay: Overlay): Gap[] {
  const roots = new Map(rootFields(schema).map((one) => [one.coordinate, one.field]))
  const types = new Map(outputTypes(schema).map((type) => [type.name, type]))
  const nested = new Map(
    outputTypes(schema)
      .flatMap(fieldsOf)
      .map((one) => [one.coordinate, one.field]),
  )
  const scalars = argumentScalars(schema)
  return [
    ...staleCalls(overlay.roots, roots),
    ...staleCalls(overlay.fields, nested),
    ...Object.keys(overlay.types).filter((name) => !types.has(name)),
    ...[...types.values()].flatMap((type) => staleFields(type, overlay)),
    ...Object.keys(overlay.scalars).filter((name) => !scalars.has(name)),
  ].map((coordinate) => ({
    coordinate,
    gap: 'stale',
    reason: 'The overlay knows it and the schema does not.',
    consequence: 'None until the API has it again.',
    matters: false,
  }))
}

type Call = { args?: Readonly<Record<string, string>> }

function staleCalls(
  rules: Readonly<Record<string, Call>>,
  fields: ReadonlyMap<string, GraphQLField<unknown, unknown>>,
): string[] {
  return Object.entries(rules).flatMap(([coordinate, rule]) => {
    const field = fields.get(coordinate)
    if (field === undefined) return [coordinate]
    const paths = new Set(argumentPaths(field).map(({ path }) => path))
    const gone = Object.keys(rule.args ?? {}).filter((path) => !paths.has(path))
    return gone.map((path) => `${coordinate}(${path})`)
  })
}

function staleFields(type: GraphQLNamedType, overlay: Overlay): string[] {
  const rule = overlay.types[type.name]
  const names = new Set(fieldsOf(type).map(({ field }) => field.name))
  return words(`${rule?.fields ?? ''} ${rule?.harmless ?? ''}`)
    .filter((name) => !names.has(name))
    .map((name) => `${type.name}.${name}`)
}
