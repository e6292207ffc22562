/**
 * The console's session: a cookie that only this page's own requests may use. A session of the command line is none, and
 * whoever holds one only looks, denies and stops: what gives authority takes a touch of the passkey.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import type { Context as HonoContext, MiddlewareHandler } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { z } from 'zod'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { type Operator, type SignedIn, sessionFor } from '../../identity/operators.ts'
import { readJson } from '../../providers/json.ts'

export type ConsoleEnv = { Variables: { requestId: string; operator: Operator | null } }
export type ConsoleContext = HonoContext<ConsoleEnv>

/** The prefix binds a cookie to this host and to TLS; without TLS a browser would not take it. */
function cookieName({ consoleUrl }: Pick<Context, 'consoleUrl'>): string {
  return consoleUrl.startsWith('https:') ? '__Host-valetkey' : 'valetkey'
}

export function giveCookie(ctx: Context, c: ConsoleContext, session: SignedIn): void {
  setCookie(c, cookieName(ctx), session.token.reveal(), {
    path: '/',
    httpOnly: true,
    secure: ctx.consoleUrl.startsWith('https:'),
    sameSite: 'Strict',
  })
}

export function takeCookie(ctx: Context, c: ConsoleContext): void {
  deleteCookie(c, cookieName(ctx), { path: '/', secure: ctx.consoleUrl.startsWith('https:') })
}

/** Finds out who is there; a page or an endpoint decides whether that is enough. */
export function consoleSession(ctx: Context): MiddlewareHandler<ConsoleEnv> {
  return async (c, next) => {
    const token = getCookie(c, cookieName(ctx))
    const kind = 'console'
    // An open page looks by itself, and must not keep a session alive that nobody sits before.
    const idle = c.req.path === '/console/events' || c.req.header('x-valetkey') === 'live'
    c.set('operator', token === undefined ? null : await sessionFor(ctx, token, { kind, idle }))
    await next()
  }
}

export function consoleOperator(c: ConsoleContext): Operator {
  const operator = c.get('operator')
  if (operator !== null) return operator
  throw new BrokerError('not-signed-in', 'Nobody is signed in to the console.', {
    hint: 'Sign in with your passkey.',
  })
}

/** Those who may say yes or no: an auditor looks. */
export function consoleRole(c: ConsoleContext, ...roles: Operator['role'][]): Operator {
  const operator = consoleOperator(c)
  if (roles.includes(operator.role)) return operator
  throw new BrokerError(
    'forbidden',
    `${operator.name} is ${operator.role}, and this needs ${roles.join(' or ')}.`,
    { hint: `Ask an operator who is ${roles.join(' or ')}.` },
  )
}

/**
 * Only the console's own page asks. A browser names the page's origin on every request that may change something, and
 * sends neither JSON nor a header of our own across sites without asking first, which nobody here answers.
 */
export function ownPage(ctx: Pick<Context, 'consoleUrl'>): MiddlewareHandler<ConsoleEnv> {
  return async (c, next) => {
    if (c.req.method !== 'GET' && c.req.method !== 'HEAD') demandOwnOrigin(ctx, c)
    await next()
  }
}

function demandOwnOrigin(ctx: Pick<Context, 'consoleUrl'>, c: ConsoleContext): void {
  const site = c.req.header('sec-fetch-site')
  if (c.req.header('origin') === ctx.consoleUrl && (site ?? 'same-origin') === 'same-origin') return
  throw new BrokerError('forbidden', 'This request does not come from the console’s own page.', {
    hint: `Open the console at ${ctx.consoleUrl}/console.`,
  })
}

/** A JSON body that a script of the page sent: no form can. */
export async function bodyOf<T>(c: ConsoleContext, shape: z.ZodType<T>): Promise<T> {
  if (
    c.req.header('x-valetkey') !== '1' ||
    !/^application\/json\b/i.test(c.req.header('content-type') ?? '')
  ) {
    throw new BrokerError('forbidden', 'The console’s own script sends JSON and says who it is.')
  }
  const parsed = shape.safeParse(readJson(new Uint8Array(await c.req.arrayBuffer())))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new BrokerError(
    'malformed-request',
    `The body is wrong: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}.`,
  )
}

/** For forms that work without scripts: derived from the cookie, which a page of another site cannot read. */
export function formToken(ctx: Context, c: ConsoleContext): string {
  const token = getCookie(c, cookieName(ctx)) ?? ''
  return hash('sha256', `valetkey form ${token}`, 'base64url')
}

export function demandFormToken(ctx: Context, c: ConsoleContext, given: unknown): void {
  const wanted = Buffer.from(formToken(ctx, c))
  const held = Buffer.from(typeof given === 'string' ? given : '')
  if (held.length === wanted.length && timingSafeEqual(held, wanted)) return
  throw new BrokerError('forbidden', 'The form is not of this session.', {
    hint: 'Load the page again.',
  })
}
