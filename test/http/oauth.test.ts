import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { oauthRoutes } from '../../src/http/oauth.ts'
import { removeAgent } from '../../src/identity/agents.ts'
import { mint } from '../../src/tokens/mint.ts'
import { standing, verifyCapability } from '../../src/tokens/verify.ts'
import { stores } from '../support/stores.ts'
import {
  addScope,
  agentNamed,
  auditLog,
  type Broker,
  broker,
  by,
  newAgent,
  replicaOf,
} from '../tokens/broker.ts'

const insecure = { [oauth.allowInsecureRequests]: true }
const Refusal = z.strictObject({ error: z.string(), error_description: z.string() })

describe.each(stores)('the token endpoints on %s', (kind) => {
  let ctx: Broker
  let server: oauth.AuthorizationServer
  let secret: string
  let otherSecret: string
  const client: oauth.Client = { client_id: 'cursor' }
  const closing: (() => void)[] = []

  beforeAll(async () => {
    const http = createServer()
    http.listen(0, '127.0.0.1')
    await once(http, 'listening')
    const bound = http.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    closing.push(() => {
      http.closeAllConnections()
      http.close()
    })

    ctx = await broker(kind, `http://127.0.0.1:${bound.port}`)
    await addScope(ctx, { name: 'reads', allow: ['railway:Query.*', 'railway:@write'] })
    await addScope(ctx, { name: 'live', environment: 'production' })
    secret = await newAgent(ctx, 'cursor', ['reads', 'live'])
    otherSecret = await newAgent(ctx, 'other', ['reads'])
    const app = oauthRoutes(ctx)
    http.on(
      'request',
      getRequestListener((req, env) => app.fetch(req, env)),
    )

    const issuer = new URL(ctx.publicUrl)
    const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
    server = await oauth.processDiscoveryResponse(issuer, found)
  })
  afterAll(() => {
    for (const close of closing.splice(0)) close()
  })

  async function granted(
    params: Record<string, string>,
    authentication = oauth.ClientSecretPost(secret),
  ) {
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authentication,
      params,
      insecure,
    )
    return oauth.processClientCredentialsResponse(server, client, response)
  }

  function post(path: string, body: string | Record<string, string>, headers: object = {}) {
    return fetch(`${ctx.publicUrl}${path}`, {
      method: 'POST',
      body: typeof body === 'string' ? body : new URLSearchParams(body).toString(),
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    })
  }
  const credentials = () => ({ client_id: 'cursor', client_secret: secret })
  const grant = () => ({ ...credentials(), grant_type: 'client_credentials', scope: 'reads' })
  const basic = (id: string, value: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${value}`).toString('base64')}`,
  })

  it('are discovered, and hand a strict client a capability by either kind of authentication', async () => {
    for (const authentication of [
      oauth.ClientSecretPost(secret),
      oauth.ClientSecretBasic(secret),
    ]) {
      const answer = await granted({ scope: 'reads', ttl: '300', reason: 'a demo' }, authentication)
      expect(answer).toMatchObject({ token_type: 'bearer', expires_in: 300, scope: 'reads' })
      expect(answer['authorization_details']).toEqual([
        {
          type: 'valetkey',
          environment: 'staging',
          connection: 'railway',
          operations: ['Query.*', '@write'],
        },
      ])
      expect(await verifyCapability(ctx, answer.access_token)).toMatchObject({ agent: 'cursor' })
    }
  })

  it('publish the keys that verify a capability', async () => {
    const { access_token } = await granted({ scope: 'reads' })
    const response = await fetch(server.jwks_uri ?? '')
    const keys = createLocalJWKSet(
      z.custom<Parameters<typeof createLocalJWKSet>[0]>().parse(await response.json()),
    )
    const { payload } = await jwtVerify(access_token, keys, {
      issuer: ctx.publicUrl,
      audience: ctx.publicUrl,
      typ: 'at+jwt',
      algorithms: ['EdDSA'],
    })
    expect(payload.sub).toBe('cursor')
  })

  it('introspect an own capability, until it is revoked, on every replica', async () => {
    const { access_token } = await granted({ scope: 'reads' })
    const introspected = async () => {
      const response = await oauth.introspectionRequest(
        server,
        client,
        oauth.ClientSecretPost(secret),
        access_token,
        insecure,
      )
      return oauth.processIntrospectionResponse(server, client, response)
    }
    const claims = decodeJwt(access_token)
    expect(await introspected()).toEqual({ active: true, token_type: 'Bearer', ...claims })

    const replica = await replicaOf(ctx)
    const capability = await verifyCapability(replica, access_token)
    const verdict = () =>
      standing(replica.realm.now(), capability, 'railway', replica.clock.now()).verdict
    expect(verdict()).toBe('allow')

    const revoke = async () => {
      const response = await oauth.revocationRequest(
        server,
        client,
        oauth.ClientSecretPost(secret),
        access_token,
        insecure,
      )
      await oauth.processRevocationResponse(response)
    }
    await revoke()
    expect(await introspected()).toEqual({ active: false })
    await replica.realm.refresh()
    expect(verdict()).toBe('deny')
    await revoke()
    const revocations = (await auditLog(ctx)).filter((entry) => entry['kind'] === 'revoke')
    expect(
      revocations.filter((entry) => JSON.stringify(entry).includes(String(claims.jti))),
    ).toHaveLength(1)
  })

  it('neither show nor revoke another agent’s capability, and answer as for any text', async () => {
    const { token, jti } = await mint(ctx, { agent: agentNamed(ctx, 'cursor'), scopes: ['reads'] })
    const other = { client_id: 'other', client_secret: otherSecret }
    for (const text of [token, 'x', 'a.b.c', `${token}x`, 'x'.repeat(9_000)]) {
      const introspected = await post('/oauth/introspect', { ...other, token: text })
      expect(await introspected.text()).toBe('{"active":false}')
      const revoked = await post('/oauth/revoke', {
        ...other,
        token: text,
        token_type_hint: 'refresh_token',
      })
      expect(revoked.status).toBe(200)
      expect(await revoked.text()).toBe('')
    }
    expect(ctx.realm.now().revoked.has(jti)).toBe(false)
  })

  it('say in every error what to do next, and in none whether the client exists', async () => {
    const wrong = await post('/oauth/token', { ...grant(), client_secret: 'vks_wrong' })
    const unknown = await post('/oauth/token', { ...grant(), client_id: 'nobody' })
    const [one, two] = [await wrong.text(), await unknown.text()]
    expect(one).toBe(two)
    for (const response of [wrong, unknown]) {
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/)
      expect(response.headers.get('cache-control')).toBe('no-store')
    }
    expect(Refusal.parse(JSON.parse(one)).error).toBe('invalid_client')
  })

  it('decode Basic credentials as forms do, so that a plus and a percent sign mean what they say', async () => {
    const body = { grant_type: 'client_credentials', scope: 'reads' }
    const escaped = secret.replaceAll('_', '%5F').replaceAll('-', '%2d')
    expect((await post('/oauth/token', body, basic('curs%6Fr', escaped))).status).toBe(200)
    expect((await post('/oauth/token', body, basic('cursor', `${secret}%`))).status).toBe(401)
    expect((await post('/oauth/token', body, basic('cursor', `${secret}+`))).status).toBe(401)
  })

  it.each<[string, string, Record<string, string>, number?]>([
    ['no grant type', 'invalid_request', { grant_type: '' }],
    ['an unknown grant type', 'unsupported_grant_type', { grant_type: 'password' }],
    ['no secret', 'invalid_client', { client_secret: '' }, 401],
    ['a client assertion', 'invalid_request', { client_assertion: 'x' }],
    ['no scope', 'invalid_scope', { scope: '' }],
    ['an unknown scope', 'invalid_scope', { scope: 'nothing' }],
    ['scopes of two environments', 'invalid_scope', { scope: 'reads live' }],
    ['a ttl that is no number', 'invalid_request', { ttl: '5m' }],
    ['a ttl beyond the scope', 'invalid_request', { ttl: '1801' }],
    ['a negative ttl', 'invalid_request', { ttl: '-1' }],
    ['a reason of two lines', 'invalid_request', { reason: 'a\nb' }],
    ['details that are no JSON', 'invalid_authorization_details', { authorization_details: '{' }],
    [
      'details with a key that stands twice',
      'invalid_authorization_details',
      {
        authorization_details:
          '[{"type":"valetkey","connection":"railway","operations":["Query.a"],"operations":["Query.b"]}]',
      },
    ],
    [
      'details of another type',
      'invalid_authorization_details',
      { authorization_details: '[{"type":"payment"}]' },
    ],
  ])('refuse %s', async (_, error, more, status = 400) => {
    const response = await post('/oauth/token', { ...grant(), ...more })
    expect(response.status).toBe(status)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(Refusal.parse(await response.json()).error).toBe(error)
  })

  it('refuse what has two readings, or another form than a form', async () => {
    const body = new URLSearchParams(grant()).toString()
    const cases: [string, object][] = [
      [`${body}&scope=live`, {}],
      [`${body}&other=1&other=1`, {}],
      [`${body}&%73cope=live`, {}],
      [body, basic('cursor', secret)],
      [body, { 'content-type': 'application/json' }],
      [body, { 'content-type': 'application/x-www-form-urlencoded; charset=utf-16' }],
      [body, { 'content-type': 'text/plain' }],
      [body, { 'content-encoding': 'gzip' }],
      [`${body}&reason=%`, {}],
      [`${body}&reason=%ff`, {}],
      [JSON.stringify(grant()), {}],
    ]
    for (const [text, headers] of cases) {
      const response = await post('/oauth/token', text, headers)
      expect(response.status).toBe(400)
      expect(Refusal.parse(await response.json()).error).toBe('invalid_request')
    }
    const inAddress = await post(`/oauth/token?${body}`, body)
    expect(inAddress.status).toBe(400)
    const other = await post(
      '/oauth/token',
      { grant_type: 'client_credentials', scope: 'reads', client_id: 'other' },
      basic('cursor', secret),
    )
    expect(Refusal.parse(await other.json()).error).toBe('invalid_request')
  })

  it('refuse a body that is too large before reading it whole, and other methods', async () => {
    const large = await post('/oauth/token', `scope=${'a'.repeat(40_000)}`)
    expect(large.status).toBe(413)
    const got = await fetch(`${ctx.publicUrl}/oauth/token`)
    expect(got.status).toBe(405)
    expect(got.headers.get('allow')).toBe('POST')
  })

  it('limit failed tries with the status and header for it', async () => {
    await newAgent(ctx, 'limited', ['reads'])
    const tried = (i: number) =>
      post('/oauth/token', { ...grant(), client_id: 'limited', client_secret: `vks_${i}` })
    const statuses: number[] = []
    for (let i = 0; i < 11; i++) statuses.push((await tried(i)).status)
    expect(statuses.slice(0, 10).every((status) => status === 401)).toBe(true)
    const refused = await tried(11)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    await refused.body?.cancel()
    expect((await post('/oauth/token', grant())).status).toBe(200)
  })

  it('name themselves by the configured address, whatever Host or a forwarding header says', async () => {
    const { port } = new URL(ctx.publicUrl)
    const text = await new Promise<string>((resolve, reject) => {
      const outgoing = httpRequest(
        {
          port,
          host: '127.0.0.1',
          path: '/.well-known/oauth-authorization-server',
          headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example' },
        },
        async (response) => resolve((await response.toArray()).join('')),
      )
      outgoing.on('error', reject).end()
    })
    expect(text).not.toContain('evil')
    expect(JSON.parse(text)).toMatchObject({
      issuer: ctx.publicUrl,
      token_endpoint: `${ctx.publicUrl}/oauth/token`,
      grant_types_supported: [
        'client_credentials',
        'urn:ietf:params:oauth:grant-type:token-exchange',
      ],
    })
  })

  it('know nobody any more once the agent is removed', async () => {
    const gone = { client_id: 'gone', client_secret: await newAgent(ctx, 'gone', ['reads']) }
    const response = await post('/oauth/token', { ...grant(), ...gone })
    const { access_token } = z.object({ access_token: z.string() }).parse(await response.json())
    await removeAgent(ctx, by, 'gone')
    expect((await post('/oauth/token', { ...grant(), ...gone })).status).toBe(401)
    const again = { client_id: 'gone', client_secret: await newAgent(ctx, 'gone', ['reads']) }
    const introspected = await post('/oauth/introspect', { ...again, token: access_token })
    expect(await introspected.json()).toEqual({ active: false })
  })

  it('log no secret and no token', async () => {
    const { access_token } = await granted({ scope: 'reads' })
    await post('/oauth/token', { ...grant(), client_id: secret, client_secret: access_token })
    for (const place of [ctx.lines, await auditLog(ctx)]) {
      expect(JSON.stringify(place)).not.toContain(secret.slice(4))
      expect(JSON.stringify(place)).not.toContain(access_token.split('.')[2])
    }
    expect(JSON.stringify(ctx.lines)).toContain('a client was refused')
  })

  it('answer 503 and mint nothing while the store cannot be written', async () => {
    await ctx.store.run('alter table audit_entries rename to gone', [])
    const refused = await post('/oauth/token', grant())
    await ctx.store.run('alter table gone rename to audit_entries', [])
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).not.toBeNull()
    expect(Refusal.parse(await refused.json()).error).toBe('temporarily_unavailable')
    expect((await post('/oauth/token', grant())).status).toBe(200)
  })
})
