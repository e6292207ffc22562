/** How the machine surface says no: every error becomes a problem document, and what is unknown says nothing of itself. */
import type { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { Env, NotFoundHandler } from 'hono/types'
import type { ZodError } from 'zod'
import { BrokerError, type Problem, problem } from '../errors.ts'
import { challengeOf } from '../exchange/answer.ts'
import type { Logger } from '../log.ts'

export const requestIdHeader = 'Valetkey-Request-Id'

/** The response for an error, which is logged here when it is ours. `headers` are added by the plane that answers. */
export function refusal(
  error: unknown,
  requestId: string,
  log: Logger,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const document = problem(readable(error), requestId)
  if (document.status >= 500) log.error({ err: error, request: requestId }, document.detail)
  return problemResponse(document, headers)
}

export function problemResponse(
  document: Problem,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(document), {
    status: document.status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      [requestIdHeader]: document.request_id,
      ...(document.status === 401 ? { 'WWW-Authenticate': challengeOf(document) } : {}),
      // What was not read of the body would be taken for the next request.
      ...(document.status === 413 ? { Connection: 'close' } : {}),
      ...(document.retry_after === undefined
        ? {}
        : { 'Retry-After': String(document.retry_after) }),
      ...headers,
    },
  })
}

/** What hono itself refuses before a handler runs: bodies that are not JSON, or not of the declared type. */
function readable(error: unknown): unknown {
  if (!(error instanceof HTTPException) || error.status >= 500) return error
  const detail =
    error.status === 415
      ? 'The body must be JSON, declared as application/json.'
      : 'The body is not JSON.'
  return new BrokerError('malformed-request', detail, {}, error)
}

/** `defaultHook` of every OpenAPIHono: says which field is wrong and why, and never repeats its value. */
export function refuseMalformed(
  result: { target: string } & ({ success: true } | { success: false; error: ZodError }),
): void {
  if (result.success) return
  const wrong = result.error.issues
    .slice(0, 5)
    .map((issue) => [issue.path.join('.'), issue.message].filter((part) => part !== '').join(': '))
  throw new BrokerError(
    'malformed-request',
    `${places[result.target] ?? 'The request'} is wrong: ${wrong.join('; ')}.`,
  )
}

const places: Readonly<Record<string, string>> = {
  json: 'The body',
  query: 'The query',
  param: 'The path',
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

/** The not-found handler of `app`: a path that exists for other methods is `method-not-allowed`, and names them. */
export function refuseUnmatched<E extends Env>(
  app: Hono<E>,
  options: { requestId: (c: Parameters<NotFoundHandler<E>>[0]) => string; log: Logger },
): NotFoundHandler<E> {
  return (c) => {
    const allowed = methods.filter((method) => serves(app, method, c.req.path))
    const error =
      allowed.length === 0
        ? new BrokerError('not-found', 'There is nothing at this address.')
        : new BrokerError('method-not-allowed', `This address takes ${allowed.join(', ')}.`)
    return refusal(
      error,
      options.requestId(c),
      options.log,
      allowed.length === 0 ? {} : { Allow: allowed.join(', ') },
    )
  }
}

function serves<E extends Env>(app: Hono<E>, method: string, path: string): boolean {
  const [handlers] = app.router.match(method, path)
  return handlers.some(([[, route]]) => route.method === method)
}
