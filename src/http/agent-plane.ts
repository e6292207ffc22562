/**
 * Hands the raw request to the road and writes what comes back. It decides on the raw target and the raw headers, because
 * a tidied request is one reading of several; it judges nothing itself.
 */
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { finished } from 'node:stream/promises'
import type { Limits } from '../config.ts'
import { type Context, perContext } from '../context.ts'
import { BrokerError, problem } from '../errors.ts'
import { refusal } from '../exchange/answer.ts'
import type { Incoming } from '../exchange/call.ts'
import { exchange } from '../exchange/exchange.ts'
import { explain } from '../exchange/explain.ts'
import type { Answer } from '../exchange/forward.ts'
import { refusalForm } from '../exchange/judge.ts'
import { containerCredentials, credentialsPath, lease } from '../exchange/lease.ts'
import { newRequestId } from '../ids.ts'
import { currentNonce } from '../tokens/dpop.ts'

/** A reader that takes nothing for this long is cut. */
const slowReaderMs = 30_000

/** What came in at a listener for one connection. */
const doors = new WeakSet<IncomingMessage>()

/** Whatever comes in is for one connection: its path is put below that, raw as it is, and judged like any other. */
export function behindDoor(connection: string, agent: RequestListener): RequestListener {
  return (request, response) => {
    request.url = `/x/${connection}${request.url ?? ''}`
    doors.add(request)
    return agent(request, response)
  }
}

/** The road for `/x` and `/explain`; everything else goes to `rest`. */
export function agentPlane(ctx: Context, rest: RequestListener): RequestListener {
  const calls = underWay(ctx)
  return (request, response) => {
    const target = request.url ?? ''
    const road = target.startsWith('/x/')
      ? exchange
      : target.startsWith('/explain/')
        ? explain
        : target === '/v1/leases' && request.method === 'POST'
          ? lease
          : credentialsPath.test(target) && request.method === 'GET'
            ? containerCredentials
            : null
    if (road === null) return rest(request, response)
    const travelling = travel(ctx, road, request, response).catch((error) => {
      ctx.log.error({ err: error }, 'an answer could not be written')
      response.destroy()
    })
    calls.add(travelling)
    void travelling.then(() => calls.delete(travelling))
  }
}

const underWay = perContext(() => new Set<Promise<void>>())

/** When every call that has come so far has ended, answered or cut. */
export async function settled(ctx: Context): Promise<void> {
  await Promise.all(underWay(ctx))
}

async function travel(
  ctx: Context,
  road: (ctx: Context, incoming: Incoming) => Promise<Answer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const id = newRequestId()
  const held = hold(ctx)
  const gone = new AbortController()
  // After a whole answer nobody listens any more, and an abort is not cheap.
  response.once('close', () => response.writableFinished || gone.abort())
  let answer: Answer
  let verdict = 'allow'
  try {
    answer = await road(ctx, incomingFrom(request, id, gone, held, ctx.config.limits))
  } catch (error) {
    answer = refused(ctx, error, id, request.url ?? '')
    verdict = 'deny'
  }
  held.release()
  // The nonce for the next proof, to whoever sends any.
  const nonce = 'dpop' in request.headers ? ['dpop-nonce', currentNonce(ctx)] : []
  await write(request, response, answer, { id, verdict, gone: gone.signal, nonce })
}

type Held = { take(bytes: number): void; release(): void }

const heldBytes = perContext(() => ({ now: 0 }))

/** Bodies wait in memory until they have been sent on: many large ones at once would end the process. */
function hold(ctx: Context): Held {
  const all = heldBytes(ctx)
  let own = 0
  return {
    take(bytes) {
      if (all.now + bytes > ctx.config.limits.heldBytes) {
        throw new BrokerError('limit-exceeded', 'The broker holds as many bodies as it can.', {
          hint: 'Send it again in a moment.',
          retryAfter: 1,
        })
      }
      own += bytes
      all.now += bytes
    },
    release() {
      all.now -= own
      own = 0
    },
  }
}

function refused(ctx: Context, error: unknown, id: string, target: string): Answer {
  const document = problem(error, id)
  if (document.status >= 500) ctx.log.error({ err: error, request: id }, document.detail)
  if (document.status === 401) {
    ctx.metrics.strangers.inc({ code: document.code })
    ctx.log.info({ request: id, code: document.code }, 'a stranger was refused')
  }
  return refusal(document, refusalForm(ctx, target))
}

