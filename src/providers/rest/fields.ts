/** What the query and the body of a call give by name, and the body as it will leave. Refuses what could be read in two ways; judges nothing. */
import { BrokerError } from '../../errors.ts'
import { type Json, readJson } from '../json.ts'
import type { Call } from '../provider.ts'
import { nameWords } from './kinds.ts'

const jsonType = /^application\/(?:json|[a-z0-9.-]+\+json)(?:\s*;\s*charset=(?:utf-8|"utf-8"))?$/i
const formType = /^application\/x-www-form-urlencoded(?:\s*;\s*charset=(?:utf-8|"utf-8"))?$/i
/** Lists of things to do, each with a path of its own. */
const patchType = /json-patch|strategic-merge|json-seq/i

/** Where a second method or a second credential could stand. The connection's own is the only one that leaves. */
const methodName = /^(?:[._\s-]+(?:http)?method|[._\s-]*x(?:http)?method(?:override)?)$/
const credentialName =
  /^(?:access_?token|api_?key|apikey|auth_?token|private_?token|bearer_?token|oauth_?token|job_?token|client_?secret|authorization)$/

/** Names that some APIs take a credential by, and others something else. */
const maybeCredential = /^(?:key|token|auth|secret|password)$/i

/** More than any call that a person could agree to. */
const most = { names: 2_000, values: 200, nameLength: 200 }

export type Field = {
  where: 'query' | 'body'
  /** With the name of what it lies in: `branch.name`, and `.branch` at the top. Lists add nothing to it. */
  path: string
  name: string
  /** Of texts, numbers and truths, each once; none where nobody asked for them. */
  values: ReadonlySet<string>
  /** It has others in it, or nothing. */
  holds: boolean
}

export type Content = {
  type: string | null
  body: Uint8Array | null
  fields: readonly Field[]
  /** Something is null or empty, which may be how it is taken away. */
  clears: boolean
  /** Something is called ended: `{"status":"deleted"}`. */
  ends: boolean
}

/** Whether anything hangs on what a field of that name holds. */
export type Matters = (name: string, top: boolean) => boolean

export function readFields(call: Call, matters: Matters): Content {
  const into = new Map<string, Gathered>()
  const found: Found = { into, matters, values: 0, clears: false, ends: false }
  for (const [name, value] of call.query) addPair(found, 'query', name, value)
  // What a query leaves empty is no more than a filter that is not set.
  found.clears = false
  const { type, body } = readContent(call, found)
  return { type, body, fields: [...into.values()], clears: found.clears, ends: found.ends }
}

type Gathered = Field & { values: Set<string> }
type Found = {
  into: Map<string, Gathered>
  matters: Matters
  values: number
  clears: boolean
  ends: boolean
}

function readContent(
  { method, contentType, body }: Call,
  found: Found,
): { type: string | null; body: Uint8Array | null } {
  if (body.length === 0) return { type: null, body: null }
  if (method === 'GET' || method === 'HEAD') {
    throw new BrokerError('ambiguous-request', `A ${method} with a body can be read in two ways.`, {
      hint: 'Send it without one.',
    })
  }
  if (contentType !== null && jsonType.test(contentType) && !patchType.test(contentType)) {
    const json = readJson(body)
    gather(found, json, '', '')
    return { type: contentType, body: Buffer.from(JSON.stringify(json)) }
  }
  if (contentType !== null && formType.test(contentType)) return readForm(body, found)
  throw new BrokerError(
    'malformed-request',
    contentType === null
      ? 'The body does not say what it is.'
      : `A body of type ${contentType.slice(0, 80)} is not read.`,
    {
      hint: 'Send JSON as application/json, or a form as application/x-www-form-urlencoded, in UTF-8.',
    },
  )
}

