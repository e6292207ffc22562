/** Flattens a field's arguments into dotted paths and reads the rules about them. It never looks at values. */
import {
  type GraphQLField,
  type GraphQLInputType,
  type GraphQLNamedType,
  getNamedType,
  isInputObjectType,
  isNonNullType,
} from 'graphql'
import { BrokerError } from '../../errors.ts'
import { type Effect, effects, ordinary } from '../../policy/operation.ts'
import type { ArgumentRule, Overlay } from './overlay.ts'

export type ArgumentPath = {
  /** `input.environmentId`; lists are looked through. */
  path: string
  type: GraphQLNamedType
  /** Whether the upstream demands every step of it. */
  required: boolean
  /** Whether it looks like the name of a resource, so that an overlay has to say what it is. */
  identifierLike: boolean
  /** What it is when it is left out, or undefined. */
  fallback: unknown
}

export type Argument = {
  /** `none` names no resource. */
  kind: string
  role: 'target' | 'context'
  spread: boolean
  required: boolean
}

/** An argument or an input field: the part that both have in common. */
type Input = { name: string; type: GraphQLInputType; defaultValue?: unknown }

/** Every leaf of a field's arguments, through lists and nested input objects. */
export function argumentPaths(field: GraphQLField<unknown, unknown>): ArgumentPath[] {
  return field.args.flatMap((argument) => leaves(argument, '', []))
}

function leaves(input: Input, prefix: string, above: readonly ArgumentPath[]): ArgumentPath[] {
  const type = getNamedType(input.type)
  const path: ArgumentPath = {
    path: prefix + input.name,
    type,
    required: demanded(input) && above.every((step) => step.required),
    identifierLike: isIdentifierLike(input.name) || above.some((step) => step.identifierLike),
    fallback: input.defaultValue,
  }
  if (!isInputObjectType(type)) return [path]
  // An input type that contains itself is not followed. It counts as an identifier, since one may hide in it.
  if (above.some((step) => step.type === type)) return [{ ...path, identifierLike: true }]
  return Object.values(type.getFields()).flatMap((inner) =>
    leaves(inner, `${path.path}.`, [...above, path]),
  )
}

function demanded(input: Input): boolean {
  return isNonNullType(input.type) && input.defaultValue === undefined
}

/** `id`, `serviceId`, `projectIds`, `userID`, `volume_id`, `uuid`. A filter below such a name (`serviceId.in`) is one too. */
export function isIdentifierLike(name: string): boolean {
  return /^(ids?|uuids?|guids?|gids?)$/i.test(name) || /(Ids?|IDs?|_ids?|Uuids?|UUIDs?)$/.test(name)
}

const ruleForm = /^(?:(context) )?([a-z][a-z0-9-]*)(?: (spread))?(!)?$/

/** How lists are paged; the same everywhere, and no more than a part of what is asked for. */
const paging = ['after', 'before', 'first', 'last']

/** The arguments of a field that were looked at and mean nothing beyond their type, or null where that does not matter. */
export function plainArguments(overlay: Overlay, coordinate: string): ReadonlySet<string> | null {
  const { plain } = overlay
  const effects = effectsOf(overlay, coordinate)
  if (plain === undefined || effects === null || !ordinary(effects)) return null
  const listed = Object.hasOwn(plain, coordinate) ? plain[coordinate] : undefined
  return new Set([...paging, ...(listed ?? '').split(/\s+/)])
}

/** Of a known root, or of a field of a known type; null of what is unknown itself. */
function effectsOf(
  { roots, fields, types }: Overlay,
  coordinate: string,
): readonly Effect[] | null {
  if (Object.hasOwn(roots, coordinate)) return roots[coordinate]?.effects ?? null
  if (Object.hasOwn(fields, coordinate)) return fields[coordinate]?.effects ?? null
  return Object.hasOwn(types, coordinate.split('.', 1)[0] ?? '') ? ['read'] : null
}

/** The effect that an argument adds where it is given, or null of a rule that says what it names. */
export function addedEffect(rule: ArgumentRule): Effect | null {
  return effects.find((effect) => effect === rule) ?? null
}

/** Reads `environment`, `context service`, `environment spread!`. */
export function parseArgumentRule(rule: ArgumentRule): Argument {
  const [, context, kind, spread, required] = ruleForm.exec(rule) ?? []
  const both = context !== undefined && spread !== undefined
  if (kind === undefined || kind === 'context' || kind === 'spread' || both) {
    throw new BrokerError('malformed-request', `"${rule}" is no rule about an argument.`, {
      hint: 'Write a kind, "context KIND" or "KIND spread", and "!" at the end if it must be given.',
    })
  }
  return {
    kind,
    role: context === undefined ? 'target' : 'context',
    spread: spread !== undefined,
    required: required !== undefined,
  }
}
