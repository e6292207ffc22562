/** Agents that sign instead of telling a secret: each assertion once, for this broker alone, and with a key of theirs. */
import { randomUUID } from 'node:crypto'
import { decodeJwt, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { describe, expect, it } from 'vitest'
import { type Answer, expectOk, field, front, send } from '../support/broker.ts'
import { now, startIssuer } from '../support/issuer.ts'
import { stores } from '../support/stores.ts'
import { twins } from '../support/twins.ts'

const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
type Key = Awaited<ReturnType<typeof generateKeyPair>>

const signed = (key: Key, aud: unknown, over: JWTPayload = {}, alg = 'EdDSA') =>
  new SignJWT({
    ...{ iss: 'builder', sub: 'builder', aud: aud as string, jti: randomUUID() },
    ...{ iat: now(), exp: now() + 60, ...over },
  })
    .setProtectedHeader({ alg })
    .sign(key.privateKey)

const tokenWith = (
  base: string,
  assertion: string,
  more: Record<string, string> = {},
): Promise<Answer> =>
  send(`${base}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'work',
      client_assertion: assertion,
      client_assertion_type: type,
      ...more,
    }),
  })

describe.each(stores)('an agent with a key on %s', async (kind) => {
  const at = await front(kind)
  const { publicUrl } = at.broker.ctx
  const key = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = await exportJWK(key.publicKey)
  const added = expectOk(
    await at.admin('POST', '/admin/agents', { name: 'builder', scopes: ['work'], key: jwk }),
  )
  const ask = (assertion: string, more = {}) => tokenWith(at.broker.agentUrl, assertion, more)

  it('has no secret, and gets a capability for a signature', async () => {
    expect(added.json).toEqual({ name: 'builder', key: expect.stringMatching(/^[\w-]{43}$/) })
    for (const aud of [publicUrl, `${publicUrl}/oauth/token`, [publicUrl]]) {
      const answer = expectOk(await ask(await signed(key, aud)))
      expect(decodeJwt(field(answer, 'access_token')).sub).toBe('builder')
    }
  })

  it.each([
    ['a second time', {}, {}],
    ['another audience', { aud: 'https://other.example' }, {}],
    ['an audience beside ours', { aud: [publicUrl, 'https://other.example'] }, {}],
    ['what has expired', { exp: now() - 60 }, {}],
    ['what has no end', { exp: undefined }, {}],
    ['what lives too long', { exp: now() + 3_600 }, {}],
    ['no jti', { jti: undefined }, {}],
    ['another issuer', { iss: 'cursor' }, {}],
    ['another agent', { iss: 'cursor', sub: 'cursor' }, {}],
    ['nobody', { iss: 'nobody', sub: 'nobody' }, {}],
    ['another client_id', {}, { client_id: 'cursor' }],
    ['another type', {}, { client_assertion_type: 'x' }],
    ['a secret beside it', {}, { client_secret: 'x' }],
  ] as [string, JWTPayload, Record<string, string>][])(
    'is refused for %s',
    async (what, over, more) => {
      const assertion = await signed(key, publicUrl, over)
      if (what === 'a second time') expectOk(await ask(assertion))
      const answer = await ask(assertion, more)
      expect([400, 401]).toContain(answer.status)
      expect(answer.json).not.toHaveProperty('access_token')
    },
  )

  it('is refused for another key, and for a secret that it does not have', async () => {
    const other = await generateKeyPair('EdDSA')
    expect((await ask(await signed(other, publicUrl))).json).toMatchObject({
      error: 'invalid_client',
    })
    const es = await generateKeyPair('ES256')
    expect((await ask(await signed(es, publicUrl, {}, 'ES256'))).status).toBe(401)
    const basic = await send(`${at.broker.agentUrl}/oauth/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa('builder:vks_x')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'work' }),
    })
    expect(basic.status).toBe(401)
  })

  it('gets another key with an overlap, after which the first is none', async () => {
    const [first, second, third] = await Promise.all(
      [1, 2, 3].map(() => generateKeyPair('ES256', { extractable: true })),
    )
    if (first === undefined || second === undefined || third === undefined)
      throw new Error('no keys')
    const name = 'turner'
    const as = (one: Key) => signed(one, publicUrl, { iss: name, sub: name }, 'ES256')
    expectOk(
      await at.admin('POST', '/admin/agents', {
        name,
        scopes: ['work'],
        key: await exportJWK(first.publicKey),
      }),
    )
    const rotate = async (one: Key, overlap_seconds: number) =>
      expectOk(
        await at.admin('POST', `/admin/agents/${name}/credentials`, {
          key: await exportJWK(one.publicKey),
          overlap_seconds,
        }),
      )
    await rotate(second, 600)
    expect((await ask(await as(first))).status).toBe(200)
    expect((await ask(await as(second))).status).toBe(200)
    await rotate(third, 0)
    for (const gone of [first, second]) expect((await ask(await as(gone))).status).toBe(401)
    expect((await ask(await as(third))).status).toBe(200)
    // A secret takes the place of a key as well.
    const { json } = expectOk(await at.admin('POST', `/admin/agents/${name}/credentials`, {}))
    expect(json['secret']).toMatch(/^vks_/)
    expect((await ask(await as(third))).status).toBe(401)
  })

  it('may publish its keys', async () => {
    const issuer = await startIssuer()
    const body = { name: 'publisher', scopes: ['work'], jwks_url: `${issuer.url}/.well-known/jwks` }
    expect((await at.admin('POST', '/admin/agents', body)).status).toBe(400)
    expectOk(await at.admin('POST', '/admin/agents', { ...body, allow_private: true }))
    const assertion = () =>
      issuer.sign({
        iss: 'publisher',
        sub: 'publisher',
        aud: publicUrl,
        jti: randomUUID(),
        exp: now() + 60,
      })
    expect((await ask(await assertion())).status).toBe(200)
  })

  it.each([
    ['a private key', async () => exportJWK(key.privateKey)],
    ['a symmetric key', async () => ({ kty: 'oct', k: 'AAAA' })],
    ['another curve', async () => ({ kty: 'EC', crv: 'P-384', x: 'AA', y: 'AA' })],
    ['a short RSA key', async () => ({ kty: 'RSA', n: 'AQAB', e: 'AQAB' })],
    ['what is no key', async () => ({ kty: 'OKP', crv: 'Ed25519', x: 'AA' })],
  ])('cannot be registered with %s', async (_, jwkOf) => {
    const answer = await at.admin('POST', '/admin/agents', {
      name: 'odd',
      scopes: [],
      key: await jwkOf(),
    })
    expect(answer.json).toMatchObject({ code: 'malformed-request' })
    expect(answer.text).not.toContain((await exportJWK(key.privateKey)).d)
  })

  it('is served by strict clients that others wrote', async () => {
    const url = new URL(publicUrl)
    const insecure = { [oauth.allowInsecureRequests]: true }
    const found = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
    const server = await oauth.processDiscoveryResponse(url, found)
    const named = { client_id: 'builder' }
    const proof = oauth.PrivateKeyJwt(key.privateKey)
    const params = { scope: 'work' }
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      named,
      proof,
      params,
      insecure,
    )
    const got = await oauth.processClientCredentialsResponse(server, named, response)
    expect(decodeJwt(got.access_token).sub).toBe('builder')
    const revoked = await oauth.revocationRequest(server, named, proof, got.access_token, insecure)
    await oauth.processRevocationResponse(revoked)
    const config = await client.discovery(
      url,
      'builder',
      undefined,
      client.PrivateKeyJwt(key.privateKey),
      {
        algorithm: 'oauth2',
        execute: [client.allowInsecureRequests],
      },
    )
    const second = await client.clientCredentialsGrant(config, params)
    expect(await client.tokenIntrospection(config, second.access_token)).toMatchObject({
      active: true,
    })
  })
})

it('an assertion is spent on every replica at once', async () => {
  const { one, two } = await twins()
  const key = await generateKeyPair('EdDSA', { extractable: true })
  const body = { name: 'builder', scopes: ['work'], key: await exportJWK(key.publicKey) }
  expectOk(await one.admin('POST', '/admin/agents', body))
  await two.ctx.realm.refresh()
  const assertion = await signed(key, one.broker.ctx.publicUrl)
  const urls = [one.broker.agentUrl, two.agentUrl, one.broker.agentUrl, two.agentUrl]
  const answers = await Promise.all(urls.map((url) => tokenWith(url, assertion)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401])
})
