/** A described API as the broker keeps it: named operations with their effects, and nothing of the document they came from. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { effects } from '../../policy/operation.ts'

export const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export type Method = (typeof methods)[number]

/** As a pattern of a scope can name it, with the method and the template where the API gives no name. */
export const OperationName = z
  .string()
  .min(1)
  .max(180)
  .regex(/^[A-Za-z0-9_./{} -]+$/, 'letters, digits, spaces and . _ / { } - only')

const Effects = z
  .array(z.enum(effects))
  .min(1)
  .refine((some) => new Set(some).size === some.length, 'each once')

export const Described = z.strictObject({
  name: OperationName,
  method: z.enum(methods),
  /** Below the base URL. */
  template: z.string().max(1_000),
  effects: Effects,
  /** Why it was guessed like that; null where somebody wrote it down. */
  guessed: z.string().max(300).nullable(),
  /**
   * The query parameters and the fields of the body that it knows, each with what it lies in: `.branch`, `branch.name`, `*.name`
   * wherever, or `labels.*` for names of the caller's choosing. Null where nobody said: then any may stand there.
   */
  query: z.array(z.string().max(400)).max(500).nullable(),
  fields: z.array(z.string().max(400)).max(5_000).nullable(),
})
export type Described = z.infer<typeof Described>

export const Description = z.strictObject({
  base_url: z.url().nullable(),
  placement: z.string().max(100),
  operations: z.array(Described).min(1).max(20_000),
  /** Routes, as `GET /things/{id}:run`, that could not be taken over: they are refused, whatever else would fit them. */
  left: z.array(z.string().max(4_100)).max(1_000).optional(),
})
export type Description = z.infer<typeof Description>

/** What an operator decided about single operations, whatever a description says of them. */
export const Override = z.strictObject({
  effects: Effects.optional(),
  /** It names nothing of any environment, and tells nothing of one: it needs no resource. */
  harmless: z.boolean().optional(),
})
export const Overrides = z.strictObject({
  operations: z.record(OperationName, Override).optional(),
  /** By the name of a field of bodies and queries, the parameter whose kind it names: `parent_id` a `branch_id`. */
  resources: z.record(z.string().min(1).max(200), z.string().min(1).max(200)).optional(),
  /** Parameters whose ids the API checks against what stands before them in the path, and has no way to show. */
  confined: z.array(z.string().min(1).max(200)).max(1_000).optional(),
})
export type Overrides = z.infer<typeof Overrides>

export function hashOf(description: Description): string {
  return createHash('sha256').update(JSON.stringify(description)).digest('hex')
}
