/** Admin routes about agents. A secret is shown once, when it is made. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import {
  type AgentShown,
  listAgents,
  longestOverlap,
  newAgentSecret,
  showAgent,
} from '../../identity/agents.ts'
import { Name } from '../../ids.ts'
import { editor, gives, operatorApp, shownAnyway, takes } from './operator.ts'

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
      const { name, scopes } = c.req.valid('json')
      const { secret, hash } = await newAgentSecret()
      await make(ctx, editor(c), 'agent.add', { name, scopes, hash }).catch(
        shownAnyway({ name, secret }),
      )
      return c.json({ name, secret: secret.reveal() }, 201)
    })
    .openapi(show, async (c) => c.json(shown(await showAgent(ctx, c.req.valid('param').name)), 200))
    .openapi(remove, async (c) => {
      await make(ctx, editor(c), 'agent.remove', c.req.valid('param'))
      return c.body(null, 204)
    })
    .openapi(grant, async (c) => {
      const { name, scope } = c.req.valid('param')
      await make(ctx, editor(c), 'agent.grant', { name, scope })
      return c.body(null, 204)
    })
    .openapi(revoke, async (c) => {
      const { name, scope } = c.req.valid('param')
      await make(ctx, editor(c), 'agent.revoke', { name, scope })
      return c.body(null, 204)
    })
    .openapi(rotate, async (c) => {
      const { name } = c.req.valid('param')
      const overlapSeconds = c.req.valid('json').overlap_seconds
      const { secret, hash } = await newAgentSecret()
      await make(ctx, editor(c), 'agent.rotate', { name, hash, overlapSeconds }).catch(
        shownAnyway({ name, secret }),
      )
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