function readForm(body: Uint8Array, found: Found) {
  const text = Buffer.from(body).toString('latin1')
  // What is not encoded is read differently by different servers.
  if (!/^[\x21-\x7e]*$/.test(text)) throw brokenForm()
  const pairs = text.split('&').map((pair): readonly [string, string] => {
    const equals = pair.indexOf('=')
    const [name, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
    return [decoded(name), decoded(value)]
  })
  for (const [name, value] of pairs) addPair(found, 'body', name, value)
  return {
    type: 'application/x-www-form-urlencoded',
    body: Buffer.from(pairs.map(pairSpelled).join('&')),
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw brokenForm()
  }
}

function brokenForm(): BrokerError {
  return new BrokerError('malformed-request', 'The encoding of the form is broken.', {
    hint: 'Encode it as application/x-www-form-urlencoded, in UTF-8.',
  })
}

export function pairSpelled([name, value]: readonly [string, string]): string {
  return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`
}

/** `a[b][0]` is b in a. Servers disagree on any other brackets. */
function addPair(found: Found, where: Field['where'], spelled: string, value: string): void {
  const names = namesIn(spelled)
  if (names === null) throw twofold(`The name ${spelled.slice(0, 60)}`)
  for (const [i, name] of names.entries()) {
    if (
      credentialName.test(
        name
          .trim()
          .toLowerCase()
          .replaceAll(/[.\s-]/g, '_'),
      )
    )
      throw second(name)
    const last = i === names.length - 1
    add(found, where, names[i - 1] ?? '', name, last ? value : null)
  }
}

/** The names in `a[b][]`, without what only counts; null where it does not begin with a name, or its brackets are none. */
export function namesIn(spelled: string): string[] | null {
  if (!/^(?!\d*(?:\[|$))[^[\]]+(?:\[[^[\]]*\])*$/.test(spelled)) return null
  return spelled.split(/[[\]]/).filter((piece) => piece !== '' && !/^\d+$/.test(piece))
}

function twofold(what: string): BrokerError {
  return new BrokerError('ambiguous-request', `${what} can be read in two ways.`, {
    hint: 'Give every field a name, and write brackets in pairs and at the end: a[b][0]=c.',
  })
}

/** `inside` and `name` are what the value is given as; a list is given as each of what is in it. */
function gather(found: Found, json: Json, inside: string, name: string): void {
  if (Array.isArray(json)) {
    if (json.length === 0) found.clears = true
    // A list without a name, or an empty one, is a field all the same.
    if (json.length === 0 || (name === '' && inside === '')) add(found, 'body', inside, name, null)
    for (const one of json) gather(found, one, inside, name)
    return
  }
  if (json === null || typeof json !== 'object') {
    add(found, 'body', inside, name, json === null ? null : String(json))
    return
  }
  const entries = Object.entries(json)
  if (entries.length === 0 && name !== '') found.clears = true
  if (name !== '') add(found, 'body', inside, name, null, entries.length > 0)
  for (const [key, value] of entries) {
    // What lies in it would seem to lie in nothing.
    if (key === '') throw twofold('A field without a name')
    gather(found, value, name, key)
  }
}

const ended =
  /^(?:deleted?|destroy(?:ed)?|archived?|purged?|disabled?|suspended?|terminated?|cancell?ed|cancel|revoked?|removed?|stop(?:ped)?|wiped?|dropped|drop|reset|inactive|paused?)$/i

function add(
  found: Found,
  where: Field['where'],
  inside: string,
  name: string,
  value: string | null,
  holdsMore = false,
): void {
  const { into } = found
  const key = `${where} ${inside} ${name}`
  let field = into.get(key)
  if (field === undefined) {
    demandPlain(name)
    if (into.size >= most.names || name.length > most.nameLength) throw tooMany()
    field = { where, path: `${inside}.${name}`, name, values: new Set(), holds: false }
    into.set(key, field)
  }
  if (value === null) {
    field.holds = true
    if (!holdsMore) found.clears = true
    return
  }
  if (value === '') found.clears = true
  if (value.length < 20 && ended.test(value)) found.ends = true
  if (!found.matters(name, inside === '') || field.values.has(value)) return
  found.values += 1
  if (found.values > most.values) throw tooMany()
  field.values.add(value)
}

function tooMany(): BrokerError {
  return new BrokerError('malformed-request', 'The call names more than is read.', {
    hint: `Send at most ${most.names} names of ${most.nameLength} characters and ${most.values} ids at once.`,
  })
}

function demandPlain(name: string): void {
  const plain = name.toLowerCase()
  if (methodName.test(plain.replaceAll(/(?<=[a-z])[-_.\s]+/g, '')) || plain === '$patch') {
    throw second(name)
  }
}

function second(name: string): BrokerError {
  return new BrokerError(
    'ambiguous-request',
    `${name.slice(0, 60)} gives the request a second method or a second credential.`,
    { hint: 'Leave it out: the method is the request’s own, and the broker adds the credential.' },
  )
}

/** In a query or a form, where names and values are all there is, servers look for credentials too. */
export function couldBeCredential({ where, path, name }: Field): boolean {
  return where === 'query' && path === `.${name}` && maybeCredential.test(name)
}

/** Last words of a name that points at another thing of the API, or at a foreign place. */
const pointers = new Set([
  ...[
    'id',
    'uuid',
    'guid',
    'slug',
    'ref',
    'arn',
    'url',
    'uri',
    'href',
    'host',
    'hostname',
    'domain',
  ],
  ...['organization', 'organisation', 'org', 'account', 'tenant', 'workspace', 'owner', 'team'],
  ...['project', 'repository', 'repo', 'database', 'namespace', 'group', 'environment', 'customer'],
])
/** Words of a name whose text may be another thing's. */
const ends = new Set([
  ...['parent', 'source', 'target', 'from', 'to', 'destination', 'origin', 'template', 'clone'],
])

/** Whether what a name holds may be another thing than those that were judged. `words` are what the API calls its things. */
export function points(words: ReadonlySet<string>, name: string): boolean {
  const all = nameWords(name)
  const last = all.at(-1) ?? ''
  if (pointers.has(last) || pointers.has(last.replace(/s$/, ''))) return true
  return all.some((word) => ends.has(word) || words.has(word))
}
