/** Reads a REST call into its one operation, the resources that it names anywhere, and the request that will leave. Never looks anything up. */
import { BrokerError } from '../../errors.ts'
import type { Effect, Operation, Resource } from '../../policy/operation.ts'
import type { Call, CanonicalRequest, Reading } from '../provider.ts'
import type { RestCatalogue, RestOperation } from './catalogue.ts'
import {
  type Content,
  couldBeCredential,
  type Field,
  type Matters,
  pairSpelled,
  points,
  readFields,
} from './fields.ts'
import { type RestKind, whole } from './kinds.ts'
import type { Part } from './template.ts'

/**
 * What a call names: its resources, what it should have named, and fields that may stand for anything else. `anchored` when what it
 * names confines it: whatever else there may be of the API stays as it is.
 */
export type Named = {
  resources: Resource[]
  missing: string[]
  unknown: string[]
  anchored: boolean
}

/** An API may know more of its resources than its paths say. */
export type Naming = {
  names(
    operation: RestOperation,
    parameters: ReadonlyMap<string, string>,
    given: readonly Field[],
  ): Named
  matters: Matters
  /** Whether a field that is emptied may be something that is lost. */
  clearing: boolean
}

export function readRest(
  catalogue: RestCatalogue,
  call: Call,
  naming: Naming = byPaths(catalogue),
): Reading {
  const { method } = call
  const segments = call.segments.flatMap((one) => one.split('/'))
  const match = catalogue.route(method === 'HEAD' ? 'GET' : method, segments)
  if (match === null) throw unknown(method, segments)
  demandSeveral(call.segments, match.parts)
  const { of: operation, parameters } = match
  const content = readFields(call, naming.matters)
  const found = naming.names(operation, parameters, content.fields)
  // What names nothing that confines it acts on all there is.
  if (!found.anchored && !operation.harmless && found.missing.length === 0) {
    found.resources.push({ ...whole, role: 'target', argument: 'the API', spread: true })
  }
  const effects = naming.clearing ? effectsOf(operation, content) : operation.effects
  const known: Operation = {
    name: operation.name,
    own: effects,
    effects,
    unknown: false,
    mustName: [...new Set(found.unknown)].map((name) => ({
      field: `${operation.name}.${name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, 100)}`,
      effect: 'unknown' as const,
    })),
    resources: distinct(found.resources),
    missing: found.missing,
    harmless: operation.harmless,
    reachesOut: null,
    leadsOn: null,
  }
  const request: CanonicalRequest = {
    method,
    path: pathOf(operation, parameters),
    query: call.query.map(pairSpelled).join('&'),
    contentType: content.type,
    accept: 'application/json',
    body: content.body,
    ...(call.idempotencyKey === undefined ? {} : { idempotencyKey: call.idempotencyKey }),
  }
  return { kind: 'call', operations: [known], request, form: null }
}

/** One thing that is named in several places is located, shown and written down once. */
function distinct(resources: readonly Resource[]): Resource[] {
  const held = new Map<string, Resource>()
  for (const one of resources) {
    const key = `${one.kind} ${one.id} ${one.role} ${one.within === true}`
    const before = held.get(key) ?? one
    held.set(key, one.spread === true ? { ...before, spread: true } : before)
  }
  return [...held.values()]
}

/**
 * However the slashes of a path in the path came, they leave as slashes, so it is read as it leaves. An encoded one that would be
 * structure there is refused, and so is a piece that is no segment.
 */
function demandSeveral(segments: readonly string[], parts: readonly Part[]): void {
  let at = 0
  for (const segment of segments) {
    const pieces = segment.split('/')
    const mine = parts.slice(at, at + pieces.length)
    at += pieces.length
    if (pieces.length === 1) continue
    const whole = mine.every((part) => 'several' in part)
    if (whole && pieces.every((one) => one !== '' && one !== '.' && one !== '..')) continue
    throw new BrokerError(
      'ambiguous-request',
      'The URL can be read in two ways: a segment holds a slash.',
      { hint: 'Use the upstream’s own path after /x/{connection}, plainly spelled.' },
    )
  }
}

function unknown(method: string, segments: readonly string[]): BrokerError {
  const path = `/${segments.join('/')}`
  const git = /\/info\/refs$|\/git-(?:upload|receive)-pack$/.test(path)
  return new BrokerError(
    'unknown-operation',
    git
      ? 'Git speaks to a server of its own, and this connection relays calls of an API.'
      : `The API has no ${method.slice(0, 20)} ${path.slice(0, 200)} that this broker knows.`,
    {
      hint: git
        ? 'Take a token for it that lives as long as the work: valetkey lease create, of a connection to github-app.'
        : 'See what there is with GET /v1/capability, or ask a human to describe it: valetkey provider add.',
    },
  )
}

/** What clears or ends something that exists may be how this API deletes it. */
function effectsOf(operation: RestOperation, { clears, ends }: Content): readonly Effect[] {
  const { method, effects } = operation
  const last = operation.template.at(-1)
  const changes =
    method === 'PATCH' ||
    method === 'PUT' ||
    (method === 'POST' && last !== undefined && 'parameter' in last)
  // Where the values that a field may have are described, what they do was thought of.
  const vague = operation.fields === null || operation.guessed !== null
  const may = (clears && changes) || (ends && vague && method !== 'GET')
  return may && !effects.includes('destructive') ? [...effects, 'destructive'] : effects
}

