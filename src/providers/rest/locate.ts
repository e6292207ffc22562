/** Where a resource of a described API lives: as its path says, and as the API itself shows it under that very id. */
import { BrokerError } from '../../errors.ts'
import type { Located, Place, Resource } from '../../policy/operation.ts'
import type { Described, Discovered, Lookup } from '../provider.ts'
import type { RestCatalogue, RestOperation } from './catalogue.ts'
import { nameWords, type RestKind, whole } from './kinds.ts'

/** An id that is one segment and nothing else. Dots alone, encodings and separators would make it another path. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const idForm = /^(?!\.{1,2}$)[^/\\;%?#\u0000-\u001f\u007f]{1,300}$/

export async function locateRest(
  catalogue: RestCatalogue,
  { kind: name, id, spread, within }: Resource,
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
  const found = await shown(catalogue, kind, ids, { lookup, within: within === true })
  if ('why' in found) return { known: false, why: found.why }
  const home = placeOf(kind, ids)
  // Whoever only sees it does not see all that is in it.
  const place = spread === true ? [...home, everythingIn] : home
  return { known: true, home: place, places: [place] }
}

const everythingIn = { kind: 'all', id: '*' } as const

function placeOf({ path }: RestKind, ids: readonly string[]): Place {
  return [whole, ...path.map((kind, i) => ({ kind, id: ids.slice(0, i + 1).join('/') }))]
}

/** Whoever only sees the API does not see all that is in it. */
function everything(spread: boolean): Located {
  const place: Place = spread ? [whole, everythingIn] : [whole]
  return { known: true, home: place, places: [place] }
}

type Showing = {
  lookup: Lookup
  /** What cannot be shown by itself lies in what was named before it. */
  within: boolean
}

/**
 * Asks for it. What the API has no way to show is only taken to lie in its container where that was said, and then the container is
 * asked for.
 */
async function shown(
  catalogue: RestCatalogue,
  kind: RestKind,
  ids: readonly string[],
  { lookup, within }: Showing,
): Promise<{ data: unknown } | { why: string }> {
  const own = kind.parameters.at(-1) ?? ''
  const show = catalogue.shows.get(own)
  if (show !== undefined) {
    const answer = await lookup(pathWith(show, kind.parameters, ids), {})
    if (!answer.ok) return { why: answer.why }
    if (isIt(catalogue, answer.data, kind, ids)) return { data: answer.data }
    return { why: 'the API answers with something of another id, or in something else' }
  }
  const outer = catalogue.kinds.byParameter.get(kind.parameters.at(-2) ?? '')
  if (!within || outer === undefined) {
    return { why: `the API has no way to look up a ${kind.kind}` }
  }
  return shown(catalogue, outer, ids.slice(0, outer.parameters.length), { lookup, within })
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
 * thing, and nowhere in it another container than those that were named.
 */
function isIt(
  catalogue: RestCatalogue,
  data: unknown,
  kind: RestKind,
  ids: readonly string[],
): boolean {
  const thing = thingIn(data, kind)
  if (thing === null || !isObject(data)) return false
  const id = ids[kind.parameters.length - 1]
  const [called] = idsOf(thing, kind)
  const right = isId(kind) ? called === id : idsOf(thing, kind).some((one) => one === id)
  return right && [data, thing].every((one) => inContainers(catalogue, one, kind, ids))
}

/** A parameter that says so names by id; what the thing is called besides may be another thing's id. */
function isId({ parameters }: RestKind): boolean {
  return /(?:id|uuid|guid)$/i.test(parameters.at(-1) ?? '')
}

/** The answer itself where it has an id of its own, or the one thing in it that has. */
function thingIn(data: unknown, kind: RestKind): Shown | null {
  if (!isObject(data)) return null
  if (idsOf(data, kind).length > 0) return data
  const inner = Object.entries(data).flatMap(([key, value]) =>
    isObject(value) && idsOf(value, kind).length > 0 ? [{ key, value }] : [],
  )
  const [only] = inner
  if (inner.length === 1 && only !== undefined) return only.value
  return inner.find(({ key }) => key === kind.kind)?.value ?? null
}

/** What a thing says that it is called, the surest first. */
function idsOf(one: Shown, { kind, parameters }: RestKind): string[] {
  return [parameters.at(-1) ?? '', ...ownNames, kind].flatMap((name) => text(one[name]) ?? [])
}

/** However an answer spells what contains a thing, it must not be another. */
function inContainers(
  { alias, kinds }: RestCatalogue,
  one: Shown,
  kind: RestKind,
  ids: readonly string[],
): boolean {
  const outer = new Map(kind.parameters.slice(0, -1).map((parameter, i) => [parameter, ids[i]]))
  const byKind = new Map(
    [...outer.keys()].map((parameter) => [kinds.byParameter.get(parameter)?.kind, parameter]),
  )
  return Object.entries(one).every(([key, value]) => {
    const parameter = outer.has(alias(key)) ? alias(key) : byKind.get(nameWords(key).join('_'))
    const wanted = parameter === undefined ? undefined : outer.get(parameter)
    return wanted === undefined || value === null || isCalled(value, wanted)
  })
}

/** A container is shown by its id, or as a thing of its own. */
function isCalled(value: unknown, id: string): boolean {
  if (!isObject(value)) return text(value) === id
  const names = [...ownNames, 'login'].flatMap((name) => text(value[name]) ?? [])
  return names.length === 0 || names.includes(id)
}

type Shown = Readonly<Record<string, unknown>>

function isObject(value: unknown): value is Shown {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string | undefined {
  // A number that was rounded when it was read is another one.
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : undefined
  return typeof value === 'string' ? value : undefined
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
      if (answer.ok) found.push(...listedIn(answer.data, kind, ids))
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

/** Of several lists the one that is called like the kind. */
function itemsIn(data: unknown, { kind }: RestKind): unknown[] {
  if (Array.isArray(data)) return data
  const lists = Object.entries(isObject(data) ? data : {}).filter(([, one]) => Array.isArray(one))
  const [, items] =
    (lists.length === 1 ? lists[0] : lists.find(([key]) => key === `${kind}s`)) ?? []
  return Array.isArray(items) ? items : []
}

function listedIn(data: unknown, kind: RestKind, outer: readonly string[]): Discovered[] {
  const own = kind.parameters.at(-1) ?? ''
  return itemsIn(data, kind)
    .filter(isObject)
    .flatMap((item): Discovered[] => {
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
  const found = await shown(catalogue, kind, id.split('/'), { lookup, within: true })
  if ('why' in found) throw new Error(found.why)
  const facts = Object.entries({ ...thingIn(found.data, kind) }).flatMap(
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
