/** The operators' API, composed of one sub-app per noun. Everything passes the same gate, and every refusal is a problem document. */
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { ChangeWaits, codes } from '../../errors.ts'
import { newRequestId } from '../../ids.ts'
import { version } from '../../version.ts'
import { refusal, refuseMalformed, refuseUnmatched } from '../problem.ts'
import { agentRoutes } from './agents.ts'
import { approvalRoutes } from './approvals.ts'
import { auditRoutes } from './audit.ts'
import { capabilityRoutes } from './capabilities.ts'
import { changeRoutes } from './changes.ts'
import { configurationRoutes } from './configuration.ts'
import { connectionRoutes } from './connections.ts'
import { describedRoutes } from './described.ts'
import { environmentRoutes } from './environments.ts'
import { freezeRoutes } from './freezes.ts'
import { keyRoutes } from './keys.ts'
import { leaseAdminRoutes } from './leases.ts'
import {
  authenticated,
  bounded,
  identified,
  type OperatorEnv,
  sameOrigin,
  waits,
} from './operator.ts'
import { operatorRoutes } from './operators.ts'
import { providerRoutes } from './providers.ts'
import { scopeRoutes } from './scopes.ts'
import { sessionRoutes } from './session.ts'
import { statusRoutes } from './status.ts'
import { trustRoutes } from './trusts.ts'

/** Paths start with `/admin`: mount it at `/`. */
export function adminRoutes(ctx: Context) {
  const app = new OpenAPIHono<OperatorEnv>({ defaultHook: refuseMalformed })
  app.use('/admin/*', identified, sameOrigin(ctx), bounded(ctx), authenticated(ctx))
  app.onError((error, c) => {
    if (error instanceof ChangeWaits) return c.json(waits(error), 202)
    return refusal(error, c.get('requestId') ?? newRequestId(), ctx.log)
  })
  app.notFound(
    refuseUnmatched(app, {
      requestId: (c) => c.get('requestId') ?? newRequestId(),
      log: ctx.log,
    }),
  )
  return app
    .route('/', sessionRoutes(ctx))
    .route('/', operatorRoutes(ctx))
    .route('/', statusRoutes(ctx))
    .route('/', providerRoutes(ctx))
    .route('/', describedRoutes(ctx))
    .route('/', configurationRoutes(ctx))
    .route('/', connectionRoutes(ctx))
    .route('/', environmentRoutes(ctx))
    .route('/', scopeRoutes(ctx))
    .route('/', agentRoutes(ctx))
    .route('/', trustRoutes(ctx))
    .route('/', capabilityRoutes(ctx))
    .route('/', leaseAdminRoutes(ctx))
    .route('/', freezeRoutes(ctx))
    .route('/', approvalRoutes(ctx))
    .route('/', changeRoutes(ctx))
    .route('/', auditRoutes(ctx))
    .route('/', keyRoutes(ctx))
}

export type AdminApp = ReturnType<typeof adminRoutes>

/** The OpenAPI document of the routes, for `/openapi.json`. */
export function adminDocument(app: AdminApp): Record<string, unknown> {
  const { paths, components, ...rest } = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Valetkey, operator plane', version },
    security: [{ session: [] }],
  })
  return {
    ...rest,
    paths: Object.fromEntries(
      Object.entries(paths ?? {}).map(([path, item]) => [path, withRefusals(item)]),
    ),
    components: {
      ...components,
      schemas: { ...components?.schemas, Problem: problemSchema },
      securitySchemes: { session: { type: 'http', scheme: 'bearer' } },
    },
  }
}

/** Every operation may refuse, and always in the same form; said here so that no route can forget to. */
function withRefusals(item: object): Record<string, unknown> {
  const refused = {
    description: 'Refused, or failed',
    content: {
      'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } },
    },
  }
  return Object.fromEntries(
    Object.entries(item).map(([method, operation]) => [
      method,
      { ...operation, responses: { ...operation.responses, default: refused } },
    ]),
  )
}

const problemSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'request_id', 'retry'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    code: { type: 'string', enum: Object.keys(codes) },
    request_id: { type: 'string' },
    retry: { type: 'string', enum: ['never', 'new-capability', 'after-approval', 'later'] },
    hint: { type: 'string' },
    retry_after: { type: 'integer' },
  },
}
