/** A schema with Valetkey's knowledge laid over it, ready to be asked. Never reads a request. */
import {
  buildSchema,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  isEnumType,
  isScalarType,
  specifiedScalarTypes,
} from 'graphql'
import { LRUCache } from 'lru-cache'
import { BrokerError } from '../../errors.ts'
import type { Effect } from '../../policy/operation.ts'
import type { Reading } from '../provider.ts'
import { addedEffect, argumentPaths, parseArgumentRule, plainArguments } from './arguments.ts'
import type { Document } from './document.ts'
import type { FieldRule, Overlay, Reach, RootRule } from './overlay.ts'

/** One argument of a field, by its dotted path, and what it means. */
export type ArgumentMeaning = {
  path: readonly string[]
  name: string
  meaning:
    | {
        is: 'resource'
        kind: string
        role: 'target' | 'context'
        spread: boolean
        required: boolean
      }
    /**
     * Identifier-like, of a type that nobody described, or never looked at: given, it makes the operation unknown, unless it
     * is what it would be anyway.
     */
    | { is: 'unknown'; fallback?: unknown }
    /** Given, it adds an effect: untyped JSON makes the operation destructive. */
    | { is: 'effect'; effect: Effect }
}

export type TypeKnowledge = {
  reach: Reach
  fields: ReadonlySet<string>
  harmless: ReadonlySet<string>
}

export type Catalogue = {
  schema: GraphQLSchema
  overlay: Overlay
  types: ReadonlyMap<string, TypeKnowledge>
  /** Kinds that lie in exactly one environment: naming one as a target makes what is below it owned. */
  inEnvironment: ReadonlySet<string>
  /** Arguments with a meaning, by field coordinate; filled as fields are met. */
  arguments: Map<string, readonly ArgumentMeaning[]>
  /** Documents that were parsed and validated against this schema, by their text. */
  documents: LRUCache<string, Document>
  /** What whole requests mean, by their bytes: a reading follows from them and from the schema alone. */
  readings: LRUCache<string, Reading>
  /** Answers to introspection, by canonical document. */
  introspections: LRUCache<string, object>
}

/** Throws `malformed-request` when `sdl` is no GraphQL schema. */
export function compile(
  sdl: string,
  overlay: Overlay,
  inEnvironment: ReadonlySet<string>,
): Catalogue {
  return {
    schema: parseSchema(sdl),
    overlay,
    types: new Map(
      Object.entries(overlay.types).map(([name, rule]) => [
        name,
        { reach: rule.reach, fields: words(rule.fields), harmless: words(rule.harmless ?? '') },
      ]),
    ),
    inEnvironment,
    arguments: new Map(),
    // A parsed document takes a hundred times its text in memory.
    documents: new LRUCache({ max: 1_000, maxSize: 1_000_000, sizeCalculation: (one) => one.size }),
    readings: new LRUCache({
      max: 2_000,
      maxSize: 1_000_000,
      sizeCalculation: (_, key) => key.length,
    }),
    introspections: new LRUCache({ max: 8 }),
  }
}

function parseSchema(sdl: string): GraphQLSchema {
  try {
    return buildSchema(sdl, { noLocation: true })
  } catch (cause) {
    throw new BrokerError(
      'malformed-request',
      'What should be a GraphQL schema is none.',
      { hint: 'Give SDL, as an introspection of the API yields it.' },
      cause,
    )
  }
}

export function rootRule(catalogue: Catalogue, coordinate: string): RootRule | undefined {
  return own(catalogue.overlay.roots, coordinate)
}

export function fieldRule(catalogue: Catalogue, coordinate: string): FieldRule | undefined {
  return own(catalogue.overlay.fields, coordinate)
}

/** What the arguments of a field mean, remembered by coordinate. */
export function argumentMeanings(
  catalogue: Catalogue,
  coordinate: string,
  field: GraphQLField<unknown, unknown>,
): readonly ArgumentMeaning[] {
  const known = catalogue.arguments.get(coordinate)
  if (known !== undefined) return known
  const rules =
    rootRule(catalogue, coordinate)?.args ?? fieldRule(catalogue, coordinate)?.args ?? {}
  const plain = plainArguments(catalogue.overlay, coordinate)
  const meanings = argumentPaths(field).flatMap(({ path, type, identifierLike, fallback }) => {
    const rule = own(rules, path)
    const strange = rule === undefined && !identifierLike && plain?.has(path) === false
    const meaning = strange
      ? { is: 'unknown' as const, fallback }
      : meaningOf(catalogue, rule, type, identifierLike)
    return meaning === null ? [] : [{ path: path.split('.'), name: path, meaning }]
  })
  catalogue.arguments.set(coordinate, meanings)
  return meanings
}

function meaningOf(
  catalogue: Catalogue,
  rule: string | undefined,
  type: { name: string },
  identifierLike: boolean,
): ArgumentMeaning['meaning'] | null {
  if (rule !== undefined) {
    const effect = addedEffect(rule)
    if (effect !== null) return { is: 'effect', effect }
    const parsed = parseArgumentRule(rule)
    return parsed.kind === 'none' ? null : { is: 'resource', ...parsed }
  }
  if (identifierLike) return { is: 'unknown' }
  const named = catalogue.schema.getType(type.name)
  if (!isScalarType(named) || isEnumType(named)) return null
  if (specifiedScalarTypes.some((scalar) => scalar.name === named.name)) return null
  const scalar = own(catalogue.overlay.scalars, named.name)
  if (scalar === 'plain') return null
  return scalar === 'untyped' ? { is: 'effect', effect: 'destructive' } : { is: 'unknown' }
}

/** Every operation that the schema offers, as `provider operations` lists it. */
export function operationsOf(catalogue: Catalogue): {
  name: string
  effects: readonly Effect[] | null
  harmless: boolean
  note: string | null
  resources: string[]
}[] {
  return roots(catalogue.schema).flatMap((type) =>
    Object.values(type.getFields()).map((field) => {
      const name = `${type.name}.${field.name}`
      const rule = rootRule(catalogue, name)
      return {
        name,
        effects: rule?.effects ?? null,
        harmless: rule?.harmless === true,
        note: rule?.note ?? null,
        resources: argumentMeanings(catalogue, name, field).flatMap(
          ({ name: argument, meaning }) =>
            meaning.is === 'resource' ? [`${argument}: ${meaning.kind}`] : [],
        ),
      }
    }),
  )
}

function roots(schema: GraphQLSchema): GraphQLObjectType[] {
  return [schema.getQueryType(), schema.getMutationType()].filter((type) => type != null)
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(/\s+/).filter((word) => word !== ''))
}

/** A record's own entry: names come from requests, and `constructor` must not find anything. */
function own<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}
