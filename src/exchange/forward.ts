/**
 * Sends the canonical request and brings back an answer that may be shown: few headers, decoded, redacted. Never follows
 * a redirect, and never passes the upstream's refusal of the credential on as the broker's own.
 */
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { CanonicalRequest, Provider } from '../providers/provider.ts'
import type { ConnectionPolicy } from '../realm/realm.ts'
import type { Secret } from '../seal/secret.ts'
import { noteCredential } from '../vault/health.ts'
import { type Answered, joined } from './answering.ts'
import { concealed } from './conceal.ts'
import { broken } from './dial.ts'
import { type Forms, formsOf, redactStream, redactText, redactWhole, tooLarge } from './redact.ts'

/** What goes back to the caller. */
export type Answer = {
  status: number
  headers: readonly (readonly [string, string])[]
  body: Uint8Array | AsyncIterable<Uint8Array>
}

/** Everything else that an upstream sends stays here, Set-Cookie and credentials first of all. */
const relayed = new Set([
  'content-type',
  'retry-after',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'x-ratelimit-reset',
])

/** Answers up to this size are read whole; larger ones are streamed. */
const wholeBytes = 262_144

const decoders: Readonly<
  Record<string, (bytes: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>>
> = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
  br: promisify(brotliDecompress),
}

export type Sending = {
  connection: ConnectionPolicy
  provider: Provider
  request: CanonicalRequest
  credential: Secret
  /** Secrets that it had before: not sent, but taken out of the answer too. */
  former: readonly Secret[]
  /** What was sent is good for nothing any more. */
  forget: () => void
  /** Where the connection lies as the caller sees it: `/x/github`, or nothing at a listener of its own. */
  root: string
  signal: AbortSignal
}

/** An upstream's answer. `failed` when it says that it did not do what was asked. */
export type Relayed = Answer & { failed: boolean }

export async function forward(ctx: Context, sending: Sending): Promise<Relayed> {
  const { connection, request, credential, signal } = sending
  const answered = await ctx.dial.send({
    connection,
    method: request.method,
    path: request.path,
    query: request.query,
    headers: [
      ['accept', request.accept],
      ...(request.contentType === null ? [] : [['content-type', request.contentType] as const]),
      ...(request.idempotencyKey === undefined
        ? []
        : [['idempotency-key', request.idempotencyKey] as const]),
    ],
    body: request.body,
    credential,
    timeoutMs: ctx.config.limits.upstreamMs,
    wholeBytes,
    signal,
  })
  const forms = remembered(sending)
  const redirected = redirection(sending, forms, answered)
  if (redirected !== null) return redirected
  const body = await readBody(ctx, sending, answered, forms)
  const failed =
    body instanceof Uint8Array
      ? saysFailed(ctx, sending, answered.status, body)
      : answered.status >= 400
  const headers = answered.headers
    .filter(([name]) => relayed.has(name))
    .map(([name, value]) => [name, redactText(forms, value)] as const)
  return { status: answered.status, headers, body, failed }
}

const known = new WeakMap<Secret, { of: readonly Secret[]; forms: Forms }>()

/** A policy holds the same secrets for as long as it is the policy. */
function remembered({ credential, former }: Sending): Forms {
  const held = known.get(credential)
  if (held?.of.length === former.length && held.of.every((one, i) => one === former[i])) {
    return held.forms
  }
  const forms = formsOf([credential, ...former])
  known.set(credential, { of: former, forms })
  return forms
}

/**
 * Never followed here. One of a REST API that stays below the base URL is shown as the broker's own path, so that whoever follows it
 * asks again and is judged again. Any other Location may carry a signed URL, so only its host is told.
 */
function redirection(sending: Sending, forms: Forms, answered: Answered): Relayed | null {
  const { connection, provider, request, root } = sending
  const { status, headers, drop } = answered
  if (status < 300 || status >= 400) return null
  drop()
  const base = new URL(connection.baseUrl)
  const [, location = ''] = headers.find(([name]) => name === 'location') ?? []
  const from = connection.baseUrl + request.path
  const to = URL.canParse(location, from) ? new URL(location, from) : null
  const below = base.pathname.replace(/\/$/, '')
  if (
    provider.engine === 'rest' &&
    to !== null &&
    to.origin === base.origin &&
    to.username === '' &&
    to.pathname.startsWith(`${below}/`) &&
    // To a client this would be another host's.
    !to.pathname.slice(below.length).startsWith('//')
  ) {
    const path = root + to.pathname.slice(below.length) + to.search
    const shown = [['location', redactText(forms, path)] as const]
    return { status, headers: shown, body: new Uint8Array(), failed: false }
  }
  const where = to === null ? '' : ` to ${redactText(forms, to.host)}`
  throw new BrokerError(
    'upstream-unreachable',
    `The upstream of ${connection.name} answered ${status}, a redirect${where}, which the broker never follows.`,
    { connection: connection.name, hint: 'Check the base URL of the connection with a human.' },
  )
}

