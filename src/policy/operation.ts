/** What one request would do, in words that every provider shares. Data only: it never knows how it was read. */

/**
 * `destructive` loses data, stops a service or removes a protection, or may; `reveal` shows or copies a secret or gives
 * access; `execute` runs code of the caller's choosing; `admin` belongs to no environment.
 */
export const effects = ['read', 'write', 'destructive', 'reveal', 'execute', 'admin'] as const
export type Effect = (typeof effects)[number]

/**
 * A resource that a request names. A `target` must be owned by the environment; a `context` may be merely seen, and is
 * located together with the environment that a target of the same field pins.
 */
export type Resource = {
  kind: string
  id: string
  role: 'target' | 'context'
  /** Where it stood in the request, for messages: `input.environmentId`. */
  argument: string
  /** The upstream applies the operation to more than this one id; locate returns every environment it would touch. */
  spread?: true
  /** Where it cannot be looked up by itself, it may be taken to lie in what was named before it. */
  within?: true
}

/** One step of a place: a container, or at the end the resource itself. */
export type Step = { kind: string; id: string }

/** Where a resource lives: its containers from the outermost in, then itself. */
export type Place = readonly Step[]

/**
 * What a look-up found. `home` is where the thing itself is kept (a Railway service: its project), and decides for reads;
 * `places` are all the environments that changing it would touch, and decide for everything else. `why` is shown to the
 * agent.
 */
export type Located =
  | { known: true; home: Place; places: readonly Place[] }
  | { known: false; why: string }

export type Site = { resource: Resource; located: Located }

/** A root field or route, with everything below it folded in. */
export type Operation = {
  /** The API's own name: `Mutation.volumeDelete`, `Query.project`, `repos/delete`. */
  name: string
  /** Of the root field itself; decides whether a pattern may cover it. */
  own: readonly Effect[]
  /** Of the root field and of everything selected below it; decides what has to be gated. */
  effects: readonly Effect[]
  /** The overlay has no entry for it, or for one of its arguments: no pattern covers it, only its exact name. */
  unknown: boolean
  /** Nested fields that reveal or that the overlay does not know: each must be named exactly by the scope as well. */
  mustName: readonly { field: string; effect: Effect | 'unknown' }[]
  resources: readonly Resource[]
  /** Arguments that are optional upstream but must be given here, because leaving them out widens the effect. */
  missing: readonly string[]
  /** It names nothing, and says nothing, of any environment (`Query.platformStatus`). */
  harmless: boolean
  /** The first field that leads from what is only seen into another environment's things; refused without a look-up. */
  reachesOut: string | null
  /** The first field that tells more than a name or an id of something beyond what the answer begins with. */
  leadsOn: string | null
}

const strictness: Record<Effect, number> = {
  read: 0,
  write: 1,
  destructive: 2,
  reveal: 3,
  execute: 4,
  admin: 5,
}

/** The effect that a message should name. */
export function strictest(of: readonly Effect[]): Effect {
  return of.reduce<Effect>(
    (worst, effect) => (strictness[effect] > strictness[worst] ? effect : worst),
    'read',
  )
}

const words: Record<Effect, string> = {
  read: 'reads',
  write: 'writes',
  destructive: 'is destructive',
  reveal: 'reveals secrets or gives access',
  execute: 'runs code',
  admin: 'acts on accounts',
}

/** What an operation of this effect does, to be put after its name. */
export function inWords(effect: Effect): string {
  return words[effect]
}

/** Effects that a pattern may cover. Everything else must be named exactly. */
export function ordinary(of: readonly Effect[]): boolean {
  return of.every((effect) => effect === 'read' || effect === 'write')
}
