/** Where a resource of a described API lives: as its path says, and as the API itself shows it under that very id. */
import { BrokerError } from '../../errors.ts'
import type { Located, Place, Resource } from '../../policy/operation.ts'
import type { Described, Discovered, Lookup } from '../provider.ts'
import type { RestCatalogue, RestOperation } from './catalogue.ts'
import { type RestKind, whole } from './kinds.ts'

/** An id that is one segment and nothing else. Dots alone, encodings and separators would make it another path. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const idForm = /^(?!\.{1,2}$)[^/\\;%?#\u0000-\u001f\u007f]{1,300}$/

export async function locateRest(
  catalogue: RestCatalogue,
  { kind: name, id, spread }: Resource,
  lookup: Lookup,
): Promise<Located> {
  if (name === whole.kind) {
    return id === whole.id ? everything(spread === true) : { known: false, why: 'there is one API' }
  }
  const kind = catalogue.kinds.all.find((one) => one.kind === name)
  if (kind === undefined) return { known: false, why: `there is no kind ${name}` }
  const ids = id.split('/')
  if (ids.length !== kind.parameters.length || !ids.every((one) => idForm.test(one))) {
    return { known: false, why: 'that is no id' }
  }
  const found = await shown(catalogue, kind, ids, lookup)
  if ('why' in found) return { known: false, why: found.why }
  const home = placeOf(kind, ids)
  const inner = spread === true ? innerKind(catalogue, kind) : undefined
  const place = inner === undefined ? home : [...home, { kind: inner.kind, id: '*' }]
  return { known: true, home: place, places: [place] }
}

function placeOf({ path }: RestKind, ids: readonly string[]): Place {
  return [whole, ...path.map((kind, i) => ({ kind, id: ids.slice(0, i + 1).join('/') }))]
}

/** Whoever only sees the API does not see all that is in it. */
function everything(spread: boolean): Located {
  const place: Place = spread ? [whole, { kind: 'all', id: '*' }] : [whole]
  return { known: true, home: place, places: [place] }
}

function innerKind({ kinds }: RestCatalogue, { parameters }: RestKind): RestKind | undefined {
  return kinds.all.find(
    (one) =>
      one.parameters.length > parameters.length &&
      parameters.every((parameter, i) => one.parameters[i] === parameter),
  )
}

/** Asks for it, or for the nearest of its containers that can be asked for. */
async function shown(
  { shows, kinds }: RestCatalogue,
  kind: RestKind,
  ids: readonly string[],
  lookup: Lookup,
): Promise<{ data: unknown } | { why: string }> {
  for (let length = kind.parameters.length; length > 0; length -= 1) {
    const parameters = kind.parameters.slice(0, length)
    const own = parameters.at(-1) ?? ''
    const operation = shows.get(own)
    if (operation === undefined) continue
    const answer = await lookup(pathWith(operation, parameters, ids), {})
    if (!answer.ok) return { why: answer.why }
    const known = kinds.byParameter.get(own)
    if (known !== undefined && isIt(answer.data, known, ids)) return { data: answer.data }
    return { why: 'the API answers with something of another id' }
  }
  return { why: 'the API has no way to look it up' }
}

function pathWith(
  { template }: RestOperation,
  parameters: readonly string[],
  ids: readonly string[],
): string {
  return template
    .map((part) => {
      if ('literal' in part) return `/${part.literal}`
      return `/${encodeURIComponent(ids[parameters.indexOf(part.parameter)] ?? '')}`
    })
    .join('')
}

const ownNames = ['id', 'uuid', 'slug', 'name', 'key', 'number', 'identifier']

/**
 * Whether an answer shows the very thing: under the id as it was given, since another spelling of it could be judged as another
 * thing, and in the containers that were named.
 */
function isIt(data: unknown, { kind, parameters }: RestKind, ids: readonly string[]): boolean {
  const own = parameters.at(-1) ?? ''
  const id = ids[parameters.length - 1]
  return candidates(data).some((one) => {
    const called = [own, ...ownNames, kind].some((name) => text(one[name]) === id)
    const inside = parameters
      .slice(0, -1)
      .every((parameter, i) => one[parameter] === undefined || isCalled(one[parameter], ids[i]))
    return called && inside
  })
}

