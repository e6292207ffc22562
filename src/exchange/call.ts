/**
 * Reads a request once, from its raw target and raw headers, into a Call; refuses whatever has two readings. Never
 * decides anything about what the call may do.
 */

import type { Limits } from '../config.ts'
import { BrokerError } from '../errors.ts'
import type { Call } from '../providers/provider.ts'
import { together } from './together.ts'

/** A request as it came off the wire, before anything was tidied. */
export type Incoming = {
  id: string
  method: string
  /** The raw request target. */
  target: string
  /** Names lower case, values as sent, repeats kept. */
  headers: readonly (readonly [string, string])[]
  /** Reads the body, once, up to a bound. Throws `payload-too-large` beyond it and `malformed-request` if it breaks off. */
  body(limit: number): Promise<Uint8Array>
  address: string
  /** Where the connection lies as the caller sees it, if that is not below `/x/`. */
  root?: string
  /** Aborts when the caller has gone, and when the call is cut: then its reason is the refusal. */
  signal: AbortSignal
  cut(why: BrokerError): void
}

/** Where the call is addressed. `segments` are decoded and follow the connection's name; one may hold a slash, which few readers take. */
export type Target = {
  connection: string
  segments: readonly string[]
  query: readonly (readonly [string, string])[]
}

const overrides = new Set(['x-http-method-override', 'x-http-method', 'x-method-override'])

/**
 * By which APIs are told whose account a call is about. They are not passed on, and without them the call would be about another one:
 * of Stripe's connected accounts, the platform's own.
 */
const redirecting =
  /^(?:stripe-(?:account|context)|openai-(?:organization|project)|x-goog-user-project|x-(?:org|organization|account|tenant|project|team|workspace|customer)(?:-id)?)$/

const targetForm = /^\/[\x21-\x7e]*$/
const connectionForm = /^[a-z][a-z0-9-]{0,62}$/

/** Reads `/x/railway/graphql/v2?…`. Throws `malformed-request` or `ambiguous-request`. */
export function readTarget(target: string, prefix: '/x/' | '/explain/', limits: Limits): Target {
  if (target.length > limits.targetBytes) {
    throw new BrokerError(
      'payload-too-large',
      `The URL is longer than ${limits.targetBytes} bytes.`,
    )
  }
  if (!targetForm.test(target) || !target.startsWith(prefix))
    throw malformed('it has characters that no URL has')
  if (target.includes('#')) throw ambiguous('it has a fragment')
  const question = target.indexOf('?')
  const path = question < 0 ? target : target.slice(0, question)
  const [connection = '', ...raw] = path.slice(prefix.length).split('/')
  if (!connectionForm.test(connection)) throw malformed(`${prefix}{connection}/{path} is expected`)
  return {
    connection,
    segments: raw.map(readSegment),
    query: question < 0 ? [] : readQuery(target.slice(question + 1)),
  }
}

/** One segment, decoded once. What another reader could take for structure is refused. */
function readSegment(raw: string): string {
  if (raw === '') throw ambiguous('it has an empty segment')
  const segment = decode(raw)
  if (segment === '.' || segment === '..') throw ambiguous('it has a dot segment')
  if (/[\\;]/.test(segment)) throw ambiguous('a segment holds a backslash or a semicolon')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  if (/[\u0000-\u001f\u007f%]/.test(segment)) {
    throw ambiguous('a segment holds a control character or is encoded twice')
  }
  return segment
}

function readQuery(raw: string): [string, string][] {
  if (raw === '') return []
  return raw.split('&').map((pair) => {
    const equals = pair.indexOf('=')
    const [name, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
    return [decode(name.replaceAll('+', ' ')), decode(value.replaceAll('+', ' '))]
  })
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw malformed('its percent-encoding is broken')
  }
}

/** Reads headers and body into a Call. The body is read within `bytes`. */
export async function readCall(incoming: Incoming, target: Target, bytes: number): Promise<Call> {
  const override = incoming.headers.find(([name]) => overrides.has(name))
  if (override !== undefined) {
    throw new BrokerError(
      'ambiguous-request',
      `The header ${override[0]} gives the request a second method.`,
      {
        hint: 'Send the method that is meant, and no override.',
      },
    )
  }
  const turned = incoming.headers.find(([name]) => redirecting.test(name))
  if (turned !== undefined) {
    throw new BrokerError(
      'ambiguous-request',
      `The header ${turned[0]} would make the call about another account, and the broker does not pass it on.`,
      { hint: 'Use a connection with a key of that account, and leave the header out.' },
    )
  }
  const encoding = single(incoming, 'content-encoding')
  if (encoding !== null && encoding.toLowerCase() !== 'identity') {
    throw new BrokerError(
      'malformed-request',
      'The body is encoded, and the broker reads it as it is.',
      {
        hint: 'Send it without Content-Encoding.',
      },
    )
  }
  const contentType = single(incoming, 'content-type')
  const idempotencyKey = readIdempotencyKey(incoming)
  const body = await incoming.body(bytes)
  await together()
  return {
    method: incoming.method,
    segments: target.segments,
    query: target.query,
    contentType,
    body,
    ...(idempotencyKey === null ? {} : { idempotencyKey }),
  }
}

/** As Stripe and others take it (draft-ietf-httpapi-idempotency-key-header). */
function readIdempotencyKey(incoming: Incoming): string | null {
  const key = single(incoming, 'idempotency-key')
  if (key === null || /^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new BrokerError('malformed-request', 'The idempotency key cannot be taken.', {
    hint: 'Send 255 printable characters at most, without spaces.',
  })
}

function single(incoming: Incoming, name: string): string | null {
  const values = incoming.headers.filter(([one]) => one === name)
  if (values.length > 1)
    throw new BrokerError(
      'ambiguous-request',
      `The header ${name} is sent ${values.length} times.`,
      { hint: 'Send it once.' },
    )
  return values[0]?.[1].trim() ?? null
}

function malformed(why: string): BrokerError {
  return new BrokerError('malformed-request', `The URL cannot be taken: ${why}.`, {
    hint: 'Use the upstream’s own path after /x/{connection}.',
  })
}

function ambiguous(why: string): BrokerError {
  return new BrokerError('ambiguous-request', `The URL can be read in two ways: ${why}.`, {
    hint: 'Use the upstream’s own path after /x/{connection}, plainly spelled.',
  })
}
