/** What the console's scripts ask: JSON, by the session's own page only. Every refusal is a problem document, and is written down. */
import { Hono } from 'hono'
import type { Context } from '../../context.ts'
import { BrokerError, ChangeWaits } from '../../errors.ts'
import { bounded, waits } from '../../http/admin/operator.ts'
import { refusal } from '../../http/problem.ts'
import { newRequestId } from '../../ids.ts'
import { approvalApi } from './approvals.ts'
import { changeApi } from './changes.ts'
import { entryRoutes } from './entry.ts'
import { freezeRoutes } from './freezes.ts'
import { passkeyRoutes } from './passkeys.ts'
import { type ConsoleEnv, consoleSession, ownPage } from './session.ts'

/** Paths start with `/console/api`: mount it at `/`. */
export function consoleApi(ctx: Context) {
  const app = new Hono<ConsoleEnv>()
  app.use('/console/api/*', async (c, next) => {
    c.set('requestId', newRequestId())
    await next()
    c.header('Cache-Control', 'no-store')
    c.header('X-Content-Type-Options', 'nosniff')
    c.header('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  })
  app.use('/console/api/*', ownPage(ctx), bounded(ctx), consoleSession(ctx))
  app.onError(async (error, c) => {
    if (error instanceof ChangeWaits) return c.json(waits(error), 202)
    if (error instanceof BrokerError) await written(ctx, c, error)
    return refusal(error, c.get('requestId') ?? newRequestId(), ctx.log)
  })
  return app
    .route('/', entryRoutes(ctx))
    .route('/', passkeyRoutes(ctx))
    .route('/', approvalApi(ctx))
    .route('/', changeApi(ctx))
    .route('/', freezeRoutes(ctx))
}

/** A try that was refused is worth knowing of: the same few reasons are counted, so that nobody fills the log. */
async function written(
  ctx: Context,
  c: { req: { path: string }; get(name: 'operator'): { name: string } | null },
  error: BrokerError,
): Promise<void> {
  if (error.code !== 'forbidden' && error.code !== 'not-signed-in') return
  const operator = c.get('operator')?.name
  await ctx.journal.refuse({
    ...(operator === undefined ? {} : { operator }),
    operation: 'console',
    outcome: error.code,
    facts: { what: 'console', path: c.req.path.slice(0, 200), detail: error.message },
  })
}
