/** Admin routes about approvals: to see and to deny. None approves: that takes a passkey, and so the console. */
import { createRoute, z } from '@hono/zod-openapi'
import {
  type ApprovalRow,
  deny,
  listApprovals,
  showApproval,
  stateOf,
} from '../../approvals/approvals.ts'
import { shortCode } from '../../approvals/digest.ts'
import type { Context } from '../../context.ts'
import { gives, operatorApp, requireRole, takes } from './operator.ts'

const ApprovalShown = z
  .object({
    id: z.string(),
    state: z.enum(['pending', 'approved', 'denied', 'used', 'void', 'expired']),
    agent: z.string(),
    environment: z.string(),
    connection: z.string(),
    operation: z.string(),
    effect: z.string(),
    code: z.string().describe('Letters of its digest, to compare.'),
    digest: z.string(),
    approvers: z.int(),
    deferred: z.boolean(),
    reason: z.string().nullable().describe('The agent’s own words.'),
    because: z.string().nullable(),
    shown: z.record(z.string(), z.unknown()).describe('What was looked up.'),
    url: z.string(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
  })
  .openapi('Approval')

const params = z.object({ id: z.string() })

const list = createRoute({
  method: 'get',
  path: '/admin/approvals',
  request: {
    query: z.strictObject({
      all: z.enum(['true', 'false']).optional().describe('Also those that were decided.'),
    }),
  },
  responses: { 200: gives(z.object({ approvals: z.array(ApprovalShown) }), 'The newest first') },
})

const show = createRoute({
  method: 'get',
  path: '/admin/approvals/{id}',
  request: { params },
  responses: { 200: gives(ApprovalShown, 'One approval') },
})

const denyOne = createRoute({
  method: 'post',
  path: '/admin/approvals/{id}/deny',
  request: {
    params,
    body: takes(z.strictObject({ reason: z.string().min(1).max(500).optional() })),
  },
  responses: { 200: gives(ApprovalShown, 'Denied') },
})

export function approvalRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const rows = await listApprovals(ctx, { waiting: c.req.valid('query').all !== 'true' })
      return c.json({ approvals: rows.map((row) => shown(ctx, row)) }, 200)
    })
    .openapi(show, async (c) =>
      c.json(shown(ctx, await showApproval(ctx.db, c.req.valid('param').id)), 200),
    )
    .openapi(denyOne, async (c) => {
      const operator = requireRole(c, 'admin', 'approver')
      const { reason } = c.req.valid('json')
      const row = await deny(ctx, operator, c.req.valid('param').id, {
        reason: reason ?? null,
        request: c.get('requestId'),
      })
      return c.json(shown(ctx, row), 200)
    })
}

function shown(ctx: Context, row: ApprovalRow): z.infer<typeof ApprovalShown> {
  const { id, agent, environment, connection, operation, effect } = row
  return {
    ...{ id, agent, environment, connection, operation, effect },
    state: stateOf(row, ctx.clock.now()),
    code: shortCode(row.digest),
    digest: row.digest,
    approvers: row.approvers,
    deferred: row.deferred,
    reason: row.reason,
    because: row.because,
    shown: row.shown,
    url: `${ctx.consoleUrl}/console/approvals/${id}`,
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
  }
}
