/** Admin routes about operators. An invitation's code is shown once; a passphrase never. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { listOperators, newInvitation, roles } from '../../identity/operators.ts'
import { editor, gives, operatorApp, shownAnyway, takes } from './operator.ts'

const OperatorShown = z
  .object({
    name: z.string(),
    role: z.enum(roles),
    created_at: z.iso.datetime(),
    sessions: z.int().describe('Sessions that are alive.'),
  })
  .openapi('Operator')

const list = createRoute({
  method: 'get',
  path: '/admin/operators',
  responses: { 200: gives(z.object({ operators: z.array(OperatorShown) }), 'Every operator') },
})

const inviteOne = createRoute({
  method: 'post',
  path: '/admin/operators/invitations',
  request: { body: takes(z.strictObject({ role: z.enum(roles) })) },
  responses: {
    201: gives(
      z.object({ code: z.string(), role: z.enum(roles), expires_at: z.iso.datetime() }),
      'A one-time code, shown once',
    ),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/operators/{name}',
  request: { params: z.object({ name: z.string() }) },
  responses: { 204: { description: 'Removed; their sessions are over' } },
})

export function operatorRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const operators = await listOperators(ctx)
      return c.json(
        {
          operators: operators.map(({ createdAt, ...one }) => ({
            ...one,
            created_at: createdAt.toISOString(),
          })),
        },
        200,
      )
    })
    .openapi(inviteOne, async (c) => {
      const { role } = c.req.valid('json')
      const { code, codeHash, expiresAt } = newInvitation(ctx)
      const asked = { role, codeHash, expiresAt: expiresAt.toISOString() }
      await make(ctx, editor(c), 'operator.invite', asked).catch(shownAnyway({ code }))
      return c.json({ code: code.reveal(), role, expires_at: expiresAt.toISOString() }, 201)
    })
    .openapi(remove, async (c) => {
      await make(ctx, editor(c), 'operator.remove', c.req.valid('param'))
      return c.body(null, 204)
    })
}
