/** Random valid requests to a GraphQL schema, and random spellings of one and the same request. Never runs any. */
import fc from 'fast-check'
import {
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isUnionType,
} from 'graphql'
import type { Json } from '../../../src/providers/json.ts'

/** A field that is asked for, with its arguments as plain values: what a document means, without how it is written. */
export type Asked = {
  on: GraphQLObjectType
  name: string
  args: { name: string; type: GraphQLInputType; value: Json }[]
  below: Asked[] | null
  /** It stands below a union, which has no fields itself. */
  ofUnion: boolean
}
export type Meaning = { kind: 'query' | 'mutation'; fields: Asked[] }
export type Spelled = { query: string; variables: Record<string, Json>; operationName?: string }

/** Gives a value for a named input type; `coordinate` says of which field, `path` where in its arguments. */
export type Leaf = (coordinate: string, path: string, type: GraphQLNamedType, g: Choose) => Json
export type Choose = fc.GeneratorValue

const upTo = (g: Choose, max: number) => g(fc.nat, { max })
const oneOf = <T>(g: Choose, items: readonly T[]): T => {
  const item = items[upTo(g, items.length - 1)]
  if (item === undefined) throw new Error('nothing to choose from')
  return item
}
/** True in `of` cases out of ten. */
const odds = (g: Choose, of: number) => upTo(g, 9) < of

export function meaning(schema: GraphQLSchema, leaf: Leaf, g: Choose): Meaning {
  const kind = odds(g, 3) ? 'mutation' : 'query'
  const root = kind === 'mutation' ? schema.getMutationType() : schema.getQueryType()
  if (root == null) throw new Error('the schema has no such root')
  const count = odds(g, 7) ? 1 : 2
  const names = Object.keys(root.getFields())
  const fields = Array.from({ length: count }, () =>
    asked(schema, leaf, g, root, oneOf(g, names), 5),
  )
  return { kind, fields }
}

function asked(
  schema: GraphQLSchema,
  leaf: Leaf,
  g: Choose,
  on: GraphQLObjectType,
  name: string,
  depth: number,
): Asked {
  const field = on.getFields()[name]
  if (field === undefined) throw new Error(`no ${on.name}.${name}`)
  const coordinate = `${on.name}.${name}`
  const args = field.args
    .filter(({ type }) => isNonNullType(type) || odds(g, 4))
    .map(({ name: argument, type }) => ({
      name: argument,
      type,
      value: valueFor(leaf, g, coordinate, argument, type),
    }))
  const selected = below(schema, leaf, g, getNamedType(field.type), depth)
  return { on, name, args, below: selected, ofUnion: false }
}

function below(
  schema: GraphQLSchema,
  leaf: Leaf,
  g: Choose,
  type: GraphQLNamedType,
  depth: number,
): Asked[] | null {
  const members = isUnionType(type) ? schema.getPossibleTypes(type) : [type]
  if (!members.every(isObjectType)) return null
  return members.flatMap((member) => {
    const fields = Object.values(member.getFields())
    const leaves = fields.filter((one) => !composite(getNamedType(one.type)))
    const open = depth > 0 && (leaves.length === 0 || odds(g, 7)) ? fields : leaves
    const names = new Set(
      Array.from({ length: 1 + upTo(g, 2) }, () => oneOf(g, open.length > 0 ? open : fields).name),
    )
    return [...names].map((name) => ({
      ...asked(schema, leaf, g, member, name, depth - 1),
      ofUnion: isUnionType(type),
    }))
  })
}

function composite(type: GraphQLNamedType): boolean {
  return !isScalarType(type) && !isEnumType(type)
}

function valueFor(
  leaf: Leaf,
  g: Choose,
  coordinate: string,
  path: string,
  type: GraphQLInputType,
): Json {
  const plain = getNullableType(type)
  if (isListType(plain)) {
    const length = 1 + upTo(g, 1)
    return Array.from({ length }, () => valueFor(leaf, g, coordinate, path, plain.ofType))
  }
  if (!isInputObjectType(plain)) return leaf(coordinate, path, plain, g)
  return Object.fromEntries(
    Object.values(plain.getFields())
      .filter((one) => isNonNullType(one.type) || odds(g, 4))
      .map((one) => [one.name, valueFor(leaf, g, coordinate, `${path}.${one.name}`, one.type)]),
  )
}

type Pen = {
  schema: GraphQLSchema
  g: Choose
  /** Whether `@skip` and `@include` are strewn in. */
  conditional: boolean
  definitions: string[]
  variables: Record<string, Json>
  fragments: string[]
  names: number
}

/** One of the many ways to write it down. */
export function spell(
  schema: GraphQLSchema,
  { kind, fields }: Meaning,
  g: Choose,
  conditional = false,
): Spelled {
  const pen: Pen = {
    schema,
    g,
    conditional,
    definitions: [],
    variables: {},
    fragments: [],
    names: 0,
  }
  const selection = set(pen, fields)
  const named = odds(g, 5) ? fresh(pen, oneOf(g, ['Deploy', 'volumeDelete', 'query'])) : ''
  const variables = pen.definitions.length > 0 ? `(${shuffled(g, pen.definitions).join(', ')})` : ''
  const short = kind === 'query' && named === '' && variables === ''
  const operation = short && odds(g, 5) ? selection : `${kind} ${named}${variables} ${selection}`
  const query = shuffled(g, [operation, ...pen.fragments]).join(oneOf(g, ['\n', ' ', ' # note\n']))
  return {
    query,
    variables: Object.fromEntries(shuffled(g, Object.entries(pen.variables))),
    ...(named !== '' && odds(g, 5) ? { operationName: named } : {}),
  }
}

