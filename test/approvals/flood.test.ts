/** Many requests at once, and what a human is shown: a flood ends at a bound, reads as one thing, and is denied at one go. */
import { expect, test } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { expectOk, type Front, field, front, send } from '../support/broker.ts'
import { type Key, passkey } from '../support/passkey.ts'

async function ready(environment: 'staging' | 'production') {
  const at = await front()
  const allow = ['railway:Mutation.volumeDelete', 'railway:Mutation.customDomainDelete']
  await at.scope('risky', allow, { environment })
  const { json } = expectOk(await at.admin('GET', '/admin/scopes/risky'))
  expectOk(
    await at.admin('PUT', '/admin/scopes/risky', {
      ...{ environment, allow: json['allow'], approve: ['railway:@destructive'] },
    }),
  )
  const key = await passkey(at)
  return { at, key, capability: await at.capability({ scope: 'risky' }) }
}

/** It lives in staging and nowhere else. */
function volumeIn({ railway: { world } }: Front): string {
  const found = world.volumes.find(({ id }) => {
    const places = world.volumeInstances.filter(({ volumeId }) => volumeId === id)
    return (
      places.length > 0 &&
      places.every(({ environmentId }) => environmentId === ids.environments.staging)
    )
  })
  if (found === undefined) throw new Error('staging has no volume of its own')
  return found.id
}

/** The same but for its alias, so that each is a request of its own. */
const ask = (at: Front, capability: string, volume: string, alias: string) =>
  at.call(capability, `mutation($v: String!) { ${alias}: volumeDelete(volumeId: $v) }`, {
    v: volume,
  })

function approvalIn(answer: { json: Record<string, unknown> }): string {
  // The problem document's own shape.
  return (answer.json['approval'] as { id: string }).id
}

const form = (at: Front, key: Key, path: string, fields: Record<string, string>) =>
  send(at.broker.operatorUrl + path, {
    method: 'POST',
    headers: { cookie: key.cookie, origin: at.broker.ctx.consoleUrl },
    body: new URLSearchParams(fields),
    redirect: 'manual',
  })

test('twenty requests of one agent wait and no more, as one group, which is denied at one go', async () => {
  const { at, key, capability } = await ready('staging')
  const volume = volumeIn(at)
  const asked: string[] = []
  for (let i = 0; i < 20; i += 1) {
    asked.push(approvalIn(await ask(at, capability, volume, `a${i}`)))
  }
  expect(new Set(asked).size).toBe(20)
  expect(await ask(at, capability, volume, 'more')).toMatchObject({
    ...{ status: 429, json: { code: 'limit-exceeded' } },
  })
  const page = expectOk(await key.request('GET', '/console/approvals'))
  expect(page.text.match(/cursor: Mutation\.volumeDelete/g)).toHaveLength(1)
  expect(page.text).toContain('Deny all 20')
  const token = /name="token" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
  // Somebody else was quicker with one of them.
  expectOk(await key.post(`/console/api/approvals/${asked[3]}/deny`, {}))
  expect(await form(at, key, '/console/approvals/deny', { ids: asked.join(',') })).toMatchObject({
    status: 403,
  })
  const denied = await form(at, key, '/console/approvals/deny', { ids: asked.join(','), token })
  expect(denied.status).toBe(303)
  const left = expectOk(await at.admin('GET', '/admin/approvals'))
  expect(left.json['approvals']).toEqual([])
  expect(at.carriedOut()).toEqual([])
})

test('whoever waits hears of the decision at once', async () => {
  const { at, key, capability } = await ready('staging')
  const id = approvalIn(await ask(at, capability, volumeIn(at), 'one'))
  const began = performance.now()
  const waiting = at.agent(`/v1/approvals/${id}?wait=30`, {
    headers: { authorization: `Bearer ${capability}` },
  })
  expectOk(await key.post(`/console/api/approvals/${id}/deny`, { reason: 'not now' }))
  expect(field(expectOk(await waiting), 'state')).toBe('denied')
  expect(performance.now() - began).toBeLessThan(5_000)
})

test('for a protected environment the console warns of where it is, and offers another device', async () => {
  const { at, key, capability } = await ready('production')
  const asked = await at.call(capability, 'mutation($d: String!) { customDomainDelete(id: $d) }', {
    d: ids.customDomains.production,
  })
  const page = expectOk(await key.request('GET', `/console/approvals/${approvalIn(asked)}`))
  expect(page.text).toContain('This console is on localhost, without TLS')
  expect(page.text).toContain('The address of this page as a QR code')
  expect(page.text).toContain('<p class="where">production</p>')
})
