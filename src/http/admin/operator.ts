/** What every admin route shares: a session in the bearer header, JSON in bounds, roles. Never a cookie, never a capability. */
import { OpenAPIHono, type z } from '@hono/zod-openapi'
import type { Context as HonoContext, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { Context } from '../../context.ts'
import { BrokerError, ChangeWaits } from '../../errors.ts'
import { type Operator, sessionFor } from '../../identity/operators.ts'
import { newRequestId } from '../../ids.ts'
import type { Editor } from '../../realm/edit.ts'
import type { Secret } from '../../seal/secret.ts'
import { refuseMalformed, requestIdHeader } from '../problem.ts'

export type OperatorEnv = { Variables: { requestId: string; operator: Operator | null } }

/** An empty sub-app for one noun, whose refusals are the same everywhere. */
export function operatorApp() {
  return new OpenAPIHono<OperatorEnv>({ defaultHook: refuseMalformed })
}

/** The body of a route that takes JSON. */
export function takes<T extends z.ZodType>(schema: T) {
  return { required: true as const, content: { 'application/json': { schema } } }
}

/** One answer of a route. */
export function gives<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { 'application/json': { schema } } }
}

/** The operator who is signed in; a route that nobody needs to be signed in for does not ask. */
export function signedIn(c: HonoContext<OperatorEnv>): Operator {
  const operator = c.get('operator')
  if (operator === null) {
    throw new BrokerError('not-signed-in', 'This needs an operator who is signed in.', {
      hint: 'Sign in with: valetkey login',
    })
  }
  return operator
}

export function requireRole(c: HonoContext<OperatorEnv>, ...roles: Operator['role'][]): Operator {
  const operator = signedIn(c)
  if (!roles.includes(operator.role)) {
    throw new BrokerError(
      'forbidden',
      `${operator.name} is ${operator.role}, and this needs ${roles.join(' or ')}.`,
      { hint: `Ask an operator who is ${roles.join(' or ')}.` },
    )
  }
  return operator
}

/** Who edits, for the audit log. */
export function editor(c: HonoContext<OperatorEnv>): Editor {
  return { name: requireRole(c, 'admin').name, request: c.get('requestId') }
}

/** What is shown once goes out with the answer that the edit waits: it is good as soon as the edit is. */
export function shownAnyway(shown: {
  name?: string
  secret?: Secret
  key?: string
  code?: Secret
}): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof ChangeWaits)) throw error
    const { name, secret, key, code } = shown
    throw Object.assign(error, {
      shown: {
        ...(name === undefined ? {} : { name }),
        ...(secret === undefined ? {} : { secret: secret.reveal() }),
        ...(key === undefined ? {} : { key }),
        ...(code === undefined ? {} : { code: code.reveal() }),
      },
    })
  }
}

/** Accepted, and not done: an edit that an admin has to confirm. */
export function waits({ change, shown }: ChangeWaits) {
  const { id, url, expiresAt, diff } = change
  return { ...shown, change: id, url, expires_at: expiresAt.toISOString(), diff }
}

/** First on the way in: the request's id, and the headers of every answer. */
export const identified: MiddlewareHandler<OperatorEnv> = async (c, next) => {
  const id = newRequestId()
  c.set('requestId', id)
  c.set('operator', null)
  await next()
  c.header(requestIdHeader, id)
  c.header('Cache-Control', 'no-store')
  c.header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('X-Frame-Options', 'DENY')
  c.header('Referrer-Policy', 'no-referrer')
}

/** The description of a large API has this many bytes. */
const descriptionBytes = 32_000_000

export function bounded(ctx: Pick<Context, 'config'>): MiddlewareHandler<OperatorEnv> {
  const usual = limitOf(ctx.config.limits.bodyBytes)
  const large = limitOf(descriptionBytes)
  return (c, next) => {
    // The limit copies a request that does not say how long it is, and the Node adapter's cannot be copied.
    const { url, method, headers, body, signal } = c.req.raw
    if (body !== null) {
      c.req.raw = new Request(url, { method, headers, body, signal, duplex: 'half' })
    }
    // One that does not say how long it is would be held before anybody knows whose it is.
    const whole = /^\/admin\/(?:providers\/|configuration$)/.test(c.req.path)
    const describes = whole && headers.has('content-length')
    return (describes ? large : usual)(c, next)
  }
}

function limitOf(maxSize: number): MiddlewareHandler {
  return bodyLimit({
    maxSize,
    onError: () => {
      throw new BrokerError('payload-too-large', `The body is larger than ${maxSize} bytes.`)
    },
  })
}

/** A browser says whose page it is; only the console's own may ask. The session is no cookie, so this is a second net. */
export function sameOrigin(ctx: Pick<Context, 'consoleUrl'>): MiddlewareHandler<OperatorEnv> {
  return async (c, next) => {
    const origin = c.req.header('origin')
    const foreign = origin !== undefined && origin !== ctx.consoleUrl
    if (foreign || c.req.header('sec-fetch-site') === 'cross-site') {
      throw new BrokerError('forbidden', 'A page of another site may not use this address.')
    }
    await next()
  }
}

const openRoutes = new Set([
  'POST /admin/session',
  'POST /admin/sign-ins',
  'POST /admin/sign-ins/poll',
])
/** A session ends itself whatever its role. */
const anyRole = new Set(['DELETE /admin/session'])
/** Stopping things is not for admins alone. */
const approversToo = [
  /^POST \/admin\/changes\/[^/]+\/reject$/,
  /^POST \/admin\/freezes$/,
  /^POST \/admin\/approvals\/[^/]+\/deny$/,
]

/** Everything needs a session unless it is listed as open, and everything but reading needs an admin. */
export function authenticated(ctx: Context): MiddlewareHandler<OperatorEnv> {
  return async (c, next) => {
    const route = `${c.req.method} ${c.req.path}`
    if (!openRoutes.has(route)) {
      const token = bearer(c.req.header('authorization'))
      c.set('operator', token === null ? null : await sessionFor(ctx, token))
      signedIn(c)
      const reads = c.req.method === 'GET' || c.req.method === 'HEAD'
      if (!reads && !anyRole.has(route)) {
        if (approversToo.some((one) => one.test(route))) requireRole(c, 'admin', 'approver')
        else requireRole(c, 'admin')
      }
    }
    await next()
  }
}

function bearer(header: string | undefined): string | null {
  return /^Bearer (vko_[A-Za-z0-9_-]{1,200})$/i.exec(header ?? '')?.[1] ?? null
}
