/** The operators' console: its pages, who may see them, and how it says no. It has no page for a secret, because nothing shows one. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Context } from '../context.ts'
import { BrokerError, ChangeWaits, problem } from '../errors.ts'
import { bounded } from '../http/admin/operator.ts'
import { signOut } from '../identity/operators.ts'
import { newRequestId } from '../ids.ts'
import { agentPages } from './agents.ts'
import { consoleApi } from './api/api.ts'
import {
  type ConsoleEnv,
  consoleOperator,
  consoleSession,
  demandFormToken,
  ownPage,
  takeCookie,
} from './api/session.ts'
import { approvalPages } from './approvals.ts'
import { assetRoutes } from './assets.ts'
import { auditPages } from './audit.ts'
import { changePages } from './changes.ts'
import { entryPages } from './entry.ts'
import { environmentPages } from './environments.ts'
import { freezePages } from './freezes.ts'
import { liveFeed } from './live.ts'
import { operatorPages } from './operators.ts'
import { overviewPages } from './overview.ts'
import { page } from './page.ts'
import { setupPages } from './setup.ts'

/** Seen by whoever comes; everything else sends them here first. */
const open = new Set(['/console/sign-in', '/console/enrol', '/console/recover'])

/** Paths start with `/console`: mount it at `/`. */
export function consoleRoutes(ctx: Context) {
  return new Hono()
    .route('/', assetRoutes())
    .route('/', consoleApi(ctx))
    .route('/', consolePages(ctx))
}

function consolePages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()
  for (const path of ['/console', '/console/*']) {
    app.use(path, async (c, next) => {
      c.set('requestId', newRequestId())
      c.set('operator', null)
      await next()
    })
    app.use(path, ownPage(ctx), bounded(ctx), consoleSession(ctx))
    app.use(path, async (c, next) => {
      if (c.get('operator') === null && !open.has(c.req.path)) {
        const { pathname, search } = new URL(c.req.url)
        const next_ = c.req.method === 'GET' ? `?next=${encodeURIComponent(pathname + search)}` : ''
        return c.redirect(`/console/sign-in${next_}`, 303)
      }
      return next()
    })
  }
  app.onError(async (error, c) => {
    if (error instanceof ChangeWaits) {
      return c.redirect(`/console/changes/${error.change.id}`, 303)
    }
    const said = problem(error, c.get('requestId') ?? newRequestId())
    if (said.status >= 500) ctx.log.error({ err: error, request: said.request_id }, said.detail)
    const response = await page(ctx, c, {
      title: said.title,
      body: html`<h1>${said.title}</h1><p>${said.detail}</p>${said.hint === undefined ? '' : html`<p>${said.hint}</p>`}<p class="note">${said.code} · ${said.request_id}</p><p><a href="/console">Back to the overview</a></p>`,
    })
    return new Response(response.body, { status: said.status, headers: response.headers })
  })

  app.post('/console/sign-out', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    await signOut(ctx, consoleOperator(c), c.get('requestId'))
    takeCookie(ctx, c)
    return c.redirect('/console/sign-in', 303)
  })

  return app
    .route('/', entryPages(ctx))
    .route('/', overviewPages(ctx))
    .route('/', setupPages(ctx))
    .route('/', approvalPages(ctx))
    .route('/', changePages(ctx))
    .route('/', agentPages(ctx))
    .route('/', environmentPages(ctx))
    .route('/', auditPages(ctx))
    .route('/', operatorPages(ctx))
    .route('/', freezePages(ctx))
    .route('/', liveFeed(ctx))
    .get('/console/*', () => {
      throw new BrokerError('not-found', 'There is no such page.')
    })
}
