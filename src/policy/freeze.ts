/** What a freeze stops: one agent, environment, connection, scope or capability with what grew from it, or everything. Pure. */
import type { Capability } from './capability.ts'
import { type Denial, deny } from './verdict.ts'

/** What is frozen, as it is stored: one live freeze each. */
export type FreezeSubject =
  | `agent:${string}`
  | `environment:${string}`
  | `connection:${string}`
  | `scope:${string}`
  | `capability:${string}`
  | 'all'

/** A stop that holds until an operator lifts it. */
export type Freeze = {
  id: string
  subject: string
  reason: string | null
  /** The operator, or `valetkey` for one that began by itself. */
  createdBy: string
  createdAt: Date
}

/** Who freezes when nobody did. No operator bears this name. */
export const itself = 'valetkey'

/** As much of a capability as is known of one that is still to be minted. */
type Frozen = Pick<Capability, 'agent' | 'environment' | 'scopes' | 'parents'> & { jti?: string }

/** The freeze that stops a capability on a connection, the widest first; null while there is none. */
export function freezeOn(
  freezes: ReadonlyMap<string, Freeze>,
  { agent, environment, scopes, jti, parents = [] }: Frozen,
  connection: string,
): Freeze | null {
  if (freezes.size === 0) return null
  return (
    freezes.get('all') ??
    freezes.get(`environment:${environment}`) ??
    freezes.get(`connection:${connection}`) ??
    freezes.get(`agent:${agent}`) ??
    firstOf(freezes, 'scope', scopes) ??
    firstOf(freezes, 'capability', jti === undefined ? parents : [jti, ...parents]) ??
    null
  )
}

function firstOf(
  freezes: ReadonlyMap<string, Freeze>,
  kind: 'scope' | 'capability',
  names: readonly string[],
): Freeze | undefined {
  return names.map((name) => freezes.get(`${kind}:${name}`)).find((one) => one !== undefined)
}

/** The refusal that a freeze is: what, who, since when and why. */
export function frozen(freeze: Freeze): Denial {
  const why = freeze.reason === null ? '' : `, saying: ${freeze.reason}`
  return deny(
    'frozen',
    `${subjectInWords(freeze.subject)} frozen since ${freeze.createdAt.toISOString()} by ${freeze.createdBy}${why}${/[.!?]$/.test(why) ? '' : '.'}`,
    {
      hint: 'Stop here, and tell the human you work for. Only an operator lifts a freeze; do not look for another credential.',
    },
  )
}

/** `The agent cursor is`, to be followed by what it is. */
export function subjectInWords(subject: string): string {
  const [kind = '', name] = subject.split(':')
  return name === undefined ? 'Everything is' : `The ${kind} ${name} is`
}
