/** The feed that tells open pages to look again: for who is signed in, of no content, and no more than a few for one operator. */
import { expect, test } from 'vitest'
import { expectOk, type Front, front } from '../support/broker.ts'
import { type Key, passkey } from '../support/passkey.ts'

async function feed(at: Front, { cookie }: Pick<Key, 'cookie'>) {
  const ending = new AbortController()
  const response = await fetch(`${at.broker.operatorUrl}/console/events`, {
    headers: { cookie },
    redirect: 'manual',
    signal: ending.signal,
  })
  return { response, end: () => ending.abort() }
}

test('says that something happened and never what', async () => {
  const at = await front()
  const key = await passkey(at)
  const { response, end } = await feed(at, key)
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' }))
  let said = ''
  for await (const chunk of response.body ?? []) {
    said += Buffer.from(chunk).toString()
    if (said.includes('event: change')) break
  }
  expect(said).toBe('event: open\ndata: \n\nevent: change\ndata: \n\n')
  end()
})

test('one operator has twelve at once, and one that ended makes room', async () => {
  const at = await front()
  const key = await passkey(at)
  const open = await Promise.all(Array.from({ length: 12 }, () => feed(at, key)))
  expect(open.map(({ response }) => response.status)).toEqual(Array(12).fill(200))
  const more = await feed(at, key)
  expect(more.response.status).toBe(503)
  open[0]?.end()
  await expect
    .poll(async () => {
      const again = await feed(at, key)
      again.end()
      return again.response.status
    })
    .toBe(200)
  for (const { end } of open) end()
  const nobody = await feed(at, { cookie: '' })
  expect(nobody.response.status).toBe(303)
})
