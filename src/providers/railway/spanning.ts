/**
 * What several environments of a project share: services, volumes and buckets live wherever they have an instance. One
 * environment that cannot be read makes them unknown; where they might also be is never left out.
 */
import { z } from 'zod'
import type { Place } from '../../policy/operation.ts'
import type { Known, Lookup } from '../provider.ts'
import { ask, firstFound } from './answers.ts'
import { projectOfService } from './by-id.ts'
import { servicesIn, volumesIn } from './in-environment.ts'
import { hasBucket, hasService, sharedBy } from './in-project.ts'
import { boundProjects, everyEnvironment, listProjects, placeOf, type Spot } from './projects.ts'

export type Found = { home: Place; places: readonly Place[] }

type IsIn = (lookup: Lookup, spot: Spot, id: string) => Promise<boolean>

const isServiceIn: IsIn = async (lookup, spot, id) =>
  (await servicesIn(lookup, spot)).some((one) => one.serviceId === id)

const isVolumeIn: IsIn = async (lookup, spot, id) =>
  (await volumesIn(lookup, spot)).some((one) => one.volumeId === id)

/** A bucket has no id in its answer, only numbers, so the caller makes sure that the project lists it. */
const isBucketIn: IsIn = async (lookup, spot, id) => {
  const document =
    'query ($bucketId: String!, $environmentId: String!) { bucketInstanceDetails(bucketId: $bucketId, environmentId: $environmentId) { objectCount } }'
  const shape = z.object({
    bucketInstanceDetails: z.object({ objectCount: z.union([z.string(), z.number()]) }).nullable(),
  })
  const variables = { bucketId: id, environmentId: spot.environment }
  return (await ask(lookup, document, variables, shape)).bucketInstanceDetails !== null
}

/** Few enough look-ups at a time for the lowest limit that Railway sets, ten a second. */
const atOnce = 5

async function across(
  lookup: Lookup,
  known: Known,
  project: string,
  step: { kind: string; id: string },
  isIn: IsIn,
): Promise<Found> {
  const places: Place[] = []
  const left = await everyEnvironment(lookup, known, project)
  while (left.length > 0) {
    const some = left.splice(0, atOnce)
    const there = await Promise.all(some.map((spot) => isIn(lookup, spot, step.id)))
    places.push(...some.filter((_, i) => there[i]).map((spot) => [...placeOf(spot), step]))
  }
  return { home: sharedBy(project, step.kind, step.id), places }
}

/** A project token is refused a service by its id, but may list those of its project. */
async function service(lookup: Lookup, known: Known, id: string): Promise<Found> {
  const project = await firstFound(
    [
      () => projectOfService(lookup, id),
      ...boundProjects(known).map(
        (one) => async () => ((await hasService(lookup, one, id)) ? one : null),
      ),
    ],
    'no project has it',
  )
  return across(lookup, known, project, { kind: 'service', id }, isServiceIn)
}

async function bucket(lookup: Lookup, known: Known, id: string): Promise<Found> {
  const attempts = boundProjects(known).map((project) => async () => {
    if (!(await hasBucket(lookup, project, id))) return null
    return across(lookup, known, project, { kind: 'bucket', id }, isBucketIn)
  })
  return firstFound(attempts, 'no project that is bound has it')
}

/**
 * There is no look-up by a volume's id. The projects that are bound are searched first, and then all others, so that the
 * refusal can say of a volume elsewhere that it is elsewhere.
 */
async function volume(lookup: Lookup, known: Known, id: string): Promise<Found> {
  const searched = boundProjects(known)
  const search = (project: string) => async () => {
    const found = await across(lookup, known, project, { kind: 'volume', id }, isVolumeIn)
    return found.places.length > 0 ? found : null
  }
  const elsewhere = async () => {
    const others = (await listProjects(lookup)).filter((one) => !searched.includes(one.id))
    return firstFound(
      others.map((one) => search(one.id)),
      'no project that the connection sees has it',
    )
  }
  return firstFound([...searched.map(search), elsewhere], 'no project has it')
}

export const spanning: Readonly<
  Record<string, (lookup: Lookup, known: Known, id: string) => Promise<Found>>
> = { service, volume, bucket }

/** A service and an environment together: whether the two have an instance in common. */
export const hasInstance = isServiceIn

export async function hasBucketInstance(lookup: Lookup, spot: Spot, id: string): Promise<boolean> {
  return (await hasBucket(lookup, spot.project, id)) && isBucketIn(lookup, spot, id)
}
