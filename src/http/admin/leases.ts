/** Admin routes about leases: which native credentials are out, and ending them. None of them is kept, so none is shown. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { listLeases, showLease } from '../../leases/leases.ts'
import { endNow, leaseShown } from '../leases.ts'
import { editor, gives, operatorApp } from './operator.ts'

const LeaseShown = z
  .object({
    id: z.string(),
    state: z.enum(['making', 'active', 'ending', 'ended']),
    connection: z.string(),
    agent: z.string(),
    environment: z.string(),
    capability: z.string(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime(),
    ended_at: z.iso.datetime().nullable(),
    because: z.string().nullable(),
    attempts: z.int().describe('How often ending it has failed.'),
    last_error: z.string().nullable(),
  })
  .openapi('Lease')

const list = createRoute({
  method: 'get',
  path: '/admin/leases',
  request: {
    query: z.strictObject({
      agent: z.string().optional(),
      all: z.enum(['true', 'false']).optional().describe('Also those that have ended.'),
    }),
  },
  responses: {
    200: gives(z.object({ leases: z.array(LeaseShown) }), 'The newest first, a thousand at most'),
  },
})

const revoke = createRoute({
  method: 'delete',
  path: '/admin/leases/{id}',
  request: { params: z.object({ id: z.string() }) },
  responses: { 200: gives(LeaseShown, 'Ended, or being ended: its state says which') },
})

export function leaseAdminRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const { agent, all } = c.req.valid('query')
      const wanted = { all: all === 'true', ...(agent === undefined ? {} : { agent }) }
      return c.json({ leases: (await listLeases(ctx, wanted)).map(leaseShown) }, 200)
    })
    .openapi(revoke, async (c) => {
      const { name } = editor(c)
      const { id } = await showLease(ctx.db, c.req.valid('param').id)
      await endNow(ctx, id, `${name} ended it`)
      return c.json(leaseShown(await showLease(ctx.db, id)), 200)
    })
}
