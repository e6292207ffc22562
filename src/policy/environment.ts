/** Which resources belong to which environment, and whether a call stays inside one. Pure; never looks anything up. */
import { type Operation, type Place, type Site, type Step, strictest } from './operation.ts'
import { allow, deny, type Verdict } from './verdict.ts'

/** `owns` is all effects; `sees` is reads only, for parents that several environments share. */
export type Binding = {
  environment: string
  provider: string
  mode: 'owns' | 'sees'
  /** The bound resource with its containers, outermost first. */
  place: Place
  /** The name it had when it was bound, for people. */
  label: string
}

export type Environment = { name: string; protected: boolean }

/** Whether `inner` is `outer` or lies in it. Kinds are unique per provider, ids per kind. */
export function contains(outer: Place, inner: Place): boolean {
  return outer.length > 0 && outer.length <= inner.length && outer.every((step, i) => same(step, inner[i]))
}

function same(a: Step, b: Step | undefined): boolean {
  return b !== undefined && a.kind === b.kind && a.id === b.id
}

/** The binding that stands in the way of owning `place`: another environment's, around it or inside it. */
export function ownedElsewhere(
  bindings: readonly Binding[],
  environment: string,
  provider: string,
  place: Place,
): Binding | undefined {
  return bindings.find(
    (other) =>
      other.mode === 'owns' &&
      other.environment !== environment &&
      other.provider === provider &&
      (contains(other.place, place) || contains(place, other.place)),
  )
}

/** The Valetkey environment that owns a place, or `elsewhere`. Never an upstream name: it may tell what it should not. */
export function whose(bindings: readonly Binding[], provider: string, place: Place): string {
  const owner = bindings.find(
    (one) => one.mode === 'owns' && one.provider === provider && contains(one.place, place),
  )
  return owner?.environment ?? 'elsewhere'
}

/**
 * Whether a root field names the environment at all. Decided before any look-up and before a credential is opened:
 * what names nothing acts on an account, and what reaches out of what is only seen reads another environment.
 */
export function anchored(environment: string, operation: Operation): Verdict {
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
export const finalHint =
  'Do not look for another credential; ask for it with POST /v1/requests, or ask a human.'

/**
 * Whether everything that was located lies in the environment. Reads may also touch what it sees; every other effect
 * needs all places of every resource to be owned. One unknown refuses the call.
 */
export function within(
  environment: string,
  bindings: readonly Binding[],
  provider: string,
  operation: Operation,
  sites: readonly Site[],
): Verdict {
  const reads = operation.effects.every((effect) => effect === 'read')
  const mine = bindings.filter((one) => one.environment === environment && one.provider === provider)
  const owned = mine.filter((one) => one.mode === 'owns')
  for (const { resource, located } of sites) {
    const about = {
      operation: operation.name,
      environment,
      refused: [
        {
          operation: operation.name,
          effect: strictest(operation.effects),
          resource: { kind: resource.kind, id: resource.id },
        },
      ],
    }
    if (!located.known || (!reads && located.places.length === 0)) {
      const why = located.known ? 'it lives nowhere that the connection can see' : located.why
      return deny(
        'resource-unresolved',
        `The ${resource.kind} in ${resource.argument} could not be located: ${why}.`,
        { ...about, hint: `Check the id; nothing is assumed about what cannot be located. ${finalHint}` },
      )
    }
    const needed = reads && resource.role === 'target' ? [located.home] : located.places
    const reach = reads ? mine : owned
    const stray = needed.find((place) => !reach.some((one) => contains(one.place, place)))
    if (stray !== undefined) {
      const found = whose(bindings, provider, stray)
      const elsewhere = found === environment ? 'a part that is only seen' : found
      return deny(
        'outside-environment',
        `The ${resource.kind} in ${resource.argument} ${needed.length > 1 ? 'also ' : ''}lives in ${elsewhere}, and this capability is for ${environment}.`,
        {
          ...about,
          found,
          refused: about.refused.map((one) => ({ ...one, found })),
          hint: finalHint,
        },
      )
    }
  }
  return allow
}