/** Throws `payload-too-large` for more headers than anybody needs. */
function incomingFrom(
  request: IncomingMessage,
  id: string,
  gone: AbortController,
  held: Held,
  limits: Limits,
): Incoming {
  return {
    id,
    method: request.method ?? '',
    target: request.url ?? '',
    headers: pairs(request.rawHeaders, limits),
    body: (limit) => readBody(request, limit, held),
    address: request.socket.remoteAddress ?? 'unknown',
    ...(doors.has(request) ? { root: '' } : {}),
    signal: gone.signal,
    cut: (why) => gone.abort(why),
  }
}

function pairs(raw: readonly string[], limits: Limits): [string, string][] {
  if (raw.length / 2 > limits.headerCount) {
    throw new BrokerError(
      'payload-too-large',
      `The request has more than ${limits.headerCount} headers.`,
      {
        hint: 'Send fewer.',
      },
    )
  }
  const headers: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    headers.push([(raw[i] ?? '').toLowerCase(), raw[i + 1] ?? ''])
  }
  return headers
}

/** By events: an iterator over the request costs more than the rest of reading it. */
function readBody(request: IncomingMessage, limit: number, held: Held): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const tooLarge = () =>
    reject(
      new BrokerError('payload-too-large', `The body is larger than ${limit} bytes.`, {
        hint: 'Send less at a time. A larger upload is taken only where the scope names what it is for: see GET /v1/capability.',
      }),
    )
  const broken = (cause?: Error) =>
    reject(new BrokerError('malformed-request', 'The body broke off.', {}, cause))
  if (Number(request.headers['content-length'] ?? 0) > limit) tooLarge()
  else if (request.destroyed) broken()
  else {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > limit) {
        request.pause()
        return tooLarge()
      }
      try {
        held.take(chunk.length)
        chunks.push(chunk)
      } catch (error) {
        request.pause()
        reject(error)
      }
    })
    request.once('end', () => resolve(whole(chunks)))
    request.once('error', broken)
    request.once('close', () => request.readableEnded || broken())
  }
  return promise
}

function whole(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
}

async function write(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  { id, verdict, gone, nonce }: { id: string; verdict: string; gone: AbortSignal; nonce: string[] },
): Promise<void> {
  if (response.destroyed) return discard(answer)
  const { status, headers, body } = answer
  const length = body instanceof Uint8Array ? ['content-length', String(body.length)] : []
  // What was not read of the body would be taken for the next request, or read for ever.
  const last = request.complete ? [] : ['connection', 'close']
  response.writeHead(status, [
    ...['valetkey-request-id', id, 'valetkey-verdict', verdict],
    ...['x-content-type-options', 'nosniff'],
    ...nonce,
    ...headers.flat(),
    ...length,
    ...last,
  ])
  if (body instanceof Uint8Array) {
    if (last.length > 0) await heard(request, response, body)
    response.end(last.length > 0 ? undefined : body)
    return
  }
  try {
    for await (const chunk of body) {
      if (response.destroyed) return
      if (!response.write(chunk)) {
        const slow = AbortSignal.timeout(slowReaderMs)
        await once(response, 'drain', { signal: AbortSignal.any([gone, slow]) })
      }
    }
    response.end()
  } catch {
    // The status has gone out: cutting the connection is the only way left to say that this is not the whole answer.
    response.destroy()
  }
}

const lingerMs = 2_000

/**
 * A client that is still sending would find its connection cut before it has read the answer, so that is read on for a while,
 * into nothing (as in RFC 9112 section 9.6).
 */
async function heard(
  request: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array,
): Promise<void> {
  response.write(body)
  // What was to be kept of it is not any more.
  request.removeAllListeners('data').resume()
  await finished(request, { signal: AbortSignal.timeout(lingerMs) }).catch(() => {})
}

/** Ends a stream that nobody will read, so that its entry closes: one that was never begun would end without doing so. */
async function discard({ body }: Answer): Promise<void> {
  if (body instanceof Uint8Array) return
  const chunks = body[Symbol.asyncIterator]()
  await chunks.next().catch(() => {})
  await chunks.return?.()
}
