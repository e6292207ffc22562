/** Passkeys through the front door: what enrols one, what signs in, and everything that must not. */
import { eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { createAuthenticator } from '../../src/demo/authenticator.ts'
import { enrolmentCode } from '../../src/identity/operators.ts'
import { enrolments, sessions } from '../../src/store/schema.ts'
import { expectOk, field, front, send } from '../support/broker.ts'
import { changeIn, confirm, pageOf, passkey, signIn } from '../support/passkey.ts'

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  test('the code of the start enrols the passkey of the operator whom it made, and ends set-up mode', async () => {
    const at = await front(kind)
    expect(at.broker.ctx.realm.now().guarded).toBe(false)
    const key = await passkey(at)
    expect(at.broker.ctx.realm.now().guarded).toBe(true)
    expect(key.recoveryCodes).toHaveLength(10)
    const again = await signIn(at, key)
    expect(again.cookie).not.toBe(key.cookie)
  })
})

test('a code enrols one passkey, and nothing without it does: not a session, not another code', async () => {
  const at = await front()
  const code = at.broker.enrolment?.code.reveal() ?? ''
  const key = await passkey(at)
  const page = pageOf(at, key.cookie)
  for (const given of [code, '', '0'.repeat(32)]) {
    const refused = await page('POST', '/console/api/enrol/options', { code: given, name: 'ada' })
    expect(refused.status).toBe(401)
  }
  const session = await at.admin('POST', '/console/api/enrol/options', { code, name: 'ada' })
  expect(session.status).toBe(403)
})

test('the code that made an operator enrols no second passkey beside one by a later code', async () => {
  const at = await front()
  const first = at.broker.enrolment?.code.reveal() ?? ''
  const later = await enrolmentCode(at.broker.ctx)
  await passkey(at, 'ada', later?.code.reveal())
  await expect(passkey(at, 'ada', first)).rejects.toThrow('401')
})

test('an invitation of set-up mode enrols no passkey: not the first one, and none after it', async () => {
  const at = await front()
  const invite = async () =>
    field(
      expectOk(await at.admin('POST', '/admin/operators/invitations', { role: 'admin' })),
      'code',
    )
  const [early, spent] = [await invite(), await invite()]
  const mallory = { name: 'mallory', passphrase: 'a passphrase of the thief' }
  expectOk(await at.admin('POST', '/admin/session', { ...mallory, code: spent }))
  await expect(passkey(at, 'eve', early)).rejects.toThrow('403')
  await expect(passkey(at, 'mallory', spent)).rejects.toThrow('403')
  expect(at.broker.ctx.realm.now().guarded).toBe(false)

  await passkey(at)
  await expect(passkey(at, 'eve', early)).rejects.toThrow('401')
  await expect(passkey(at, 'mallory', spent)).rejects.toThrow('401')
  const [entry] = await at.audit('&kind=change')
  expect(entry?.['facts']).toMatchObject({ what: 'passkey.enrol', invitations_voided: 2 })
})

test('a code used at the command line leaves ten minutes for the passkey, and none to whoever was removed', async () => {
  const at = await front()
  const ada = await passkey(at)
  const invited = await at.admin('POST', '/admin/operators/invitations', { role: 'admin' })
  expectOk(await confirm(at, ada, [changeIn(invited)]))
  const code = field(invited, 'code')
  expectOk(
    await at.admin('POST', '/admin/session', {
      ...{ code, name: 'bob', passphrase: 'a passphrase of bob' },
    }),
  )
  const { db, clock } = at.broker.ctx
  const [row] = await db.select().from(enrolments).where(eq(enrolments.operator, 'bob'))
  expect((row?.expiresAt.getTime() ?? 0) - clock.now()).toBeLessThanOrEqual(600_000)

  const removed = await at.admin('DELETE', '/admin/operators/bob')
  expectOk(await confirm(at, ada, [changeIn(removed)]))
  await expect(passkey(at, 'bob', code)).rejects.toThrow('401')
})

