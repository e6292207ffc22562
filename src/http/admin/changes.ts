/** Admin routes about edits that wait: to see and to reject. None confirms: that takes a passkey, and so the console. */
import { createRoute, z } from '@hono/zod-openapi'
import {
  type ChangeRow,
  digestOf,
  listChanges,
  rejectChange,
  showChange,
  stateOfChange,
} from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { gives, operatorApp, requireRole, takes } from './operator.ts'

const ChangeShown = z
  .object({
    id: z.string(),
    state: z.enum(['pending', 'confirmed', 'rejected', 'void', 'expired']),
    action: z.string(),
    proposed_by: z.string(),
    diff: z.record(z.string(), z.unknown()).describe('Effective authority: added and removed.'),
    digest: z.string().describe('Names it as it is shown here: what a passkey signs.'),
    decided_by: z.string().nullable(),
    because: z.string().nullable(),
    url: z.string(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
  })
  .openapi('Change')

const params = z.object({ id: z.string() })

const list = createRoute({
  method: 'get',
  path: '/admin/changes',
  request: {
    query: z.strictObject({
      all: z.enum(['true', 'false']).optional().describe('Also those that were decided.'),
    }),
  },
  responses: { 200: gives(z.object({ changes: z.array(ChangeShown) }), 'The newest first') },
})

const show = createRoute({
  method: 'get',
  path: '/admin/changes/{id}',
  request: { params },
  responses: { 200: gives(ChangeShown, 'One change') },
})

const reject = createRoute({
  method: 'post',
  path: '/admin/changes/{id}/reject',
  request: {
    params,
    body: takes(z.strictObject({ reason: z.string().min(1).max(500).optional() })),
  },
  responses: { 200: gives(ChangeShown, 'Rejected') },
})

export function changeRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const rows = await listChanges(ctx, { waiting: c.req.valid('query').all !== 'true' })
      return c.json({ changes: rows.map((row) => shown(ctx, row)) }, 200)
    })
    .openapi(show, async (c) =>
      c.json(shown(ctx, await showChange(ctx.db, c.req.valid('param').id)), 200),
    )
    .openapi(reject, async (c) => {
      const { name, role } = requireRole(c, 'admin', 'approver')
      const by = { name, role, request: c.get('requestId') }
      const { reason } = c.req.valid('json')
      const row = await rejectChange(ctx, by, c.req.valid('param').id, reason ?? null)
      return c.json(shown(ctx, row), 200)
    })
}

function shown(ctx: Context, row: ChangeRow): z.infer<typeof ChangeShown> {
  return {
    id: row.id,
    state: stateOfChange(row, ctx.clock.now()),
    action: row.action,
    proposed_by: row.proposedBy,
    diff: row.diff,
    digest: digestOf(row),
    decided_by: row.decidedBy,
    because: row.because,
    url: `${ctx.consoleUrl}/console/changes/${row.id}`,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
  }
}
