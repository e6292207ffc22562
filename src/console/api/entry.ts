/** How one gets into the console: enrolling with a code, signing in, recovering. Nothing here needs a session, and none helps. */
import { Hono } from 'hono'
import { z } from 'zod'
import type { Context } from '../../context.ts'
import { peerAddress } from '../../http/address.ts'
import { enrolmentOptions, enrolPasskey } from '../../identity/enrolment.ts'
import { type SignedIn, signOut } from '../../identity/operators.ts'
import { beginRecovery, recoveryOptions, signInWithPasskey } from '../../identity/own-passkeys.ts'
import { Assertion, assertionOptions, Registration } from '../../identity/passkeys.ts'
import { OperatorName } from '../../ids.ts'
import { bodyOf, type ConsoleEnv, consoleOperator, giveCookie, takeCookie } from './session.ts'

export const Label = z
  .string()
  .trim()
  .min(1)
  .max(60)
  .regex(/^[^\p{Cc}\p{Cf}]+$/u, 'a label has no control characters')

const Code = z.object({ code: z.string().max(100), name: OperatorName })
const NewKey = z.object({ label: Label, response: Registration })

export function entryRoutes(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.post('/console/api/enrol/options', async (c) => {
    const claim = await bodyOf(c, Code)
    return c.json(await enrolmentOptions(ctx, { ...claim, address: peerAddress(c) }))
  })

  app.post('/console/api/enrol', async (c) => {
    const { code, name, ...key } = await bodyOf(c, Code.extend(NewKey.shape))
    const claim = { code, name, address: peerAddress(c), request: c.get('requestId') }
    const session = await enrolPasskey(ctx, claim, key)
    giveCookie(ctx, c, session)
    return c.json({ ...shown(session), recovery_codes: session.recoveryCodes }, 201)
  })

  app.post('/console/api/sign-in/options', async (c) => {
    await bodyOf(c, z.object({}))
    return c.json(await assertionOptions(ctx, { purpose: 'sign-in', operator: null, facts: {} }))
  })

  app.post('/console/api/sign-in', async (c) => {
    const { response } = await bodyOf(c, z.object({ response: Assertion }))
    const session = await signInWithPasskey(ctx, response, c.get('requestId'))
    giveCookie(ctx, c, session)
    return c.json(shown(session), 201)
  })

  app.post('/console/api/sign-out', async (c) => {
    await bodyOf(c, z.object({}))
    await signOut(ctx, consoleOperator(c), c.get('requestId'))
    takeCookie(ctx, c)
    return c.body(null, 204)
  })

  app.post('/console/api/recovery/options', async (c) => {
    const claim = await bodyOf(c, Code)
    return c.json(await recoveryOptions(ctx, { ...claim, address: peerAddress(c) }))
  })

  app.post('/console/api/recovery', async (c) => {
    const { code, name, ...key } = await bodyOf(c, Code.extend(NewKey.shape))
    const claim = { code, name, address: peerAddress(c) }
    const { usableFrom } = await beginRecovery(ctx, claim, key, c.get('requestId'))
    return c.json({ usable_from: usableFrom.toISOString() }, 201)
  })

  return app
}

function shown({ operator, role, expiresAt }: SignedIn) {
  return { operator, role, expires_at: expiresAt.toISOString() }
}
