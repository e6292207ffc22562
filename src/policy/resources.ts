/** Whether a call stays with the resources that a capability was narrowed to. Pure; it knows them only by what was located. */
import { contains, finalHint } from './environment.ts'
import type { Operation, Place, Site, Step } from './operation.ts'
import { allow, deny, type Verdict } from './verdict.ts'

/**
 * Every target must be one of `listed`, or lie in one. A target that is a whole environment passes only as what pins a
 * listed context: then the effect is confined to the pair. What is read must not lead on from there to anything else.
 */
export function amongResources(
  listed: readonly Step[],
  environment: string,
  ownable: ReadonlySet<string>,
  operation: Operation,
  sites: readonly Site[],
): Verdict {
  if (operation.harmless) return allow
  const own = (site: Site) => listed.some((step) => isOrHolds(step, site))
  const strangers = sites.filter((site) => !own(site))
  const pins = strangers.filter(
    ({ resource }) => resource.role === 'target' && ownable.has(resource.kind),
  )
  const named = sites.some(
    (site) => own(site) && (pins.length === 0 || site.resource.role === 'context'),
  )
  const stray = strangers.find((site) => !pins.includes(site) && !holdsAll(site, sites))
  const whole = sites.some(
    (site) => own(site) && site.resource.role === 'target' && ownable.has(site.resource.kind),
  )
  if (named && stray === undefined && (whole || operation.leadsOn === null)) return allow
  const about = { operation: operation.name, environment }
  const { resource } = stray ?? pins[0] ?? {}
  const why =
    named && stray === undefined
      ? `${operation.leadsOn} leads on from there`
      : resource === undefined
        ? 'this names none of them'
        : `this is about the ${resource.kind} in ${resource.argument}`
  return deny(
    'outside-environment',
    `This capability is only for ${words(listed)} of ${environment}, and ${why}.`,
    {
      ...about,
      hint: `See with GET /v1/capability what it is for. ${finalHint}`,
      ...(resource === undefined
        ? {}
        : {
            refused: [
              { operation: operation.name, resource: { kind: resource.kind, id: resource.id } },
            ],
          }),
    },
  )
}

function isOrHolds(step: Step, { resource, located }: Site): boolean {
  if (resource.kind === step.kind && resource.id === step.id) return true
  return (
    located.known &&
    located.places.length > 0 &&
    [located.home, ...located.places].every((place) =>
      place.some((one) => one.kind === step.kind && one.id === step.id),
    )
  )
}

/** A context that only says where the others are, such as their project. */
function holdsAll(site: Site, sites: readonly Site[]): boolean {
  const { resource, located } = site
  if (resource.role !== 'context' || !located.known) return false
  const others = sites.filter((one) => one !== site).flatMap((one) => placesOf(one))
  return others.length > 0 && others.every((place) => contains(located.home, place))
}

function placesOf({ located }: Site): readonly Place[] {
  return located.known ? located.places : [[]]
}

function words(listed: readonly Step[]): string {
  return listed.map(({ kind, id }) => `${kind} ${id}`).join(', ')
}
