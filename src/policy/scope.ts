/** What an admin allows, and whether an operation is allowed by it. Pure. */
import { type Capability, detailFor } from './capability.ts'
import { finalHint } from './environment.ts'
import { inWords, type Operation, strictest } from './operation.ts'
import { type Allow, covers, type Demand, names, type Pattern } from './pattern.ts'
import { allow, deny, type Verdict } from './verdict.ts'

export type Scope = {
  name: string
  environment: string
  /** Counts up with every edit, so that a digest can name the scope as it was. */
  version: number
  allow: readonly Allow[]
  /** The longest life of a capability, in seconds, at most 3600. */
  maxTtl: number
  /** Calls an agent may make per minute under it, or null for no limit of its own. */
  callsPerMinute: number | null
  /** What needs an approval, on top of what a protected environment asks for. */
  approve: readonly Demand[]
  /** How many operators have to approve what needs it. */
  approvers: number
  /** Only for capabilities that are bound to a key. */
  bound: boolean
  /** By connection, what a lease under it may do, as its provider reads it. */
  leases: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/**
 * Every operation against the capability and against the scopes as they stand now. Both must cover the root field, and
 * both must name every nested field that reveals or is unknown. `scopes` are those of the capability that the agent
 * is still granted.
 */
export function allowed(
  capability: Capability,
  scopes: readonly Scope[],
  connection: string,
  operation: Operation,
): Verdict {
  const both = bothSay(capability, scopes, connection)
  const about = { operation: operation.name, environment: capability.environment, connection }
  if (!both((pattern) => covers(pattern, operation))) {
    const effect = strictest(operation.own)
    const needsName = operation.unknown || (effect !== 'read' && effect !== 'write')
    const why = operation.unknown
      ? 'Valetkey does not know it, so only its exact name allows it'
      : needsName
        ? `it ${inWords(effect)}, so only its exact name allows it`
        : 'no pattern of the scope covers it'
    return deny(
      'operation-not-allowed',
      `${connection}:${operation.name} is not allowed by ${list(capability.scopes)} in ${capability.environment}: ${why}.`,
      {
        ...about,
        refused: [{ operation: operation.name, effect: operation.unknown ? 'unknown' : effect }],
        hint: `See what is allowed with GET /v1/capability. ${finalHint}`,
      },
    )
  }
  const unnamed = operation.mustName.find(({ field }) => !both((pattern) => names(pattern, field)))
  if (unnamed !== undefined) {
    const why =
      unnamed.effect === 'unknown'
        ? 'is a field that Valetkey does not know'
        : `would ${unnamed.effect} what it holds`
    return deny(
      unnamed.effect === 'reveal' ? 'secret-reveal' : 'operation-not-allowed',
      `${connection}:${unnamed.field} ${why}, and the scope does not name it.`,
      {
        ...about,
        refused: [{ operation: unnamed.field, effect: unnamed.effect }],
        hint: `Leave the field out. ${finalHint}`,
      },
    )
  }
  return allow
}

function list(scopes: readonly string[]): string {
  return scopes.length === 1 ? `scope ${scopes[0]}` : `scopes ${scopes.join(', ')}`
}

/** Whether an operation is named exactly, as one that no pattern covers has to be. */
export function namedIn(
  capability: Capability,
  scopes: readonly Scope[],
  connection: string,
  operation: string,
): boolean {
  return bothSay(capability, scopes, connection)((pattern) => names(pattern, operation))
}

/** Asks the scopes' patterns and the capability's, which must both agree. */
function bothSay(capability: Capability, scopes: readonly Scope[], connection: string) {
  const granted = scopes
    .filter((scope) => scope.environment === capability.environment)
    .flatMap((scope) => scope.allow.filter((one) => one.connection === connection))
    .map((one) => one.pattern)
  const carried = detailFor(capability.details, connection)?.operations ?? []
  return (test: (pattern: Pattern) => boolean) => granted.some(test) && carried.some(test)
}
