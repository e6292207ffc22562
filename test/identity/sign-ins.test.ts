/** A command line is signed in from the console, once; recovery waits a day and can be cancelled; and the audit log proves whose key said yes. */
import { expect, test } from 'vitest'
import { createAuthenticator } from '../../src/demo/authenticator.ts'
import { type Answer, expectOk, type Front, field, front, send } from '../support/broker.ts'
import { pageOf, passkey } from '../support/passkey.ts'

const post = (at: Front, path: string, body?: unknown): Promise<Answer> =>
  send(`${at.broker.operatorUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })

test('a command line gets its session once somebody with a passkey confirms its code, and once only', async () => {
  const at = await front()
  const key = await passkey(at)
  const asked = expectOk(await post(at, '/admin/sign-ins'))
  const [id, code] = [field(asked, 'id'), field(asked, 'user_code')]
  const poll = () => post(at, '/admin/sign-ins/poll', { id })
  expect((await poll()).json).toEqual({ state: 'pending' })
  expect((await at.admin('POST', `/console/api/cli/${code}`, { confirm: true })).status).toBe(403)
  expect((await poll()).json).toEqual({ state: 'pending' })
  expectOk(await key.post(`/console/api/cli/${code}`, { confirm: true }))
  const session = expectOk(await poll())
  expect(session.json).toMatchObject({ state: 'confirmed', operator: 'ada', role: 'admin' })
  expect(await poll()).toMatchObject({ status: 401 })

  const token = field(session, 'token')
  const asBearer = await send(`${at.broker.operatorUrl}/admin/status`, {
    headers: { authorization: `Bearer ${token}` },
  })
  expect(asBearer).toMatchObject({ status: 200, json: { set_up: false } })
  // It is a command line's, and opens no page.
  const asCookie = await pageOf(at, `valetkey=${token}`)('GET', '/console')
  expect(asCookie.status).toBe(303)
})

test('a code that was refused, or that nobody showed, signs nobody in', async () => {
  const at = await front()
  const key = await passkey(at)
  const asked = expectOk(await post(at, '/admin/sign-ins'))
  expectOk(await key.post(`/console/api/cli/${field(asked, 'user_code')}`, { confirm: false }))
  expect(await post(at, '/admin/sign-ins/poll', { id: field(asked, 'id') })).toMatchObject({
    status: 401,
  })
  expect(await key.post('/console/api/cli/BBBB-BBBB', { confirm: true })).toMatchObject({
    status: 404,
  })
})

test('a recovered passkey opens nothing for a day, everybody is told, and anyone cancels it', async () => {
  const at = await front()
  const key = await passkey(at)
  const page = pageOf(at, '')
  const [code = '', other = ''] = key.recoveryCodes
  const thief = createAuthenticator(at.broker.ctx.consoleUrl)
  const recover = async (given: string) => {
    const claim = { name: 'ada', code: given }
    const options = await page('POST', '/console/api/recovery/options', claim)
    if (options.status !== 200) return options
    const response = thief.create(options.json as never)
    return page('POST', '/console/api/recovery', { ...claim, label: 'new', response })
  }
  expect(await recover('BBBBB-BBBBB-BBBBB-BBBBB')).toMatchObject({ status: 401 })
  expectOk(await recover(code))
  expect(await recover(code)).toMatchObject({ status: 401 })
  const fresh = expectOk(await page('POST', '/console/api/sign-in/options', {}))
  expect(
    await page('POST', '/console/api/sign-in', { response: thief.get(fresh.json as never) }),
  ).toMatchObject({ status: 403 })
  expect((await at.admin('GET', '/admin/status')).json['recoveries']).toMatchObject([
    { operator: 'ada' },
  ])
  const overview = await pageOf(at, key.cookie)('GET', '/console')
  expect(overview.text).toContain('A recovery code of ada was used')
  expectOk(await key.post(`/console/api/recovery/${thief.id}/cancel`))
  expect((await at.admin('GET', '/admin/status')).json['recoveries']).toEqual([])
  expect(other).not.toBe('')
})

test('a further passkey takes a touch of one that is there; the last of the last admin stays', async () => {
  const at = await front()
  const key = await passkey(at)
  const second = createAuthenticator(at.broker.ctx.consoleUrl)
  const unasked = await key.post('/console/api/passkeys', {
    label: 'second',
    response: second.create({
      challenge: 'AAAA',
      rp: { id: 'localhost' },
      user: { id: 'YWRh' },
    }),
  })
  expect(unasked.status).toBe(403)
  const options = expectOk(
    await key.touch('/console/api/passkeys/assertion', '/console/api/passkeys/options'),
  )
  expectOk(
    await key.post('/console/api/passkeys', {
      label: 'second',
      response: second.create(options.json as never),
    }),
  )
  const remove = (id: string) =>
    key.touch(`/console/api/passkeys/${id}/assertion`, `/console/api/passkeys/${id}`, {
      method: 'DELETE',
    })
  expectOk(await remove(second.id))
  expect(await remove(key.authenticator.id)).toMatchObject({ status: 409 })
  const verified = expectOk(await at.admin('GET', '/admin/audit/verification'))
  expect(verified.json).toMatchObject({ ok: true, proofs: 2 })
})
