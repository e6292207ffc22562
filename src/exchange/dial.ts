/**
 * Sends one composed request to a connection's origin with its credential, and nothing else to anywhere else. It follows
 * no redirect, reads no proxy variable, and checks the address that it dials.
 */
import { isIP } from 'node:net'
import { Pool, errors as undiciErrors } from 'undici'
import { BrokerError } from '../errors.ts'
import { placementOf } from '../providers/registry.ts'
import type { Secret } from '../seal/secret.ts'
import { addressAllowed, checkedLookup, notAllowed, type Permission } from '../vault/addresses.ts'
import { type Answered, receive } from './answering.ts'
import { together } from './together.ts'

/** A connection as far as dialling needs it. */
export type Destination = {
  name: string
  provider: string
  baseUrl: string
  placement: string
  allowPrivate: boolean
}

export type Outgoing = {
  connection: Destination
  method: string
  /** Below the base URL. */
  path: string
  /** Without `?`. */
  query: string
  /** Written by us, name by name; never a caller's. */
  headers: readonly (readonly [string, string])[]
  body: Uint8Array | null
  credential: Secret
  timeoutMs: number
  signal?: AbortSignal
}

export type Dial = {
  /** Resolves with an answer of up to `wholeBytes`, or where a longer one exceeds them. Throws `upstream-unreachable`, `upstream-timeout`. */
  send(request: Outgoing & { wholeBytes: number }): Promise<Answered>
  /** The same, where an answer of more than `maxBytes` is none. */
  request(
    request: Outgoing & { maxBytes: number },
  ): Promise<Omit<Answered, 'body' | 'drop'> & { body: Buffer }>
  /** The same to a whole address that is nobody's connection, with nothing on it but what is given. */
  direct(request: Direct): Promise<{ status: number; headers: Answered['headers']; body: Buffer }>
  close(): Promise<void>
}

export type Direct = {
  url: string
  allowPrivate: boolean
  method: 'GET' | 'POST' | 'DELETE'
  headers: readonly (readonly [string, string])[]
  body: Uint8Array | null
  maxBytes: number
  timeoutMs: number
}

/** A destination with its pool of connections and the path that its own begins with. */
type Way = { pool: Pool; prefix: string }

export function createDial(): Dial {
  const pools = new Map<string, Pool>()
  const ways = new WeakMap<Destination, Way>()

  const poolFor = (origin: string, permission: Permission): Pool => {
    const key = `${origin} ${permission.allowPrivate}`
    const known = pools.get(key)
    if (known !== undefined) return known
    const pool = new Pool(origin, {
      connections: 128,
      pipelining: 1,
      keepAliveTimeout: 20_000,
      maxHeaderSize: 32_768,
      headersTimeout: 120_000,
      bodyTimeout: 60_000,
      connect: { timeout: 5_000, lookup: checkedLookup(permission), minVersion: 'TLSv1.2' },
    })
    pools.set(key, pool)
    return pool
  }

  const wayTo = (destination: Destination): Way => {
    const known = ways.get(destination)
    if (known !== undefined) return known
    const { origin, protocol, hostname, pathname } = new URL(destination.baseUrl)
    const { allowPrivate } = destination
    const permission = { allowPrivate, encrypted: protocol === 'https:' }
    const literal = hostname.replace(/^\[(.*)\]$/, '$1')
    // What is no name is never looked up, so nothing else would check it.
    if (isIP(literal) !== 0 && !addressAllowed(literal, permission)) {
      throw notAllowed(hostname)
    }
    const way = {
      pool: poolFor(origin, permission),
      prefix: pathname.replace(/\/$/, ''),
    }
    ways.set(destination, way)
    return way
  }

  const dispatch = async (
    { pool, prefix }: Way,
    request: Pick<Outgoing, 'method' | 'body' | 'timeoutMs' | 'signal'> & { path: string },
    headers: string[],
    wholeBytes: number,
  ): Promise<Answered> => {
    const { signal } = request
    const leave = () =>
      answering.cut(
        signal?.reason instanceof BrokerError ? signal.reason : new Error('the caller has gone'),
      )
    const answering = receive(wholeBytes, () => {
      clearTimeout(deadline)
      signal?.removeEventListener('abort', leave)
    })
    const deadline = setTimeout(
      () => answering.cut(new DOMException('the deadline has passed', 'TimeoutError')),
      request.timeoutMs,
    )
    signal?.addEventListener('abort', leave)
    if (signal?.aborted === true) leave()
    pool.dispatch(
      { method: request.method, path: prefix + request.path, headers, body: request.body },
      answering.handler,
    )
    const answered = await answering.answered
    await together()
    return answered
  }

  const send: Dial['send'] = async (request) => {
    const { connection, path, query } = request
    const way = wayTo(connection)
    const whole = { ...request, path: `${path}${query === '' ? '' : `?${query}`}` }
    try {
      return await dispatch(way, whole, headersOf(request), request.wholeBytes)
    } catch (cause) {
      throw broken(connection.name, cause)
    }
  }

  return {
    send,
    async request(request) {
      const { body, drop, ...rest } = await send({ ...request, wholeBytes: request.maxBytes })
      if (body instanceof Uint8Array) return { ...rest, body }
      drop()
      throw broken(
        request.connection.name,
        new Error(`the answer is larger than ${request.maxBytes} bytes`),
      )
    },
    async direct({ url, allowPrivate, maxBytes, ...request }) {
      const { host, origin, pathname, search } = new URL(url)
      try {
        const way = wayTo({
          name: host,
          provider: '',
          baseUrl: origin,
          placement: '',
          allowPrivate,
        })
        const headers = [...request.headers.flat(), ...ours]
        const path = pathname + search
        const { body, drop, ...rest } = await dispatch(way, { ...request, path }, headers, maxBytes)
        if (body instanceof Uint8Array) return { ...rest, body }
        drop()
        throw new Error(`the answer is larger than ${maxBytes} bytes`)
      } catch (cause) {
        throw broken(host, cause)
      }
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

const ours = ['accept-encoding', 'identity', 'user-agent', 'valetkey']

/** A flat list: an object with two spellings of one name would send both. */
function headersOf({ connection, headers, credential }: Outgoing): string[] {
  const placement = placementOf(connection)
  if (placement === undefined) throw new Error(`no placement ${connection.placement}`)
  return [...headers.flat(), ...ours, placement.header, placement.prefix + credential.reveal()]
}

/** A cause may quote headers, so only its kind is told; the error itself goes to the log as `cause`. */
export function broken(connection: string, cause: unknown): BrokerError {
  if (cause instanceof BrokerError) return cause
  const hint = 'Whether it did what was asked is not known: look before you send it again.'
  if (
    // Of the deadline that the request was sent with, which holds for the body as well.
    (cause instanceof DOMException && cause.name === 'TimeoutError') ||
    cause instanceof undiciErrors.HeadersTimeoutError ||
    cause instanceof undiciErrors.BodyTimeoutError
  ) {
    return new BrokerError(
      'upstream-timeout',
      `The upstream of ${connection} did not answer in time.`,
      { connection, hint },
      cause,
    )
  }
  return new BrokerError(
    'upstream-unreachable',
    `The upstream of ${connection} could not be reached, or broke off.`,
    { connection, hint },
    cause,
  )
}
