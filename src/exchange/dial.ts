/**
 * Sends one composed request to a connection's origin with its credential, and nothing else to anywhere else. It follows
 * no redirect, reads no proxy variable, and checks the address that it dials.
 */
import { isIP } from 'node:net'
import { type Dispatcher, Pool, errors as undiciErrors } from 'undici'
import { BrokerError } from '../errors.ts'
import { providerNamed } from '../providers/registry.ts'
import type { Secret } from '../seal/secret.ts'
import { addressAllowed, checkedLookup, notAllowed } from './addresses.ts'

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

export type Answered = {
  status: number
  /** Names lower case; repeats kept. */
  headers: readonly (readonly [string, string])[]
  body: Dispatcher.ResponseData['body']
}

export type Dial = {
  /** Resolves when the headers are there. Throws `upstream-unreachable`, `upstream-timeout`. The body must be read or destroyed. */
  send(request: Outgoing): Promise<Answered>
  /** The same, with the whole body, at most `maxBytes` of it. */
  request(
    request: Outgoing & { maxBytes: number },
  ): Promise<Omit<Answered, 'body'> & { body: Uint8Array }>
  close(): Promise<void>
}

export function createDial(): Dial {
  const pools = new Map<string, Pool>()

  const poolFor = ({ baseUrl, allowPrivate }: Destination): Pool => {
    const { origin } = new URL(baseUrl)
    const key = `${origin} ${allowPrivate}`
    const known = pools.get(key)
    if (known !== undefined) return known
    const pool = new Pool(origin, {
      connections: 128,
      pipelining: 1,
      keepAliveTimeout: 20_000,
      maxHeaderSize: 32_768,
      headersTimeout: 120_000,
      bodyTimeout: 60_000,
      connect: { timeout: 5_000, lookup: checkedLookup(allowPrivate), minVersion: 'TLSv1.2' },
    })
    pools.set(key, pool)
    return pool
  }

  const send: Dial['send'] = async (request) => {
    const { connection, timeoutMs, signal } = request
    const { hostname, pathname } = new URL(connection.baseUrl)
    const literal = hostname.replace(/^\[(.*)\]$/, '$1')
    if (isIP(literal) !== 0 && !addressAllowed(literal, connection.allowPrivate)) {
      throw notAllowed(hostname)
    }
    const cut = cutOff(timeoutMs, signal)
    try {
      const answer = await poolFor(connection).request({
        method: request.method,
        path: `${pathname.replace(/\/$/, '')}${request.path}${request.query === '' ? '' : `?${request.query}`}`,
        headers: headersOf(request),
        body: request.body,
        signal: cut.signal,
      })
      answer.body.once('close', cut.release)
      return { status: answer.statusCode, headers: pairs(answer.headers), body: answer.body }
    } catch (cause) {
      cut.release()
      throw broken(connection.name, cause, false)
    }
  }

  return {
    send,
    async request(request) {
      const late = performance.now() + request.timeoutMs
      const { status, headers, body } = await send(request)
      return { status, headers, body: await readWhole(request, body, late) }
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()))
    },
  }
}

/** Gives up the rest of an answer. Destroyed early it reports that as an error, and an error that nobody hears ends the process. */
export function drop(body: Answered['body']): void {
  body.on('error', () => {})
  body.destroy()
}

/** Aborts at the deadline or with `signal`, for a fraction of what AbortSignal.any and timeout cost together. */
function cutOff(
  timeoutMs: number,
  signal: AbortSignal | undefined,
): { signal: AbortSignal; release(): void } {
  const cut = new AbortController()
  const leave = () => cut.abort()
  const timer = setTimeout(
    () => cut.abort(new DOMException('the deadline has passed', 'TimeoutError')),
    timeoutMs,
  )
  if (signal?.aborted === true) leave()
  signal?.addEventListener('abort', leave)
  return {
    signal: cut.signal,
    release: () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', leave)
    },
  }
}

async function readWhole(
  { connection, maxBytes }: Outgoing & { maxBytes: number },
  body: Answered['body'],
  late: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > maxBytes) throw new Error(`the answer is larger than ${maxBytes} bytes`)
      chunks.push(chunk)
    }
  } catch (cause) {
    drop(body)
    throw broken(connection.name, cause, performance.now() > late)
  }
  return Buffer.concat(chunks)
}

/** A flat list: an object with two spellings of one name would send both. */
function headersOf({ connection, headers, credential }: Outgoing): string[] {
  const placement = providerNamed(connection.provider)?.placements[connection.placement]
  if (placement === undefined) throw new Error(`no placement ${connection.placement}`)
  return [
    ...headers.flat(),
    'accept-encoding',
    'identity',
    'user-agent',
    'valetkey',
    placement.header,
    placement.prefix + credential.reveal(),
  ]
}

function pairs(
  headers: Record<string, string | string[] | undefined>,
): (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    value === undefined ? [] : [value].flat().map((one) => [name.toLowerCase(), one] as const),
  )
}

/** A cause may quote headers, so only its kind is told; the error itself goes to the log as `cause`. */
export function broken(connection: string, cause: unknown, late: boolean): BrokerError {
  if (cause instanceof BrokerError) return cause
  const hint = 'Whether it did what was asked is not known: look before you send it again.'
  if (
    late ||
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
