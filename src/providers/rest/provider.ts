/** A provider made of a description: the REST engine with one API's catalogue. Opens nothing, keeps nothing. */
import type { Kind, Offered, Placement, Provider } from '../provider.ts'
import { compileRest, type RestCatalogue, type RestOperation } from './catalogue.ts'
import { Description, Overrides } from './description.ts'
import { whole } from './kinds.ts'
import { describeRest, discoverRest, findRest, locateRest } from './locate.ts'
import { readRest } from './read.ts'
import { writeTemplate } from './template.ts'

const headerForm = /^header:([a-z][a-z0-9-]{1,60})$/

/** `bearer`, `token`, `authorization` or `header:NAME`, wherever an API wants its credential. Undefined for anything else. */
export function restPlacement(name: string): Placement | undefined {
  switch (name) {
    case 'bearer':
      return { header: 'authorization', prefix: 'Bearer ' }
    case 'token':
      return { header: 'authorization', prefix: 'token ' }
    case 'authorization':
      return { header: 'authorization', prefix: '' }
  }
  const header = headerForm.exec(name)?.[1]
  return header === undefined || taken.has(header) ? undefined : { header, prefix: '' }
}

/** What the broker writes itself, or what would make one request two. */
const taken = new Set([
  ...['host', 'connection', 'content-length', 'content-type', 'transfer-encoding', 'upgrade', 'te'],
  ...['accept', 'accept-encoding', 'user-agent', 'expect', 'trailer', 'keep-alive', 'cookie'],
])

/** As it is kept. Throws where what was kept cannot be read. */
export function providerFrom(name: string, description: unknown, overrides: unknown): Provider {
  return restProvider(name, Description.parse(description), Overrides.parse(overrides))
}

/** Throws `malformed-request` for a description that has two readings. */
export function restProvider(
  name: string,
  description: Description,
  overrides: Overrides,
): Provider<null> & { catalogue: RestCatalogue } {
  const catalogue = compileRest(description, overrides)
  const placement = restPlacement(description.placement)
  return {
    name,
    engine: 'rest',
    scheme: 'https',
    secret: null,
    template: null,
    baseUrl: description.base_url ?? '',
    placements: placement === undefined ? {} : { [description.placement]: placement },
    // `all` stands for whatever an operation that names nothing is about; it cannot be bound.
    kinds: [
      { kind: whole.kind, bind: 'owns', path: [whole.kind] },
      { kind: 'all', bind: 'owns', path: [whole.kind, 'all'] },
      ...catalogue.kinds.all.map(
        ({ kind, path }): Kind => ({ kind, bind: 'owns', path: [whole.kind, ...path] }),
      ),
    ],
    slashes: catalogue.operations.some((one) => one.template.some((part) => 'several' in part)),
    compile: () => null,
    largeBody: () => null,
    read: (_, call) => readRest(catalogue, call),
    locate: (resource, _pinned, lookup) => locateRest(catalogue, resource, lookup),
    describe: (resource, _home, lookup) => describeRest(catalogue, resource, lookup),
    operations: () => catalogue.operations.map(offered),
    discover: (lookup) => discoverRest(catalogue, lookup),
    find: (kind, address, lookup) => findRest(catalogue, kind, address, lookup),
    clients: { urls: {}, tokens: [] },
    introspection: null,
    refusalForm: () => 'json',
    rejectsCredential: (status) => status === 401,
    reportsFailure: () => false,
    catalogue,
  }
}

/** As people choose among them. */
export function offered(one: RestOperation): Offered {
  const parameters = one.template.flatMap((part) => ('parameter' in part ? [part.parameter] : []))
  return {
    name: one.name,
    route: `${one.method} ${writeTemplate(one.template)}`,
    effects: one.effects,
    guessed: one.guessed,
    harmless: one.harmless,
    resources: parameters,
  }
}
