/** Saying yes with a passkey, and no without. */
import { Hono } from 'hono'
import { z } from 'zod'
import { approvalOptions, approve, deny } from '../../approvals/approvals.ts'
import type { Context } from '../../context.ts'
import { executeSoon } from '../../exchange/deferred.ts'
import { Assertion } from '../../identity/passkeys.ts'
import { bodyOf, type ConsoleEnv, consoleRole } from './session.ts'

export function approvalApi(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.post('/console/api/approvals/:id/options', async (c) => {
    await bodyOf(c, z.object({}))
    const { name } = consoleRole(c, 'admin', 'approver')
    return c.json(await approvalOptions(ctx, name, c.req.param('id')))
  })

  app.post('/console/api/approvals/:id/approve', async (c) => {
    const { response } = await bodyOf(c, z.object({ response: Assertion }))
    const { name } = consoleRole(c, 'admin', 'approver')
    const id = c.req.param('id')
    const row = await approve(ctx, name, id, response, c.get('requestId'))
    if (row.state === 'approved' && row.deferred) executeSoon(ctx, id)
    return c.json({ state: row.state })
  })

  app.post('/console/api/approvals/:id/deny', async (c) => {
    const { reason } = await bodyOf(c, z.object({ reason: z.string().max(500).optional() }))
    const operator = consoleRole(c, 'admin', 'approver')
    const row = await deny(ctx, operator, c.req.param('id'), {
      reason: reason === undefined || reason.trim() === '' ? null : reason.trim(),
      request: c.get('requestId'),
    })
    return c.json({ state: row.state })
  })

  return app
}
