/** Admin routes about one's own session: enrolling, signing in, signing out. A passphrase goes in and never comes out. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { demandLeft } from '../../exchange/limits.ts'
import { enrol, roles, sessionEnd, signIn, signOut } from '../../identity/operators.ts'
import { beginSignIn, takeSignIn } from '../../identity/sign-ins.ts'
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

/** Of one address: each is shown to an operator, who should not be wearied. */
const signInsPerMinute = 20

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

const begin = createRoute({
  method: 'post',
  path: '/admin/sign-ins',
  responses: {
    201: gives(
      z.object({
        id: z.string().describe('To poll with; nobody else may know it.'),
        user_code: z.string().describe('To be shown, and confirmed in the console.'),
        url: z.string(),
        expires_at: z.iso.datetime(),
        interval: z.int().describe('Seconds between two polls.'),
      }),
      'An operator confirms it in the console',
    ),
  },
})

const poll = createRoute({
  method: 'post',
  path: '/admin/sign-ins/poll',
  request: { body: takes(z.strictObject({ id: z.string().max(100) })) },
  responses: {
    200: gives(
      z.discriminatedUnion('state', [
        z.object({ state: z.literal('pending') }),
        SessionShown.extend({ state: z.literal('confirmed'), token: z.string() }),
      ]),
      'Whether somebody has confirmed it; the token is shown once',
    ),
  },
})

const pollSeconds = 2

export function sessionRoutes(ctx: Context) {
  return operatorApp()
    .openapi(begin, async (c) => {
      const address = peerAddress(c)
      demandLeft(ctx, address, 'sign-ins', signInsPerMinute)
      const { id, userCode, expiresAt } = await beginSignIn(ctx, address)
      return c.json(
        {
          id: id.reveal(),
          user_code: userCode,
          url: `${ctx.consoleUrl}/console/cli?code=${userCode}`,
          expires_at: expiresAt.toISOString(),
          interval: pollSeconds,
        },
        201,
      )
    })
    .openapi(poll, async (c) => {
      const { id } = c.req.valid('json')
      const session = await takeSignIn(ctx, id, c.get('requestId'))
      if (session === null) return c.json({ state: 'pending' as const }, 200)
      return c.json(
        {
          state: 'confirmed' as const,
          token: session.token.reveal(),
          operator: session.operator,
          role: session.role,
          expires_at: session.expiresAt.toISOString(),
        },
        200,
      )
    })
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
