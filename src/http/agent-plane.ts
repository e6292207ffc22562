/**
 * Hands the raw request to the road and writes what comes back. It decides on the raw target and the raw headers, because
 * a tidied request is one reading of several; it judges nothing itself.
 */
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Limits } from '../config.ts'
import type { Context } from '../context.ts'
import { BrokerError, problem } from '../errors.ts'
import { refusal } from '../exchange/answer.ts'
import type { Incoming } from '../exchange/call.ts'
import { exchange } from '../exchange/exchange.ts'
import { explain } from '../exchange/explain.ts'
import type { Answer } from '../exchange/forward.ts'
import { speaksGraphql } from '../exchange/judge.ts'
import { newId } from '../ids.ts'

/** A reader that takes nothing for this long is cut. */
const slowReaderMs = 30_000

/** The road for `/x` and `/explain`; everything else goes to `rest`. */
export function agentPlane(ctx: Context, rest: RequestListener): RequestListener {
  return (request, response) => {
    const target = request.url ?? ''
    const road = target.startsWith('/x/')
      ? exchange
      : target.startsWith('/explain/')
        ? explain
        : null
    if (road === null) return rest(request, response)
    travel(ctx, road, request, response).catch((error) => {
      ctx.log.error({ err: error }, 'an answer could not be written')
      response.destroy()
    })
  }
}

async function travel(
  ctx: Context,
  road: (ctx: Context, incoming: Incoming) => Promise<Answer>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const id = newId('req')
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  let answer: Answer
  let verdict = 'allow'
  try {
    answer = await road(ctx, incomingFrom(request, id, gone.signal, ctx.config.limits))
  } catch (error) {
    answer = refused(ctx, error, id, request.url ?? '')
    verdict = 'deny'
  }
  await write(request, response, answer, id, verdict)
}

function refused(ctx: Context, error: unknown, id: string, target: string): Answer {
  const document = problem(error, id)
  if (document.status >= 500) ctx.log.error({ err: error, request: id }, document.detail)
  if (document.status === 401) {
    ctx.metrics.strangers.inc({ code: document.code })
    ctx.log.info({ request: id, code: document.code }, 'a stranger was refused')
  }
  return refusal(document, speaksGraphql(ctx, target))
}

/** Throws `payload-too-large` for more headers than anybody needs. */
function incomingFrom(
  request: IncomingMessage,
  id: string,
  signal: AbortSignal,
  limits: Limits,
): Incoming {
  return {
    id,
    method: request.method ?? '',
    target: request.url ?? '',
    headers: pairs(request.rawHeaders, limits),
    body: (limit) => readBody(request, limit),
    address: request.socket.remoteAddress ?? 'unknown',
    signal,
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

async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new BrokerError('payload-too-large', `The body is larger than ${limit} bytes.`, {
      hint: 'Send less at a time.',
    })
  if (Number(request.headers['content-length'] ?? 0) > limit) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of request) {
      size += chunk.length
      if (size > limit) throw tooLarge()
      chunks.push(chunk)
    }
  } catch (cause) {
    if (cause instanceof BrokerError) throw cause
    throw new BrokerError('malformed-request', 'The body broke off.', {}, cause)
  }
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
}

async function write(
  request: IncomingMessage,
  response: ServerResponse,
  answer: Answer,
  id: string,
  verdict: string,
): Promise<void> {
  if (response.destroyed) return discard(answer)
  response.statusCode = answer.status
  response.setHeader('valetkey-request-id', id)
  response.setHeader('valetkey-verdict', verdict)
  response.setHeader('x-content-type-options', 'nosniff')
  for (const [name, value] of answer.headers) response.setHeader(name, value)
  // What was not read of the body would be taken for the next request, or read for ever.
  if (!request.complete) response.setHeader('connection', 'close')
  if (answer.body instanceof Uint8Array) {
    response.setHeader('content-length', answer.body.length)
    response.end(answer.body)
    return
  }
  try {
    for await (const chunk of answer.body) {
      if (response.destroyed) return
      if (!response.write(chunk)) {
        await once(response, 'drain', { signal: AbortSignal.timeout(slowReaderMs) })
      }
    }
    response.end()
  } catch {
    // The status has gone out: cutting the connection is the only way left to say that this is not the whole answer.
    response.destroy()
  }
}

/** Ends a stream that nobody will read, so that its entry closes. */
async function discard({ body }: Answer): Promise<void> {
  if (body instanceof Uint8Array) return
  await body[Symbol.asyncIterator]().return?.()
}
