/** A capability in, a narrower one out: less of it, for one thing, for so many calls, and gone with what it grew from. */
import { decodeJwt } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, expectOk, type Front, field, front, send } from '../support/broker.ts'
import { stores } from '../support/stores.ts'
import { twins } from '../support/twins.ts'

const { staging } = ids.environments
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'

type Asked = { details?: unknown } & Record<string, unknown>

function exchanging(base: string) {
  return (token: string, { details, ...asked }: Asked = {}): Promise<Answer> =>
    send(`${base}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: grant,
        subject_token: token,
        subject_token_type: accessToken,
        ...Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, String(value)])),
        ...(details === undefined ? {} : { authorization_details: JSON.stringify(details) }),
      }),
    })
}

function railway(more: object) {
  return [{ type: 'valetkey', connection: 'railway', ...more }]
}

const environment = (id: string) => `{ environment(id: "${id}") { name } }`
const instance = (service: string, selection: string) =>
  `{ serviceInstance(environmentId: "${staging}", serviceId: "${service}") { ${selection} } }`
const redeployService = (service: string) =>
  `mutation { serviceInstanceRedeploy(environmentId: "${staging}", serviceId: "${service}") }`

describe.each(stores)('a narrower capability on %s', async (kind) => {
  const at = await front(kind)
  const exchange = exchanging(at.broker.agentUrl)
  const narrower = async (token: string, asked: Asked = {}) =>
    field(expectOk(await exchange(token, asked)), 'access_token')

  it('says what it grew from and whom it is for, and lives no longer', async () => {
    const root = await at.capability({ ttl: 300 })
    const answer = expectOk(await exchange(root, { actor: 'tests', reason: 'run the tests' }))
    expect(answer.json).toMatchObject({ token_type: 'Bearer', issued_token_type: accessToken })
    const [was, is] = [decodeJwt(root), decodeJwt(field(answer, 'access_token'))]
    expect(is).toMatchObject({
      sub: 'cursor',
      act: { sub: 'tests' },
      parent: [was.jti],
      auth_time: was.iat,
      authorization_details: was['authorization_details'],
    })
    expect(is.exp).toBeLessThanOrEqual(was.exp ?? 0)
    const below = await narrower(field(answer, 'access_token'), { actor: 'linter', ttl: 60 })
    expect(decodeJwt(below)).toMatchObject({
      act: { sub: 'linter', act: { sub: 'tests' } },
      parent: [is.jti, was.jti],
    })
    const shown = await at.agent('/v1/capability', {
      headers: { authorization: `Bearer ${below}` },
    })
    expect(shown.json).toMatchObject({ agent: 'cursor', actors: ['linter', 'tests'] })
    const [entry] = await at.audit('&kind=mint')
    expect(entry).toMatchObject({ facts: { parent: is.jti, actors: ['linter', 'tests'] } })
  })

  it('does what it still may, and nothing that it was not given', async () => {
    const root = await at.capability()
    const less = await narrower(root, { details: railway({ operations: ['Query.environment'] }) })
    expect((await at.call(less, environment(staging))).status).toBe(200)
    expect((await at.call(less, redeployService(ids.services.web))).json).toMatchObject({
      code: 'operation-not-allowed',
    })
    const wider = await exchange(less, { details: railway({ operations: ['Query.project'] }) })
    expect(wider.json).toMatchObject({ error: 'invalid_authorization_details' })
    expect(at.carriedOut()).toEqual([])
  })

  it('cannot name what a pattern of its parent does not cover, though the scope does', async () => {
    await at.scope('dangerous', [
      'railway:@write',
      'railway:Mutation.*',
      'railway:Mutation.serviceDelete',
    ])
    const root = await at.capability({
      scope: 'dangerous',
      details: railway({ operations: ['Mutation.*'] }),
    })
    const named = await narrower(root, {
      details: railway({ operations: ['Mutation.serviceDelete'] }),
    })
    const call = `mutation { serviceDelete(id: "${ids.services.web}", environmentId: "${staging}") }`
    for (const token of [root, named]) {
      expect((await at.call(token, call)).json).toMatchObject({ code: 'operation-not-allowed' })
    }
    expect(at.carriedOut()).toEqual([])
  })

  it('for one service acts on that one, and reads nothing beyond it', async () => {
    const root = await at.capability()
    const { web, postgres } = ids.services
    const one = await narrower(root, {
      details: railway({ resources: [`railway:service:${web}`] }),
    })
    expect((await at.call(one, instance(web, 'id startCommand'))).status).toBe(200)
    expect((await at.call(one, instance(web, 'latestDeployment { id createdAt }'))).status).toBe(
      200,
    )
    expect((await at.call(one, redeployService(web))).status).toBe(200)
    expect(at.carriedOut()).toEqual(['Mutation.serviceInstanceRedeploy'])
    const refused = { code: 'outside-environment' }
    for (const call of [
      environment(staging),
      instance(postgres, 'id'),
      redeployService(postgres),
      instance(web, 'latestDeployment { id url }'),
      `mutation { deploymentRedeploy(id: "${ids.deployments.webStaging}") { id } }`,
      `mutation { customDomainCreate(input: { domain: "x.acme.example", environmentId: "${staging}", projectId: "${ids.projects.rentals}", serviceId: "${postgres}" }) { id } }`,
    ]) {
      const answer = await at.call(one, call)
      expect([call, answer.json['code']]).toEqual([call, refused.code])
    }
    expect(at.carriedOut()).toEqual([])
    const other = await exchange(one, {
      details: railway({ resources: [`railway:service:${postgres}`] }),
    })
    expect(other.json).toMatchObject({ error: 'invalid_authorization_details' })
    const info = await at.agent('/v1/capability', { headers: { authorization: `Bearer ${one}` } })
    expect(info.text).toContain(`only for service ${web}`)
  })

  it('of a parent that is for one service cannot be asked for in pieces', async () => {
    const root = await at.capability({
      details: railway({ resources: [`railway:service:${ids.services.web}`] }),
    })
    const pieces = [...railway({ operations: ['@read'] }), ...railway({ operations: ['@write'] })]
    expect((await exchange(root, { details: pieces })).json).toMatchObject({
      error: 'invalid_authorization_details',
    })
  })

  it('is good for so many calls, and its children share them', async () => {
    const root = await at.capability({ details: railway({ max_calls: 3, max_writes: 1 }) })
    const [a, b] = [
      await narrower(root),
      await narrower(root, { details: railway({ max_calls: 100 }) }),
    ]
    const read = environment(staging)
    expect((await at.call(a, redeployService(ids.services.web))).status).toBe(200)
    const again = await at.call(b, redeployService(ids.services.web))
    expect(again.json).toMatchObject({ code: 'limit-exceeded', retry: 'new-capability' })
    expect((await at.call(b, read)).status).toBe(200)
    const left = await at.agent('/v1/capability', { headers: { authorization: `Bearer ${b}` } })
    expect(left.json).toMatchObject({ connections: [{ calls_left: 1, writes_left: 0 }] })
    const many = await Promise.all([root, a, b, root, a, b].map((token) => at.call(token, read)))
    expect(many.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(at.carriedOut()).toHaveLength(1)
  })

  it('is not taken from a budget where the call is refused', async () => {
    const root = await at.capability({ details: railway({ max_calls: 1 }) })
    expect((await at.call(root, environment(ids.environments.production))).status).toBe(403)
    expect((await at.call(root, environment(staging))).status).toBe(200)
    expect((await at.call(root, environment(staging))).status).toBe(429)
  })

  it.each([
    ['what is no capability', { subject_token: 'x.y.z' }, 'invalid_grant'],
    [
      'another kind of token',
      { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      'invalid_request',
    ],
    [
      'another kind wanted',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      'invalid_request',
    ],
    ['an actor token', { actor_token: 'x' }, 'invalid_request'],
    ['an actor that is no name', { actor: 'Tests!' }, 'invalid_request'],
    ['another client', { client_id: 'other' }, 'invalid_grant'],
    ['a scope that it does not carry', { scope: 'other' }, 'invalid_scope'],
    ['a longer life', { ttl: 3_000 }, 'invalid_request'],
    [
      'a budget of nothing',
      { details: railway({ max_calls: 0 }) },
      'invalid_authorization_details',
    ],
    [
      'a resource of another connection',
      { details: railway({ resources: ['stripe:account:x'] }) },
      'invalid_authorization_details',
    ],
    [
      'two entries of which one restricts',
      { details: [...railway({ max_calls: 3 }), ...railway({})] },
      'invalid_authorization_details',
    ],
  ])('is refused for %s', async (_, asked, error) => {
    const root = await at.capability({ ttl: 600 })
    expect((await exchange(root, asked as Asked)).json).toMatchObject({ error })
  })

  it('comes from a line of at most nine', async () => {
    let token = await at.capability()
    for (let depth = 0; depth < 8; depth += 1) token = await narrower(token)
    expect((await exchange(token)).json).toMatchObject({ error: 'invalid_request' })
  })

  it('is had by strict clients that others wrote', async () => {
    const root = await at.capability()
    const url = new URL(at.broker.ctx.publicUrl)
    const insecure = { [oauth.allowInsecureRequests]: true }
    const found = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
    const server = await oauth.processDiscoveryResponse(url, found)
    const asked = { subject_token: root, subject_token_type: accessToken, actor: 'tests' }
    const named = { client_id: 'cursor' }
    const response = await oauth.genericTokenEndpointRequest(
      server,
      named,
      oauth.None(),
      grant,
      asked,
      insecure,
    )
    const { access_token } = await oauth.processGenericTokenEndpointResponse(
      server,
      named,
      response,
    )
    expect(decodeJwt(access_token)).toMatchObject({ act: { sub: 'tests' } })
    const config = await client.discovery(url, 'cursor', undefined, client.None(), {
      algorithm: 'oauth2',
      execute: [client.allowInsecureRequests],
    })
    const second = await client.genericGrantRequest(config, grant, asked)
    expect(decodeJwt(second.access_token)).toMatchObject({ act: { sub: 'tests' } })
  })
})

describe('what grew from a capability', async () => {
  const { one, two } = await twins()
  const exchange = exchanging(one.broker.agentUrl)
  const there = (token: string, query: string) =>
    send(`${two.agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query }),
    })
  const line = async (at: Front) => {
    const root = await at.capability()
    const child = field(expectOk(await exchange(root, { actor: 'tests' })), 'access_token')
    const grandchild = field(expectOk(await exchange(child)), 'access_token')
    return { root, child, grandchild }
  }
  const jti = (token: string) => decodeJwt(token).jti ?? ''

  it('falls with it on the other replica, and what it grew from stands', async () => {
    const { root, child, grandchild } = await line(one)
    expect((await there(grandchild, environment(staging))).status).toBe(200)
    expectOk(await one.admin('DELETE', `/admin/capabilities/${jti(child)}`))
    for (const token of [child, grandchild]) {
      expect((await there(token, environment(staging))).json).toMatchObject({
        code: 'capability-revoked',
      })
      expect((await exchanging(two.agentUrl)(token)).json).toMatchObject({ error: 'invalid_grant' })
    }
    expect((await there(root, environment(staging))).status).toBe(200)
  })

  it('is frozen with it on the other replica, and goes on when that is lifted', async () => {
    const { root, child, grandchild } = await line(one)
    const frozen = expectOk(
      await one.admin('POST', '/admin/freezes', { subject: `capability:${jti(child)}` }),
    )
    expect((await there(grandchild, environment(staging))).json).toMatchObject({ code: 'frozen' })
    expect((await exchanging(two.agentUrl)(child)).json).toMatchObject({ error: 'access_denied' })
    expect((await there(root, environment(staging))).status).toBe(200)
    expectOk(await one.admin('DELETE', `/admin/freezes/${frozen.json['id']}`))
    // The other replica goes on refusing until it has heard, which is no breach.
    await expect
      .poll(async () => (await there(grandchild, environment(staging))).status, { timeout: 5_000 })
      .toBe(200)
  })

  it('is given up by whoever holds it, without any other credential', async () => {
    const { child, grandchild } = await line(one)
    await send(`${one.broker.agentUrl}/oauth/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: child }),
    })
    expect((await there(grandchild, environment(staging))).status).toBe(401)
  })

  it('is shown below it', async () => {
    const { root, child } = await line(one)
    const { json } = expectOk(await one.admin('GET', '/admin/capabilities'))
    expect(json['capabilities']).toContainEqual(
      expect.objectContaining({ jti: jti(child), parent: jti(root), actor: 'tests' }),
    )
  })
})