/** A container is shown by its id, or as a thing of its own. */
function isCalled(value: unknown, id: string | undefined): boolean {
  if (!isObject(value)) return text(value) === id
  return [...ownNames, 'login'].some((name) => text(value[name]) === id)
}

type Shown = Readonly<Record<string, unknown>>

/** The answer itself, or the one object that it wraps. */
function candidates(data: unknown): Shown[] {
  if (!isObject(data)) return []
  return [data, ...Object.values(data).filter(isObject)]
}

function isObject(value: unknown): value is Shown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
}

const mostParents = 40
/** A large API has a hundred lists, and each may be asked for every parent. */
const mostLookups = 200

/** What lists of the API show, outermost kinds first. Of each list the first page. */
export async function discoverRest(
  catalogue: RestCatalogue,
  lookup: Lookup,
): Promise<Discovered[]> {
  const found: Discovered[] = [
    { kind: whole.kind, address: whole.id, place: [whole], note: 'all of it' },
  ]
  let refused: string | null = null
  let answered = false
  let left = mostLookups
  const kinds = catalogue.kinds.all.toSorted((a, b) => a.parameters.length - b.parameters.length)
  for (const kind of kinds) {
    const list = catalogue.lists.get(kind.parameters.at(-1) ?? '')
    if (list === undefined) continue
    const outer = kind.path.at(-2)
    const parents =
      outer === undefined
        ? [[]]
        : found.filter((one) => one.kind === outer).map(({ place }) => lastIds(place))
    for (const ids of parents.slice(0, mostParents)) {
      if (left === 0) return found
      left -= 1
      const answer = await lookup(pathWith(list, kind.parameters, ids), {})
      answered ||= answer.ok
      if (answer.ok) found.push(...listed(answer.data, kind, ids))
      else if (outer === undefined) refused ??= answer.why
    }
  }
  if (answered || refused === null) return found
  throw new BrokerError('not-found', `Nothing can be listed: ${refused}.`, {
    hint: 'Check the secret, the base URL and the placement.',
  })
}

function lastIds(place: Place): string[] {
  return place.at(-1)?.id.split('/') ?? []
}

function listed(data: unknown, kind: RestKind, outer: readonly string[]): Discovered[] {
  const items = Array.isArray(data)
    ? data
    : isObject(data)
      ? Object.values(data).find(Array.isArray)
      : undefined
  if (!Array.isArray(items)) return []
  const own = kind.parameters.at(-1) ?? ''
  return items.filter(isObject).flatMap((item): Discovered[] => {
    const id = [own, ...ownNames].map((name) => text(item[name])).find((one) => one !== undefined)
    if (id === undefined || !idForm.test(id)) return []
    const ids = [...outer, id]
    const name = text(item['name'])
    const address = ids.join('/')
    return [
      {
        kind: kind.kind,
        address,
        place: placeOf(kind, ids),
        ...(name === undefined || name === id ? {} : { note: name }),
      },
    ]
  })
}

/** One that is named by its id, where nothing lists it. */
export async function findRest(
  catalogue: RestCatalogue,
  kind: string,
  address: string,
  lookup: Lookup,
): Promise<Discovered | null> {
  const located = await locateRest(
    catalogue,
    { kind, id: address, role: 'target', argument: kind },
    lookup,
  )
  return located.known ? { kind, address, place: located.home } : null
}

export async function describeRest(
  catalogue: RestCatalogue,
  { kind: name, id }: Pick<Resource, 'kind' | 'id'>,
  lookup: Lookup,
): Promise<Described> {
  if (name === whole.kind) return { facts: [['API', 'all of it']], hangs: [] }
  const kind = catalogue.kinds.all.find((one) => one.kind === name)
  if (kind === undefined) throw new Error(`there is no kind ${name}`)
  const found = await shown(catalogue, kind, id.split('/'), lookup)
  if ('why' in found) throw new Error(found.why)
  const [outer, inner] = candidates(found.data)
  const facts = Object.entries({ ...outer, ...inner }).flatMap(
    ([field, value]): [string, string][] => {
      const said = text(value)
      return said !== undefined &&
        /^(?:name|created_at|updated_at|state|status|region|region_id|type)$/.test(field)
        ? [[field.replaceAll('_', ' '), said.slice(0, 200)]]
        : []
    },
  )
  return { facts: [[name, id], ...facts], hangs: [] }
}
