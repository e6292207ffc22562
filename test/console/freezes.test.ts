/** The stop button over the console's own API: a session stops, and only a page of the console's may use it. */
import { expect, it } from 'vitest'
import { expectOk, field, front } from '../support/broker.ts'
import { pageOf, passkey } from '../support/passkey.ts'

const read = '{ platformStatus { isStable } }'

it('stops everything with a session alone, and nothing without one', async () => {
  const at = await front()
  const token = await at.capability()
  const key = await passkey(at)
  const body = { subject: 'all', reason: 'enough' }
  const stranger = await pageOf(at, '')('POST', '/console/api/freezes', body)
  expect(stranger.json).toMatchObject({ code: 'not-signed-in' })
  const foreign = await key.post('/console/api/freezes', body, { origin: 'https://evil.example' })
  expect(foreign.json).toMatchObject({ code: 'forbidden' })
  expect((await at.call(token, read)).status).toBe(200)

  const made = await key.post('/console/api/freezes', body)
  expect(made.status).toBe(201)
  expect(made.json).toMatchObject({ ...body, by: 'ada', lifted_at: null })
  expect((await at.call(token, read)).json).toMatchObject({ code: 'frozen' })
  const listed = expectOk(await key.request('GET', '/console/api/freezes')).json['freezes']
  expect(listed).toMatchObject([{ id: field(made, 'id') }])

  const wrong = await key.post('/console/api/freezes', { subject: 'agent:nobody' })
  expect(wrong.json).toMatchObject({ code: 'not-found' })
})

it('no operator bears the broker’s own name', async () => {
  const at = await front()
  const code = at.broker.enrolment?.code.reveal()
  const claim = { code, name: 'valetkey' }
  for (const refused of [
    await at.admin('POST', '/admin/session', { ...claim, passphrase: 'correct horse battery' }),
    await pageOf(at, '')('POST', '/console/api/enrol/options', claim),
  ]) {
    expect(refused.json).toMatchObject({ code: 'malformed-request' })
  }
})
