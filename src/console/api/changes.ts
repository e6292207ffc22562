/** Saying yes to edits of policy with a passkey, one touch for as many as were shown; and no, which takes none. */
import { Hono } from 'hono'
import { z } from 'zod'
import { confirmChanges, confirmOptions, rejectChange } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { knownProvider } from '../../http/admin/known-provider.ts'
import { Assertion } from '../../identity/passkeys.ts'
import { bodyOf, type ConsoleEnv, consoleRole } from './session.ts'

const Ids = z.array(z.string().max(60)).min(1).max(100)
const Seen = z.array(z.object({ id: z.string().max(60), digest: z.string().max(64) }))

export function changeApi(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.post('/console/api/changes/options', async (c) => {
    const { changes } = await bodyOf(c, z.object({ changes: Seen.min(1).max(100) }))
    return c.json(await confirmOptions(ctx, consoleRole(c, 'admin').name, changes))
  })

  app.post('/console/api/changes/confirm', async (c) => {
    const { ids, response } = await bodyOf(c, z.object({ ids: Ids, response: Assertion }))
    const changes = await confirmChanges(ctx, consoleRole(c, 'admin'), ids, response, {
      request: c.get('requestId'),
      known: (one) => knownProvider(ctx, one),
    })
    return c.json({ changes })
  })

  app.post('/console/api/changes/reject', async (c) => {
    const { id, reason } = await bodyOf(
      c,
      z.object({ id: z.string().max(60), reason: z.string().min(1).max(500).optional() }),
    )
    const { name, role } = consoleRole(c, 'admin', 'approver')
    const by = { name, role, request: c.get('requestId') }
    const { state } = await rejectChange(ctx, by, id, reason ?? null)
    return c.json({ state })
  })

  return app
}
