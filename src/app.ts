/** The whole URL map of both planes. Routes that share a listener share nothing else. */
import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { consoleRoutes } from './console/console.ts'
import type { Context } from './context.ts'
import { adminDocument, adminRoutes } from './http/admin/admin.ts'
import { agentPlane } from './http/agent-plane.ts'
import { approvalRoutes } from './http/approvals.ts'
import { capabilityInfoRoutes } from './http/capability.ts'
import { liveness, readiness } from './http/health.ts'
import { leaseRoutes } from './http/leases.ts'
import { oauthRoutes } from './http/oauth.ts'
import { refusal, refuseUnmatched } from './http/problem.ts'
import { newRequestId } from './ids.ts'
import { currentNonce } from './tokens/dpop.ts'

export type App = { agent: RequestListener; operator: RequestListener }

export function createApp(ctx: Context): App {
  return {
    /** /x /explain, and what follows. */
    agent: agentPlane(ctx, listener(agentRest(ctx))),
    operator: listener(operatorPlane(ctx)),
  }
}

function agentRest(ctx: Context) {
  const app = new Hono()
  app.use(async (c, next) => {
    await next()
    // For the next proof (RFC 9449 section 8.2).
    if (c.req.raw.headers.has('dpop')) c.header('DPoP-Nonce', currentNonce(ctx))
  })
  app.onError((error) => refusal(error, newRequestId(), ctx.log))
  app.notFound(refuseUnmatched(app, { requestId: () => newRequestId(), log: ctx.log }))
  return app
    .route('/', oauthRoutes(ctx)) //          /oauth/token /oauth/revoke /oauth/introspect /.well-known/*
    .route('/', capabilityInfoRoutes(ctx)) // /v1/capability
    .route('/', approvalRoutes(ctx)) //       /v1/approvals/{id}
    .route('/', leaseRoutes(ctx)) //          /v1/leases
    .route('/', liveness()) //                /healthz
}

function operatorPlane(ctx: Context) {
  const admin = adminRoutes(ctx) //            /admin/*
  const document = adminDocument(admin)
  admin.route('/', readiness(ctx)) //          /readyz
  admin.route('/', consoleRoutes(ctx)) //      /console/*
  admin.get('/openapi.json', (c) => c.json(document))
  admin.get('/metrics', async (c) => {
    const { registry } = ctx.metrics
    return c.body(await registry.metrics(), 200, { 'Content-Type': registry.contentType })
  })
  return admin
}

function listener(app: { fetch: Parameters<typeof getRequestListener>[0] }): RequestListener {
  return getRequestListener(app.fetch, { overrideGlobalObjects: false })
}
