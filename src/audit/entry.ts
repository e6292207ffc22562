/** What an audit entry says, before it has a place in the chain. Never holds a secret. */
import { type Json, plain } from './canonical.ts'

export const kinds = [
  'call',
  'outcome',
  'refusal',
  'mint',
  'revoke',
  'change',
  'sign-in',
  'sign-out',
  'start',
  'stop',
] as const

export type Entry = {
  kind: (typeof kinds)[number]
  /** Pairs a call with its outcome. */
  request?: string
  agent?: string
  operator?: string
  environment?: string
  connection?: string
  operation?: string
  /** `allow`, a refusal's code, `ok`, `failed`, `unknown`, `not-sent`. */
  outcome?: string
  facts?: Record<string, unknown>
}

/** The fields that are searchable columns too. PostgreSQL text cannot hold NUL, and one such row would fail its whole group. */
export const searchable = [
  'request',
  'agent',
  'environment',
  'connection',
  'operation',
  'outcome',
] as const

export type Checked = Entry & { readonly [key: string]: Json }

/** Copies an entry field by field, so that nothing unnamed is recorded. Throws a TypeError for what cannot be hashed. */
export function checked(entry: Entry): Checked {
  const { kind, request, agent, operator, environment, connection, operation, outcome, facts } =
    entry
  const named = {
    kind,
    request,
    agent,
    operator,
    environment,
    connection,
    operation,
    outcome,
    facts,
  }
  const present = Object.entries(named).filter(([, value]) => value !== undefined)
  for (const [name, value] of present) {
    if (typeof value === 'string' && value.includes('\0')) {
      throw new TypeError(`${name} holds a NUL character`)
    }
  }
  // plain() returns the same fields that went in; the type cannot follow it through Object.entries.
  return plain(Object.fromEntries(present)) as Checked
}