function fresh(pen: Pen, stem: string): string {
  pen.names += 1
  return `${stem}_${pen.names}`
}

function shuffled<T>(g: Choose, items: readonly T[]): T[] {
  const rest = [...items]
  return items.flatMap(() => rest.splice(upTo(g, rest.length - 1), 1))
}

function set(pen: Pen, fields: readonly Asked[]): string {
  const { g } = pen
  const used = new Set<string>()
  const pieces = shuffled(g, fields).flatMap((one) => {
    const clash = one.ofUnion || used.has(one.name)
    used.add(one.name)
    const alias =
      clash || odds(g, 3) ? `${fresh(pen, oneOf(g, ['a', 'id', 'volumeDelete']))}: ` : ''
    const text = `${alias}${one.name}${argumentsOf(pen, one)}${condition(pen)}`
    const whole = one.below === null ? text : `${text} ${set(pen, one.below)}`
    return [wrapped(pen, one, whole), ...(odds(g, 1) ? ['__typename'] : [])]
  })
  return `{ ${pieces.join(oneOf(g, [' ', ', ', '\n']))} }`
}

/** A field, bare or in fragments: untyped, on its own type, on an interface of its type, named or not. */
function wrapped(pen: Pen, one: Asked, text: string): string {
  const { g } = pen
  const must = one.ofUnion
  if (!must && odds(g, 6)) return text
  const interfaces = one.on
    .getInterfaces()
    .filter((face) => face.getFields()[one.name] !== undefined && one.args.length === 0)
    .map(({ name }) => name)
  const inner =
    interfaces.length > 0 && odds(g, 5) ? `... on ${oneOf(g, interfaces)} { ${text} }` : text
  if (odds(g, 4)) {
    const name = fresh(pen, 'Part')
    pen.fragments.push(`fragment ${name} on ${one.on.name} { ${inner} }`)
    return `...${name}${condition(pen)}`
  }
  const typed = must || odds(g, 5) ? ` on ${one.on.name}` : ''
  return `...${typed}${condition(pen)} { ${inner} }`
}

function condition(pen: Pen): string {
  const { g } = pen
  if (!pen.conditional || odds(g, 6)) return ''
  const directive = oneOf(g, ['skip', 'include'])
  if (odds(g, 5)) return ` @${directive}(if: ${odds(g, 5)})`
  const name = fresh(pen, 'if')
  pen.definitions.push(`$${name}: Boolean!`)
  pen.variables[name] = odds(g, 5)
  return ` @${directive}(if: $${name})`
}

function argumentsOf(pen: Pen, { args }: Asked): string {
  if (args.length === 0) return ''
  const pieces = shuffled(pen.g, args).map(
    ({ name, type, value }) => `${name}: ${valueText(pen, type, value)}`,
  )
  return `(${pieces.join(', ')})`
}

/** A value in its place: literal, variable, default, behind a default that is not used, or in parts of these. */
function valueText(pen: Pen, type: GraphQLInputType, value: Json): string {
  const { g } = pen
  const how = upTo(g, 5)
  if (how > 2) return partsText(pen, type, value)
  const name = fresh(pen, oneOf(g, ['id', 'v']))
  if (how === 0) {
    pen.definitions.push(`$${name}: ${type}`)
    pen.variables[name] = value
    return `$${name}`
  }
  const nullable = String(getNullableType(type))
  const unused = how === 2 && typeof value === 'string' && !isEnumType(getNamedType(type))
  pen.definitions.push(`$${name}: ${nullable} = ${literal(type, unused ? 'unused' : value)}`)
  if (unused) pen.variables[name] = value
  return `$${name}`
}

function partsText(pen: Pen, type: GraphQLInputType, value: Json): string {
  const plain = getNullableType(type)
  if (isListType(plain) && Array.isArray(value)) {
    const [only] = value
    if (value.length === 1 && only !== undefined && odds(pen.g, 5))
      return literal(plain.ofType, only)
    return `[${value.map((item) => valueText(pen, plain.ofType, item)).join(', ')}]`
  }
  if (isInputObjectType(plain) && isRecord(value)) {
    const entries = shuffled(pen.g, Object.entries(value)).map(([key, item]) => {
      const field = plain.getFields()[key]
      if (field === undefined) throw new Error(`no ${plain.name}.${key}`)
      return `${key}: ${valueText(pen, field.type, item)}`
    })
    return `{ ${entries.join(', ')} }`
  }
  return literal(type, value)
}

function isRecord(value: Json): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function literal(type: GraphQLInputType, value: Json): string {
  if (Array.isArray(value)) {
    const item = getNullableType(type)
    const inner = isListType(item) ? item.ofType : type
    return `[${value.map((one) => literal(inner, one)).join(', ')}]`
  }
  if (isRecord(value)) {
    const named = getNamedType(type)
    const entries = Object.entries(value).map(([key, item]) => {
      const field = isInputObjectType(named) ? named.getFields()[key] : undefined
      return `${key}: ${literal(field?.type ?? type, item)}`
    })
    return `{${entries.join(', ')}}`
  }
  return isEnumType(getNamedType(type)) ? String(value) : JSON.stringify(value)
}
