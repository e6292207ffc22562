/**
 * What Valetkey knows of a GraphQL API beyond its schema: effects, which arguments are resources, what reveals, and how
 * far each type reaches. Data; the engine in this folder gives it meaning. What is not written here is unknown.
 */
import type { Effect } from '../../policy/operation.ts'

/**
 * An argument that names a resource, by its dotted path in the field's arguments (`input.environmentId`; lists are looked
 * through). Written `kind`, `context kind`, or `kind spread` where the upstream applies the operation to more than this
 * one id. A trailing `!` makes an argument that is optional upstream required by the broker, because leaving it out
 * widens the effect. `none` is an identifier-like argument that names no resource (a catalogue entry, a cursor). The name
 * of an effect (`execute`) is an argument that adds it where it is given.
 */
export type ArgumentRule = string

export type RootRule = {
  /** One or more; the operation has them all. */
  effects: readonly Effect[]
  args?: Readonly<Record<string, ArgumentRule>>
  /** Says nothing and changes nothing of any environment, so it needs to name none. */
  harmless?: true
  /** Why it is classed as it is, where the name does not say. Shown by `provider operations`. */
  note?: string
}

/**
 * How a type stands to environments. `environment`: belongs to exactly one (a deployment, a volume instance). `shared`:
 * a parent of several (a project, a service, a volume). `account`: belongs to people or workspaces. `value`: a plain part
 * of whatever holds it.
 */
export type Reach = 'environment' | 'shared' | 'account' | 'value'

export type TypeRule = {
  reach: Reach
  /** The fields that this overlay knows, separated by spaces. A field that is not here must be named exactly. */
  fields: string
  /** Those of them that tell only names and ids, and may be read of what is only seen. */
  harmless?: string
}

export type FieldRule = {
  effects: readonly Effect[]
  args?: Readonly<Record<string, ArgumentRule>>
  /** It leads to another environment than the one it stands in: below it only what is harmless may be read. */
  elsewhere?: true
}

export type Overlay = {
  provider: string
  /** By coordinate: `Mutation.volumeDelete`, `Query.project`. */
  roots: Readonly<Record<string, RootRule>>
  /**
   * Of roots and fields that only read and write: the arguments that have no rule and name no resource, by coordinate, separated by
   * spaces. One that is not here may have been added to widen what is done or told, and is unknown. Without this table
   * nothing is asked of such arguments.
   */
  plain?: Readonly<Record<string, string>>
  /** Output object, interface and union types by name. */
  types: Readonly<Record<string, TypeRule>>
  /** Nested fields that do more than read, by coordinate: `Environment.config`. */
  fields: Readonly<Record<string, FieldRule>>
  /**
   * Custom scalars that may stand in arguments. `plain` holds no structure (a date, a number); `untyped` carries JSON whose
   * meaning the schema does not give, and makes the operation destructive. Others are unknown.
   */
  scalars: Readonly<Record<string, 'plain' | 'untyped'>>
}
