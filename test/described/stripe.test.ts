/** Stripe's own client, which takes a host and a port and no path: a listener for one connection, and an API that is one environment's whole. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import Stripe from 'stripe'
import { expect, inject, it } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { expectOk, front, send } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { changeIn, confirm, passkey } from '../support/passkey.ts'

type Asked = { line: string; body: string; key: string | undefined }

async function fakeStripe(secret: string) {
  const asked: Asked[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const key = request.headers['idempotency-key']
    asked.push({
      ...{ line: `${request.method} ${request.url}`, body: Buffer.concat(chunks).toString() },
      key: typeof key === 'string' ? key : undefined,
    })
    const good = request.headers.authorization === `Bearer ${secret}`
    response.writeHead(good ? 200 : 401, { 'content-type': 'application/json' })
    const id = /\/v1\/customers\/([^/?]+)/.exec(request.url ?? '')?.[1] ?? 'cus_new'
    response.end(JSON.stringify(good ? { id, object: 'customer' } : { error: {} }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeLater(async () => {
    server.closeAllConnections()
    server.close()
  })
  return { asked, url: `http://127.0.0.1:${Object(server.address()).port}` }
}

it('is served at a port of its own, as itself', async () => {
  const secret = `sk_test_${inject('marker')}_${randomUUID()}`
  const stripe = await fakeStripe(secret)
  const at = await front('embedded', {
    config: (config) => ({ ...config, connectionPorts: new Map([['stripe', 0]]) }),
  })
  const operations = [
    { name: 'getCustomer', route: 'GET /v1/customers/{customer}', effects: ['read'] },
    { name: 'createCustomer', route: 'POST /v1/customers', effects: ['write'] },
    { name: 'deleteCustomer', route: 'DELETE /v1/customers/{customer}', effects: ['destructive'] },
    { name: 'createRefund', route: 'POST /v1/refunds', effects: ['destructive'] },
  ]
  expectOk(await at.admin('PUT', '/admin/providers/stripe', { base_url: stripe.url, operations }))
  expectOk(
    await at.admin('POST', '/admin/connections', {
      ...{ name: 'stripe', base_url: stripe.url, allow_private: true, secret },
    }),
  )
  expectOk(
    await at.admin('POST', '/admin/environments/staging/bindings', {
      ...{ connection: 'stripe', own: [{ kind: 'api', address: 'whole' }] },
    }),
  )
  const allow = ['stripe:@read', 'stripe:@write', 'stripe:createRefund']
  const scope = { environment: 'staging', allow, approve: ['stripe:@destructive'] }
  expectOk(await at.admin('PUT', '/admin/scopes/paying', scope))
  expectOk(await at.admin('PUT', '/admin/agents/cursor/grants/paying'))
  await passkey(at)
  const token = await at.capability({ scope: 'paying' })
  const { hostname: host, port } = new URL(at.broker.doorUrls.get('stripe') ?? '')
  const client = new Stripe(token, {
    ...{ host, port: Number(port), protocol: 'http', maxNetworkRetries: 0, telemetry: false },
  })
  expect((await client.customers.retrieve('cus_1')).id).toBe('cus_1')
  const before = stripe.asked.length
  await client.customers.create(
    { name: 'Ada', metadata: { a: 'b c' } },
    { idempotencyKey: 'once-and-only' },
  )
  expect(stripe.asked.slice(before)).toEqual([
    { line: 'POST /v1/customers', body: 'name=Ada&metadata%5Ba%5D=b%20c', key: 'once-and-only' },
  ])
  await expect(client.customers.del('cus_1')).rejects.toMatchObject({
    statusCode: 403,
    message: expect.stringContaining('is not allowed'),
  })
  // What would be about a connected account is never done to the platform's own.
  await expect(
    client.customers.create({ name: 'Bob' }, { stripeAccount: 'acct_1' }),
  ).rejects.toMatchObject({ message: expect.stringContaining('stripe-account') })
  // Where the scope asks for it, a human is asked before money goes back.
  await expect(client.refunds.create({ charge: 'ch_1' })).rejects.toMatchObject({
    raw: expect.objectContaining({ code: 'approval-required' }),
  })
  expect(stripe.asked.filter(({ line }) => /DELETE|refunds/.test(line))).toEqual([])

  // The listener leads to this connection alone, whatever the path says.
  const door = at.broker.doorUrls.get('stripe') ?? ''
  const headers = { authorization: `Bearer ${token}` }
  for (const path of ['/v1/capability', '/x/railway/graphql/v2', '/oauth/token', '/healthz']) {
    expect([path, (await send(door + path, { headers })).json['code']]).toEqual([
      path,
      'unknown-operation',
    ])
  }
  expect((await send(`${door}//x/railway`, { headers })).json['code']).toBe('ambiguous-request')
})

it('of an API that another environment owns whole, nothing is to be had', async () => {
  const secret = `sk_live_${inject('marker')}_${randomUUID()}`
  const stripe = await fakeStripe(secret)
  const at = await front()
  const key = await passkey(at)
  const operations = [
    { name: 'getCustomer', route: 'GET /v1/customers/{customer}', effects: ['read'] },
    { name: 'listCustomers', route: 'GET /v1/customers', effects: ['read'] },
  ]
  const done = async (answer: Awaited<ReturnType<typeof at.admin>>) =>
    expectOk(await confirm(at, key, [changeIn(answer)]))
  await done(await at.admin('PUT', '/admin/providers/stripe', { base_url: stripe.url, operations }))
  await done(
    await at.admin('POST', '/admin/connections', {
      ...{ name: 'stripe', base_url: stripe.url, allow_private: true, secret },
    }),
  )
  const bind = (environment: string, how: object) =>
    at.admin('POST', `/admin/environments/${environment}/bindings`, {
      connection: 'stripe',
      ...how,
    })
  const whole = [{ kind: 'api', address: 'whole' }]
  await done(await bind('production', { own: whole }))
  expect((await bind('staging', { own: whole })).json).toMatchObject({ code: 'conflict' })
  await done(await bind('staging', { see: whole }))
  await done(
    await at.admin('PUT', '/admin/scopes/peeking', {
      environment: 'staging',
      allow: ['stripe:@read'],
    }),
  )
  await done(await at.admin('PUT', '/admin/agents/cursor/grants/peeking'))
  const headers = { authorization: `Bearer ${await at.capability({ scope: 'peeking' })}` }
  for (const path of ['/v1/customers', '/v1/customers/cus_1']) {
    const answer = await send(`${at.broker.agentUrl}/x/stripe${path}`, { headers })
    expect([path, answer.json]).toEqual([
      path,
      expect.objectContaining({ code: 'outside-environment', found: 'production' }),
    ])
  }
})

it.each([
  ['stripe=8431,notes=8432', true],
  ['stripe=0,notes=0', true],
  ['stripe=8431,stripe=8432', false],
  ['stripe=8431,notes=8431', false],
  ['stripe', false],
  ['Stripe=8431', false],
  ['stripe=99999', false],
])('VALETKEY_CONNECTION_PORTS=%s is taken: %s', (text, taken) => {
  const read = () => readConfig({ VALETKEY_CONNECTION_PORTS: text }).connectionPorts.size
  if (taken) expect(read()).toBe(text.split(',').length)
  else expect(read).toThrow('VALETKEY_CONNECTION_PORTS: must be such as')
})
