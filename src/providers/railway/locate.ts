/** Finds where a Railway resource lives by asking Railway. What it cannot find, or cannot read whole, is unknown: it never guesses. */
import { contains } from '../../policy/environment.ts'
import type { Located, Place, Resource } from '../../policy/operation.ts'
import type { Known, Lookup } from '../provider.ts'
import { bounded, firstFound, startTrail, Unlocated } from './answers.ts'
import { byId, findProject, projectOfPlugin } from './by-id.ts'
import { inEnvironment, namedInEnvironment } from './in-environment.ts'
import { inProject, sharedBy } from './in-project.ts'
import { canonicalId, kinds } from './kinds.ts'
import {
  boundProjects,
  boundSpots,
  everyEnvironment,
  findBoundEnvironment,
  findEnvironment,
  listEnvironments,
  placeOf,
  type Spot,
} from './projects.ts'
import { type Found, hasBucketInstance, hasInstance, spanning } from './spanning.ts'

/** What one resource may cost in look-ups. Beyond it the resource is unknown. */
const maxLookups = 100

const unpinned = 'the call names no environment to look it up in'

function nowhere(kind: string): string {
  return `Railway does not tell where a ${kind} belongs`
}

type Search = { lookup: Lookup; known: Known; pinned: readonly string[] }

export async function locate(
  resource: Resource,
  pinned: readonly string[],
  lookup: Lookup,
  known: Known,
): Promise<Located> {
  if (!kinds.some((one) => one.kind === resource.kind)) {
    return { known: false, why: nowhere(resource.kind) }
  }
  const spelled = canonicalId(resource.kind, resource.id)
  if (!spelled || !pinned.every((id) => canonicalId('environment', id))) {
    return { known: false, why: 'an id is not spelled as Railway spells it' }
  }
  const search = { lookup: bounded(lookup, maxLookups), known, pinned: [...new Set(pinned)] }
  try {
    const found = await find(search, resource)
    return { known: true, home: found.home, places: found.places }
  } catch (error) {
    if (!(error instanceof Unlocated)) throw error
    return { known: false, why: error.message }
  }
}

function find(search: Search, resource: Resource): Promise<Found> {
  if (resource.role === 'context') return findContext(search, resource)
  if (resource.kind === 'environment') return environment(search, resource)
  return findTarget(search, resource)
}

/** In one place, and kept there. */
function at(place: Place): Found {
  return { home: place, places: [place] }
}

async function environment({ lookup, known }: Search, { id, spread }: Resource): Promise<Found> {
  const found = await findBoundEnvironment(lookup, known, id)
  const home = placeOf(found)
  if (spread === undefined || found.fork) return at(home)
  const all = await everyEnvironment(lookup, known, found.project)
  const touched = all.filter((one) => !one.fork)
  if (!touched.some((one) => one.environment === id)) {
    throw new Unlocated('its project does not list it')
  }
  return { home, places: touched.map(placeOf) }
}

async function findTarget(search: Search, resource: Resource): Promise<Found> {
  const { kind, id } = resource
  const { lookup, known } = search
  if (kind === 'project') return at([{ kind, id: await findProject(lookup, id) }])
  if (kind === 'plugin') return at(sharedBy(await projectOfPlugin(lookup, id), kind, id))
  const span = spanning[kind]
  if (span !== undefined) return span(lookup, known, id)
  const direct = byId[kind]
  if (direct !== undefined) return at([...placeOf(await direct(lookup, id)), { kind, id }])
  const listed = inProject[kind]
  if (listed !== undefined) {
    const attempts = boundProjects(known).map((project) => () => listed(lookup, project, id))
    return at(await firstFound(attempts, 'no project that is bound has it'))
  }
  const isThere = inEnvironment[kind]
  if (isThere !== undefined) {
    const has = (spot: Spot) => isThere(lookup, spot, id)
    return at([...placeOf(await searchEnvironments(search, has)), { kind, id }])
  }
  if (namedInEnvironment[kind] !== undefined) return inPinned(search, resource)
  throw new Unlocated(nowhere(kind))
}

/**
 * Looks through environments until one has it: first those that the call names, then those that are bound, then the
 * others of the same projects. Ids do not repeat, so the first is the only one.
 */
async function searchEnvironments(
  search: Search,
  has: (spot: Spot) => Promise<boolean>,
): Promise<Spot> {
  const { lookup, known, pinned } = search
  const stages: (() => Promise<readonly Spot[]>)[] = [
    ...pinned.map((id) => async () => [await findBoundEnvironment(lookup, known, id)]),
    async () => boundSpots(known),
    ...boundProjects(known).map((project) => () => readableEnvironments(lookup, project)),
  ]
  const trail = startTrail()
  const searched = new Set<string>()
  for (const stage of stages) {
    for (const spot of (await trail.attempt(stage)) ?? []) {
      if (searched.has(spot.environment)) continue
      searched.add(spot.environment)
      if (await trail.attempt(() => has(spot))) return spot
    }
  }
  throw trail.end('no environment of the projects that are bound has it')
}

async function readableEnvironments(lookup: Lookup, project: string): Promise<readonly Spot[]> {
  const { listed } = await listEnvironments(lookup, project)
  return listed.filter((one) => one.readable)
}

/** A context is only what it is together with an environment that the same field pins. */
async function findContext(search: Search, resource: Resource): Promise<Found> {
  if (search.pinned.length === 0) throw new Unlocated(unpinned)
  if (resource.kind === 'environment') return environment(search, resource)
  if (resource.kind === 'volume') {
    throw new Unlocated('a volume is judged by every environment that it is in')
  }
  return inPinned(search, resource)
}

async function inPinned(search: Search, resource: Resource): Promise<Found> {
  const places: Place[] = []
  for (const id of search.pinned) places.push(await pair(search, id, resource))
  const first = places[0]
  if (first === undefined) throw new Unlocated(unpinned)
  return { home: homeOf(resource.kind, first), places }
}

/** Without the environment, for what several environments share. */
function homeOf(kind: string, place: Place): Place {
  const path = kinds.find((one) => one.kind === kind)?.path ?? []
  return path.includes('environment') ? place : place.filter((step) => step.kind !== 'environment')
}

async function pair({ lookup, known }: Search, pinned: string, resource: Resource): Promise<Place> {
  const { kind, id } = resource
  if (kind === 'project') return placeOf(await findEnvironment(lookup, pinned, id))
  const spot = await findBoundEnvironment(lookup, known, pinned)
  if (!(await isPaired(lookup, spot, resource))) {
    throw new Unlocated('it is not in the environment that the call names')
  }
  return [...placeOf(spot), { kind, id }]
}

async function isPaired(lookup: Lookup, spot: Spot, { kind, id }: Resource): Promise<boolean> {
  if (kind === 'service') return hasInstance(lookup, spot, id)
  if (kind === 'bucket') return hasBucketInstance(lookup, spot, id)
  const direct = byId[kind]
  if (direct !== undefined) return contains(placeOf(spot), placeOf(await direct(lookup, id)))
  const listed = inProject[kind]
  if (listed !== undefined) {
    return contains(placeOf(spot), (await listed(lookup, spot.project, id)) ?? [])
  }
  const isThere = inEnvironment[kind] ?? namedInEnvironment[kind]
  if (isThere !== undefined) return isThere(lookup, spot, id)
  throw new Unlocated(nowhere(kind))
}
