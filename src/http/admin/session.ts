/** Admin routes about one's own session: enrolling, signing in, signing out. A passphrase goes in and never comes out. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { enrol, roles, sessionEnd, signIn, signOut } from '../../identity/operators.ts'
import { OperatorName } from '../../ids.ts'
import { peerAddress } from '../address.ts'
import { gives, operatorApp, signedIn, takes } from './operator.ts'

const Proof = z
  .strictObject({
    name: OperatorName,
    passphrase: z.string().min(1).max(1_000),
    code: z.string().max(100).optional().describe('The one-time code, to enrol with.'),
  })
  .openapi('Proof')

const SessionShown = z
  .object({ operator: z.string(), role: z.enum(roles), expires_at: z.iso.datetime() })
  .openapi('Session')

const start = createRoute({
  method: 'post',
  path: '/admin/session',
  request: { body: takes(Proof) },
  responses: {
    201: gives(SessionShown.extend({ token: z.string() }), 'Signed in; the token is shown once'),
  },
})

const show = createRoute({
  method: 'get',
  path: '/admin/session',
  responses: { 200: gives(SessionShown, 'Who is signed in, and until when') },
})

const end = createRoute({
  method: 'delete',
  path: '/admin/session',
  responses: { 204: { description: 'Signed out' } },
})

export function sessionRoutes(ctx: Context) {
  return operatorApp()
    .openapi(start, async (c) => {
      const { code, name, passphrase } = c.req.valid('json')
      const claimed = { name, passphrase, address: peerAddress(c), request: c.get('requestId') }
      const session = await (code === undefined
        ? signIn(ctx, claimed)
        : enrol(ctx, { ...claimed, code }))
      return c.json(
        {
          token: session.token.reveal(),
          operator: session.operator,
          role: session.role,
          expires_at: session.expiresAt.toISOString(),
        },
        201,
      )
    })
    .openapi(show, async (c) => {
      const { name, role, session } = signedIn(c)
      const expiresAt = await sessionEnd(ctx, session)
      return c.json({ operator: name, role, expires_at: expiresAt.toISOString() }, 200)
    })
    .openapi(end, async (c) => {
      await signOut(ctx, signedIn(c), c.get('requestId'))
      return c.body(null, 204)
    })
}
