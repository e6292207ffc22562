/** Admin routes about capabilities that were minted. A capability itself is never shown: the broker does not keep it. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { listCapabilities, type MintedCapability, revokeByOperator } from '../../tokens/revoke.ts'
import { editor, gives, operatorApp } from './operator.ts'

const CapabilityShown = z
  .object({
    jti: z.string(),
    agent: z.string(),
    environment: z.string(),
    scopes: z.array(z.string()),
    reason: z.string().nullable(),
    parent: z.string().nullable().describe('The capability that it grew from.'),
    actor: z
      .string()
      .nullable()
      .describe('The sub-agent that it was made for, as its maker named it.'),
    issued_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
    revoked: z.boolean(),
  })
  .openapi('Capability')

const list = createRoute({
  method: 'get',
  path: '/admin/capabilities',
  request: {
    query: z.strictObject({
      agent: z.string().optional(),
      all: z
        .enum(['true', 'false'])
        .optional()
        .describe('Also those that have expired or were revoked.'),
    }),
  },
  responses: {
    200: gives(
      z.object({ capabilities: z.array(CapabilityShown) }),
      'The newest first, a thousand at most',
    ),
  },
})

const revoke = createRoute({
  method: 'delete',
  path: '/admin/capabilities/{jti}',
  request: { params: z.object({ jti: z.string() }) },
  responses: { 204: { description: 'Revoked with all that grew from it, on every replica' } },
})

export function capabilityRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const { agent, all } = c.req.valid('query')
      const rows = await listCapabilities(ctx, {
        all: all === 'true',
        ...(agent === undefined ? {} : { agent }),
      })
      return c.json({ capabilities: rows.map(shown) }, 200)
    })
    .openapi(revoke, async (c) => {
      await revokeByOperator(ctx, editor(c), c.req.valid('param').jti)
      return c.body(null, 204)
    })
}

function shown(row: MintedCapability): z.infer<typeof CapabilityShown> {
  return {
    jti: row.jti,
    agent: row.agent,
    environment: row.environment,
    scopes: row.scopes,
    reason: row.reason,
    parent: row.parent,
    actor: row.actor,
    issued_at: row.issuedAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    revoked: row.revoked,
  }
}
