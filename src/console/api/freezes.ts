/** The stop button: a console session is enough to freeze. Lifting is an edit of policy, and waits like any other. */
import { Hono } from 'hono'
import { z } from 'zod'
import { make } from '../../approvals/changes.ts'
import { addFreeze, listFreezes } from '../../approvals/freezes.ts'
import type { Context } from '../../context.ts'
import { asked, FreezeAsked, freezeShown } from '../../http/admin/freezes.ts'
import {
  bodyOf,
  type ConsoleContext,
  type ConsoleEnv,
  consoleOperator,
  consoleRole,
} from './session.ts'

export function freezeRoutes(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/api/freezes', async (c) => {
    consoleOperator(c)
    return c.json({ freezes: (await listFreezes(ctx)).map(freezeShown) })
  })

  app.post('/console/api/freezes', async (c) => {
    const by = editorOf(c, 'admin', 'approver')
    const freeze = await addFreeze(ctx, by, asked(await bodyOf(c, FreezeAsked)))
    return c.json(freezeShown(freeze), 201)
  })

  app.delete('/console/api/freezes/:id', async (c) => {
    const by = editorOf(c, 'admin')
    await bodyOf(c, z.object({}))
    return c.json(freezeShown(await make(ctx, by, 'freeze.lift', { id: c.req.param('id') })))
  })

  return app
}

function editorOf(c: ConsoleContext, ...roles: ('admin' | 'approver')[]) {
  return { name: consoleRole(c, ...roles).name, request: c.get('requestId') }
}
