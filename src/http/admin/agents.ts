/** Admin routes about agents. A secret is shown once, when it is made. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import {
  type AgentShown,
  addAgent,
  grantScope,
  listAgents,
  longestOverlap,
  removeAgent,
  revokeGrant,
  rotateSecret,
  showAgent,
} from '../../identity/agents.ts'
import { Name } from '../../ids.ts'
import { editor, gives, operatorApp, takes } from './operator.ts'

const Agent = z
  .object({
    name: z.string(),
    scopes: z.array(z.string()),
    created_at: z.iso.datetime(),
    secrets: z.array(
      z.object({ created_at: z.iso.datetime(), expires_at: z.iso.datetime().nullable() }),
    ),
  })
  .openapi('Agent')

const SecretOnce = z.object({ name: z.string(), secret: z.string() })

const params = z.object({ name: z.string() })

const list = createRoute({
  method: 'get',
  path: '/admin/agents',
  responses: { 200: gives(z.object({ agents: z.array(Agent) }), 'Every agent') },
})

const add = createRoute({
  method: 'post',
  path: '/admin/agents',
  request: {
    body: takes(z.strictObject({ name: Name, scopes: z.array(Name).max(100).default([]) })),
  },
  responses: { 201: gives(SecretOnce, 'Its client id and secret, shown once') },
})

const show = createRoute({
  method: 'get',
  path: '/admin/agents/{name}',
  request: { params },
  responses: { 200: gives(Agent, 'One agent') },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/agents/{name}',
  request: { params },
  responses: { 204: { description: 'Removed; its capabilities are void' } },
})

const grantParams = z.object({ name: z.string(), scope: z.string() })

const grant = createRoute({
  method: 'put',
  path: '/admin/agents/{name}/grants/{scope}',
  request: { params: grantParams },
  responses: { 204: { description: 'Granted' } },
})

const revoke = createRoute({
  method: 'delete',
  path: '/admin/agents/{name}/grants/{scope}',
  request: { params: grantParams },
  responses: { 204: { description: 'No longer granted' } },
})

const rotate = createRoute({
  method: 'post',
  path: '/admin/agents/{name}/secrets',
  request: {
    params,
    body: takes(
      z.strictObject({
        overlap_seconds: z
          .int()
          .min(0)
          .max(longestOverlap)
          .default(0)
          .describe('How long the earlier secret still works.'),
      }),
    ),
  },
  responses: { 201: gives(SecretOnce, 'The new secret, shown once') },
})

export function agentRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => c.json({ agents: (await listAgents(ctx)).map(shown) }, 200))
    .openapi(add, async (c) => {
      const { name, secret } = await addAgent(ctx, editor(c), c.req.valid('json'))
      return c.json({ name, secret: secret.reveal() }, 201)
    })
    .openapi(show, async (c) => c.json(shown(await showAgent(ctx, c.req.valid('param').name)), 200))
    .openapi(remove, async (c) => {
      await removeAgent(ctx, editor(c), c.req.valid('param').name)
      return c.body(null, 204)
    })
    .openapi(grant, async (c) => {
      const { name, scope } = c.req.valid('param')
      await grantScope(ctx, editor(c), name, scope)
      return c.body(null, 204)
    })
    .openapi(revoke, async (c) => {
      const { name, scope } = c.req.valid('param')
      await revokeGrant(ctx, editor(c), name, scope)
      return c.body(null, 204)
    })
    .openapi(rotate, async (c) => {
      const { name } = c.req.valid('param')
      const overlapSeconds = c.req.valid('json').overlap_seconds
      const secret = await rotateSecret(ctx, editor(c), name, { overlapSeconds })
      return c.json({ name, secret: secret.reveal() }, 201)
    })
}

function shown(agent: AgentShown): z.infer<typeof Agent> {
  return {
    name: agent.name,
    scopes: agent.scopes,
    created_at: agent.createdAt.toISOString(),
    secrets: agent.secrets.map((one) => ({
      created_at: one.createdAt.toISOString(),
      expires_at: one.expiresAt?.toISOString() ?? null,
    })),
  }
}
