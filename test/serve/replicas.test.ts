/** Two brokers over one PostgreSQL: what one acknowledged, the other obeys at its very next call. And neither plane serves the other's callers. */
import { expect, it } from 'vitest'
import { startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { ids } from '../../src/demo/railway/world.ts'
import { expectOk, field, realToken, send } from '../support/broker.ts'
import { adminOf, entriesOf, furnish, graphql, place, serve, token } from '../support/process.ts'

const redeploy = `mutation { deploymentRedeploy(id: "${ids.deployments.webStaging}") { id } }`

it('start at once on an empty database, and share keys, policy, revocations and one audit chain', async () => {
  const railway = await startSimulatedRailway({ token: realToken() })
  const env = await place('postgres', 'new')
  const [a, b] = await Promise.all([serve(env), serve(env)])
  const { session, secret } = await furnish(a, railway)
  const admin = adminOf(a, session)
  const client = { name: 'cursor', secret }
  const minted = async () => field(expectOk(await token(a, client)), 'access_token')

  const first = await minted()
  expect((await graphql(b, first, redeploy)).status).toBe(200)
  const { capabilities } = expectOk(await admin('GET', '/admin/capabilities')).json
  const [{ jti }] = capabilities as [{ jti: string }]
  const before = railway.executed.length

  expectOk(await admin('DELETE', `/admin/capabilities/${jti}`))
  expect((await graphql(b, first, redeploy)).json).toMatchObject({ code: 'capability-revoked' })

  const second = await minted()
  expectOk(
    await admin('PUT', '/admin/scopes/work', { environment: 'staging', allow: ['railway:@read'] }),
  )
  expect((await graphql(b, second, redeploy)).json).toMatchObject({ code: 'operation-not-allowed' })

  expectOk(await admin('DELETE', '/admin/agents/cursor'))
  // What was still allowed a moment ago, so that only the removal can refuse it.
  expect((await graphql(b, second, '{ platformStatus { isStable } }')).json).toMatchObject({
    code: 'capability-revoked',
  })
  const later = railway.executed.slice(before).map(({ coordinate }) => coordinate)
  expect(later).not.toContain('Mutation.deploymentRedeploy')
  expect(later).not.toContain('Query.platformStatus')

  const entries = await entriesOf(adminOf(b, session))
  expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, i) => i + 1))
  expect(
    expectOk(await adminOf(b, session)('GET', '/admin/audit/verification')).json,
  ).toMatchObject({
    ok: true,
  })

  // Planes do not mix.
  const as = (bearer: string) => ({ headers: { authorization: `Bearer ${bearer}` } })
  expect((await send(`${a.operatorUrl}/admin/status`, as(second))).status).toBe(401)
  expect((await send(`${a.agentUrl}/v1/capability`, as(session))).status).toBe(401)
  expect((await send(`${a.agentUrl}/admin/status`, as(session))).status).toBe(404)
  expect((await send(`${a.operatorUrl}/oauth/token`, { method: 'POST' })).status).toBe(404)
  expect((await send(`${a.agentUrl}/metrics`)).status).toBe(404)
  expect((await send(`${a.agentUrl}/healthz`)).status).toBe(200)
  expect((await send(`${a.operatorUrl}/readyz`)).json).toMatchObject({ status: 'ready' })
  await Promise.all([a.stop(), b.stop()])
  await railway.close()
})
