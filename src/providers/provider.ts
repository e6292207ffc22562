/**
 * The contract of a provider: how to read a request into operations, how to locate what it names, and where the
 * credential goes. Data and pure functions over a shared engine; a provider never opens a credential or a socket.
 */
import type { Effect, Located, Operation, Place, Resource } from '../policy/operation.ts'
import type { Denial } from '../policy/verdict.ts'

/** A request as it was read from the wire, once. `segments` are decoded, one per path segment after the connection. */
export type Call = {
  method: string
  segments: readonly string[]
  query: readonly (readonly [string, string])[]
  /** The whole Content-Type header, or null if there was none. */
  contentType: string | null
  body: Uint8Array
  /** Makes sending it again harmless, where the API knows such a thing. It says nothing about what is done. */
  idempotencyKey?: string
}

/** The request that will leave: composed from what was judged, never the caller's bytes beside another reading of them. */
export type CanonicalRequest = {
  method: string
  /** Absolute path, percent-encoded by us. */
  path: string
  /** Query string without `?`, or empty. */
  query: string
  contentType: string | null
  accept: string
  body: Uint8Array | null
  idempotencyKey?: string
}

/** What a call means: operations to judge and one request to send, or an answer from the broker's own knowledge. */
export type Reading =
  | {
      kind: 'call'
      operations: readonly Operation[]
      request: CanonicalRequest
      /** Why its form refuses it even where everything in it would be allowed: a batch, several operations. */
      form: Denial | null
    }
  | { kind: 'answer'; json: unknown }

/** One read of the upstream with the connection's credential. A failure is an answer too: it makes a thing unknown. */
export type Lookup = (
  document: string,
  variables: Readonly<Record<string, string>>,
) => Promise<{ ok: true; data: unknown } | { ok: false; why: string }>

/** Where to look for things that have no look-up by id: the containers that any environment has bound. */
export type Known = { places: readonly Place[] }

/** How a real credential is put on a request. The header is ours to write; a caller's own never passes. */
export type Placement = { header: string; prefix: '' | 'Bearer ' | 'token ' }

/** A kind of resource, as `environment bind` offers it. */
export type Kind = {
  kind: string
  /** Kinds that can contain several environments can only be seen. */
  bind: 'owns' | 'sees' | null
  /** The containers of a place of this kind, outermost first, itself last. */
  path: readonly string[]
}

/** A thing that `environment discover` found. `address` is what a human may type: `acme/staging`. */
export type Discovered = { kind: string; address: string; place: Place; note?: string }

/** Named facts, and what hangs on a resource or goes with it. */
export type Described = { facts: [string, string][]; hangs: string[] }

/** An operation as people choose among them. `guessed` says why its effects are what they are, where nobody decided. */
export type Offered = {
  name: string
  route: string
  effects: readonly Effect[]
  guessed: string | null
  harmless: boolean
  resources: readonly string[]
}

/**
 * `problem` is RFC 9457 as it is. `graphql` has it with `errors`. `json` has it with `message` and as `application/json`: clients of
 * REST APIs read nothing else, and would show an unknown error.
 */
export type RefusalForm = 'problem' | 'graphql' | 'json'

export type Provider<Catalogue = unknown> = {
  name: string
  /** Of what an operator described; what comes with the program is as old as that. */
  version?: string
  /** `lease`: nothing is relayed; what it offers is a native credential for a while. */
  engine: 'graphql' | 'rest' | 'lease'
  /** Base URL when the operator gives none. */
  baseUrl: string
  scheme: 'https' | 'postgresql'
  /** Ways to place the credential, the default first. */
  placements: Readonly<Record<string, Placement>>
  kinds: readonly Kind[]
  /** Lays Valetkey's knowledge over a schema (SDL). Slow; done once per schema. Throws `malformed-request` if it is none. */
  compile(schema: string): Catalogue
  /** Where a path takes bodies beyond the broker's own limit: how large, and by which operation. Null elsewhere. */
  largeBody(segments: readonly string[]): { bytes: number; operation: string } | null
  /** Whether a segment of a path may hold an encoded slash. */
  slashes: boolean
  /** Reads a call. Throws `malformed-request`, `ambiguous-request`, `unknown-operation`, `payload-too-large`. */
  read(catalogue: Catalogue, call: Call): Reading
  /**
   * Resolves one resource to where it lives. `pinned` are the environment ids that the targets of the same operation
   * name; a context is located together with them.
   */
  locate(
    resource: Resource,
    pinned: readonly string[],
    lookup: Lookup,
    known: Known,
  ): Promise<Located>
  /** What people should know of a resource before they agree to lose it. Throws an Error that says why it cannot be read. */
  describe(resource: Pick<Resource, 'kind' | 'id'>, home: Place, lookup: Lookup): Promise<Described>
  /**
   * How the API's own clients find another address: by variable, the path below the connection. `tokens` are the variables in
   * which they demand a token even where they need none; `credentials` is the one in which they look for the address of a lease,
   * as containers have it.
   */
  clients: {
    urls: Readonly<Record<string, string>>
    tokens: readonly string[]
    credentials?: string
  }
  /** All that it offers, where that depends on no connection's schema. */
  operations?: () => readonly Offered[]
  /** Everything that the credential sees and that can be bound. */
  discover(lookup: Lookup): Promise<readonly Discovered[]>
  /** One that is named by its id, where not everything can be listed. */
  find?: (kind: string, address: string, lookup: Lookup) => Promise<Discovered | null>
  /** The document that learns the schema, and what turns its answer into SDL. Null where there is none to learn. */
  introspection: { path: string; document: string; toSdl(data: unknown): string } | null
  /** What is wrong with a text as the secret, for people; null where it goes into a header and has to fit there. */
  secret: ((text: string) => string | null) | null
  /** What a scope has to say for a lease, read; null where nothing is leased. */
  template: ((given: unknown) => object | { problem: string }) | null
  /** Fields of its answers in which it adds a credential to what was asked for. Their texts never leave. */
  conceals?: readonly string[]
  /** In which form the API's own clients show a refusal. */
  refusalForm(segments: readonly string[]): RefusalForm
  /** Whether an upstream's answer says that the connection's own credential was refused. */
  rejectsCredential(status: number, body: unknown): boolean
  /** Whether an answer that HTTP calls a success says that the thing was not done. `body` is undefined if it is no JSON. */
  reportsFailure(body: unknown): boolean
}