test('a page left open keeps no session alive', async () => {
  const at = await front()
  const key = await passkey(at)
  const { db, clock } = at.broker.ctx
  const minutesAgo = (minutes: number) =>
    db.update(sessions).set({ lastUsedAt: new Date(clock.now() - minutes * 60_000) })
  const page = (headers: Record<string, string>) =>
    pageOf(at, key.cookie)('GET', '/console', undefined, headers)
  await minutesAgo(29)
  expectOk(await page({ 'x-valetkey': 'live' }))
  const [left] = await db.select().from(sessions).where(eq(sessions.kind, 'console'))
  expect(clock.now() - (left?.lastUsedAt.getTime() ?? 0)).toBeGreaterThan(28 * 60_000)
  expectOk(await page({}))
  const [used] = await db.select().from(sessions).where(eq(sessions.kind, 'console'))
  expect(clock.now() - (used?.lastUsedAt.getTime() ?? 0)).toBeLessThan(60_000)
  await minutesAgo(31)
  expect(await page({})).toMatchObject({ status: 303 })
})

test('once there is a passkey, a passphrase signs nobody in', async () => {
  const at = await front()
  await passkey(at)
  const refused = await at.admin('POST', '/admin/session', {
    name: 'ada',
    passphrase: 'correct horse battery staple',
  })
  expect(refused).toMatchObject({ status: 403, json: { code: 'forbidden' } })
})

test.each([
  ['of another page', { origin: 'https://evil.example' }],
  ['for another host', { rpId: 'evil.example' }],
  ['without user verification', { userVerified: false }],
  ['whose counter went back', { counter: 1 }],
])('an assertion %s signs nobody in, and is audited', async (_what, how) => {
  const at = await front()
  const key = await passkey(at)
  await signIn(at, key)
  const refused = await key.touch('/console/api/sign-in/options', '/console/api/sign-in', { how })
  expect(refused).toMatchObject({ status: 403, json: { code: 'forbidden' } })
  expect(refused.headers.getSetCookie()).toEqual([])
  const entries = await at.audit('&outcome=forbidden')
  expect(entries).toHaveLength(1)
})

test('an assertion counts once, for what it was asked for, and only of a key that was enrolled', async () => {
  const at = await front()
  const key = await passkey(at)
  const page = pageOf(at, '')
  const options = expectOk(await page('POST', '/console/api/sign-in/options', {}))
  const response = key.authenticator.get(options.json as never)
  expectOk(await page('POST', '/console/api/sign-in', { response }))
  expect(await page('POST', '/console/api/sign-in', { response })).toMatchObject({ status: 403 })

  const adding = expectOk(await key.post('/console/api/passkeys/assertion'))
  const elsewhere = key.authenticator.get(adding.json as never)
  expect(await page('POST', '/console/api/sign-in', { response: elsewhere })).toMatchObject({
    status: 403,
  })

  const stranger = createAuthenticator(at.broker.ctx.consoleUrl)
  const fresh = expectOk(await page('POST', '/console/api/sign-in/options', {}))
  const foreign = stranger.get(fresh.json as never)
  expect(await page('POST', '/console/api/sign-in', { response: foreign })).toMatchObject({
    status: 403,
  })
  const forged = { ...foreign, id: key.authenticator.id, rawId: key.authenticator.id }
  expect(await page('POST', '/console/api/sign-in', { response: forged })).toMatchObject({
    status: 403,
  })
})

test('requests of another page, of a form, or of a command line are none of the console’s', async () => {
  const at = await front()
  const key = await passkey(at)
  const path = '/console/api/recovery-codes/assertion'
  const headers: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'content-type': 'text/plain' },
    { 'x-valetkey': '' },
  ]
  for (const one of headers) {
    expect(await key.post(path, {}, one)).toMatchObject({ status: 403 })
  }
  expectOk(await key.post(path))
  const [, token = ''] = key.cookie.split('=')
  const asBearer = await send(`${at.broker.operatorUrl}/admin/status`, {
    headers: { authorization: `Bearer ${token}` },
  })
  expect(asBearer.status).toBe(401)
})
