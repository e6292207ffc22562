/** Which resources belong to which environment, and whether a call stays inside one. Pure; never looks anything up. */
import { type Operation, type Place, type Site, type Step, strictest } from './operation.ts'
import { allow, deny, type Verdict } from './verdict.ts'

/** `owns` is all effects; `sees` is reads only, for parents that several environments share. */
export type Binding = {
  environment: string
  /** Within which the ids of its place mean something: those of two APIs may be equal by chance. */
  space: string
  mode: 'owns' | 'sees'
  /** The bound resource with its containers, outermost first. */
  place: Place
  /** The name it had when it was bound, for people. */
  label: string
}

export type Environment = { name: string; protected: boolean }

/** Whether `inner` is `outer` or lies in it. Kinds are unique per provider, ids per kind. */
export function contains(outer: Place, inner: Place): boolean {
  return (
    outer.length > 0 &&
    outer.length <= inner.length &&
    outer.every((step, i) => same(step, inner[i]))
  )
}

function same(a: Step, b: Step | undefined): boolean {
  return b !== undefined && a.kind === b.kind && a.id === b.id
}

/** The binding that stands in the way of owning `place`: another environment's, around it or inside it. */
export function ownedElsewhere(
  bindings: readonly Binding[],
  environment: string,
  space: string,
  place: Place,
): Binding | undefined {
  return bindings.find(
    (other) =>
      other.mode === 'owns' &&
      other.environment !== environment &&
      other.space === space &&
      (contains(other.place, place) || contains(place, other.place)),
  )
}

/** The Valetkey environment that owns a place, or `elsewhere`. Never an upstream name: it may tell what it should not. */
export function whose(bindings: readonly Binding[], space: string, place: Place): string {
  const owner = bindings.find(
    (one) => one.mode === 'owns' && one.space === space && contains(one.place, place),
  )
  return owner?.environment ?? 'elsewhere'
}

/**
 * Whether a root field names the environment at all. Decided before any look-up and before a credential is opened:
 * what names nothing acts on an account, and what reaches out of what is only seen reads another environment.
 */
export function anchored(environment: string, operation: Operation): Verdict {
  const [missing] = operation.missing
  if (missing !== undefined) {
    return deny(
      'outside-environment',
      `${operation.name} without ${missing} acts on more than ${environment}.`,
      {
        operation: operation.name,
        environment,
        hint: `Send it again with ${missing} naming a resource of ${environment}.`,
      },
    )
  }
  if (operation.harmless) return allow
  if (operation.reachesOut !== null) {
    return deny(
      'outside-environment',
      `${operation.name} reaches ${operation.reachesOut} through something that several environments share, so it would leave ${environment}.`,
      {
        operation: operation.name,
        environment,
        hint: `Start from something that belongs to ${environment}, such as its environment id.`,
      },
    )
  }
  if (operation.resources.some((resource) => resource.role === 'target')) return allow
  return deny(
    'outside-environment',
    `${operation.name} names nothing that belongs to ${environment}, so it acts outside it.`,
    { operation: operation.name, environment, found: 'elsewhere', hint: finalHint },
  )
}

/** How the hint of a final refusal ends (design section 5). */
export const finalHint = 'Do not look for another credential; ask a human.'

/** What is owned covers all in it; what is seen covers, for reads, only the shared parts: no environment below it. */
function reaches(
  binding: Binding,
  place: Place,
  reads: boolean,
  ownable: ReadonlySet<string>,
): boolean {
  if (!contains(binding.place, place)) return false
  if (binding.mode === 'owns') return true
  return reads && place.slice(binding.place.length).every(({ kind }) => !ownable.has(kind))
}

/** An API as far as containment goes: the kinds that mark where one environment ends and another begins. */
export type Boundaries = { space: string; ownable: ReadonlySet<string> }

/**
 * Whether everything that was located lies in the environment. Reads may also touch what it sees; every other effect
 * needs all places of every resource to be owned. One unknown refuses the call.
 */
export function within(
  environment: string,
  bindings: readonly Binding[],
  api: Boundaries,
  operation: Operation,
  sites: readonly Site[],
): Verdict {
  for (const site of sites) {
    const verdict = placed(environment, bindings, api, operation, site)
    if (verdict.verdict === 'deny') return verdict
  }
  return allow
}

function placed(
  environment: string,
  bindings: readonly Binding[],
  api: Boundaries,
  operation: Operation,
  { resource, located }: Site,
): Verdict {
  const reads = operation.effects.every((effect) => effect === 'read')
  const needed = located.known
    ? reads && resource.role === 'target'
      ? [located.home]
      : located.places
    : []
  const refused = {
    operation: operation.name,
    effect: strictest(operation.effects),
    resource: { kind: resource.kind, id: resource.id },
  }
  const about = { operation: operation.name, environment, refused: [refused] }
  if (needed.length === 0) {
    const why = located.known ? 'it lives nowhere that the connection can see' : located.why
    return deny(
      'resource-unresolved',
      `The ${resource.kind} in ${resource.argument} could not be located: ${why}.`,
      {
        ...about,
        hint: `Check the id; nothing is assumed about what cannot be located. ${finalHint}`,
      },
    )
  }
  const mine = bindings.filter((one) => one.environment === environment && one.space === api.space)
  const stray = needed.find((place) => !mine.some((one) => reaches(one, place, reads, api.ownable)))
  if (stray === undefined) return allow
  const found = whose(bindings, api.space, stray)
  const also = needed.length > 1 ? 'also ' : ''
  return deny(
    'outside-environment',
    `The ${resource.kind} in ${resource.argument} ${also}lives ${found === 'elsewhere' ? found : `in ${found}`}, and this capability is for ${environment}.`,
    { ...about, found, refused: [{ ...refused, found }], hint: finalHint },
  )
}
