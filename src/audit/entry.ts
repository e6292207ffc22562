/** What an audit entry says, before it has a place in the chain. Never holds a secret. */
import { canonical } from './canonical.ts'

export const kinds = [
  'call',
  'outcome',
  'refusal',
  'mint',
  'revoke',
  'change',
  'approval',
  'lease',
  'sign-in',
  'sign-out',
  'start',
  'stop',
] as const

export type Entry = {
  kind: (typeof kinds)[number]
  /** Pairs a call with its outcome. */
  request?: string | undefined
  agent?: string | undefined
  operator?: string | undefined
  environment?: string | undefined
  connection?: string | undefined
  operation?: string | undefined
  /** `allow`, a refusal's code, `ok`, `failed`, `unknown`, `not-sent`. */
  outcome?: string | undefined
  facts?: Record<string, unknown>
}

/** The fields that are searchable columns too. */
export const searchable = [
  'request',
  'agent',
  'environment',
  'connection',
  'operation',
  'outcome',
] as const

/** An entry that can be hashed and stored. Its facts are in their one spelling, which no later change of the original reaches. */
export type Checked = Readonly<Omit<Entry, 'facts'>> & { readonly facts?: string }

/** Copies an entry field by field, so that nothing unnamed is recorded. Throws a TypeError for what cannot be hashed. */
export function checked(entry: Entry): Checked {
  const { kind, request, agent, operator, environment, connection, operation, outcome } = entry
  const named = { kind, request, agent, operator, environment, connection, operation, outcome }
  for (const name of columns) refuseUnstorable(name, named[name])
  if (entry.facts === undefined) return named
  return { ...named, facts: canonical(entry.facts, ['facts']) }
}

const columns = [...searchable, 'operator'] as const

/** Columns of a group travel line by line, and an empty line is an absent one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const storable = /^[^\u0000-\u001f]+$/

function refuseUnstorable(name: string, value: string | undefined): void {
  if (value === undefined) return
  if (!value.isWellFormed()) throw new TypeError(`$.${name} holds a lone surrogate`)
  if (!storable.test(value)) throw new TypeError(`$.${name} is empty or holds a control character`)
}
