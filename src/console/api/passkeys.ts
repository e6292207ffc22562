/** An operator's own passkeys and recovery codes, recoveries of others, and command lines to be signed in. */
import { Hono } from 'hono'
import { z } from 'zod'
import type { Context } from '../../context.ts'
import {
  addPasskey,
  addPasskeyOptions,
  cancelRecovery,
  removePasskey,
  renewRecoveryCodes,
} from '../../identity/own-passkeys.ts'
import { Assertion, assertionOptions, Registration } from '../../identity/passkeys.ts'
import { decideSignIn } from '../../identity/sign-ins.ts'
import { Label } from './entry.ts'
import { bodyOf, type ConsoleEnv, consoleOperator } from './session.ts'

const Nothing = z.object({})
const Touched = z.object({ response: Assertion })

export function passkeyRoutes(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.post('/console/api/passkeys/assertion', async (c) => {
    await bodyOf(c, Nothing)
    const operator = consoleOperator(c).name
    const facts = { add: true }
    return c.json(await assertionOptions(ctx, { purpose: 'add-passkey', operator, facts }))
  })

  app.post('/console/api/passkeys/options', async (c) => {
    const { response } = await bodyOf(c, Touched)
    return c.json(await addPasskeyOptions(ctx, consoleOperator(c), response))
  })

  app.post('/console/api/passkeys', async (c) => {
    const key = await bodyOf(c, z.object({ label: Label, response: Registration }))
    await addPasskey(ctx, consoleOperator(c), key, c.get('requestId'))
    return c.json({ added: true }, 201)
  })

  app.post('/console/api/passkeys/:id/assertion', async (c) => {
    await bodyOf(c, Nothing)
    const operator = consoleOperator(c).name
    const facts = { remove: c.req.param('id') }
    return c.json(await assertionOptions(ctx, { purpose: 'remove-passkey', operator, facts }))
  })

  app.delete('/console/api/passkeys/:id', async (c) => {
    const { response } = await bodyOf(c, Touched)
    const id = c.req.param('id')
    await removePasskey(ctx, consoleOperator(c), id, response, c.get('requestId'))
    return c.json({ removed: true })
  })

  app.post('/console/api/recovery-codes/assertion', async (c) => {
    await bodyOf(c, Nothing)
    const operator = consoleOperator(c).name
    return c.json(await assertionOptions(ctx, { purpose: 'recovery-codes', operator, facts: {} }))
  })

  app.post('/console/api/recovery-codes', async (c) => {
    const { response } = await bodyOf(c, Touched)
    const operator = consoleOperator(c)
    const codes = await renewRecoveryCodes(ctx, operator, response, c.get('requestId'))
    return c.json({ recovery_codes: codes }, 201)
  })

  app.post('/console/api/recovery/:passkey/cancel', async (c) => {
    await bodyOf(c, Nothing)
    const by = { name: consoleOperator(c).name, request: c.get('requestId') }
    await cancelRecovery(ctx, by, c.req.param('passkey'))
    return c.json({ cancelled: true })
  })

  app.post('/console/api/cli/:code', async (c) => {
    const { confirm } = await bodyOf(c, z.object({ confirm: z.boolean() }))
    const request = c.get('requestId')
    await decideSignIn(ctx, consoleOperator(c), c.req.param('code'), { confirm, request })
    return c.json({ confirmed: confirm })
  })

  return app
}
