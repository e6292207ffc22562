/** The operators' API, composed of one sub-app per noun. Everything passes the same gate, and every refusal is a problem document. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { newId } from '../../ids.ts'
import { refusal, refuseMalformed, refuseUnmatched } from '../problem.ts'
import { agentRoutes } from './agents.ts'
import { auditRoutes } from './audit.ts'
import { capabilityRoutes } from './capabilities.ts'
import { connectionRoutes } from './connections.ts'
import { environmentRoutes } from './environments.ts'
import { keyRoutes } from './keys.ts'
import { authenticated, bounded, identified, type OperatorEnv, sameOrigin } from './operator.ts'
import { operatorRoutes } from './operators.ts'
import { providerRoutes } from './providers.ts'
import { scopeRoutes } from './scopes.ts'
import { sessionRoutes } from './session.ts'
import { statusRoutes } from './status.ts'

/** Paths start with `/admin`: mount it at `/`. */
export function adminRoutes(ctx: Context) {
  const app = new OpenAPIHono<OperatorEnv>({ defaultHook: refuseMalformed })
  app.use('/admin/*', identified, sameOrigin(ctx), bounded(ctx), authenticated(ctx))
  app.onError((error, c) => refusal(error, c.get('requestId') ?? newId('req'), ctx.log))
  app.notFound(
    refuseUnmatched(app, {
      requestId: (c) => c.get('requestId') ?? newId('req'),
      log: ctx.log,
    }),
  )
  return app
    .route('/', sessionRoutes(ctx))
    .route('/', operatorRoutes(ctx))
    .route('/', statusRoutes(ctx))
    .route('/', providerRoutes(ctx))
    .route('/', connectionRoutes(ctx))
    .route('/', environmentRoutes(ctx))
    .route('/', scopeRoutes(ctx))
    .route('/', agentRoutes(ctx))
    .route('/', capabilityRoutes(ctx))
    .route('/', auditRoutes(ctx))
    .route('/', keyRoutes(ctx))
}

export type AdminApp = ReturnType<typeof adminRoutes>
