/** Reads GraphQL documents and runs them over the world, with Railway's way of answering errors. Never touches HTTP. */

import {
  buildSchema,
  type DocumentNode,
  executeSync,
  type FragmentDefinitionNode,
  GraphQLError,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  getOperationAST,
  isObjectType,
  isUnionType,
  Kind,
  parse,
  type SelectionSetNode,
  validate,
} from 'graphql'
import { type Call, notAuthorized } from './access.ts'
import { domainMutations } from './domains.ts'
import { environmentMutations } from './environments.ts'
import { fields } from './fields.ts'
import { projectMutations } from './projects.ts'
import { queries } from './queries.ts'
import { sdl } from './schema.ts'
import { serviceMutations } from './services.ts'
import { volumeMutations } from './volumes.ts'

export type Executed = { coordinate: string; args: Record<string, unknown> }
export type RootField = { key: string; name: string }
/** A document read once. Without a document, `errors` says why it cannot be read. */
export type Prepared = {
  document: DocumentNode | undefined
  roots: RootField[]
  errors: readonly GraphQLError[]
}
export type Operation = {
  query: string
  variables?: Record<string, unknown>
  operationName?: string
}
export type Answer = { status: number; body: { errors?: unknown[]; data?: unknown } }
export type Engine = {
  prepare: (text: string) => Prepared
  run: (prepared: Prepared, operation: Operation, call: Call) => Answer
}

type Args = Record<string, unknown>
type Root = (args: never, call: Call) => unknown
type Nested = (source: never, args: never, call: Call) => unknown
type Resolve = GraphQLFieldResolver<unknown, Call, Args>

const roots: Record<string, Record<string, Root>> = {
  Query: queries,
  Mutation: {
    ...domainMutations,
    ...environmentMutations,
    ...projectMutations,
    ...serviceMutations,
    ...volumeMutations,
  },
}
const nested: Record<string, Record<string, Nested>> = fields
const openToAll = new Set(['platformStatus', 'regions'])
const cachedDocuments = 1000

/** An engine with its own schema. `record` hears of every field that was resolved, root and nested, and of none that was refused. */
export function engine(record: ((one: Executed) => void) | undefined): Engine {
  const schema = executableSchema(record)
  const seen = new Map<string, Prepared>()
  const prepare = (text: string): Prepared => {
    const known = seen.get(text)
    if (known !== undefined) return known
    const prepared = read(schema, text)
    if (seen.size >= cachedDocuments) seen.clear()
    seen.set(text, prepared)
    return prepared
  }
  const run = ({ document, errors }: Prepared, operation: Operation, call: Call): Answer => {
    if (document === undefined || errors.length > 0) return invalid(errors)
    const { variables, operationName } = operation
    if (getOperationAST(document, operationName)?.operation === 'subscription') {
      return invalid([new GraphQLError('Subscriptions are served over a WebSocket only')])
    }
    const result = executeSync({
      schema,
      document,
      contextValue: call,
      ...(variables ? { variableValues: variables } : {}),
      ...(operationName ? { operationName } : {}),
    })
    if (result.data === undefined) return invalid(result.errors ?? [])
    if (result.errors === undefined) return { status: 200, body: { data: result.data } }
    return { status: 200, body: { errors: result.errors.map(railwayError), data: result.data } }
  }
  return { prepare, run }
}

function read(schema: GraphQLSchema, text: string): Prepared {
  try {
    const document = parse(text)
    return { document, roots: rootFields(document), errors: validate(schema, document) }
  } catch (error) {
    if (error instanceof GraphQLError) return { document: undefined, roots: [], errors: [error] }
    throw error
  }
}

function executableSchema(record: ((one: Executed) => void) | undefined) {
  const schema = buildSchema(sdl)
  for (const type of Object.values(schema.getTypeMap())) {
    if (isUnionType(type)) type.resolveType = unionMember
    if (!isObjectType(type) || type.name.startsWith('__')) continue
    for (const field of Object.values(type.getFields())) {
      const resolve = resolverOf(type.name, field.name)
      const coordinate = `${type.name}.${field.name}`
      if (record !== undefined) field.resolve = recorded(coordinate, resolve, record)
      else if (resolve !== undefined) field.resolve = resolve
    }
  }
  return schema
}

function unionMember(source: unknown): string {
  return typeof source === 'object' && source !== null && 'code' in source
    ? 'InviteCode'
    : 'ProjectInvitation'
}

/** The casts: graphql hands over what validation against the SDL has shaped, and its types cannot know that. */
function resolverOf(type: string, name: string): Resolve | undefined {
  const root = roots[type]?.[name]
  if (root !== undefined) {
    return (_, args, call) => {
      if (call.viewer === undefined && !openToAll.has(name)) throw notAuthorized()
      return root(args as never, call)
    }
  }
  const field = nested[type]?.[name]
  return field && ((source, args, call) => field(source as never, args as never, call))
}

function recorded(
  coordinate: string,
  resolve: Resolve | undefined,
  record: (one: Executed) => void,
): Resolve {
  return (source, args, call, info) => {
    const value = resolve ? resolve(source, args, call, info) : Object(source)[info.fieldName]
    record({ coordinate, args })
    return value
  }
}

function invalid(errors: readonly GraphQLError[]): Answer {
  const listed = errors.map(({ message, locations }) => ({
    message,
    locations,
    extensions: { code: 'GRAPHQL_VALIDATION_FAILED' },
  }))
  return { status: 400, body: { errors: listed } }
}

/** An error as Railway words it: status 200, an internal code whatever happened, and a trace id. */
export function railwayError({ message, path }: { message: string; path?: unknown }) {
  const traceId = String(Math.trunc(Math.random() * 1e16))
  return { message, path, extensions: { code: 'INTERNAL_SERVER_ERROR' }, traceId }
}

/** The root fields of every operation in a document, fragments expanded. */
function rootFields(document: DocumentNode): RootField[] {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const one of document.definitions) {
    if (one.kind === Kind.FRAGMENT_DEFINITION) fragments.set(one.name.value, one)
  }
  return document.definitions.flatMap((one) =>
    one.kind === Kind.OPERATION_DEFINITION ? selected(one.selectionSet, fragments, new Set()) : [],
  )
}

function selected(
  { selections }: SelectionSetNode,
  fragments: Map<string, FragmentDefinitionNode>,
  open: Set<string>,
): RootField[] {
  return selections.flatMap((one) => {
    if (one.kind === Kind.FIELD) {
      return [{ key: one.alias?.value ?? one.name.value, name: one.name.value }]
    }
    if (one.kind === Kind.INLINE_FRAGMENT) return selected(one.selectionSet, fragments, open)
    const fragment = fragments.get(one.name.value)
    if (fragment === undefined || open.has(one.name.value)) return []
    return selected(fragment.selectionSet, fragments, new Set([...open, one.name.value]))
  })
}