/** Its parameters, and fields that are called like one. */
function byPaths(catalogue: RestCatalogue): Naming {
  const { kinds, alias } = catalogue
  return {
    names: (operation, parameters, given) => namesByPaths(catalogue, operation, parameters, given),
    matters: (name) => kinds.byParameter.has(alias(name)),
    clearing: true,
  }
}

/** Each field once, with the parameter that it stands for. */
type Known = Field & { parameter: string; kind: RestKind | undefined; declared: boolean | null }

function namesByPaths(
  catalogue: RestCatalogue,
  operation: RestOperation,
  parameters: ReadonlyMap<string, string>,
  fields: readonly Field[],
): Named {
  const { kinds, alias } = catalogue
  const given = fields.map((one): Known => {
    const parameter = alias(one.name)
    return {
      ...one,
      parameter,
      kind: kinds.byParameter.get(parameter),
      declared: declares(operation, one),
    }
  })
  const beside = new Map<string, Set<string>>()
  for (const { parameter, values } of given) {
    const held = beside.get(parameter) ?? new Set()
    for (const value of values) held.add(value)
    beside.set(parameter, held)
  }
  const resources: Resource[] = []
  const missing: string[] = []
  const name = (kind: RestKind, own: string, more: Omit<Resource, 'kind' | 'id' | 'role'>) => {
    const containers = kind.parameters
      .slice(0, -1)
      .map((one) => parameters.get(one) ?? only(beside.get(one)))
    const absent = kind.parameters.find(
      (_, i) => i < containers.length && containers[i] === undefined,
    )
    if (absent !== undefined) missing.push(absent)
    else {
      const id = [...containers, own].join('/')
      resources.push({ kind: kind.kind, id, role: 'target', ...more })
    }
  }
  const reads = operation.effects.every((effect) => effect === 'read')
  for (const parameter of operation.deepest) {
    const kind = kinds.byParameter.get(parameter)
    const own = parameters.get(parameter)
    if (kind === undefined || own === undefined) continue
    const within = reads || catalogue.confined.has(parameter)
    name(kind, own, {
      argument: parameter,
      ...(operation.spreads ? { spread: true } : {}),
      ...(within ? { within } : {}),
    })
  }
  let anchored = resources.length > 0
  for (const { where, path, kind, parameter, values, declared } of given) {
    if (kind === undefined) continue
    const within = catalogue.confined.has(parameter)
    for (const value of values) {
      name(kind, value, {
        argument: `${where}${path.startsWith('.') ? path : `.${path}`}`,
        spread: true,
        ...(within ? { within } : {}),
      })
      // The API may not even look at what its description does not have.
      anchored ||= declared === true
    }
  }
  const unknown = given
    .filter(
      ({ name: field, kind, holds }) =>
        kind === undefined || holds || !catalogue.decided.has(field),
    )
    .flatMap((one) => unsure(kinds.words, one))
  return { resources, missing, anchored, unknown }
}

function only(values: ReadonlySet<string> | undefined): string | undefined {
  const [one] = values ?? []
  return values?.size === 1 ? one : undefined
}

/** Null where nobody said what it takes, or that it takes anything. */
function declares(
  { query, fields }: Pick<RestOperation, 'query' | 'fields'>,
  { where, path, name }: Field,
): boolean | null {
  const list = where === 'query' ? query : fields
  if (list === null) return null
  if (list.has(path) || list.has(`*.${name}`)) return true
  return list.has(`${path.slice(0, path.length - name.length)}*`) ? null : false
}

function unsure(words: ReadonlySet<string>, field: Known): string[] {
  const { name, kind, declared, holds } = field
  // A list without a name may be of anything.
  if (name === '') return ['body']
  if (declared === false || couldBeCredential(field)) return [name]
  if (holds && declared === true) return []
  if (kind !== undefined) return holds ? [name] : []
  return points(words, name) ? [name] : []
}

/** Fields that the description does not know, at any depth. */
export function undeclared(
  operation: Pick<RestOperation, 'query' | 'fields'>,
  given: readonly Field[],
): string[] {
  return given.flatMap((one) =>
    one.name === '' ? ['body'] : declares(operation, one) === false ? [one.name] : [],
  )
}

/** Rebuilt from what was matched: texts as the template has them, parameters encoded by us. */
function pathOf({ template }: RestOperation, parameters: ReadonlyMap<string, string>): string {
  return template
    .map((part) => {
      if ('literal' in part) return `/${part.literal}`
      const value = parameters.get(part.parameter) ?? ''
      return part.several === true ? severalSpelled(value) : `/${encodeURIComponent(value)}`
    })
    .join('')
}

function severalSpelled(value: string): string {
  return value
    .split('/')
    .map((piece) => `/${encodeURIComponent(piece)}`)
    .join('')
}