async function readBody(
  ctx: Context,
  { connection, provider: { conceals } }: Sending,
  { headers, body, drop }: Answered,
  forms: Forms,
): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const { answerBytes } = ctx.config.limits
  const all = () => (body instanceof Uint8Array ? body : gather(connection.name, body, answerBytes))
  const shown = (bytes: Buffer) =>
    redactWhole(forms, conceals === undefined ? bytes : concealed(conceals, bytes))
  const encoding = headers
    .flatMap(([name, value]) => (name === 'content-encoding' ? [value.toLowerCase()] : []))
    .join(', ')
  if (encoding === '' || encoding === 'identity') {
    return body instanceof Uint8Array || conceals !== undefined
      ? shown(demandPlain(await all()))
      : redactStream(forms, plain(body), answerBytes)
  }
  const decode = decoders[encoding]
  if (decode === undefined) {
    drop()
    throw unredactable(
      `is encoded as ${/^[\w, -]{1,40}$/.test(encoding) ? encoding : 'something else'}`,
    )
  }
  const encoded = await all()
  try {
    return shown(demandPlain(await decode(encoded, { maxOutputLength: answerBytes })))
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause
    throw cause instanceof RangeError
      ? tooLarge(answerBytes)
      : unredactable('cannot be decoded', cause)
  }
}

/** How gzip (RFC 1952) and zstandard (RFC 8878) begin. A client may unpack them without being told to, and find what was not. */
const packed = [Buffer.from([0x1f, 0x8b]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd])]

function demandPlain(body: Buffer): Buffer {
  if (packed.every((magic) => !body.subarray(0, magic.length).equals(magic))) return body
  throw unredactable('is packed, and does not say so,')
}

async function* plain(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let start: Buffer | null = Buffer.alloc(0)
  for await (const chunk of chunks) {
    if (start === null) {
      yield chunk
      continue
    }
    start = Buffer.concat([start, chunk])
    if (start.length < 4) continue
    yield demandPlain(start)
    start = null
  }
  if (start !== null) yield demandPlain(start)
}

/** Leaving the loop early drops the rest. */
async function gather(
  connection: string,
  body: AsyncIterable<Buffer>,
  maxBytes: number,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of body) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge(maxBytes)
      chunks.push(chunk)
    }
  } catch (cause) {
    throw broken(connection, cause)
  }
  return joined(chunks)
}

/**
 * Whether the answer is a failure. An upstream that refuses the credential is the operator's trouble: an agent must not
 * take it for its own.
 */
function saysFailed(
  ctx: Context,
  { connection, provider, forget }: Sending,
  status: number,
  body: Uint8Array,
): boolean {
  const suspicious =
    status >= 400 || Buffer.from(body.buffer, body.byteOffset, body.length).includes('"errors"')
  const answer = suspicious ? parse(body) : undefined
  const rejected = suspicious && provider.rejectsCredential(status, answer)
  noteCredential(ctx, connection.name, !rejected)
  if (rejected) forget()
  if (!rejected) return status >= 400 || (suspicious && provider.reportsFailure(answer))
  throw new BrokerError(
    'upstream-credential-rejected',
    `The upstream of ${connection.name} refused the connection's own credential for this.`,
    {
      connection: connection.name,
      hint: 'Nothing is wrong with your capability. Ask a human to run `valetkey connection test`.',
    },
  )
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'))
  } catch {
    // No JSON: then it is not a provider's way to refuse a credential in the body.
    return undefined
  }
}

function unredactable(how: string, cause?: unknown): BrokerError {
  return new BrokerError(
    'response-unredactable',
    `The upstream's answer ${how} although plain text was asked for, so it could not be searched for secrets.`,
    {
      hint: 'Whether the upstream did what was asked is not known: look before you send it again.',
    },
    cause,
  )
}
