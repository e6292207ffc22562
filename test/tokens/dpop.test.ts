/** A capability that is bound to a key is worth nothing without it, wherever it is shown and on whichever replica. */
import { createHash, randomUUID } from 'node:crypto'
import {
  calculateJwkThumbprint,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JWTPayload,
  SignJWT,
} from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, expectOk, type Front, field, front, send } from '../support/broker.ts'
import { now } from '../support/issuer.ts'
import { stores } from '../support/stores.ts'
import { twins } from '../support/twins.ts'

const query = `{ environment(id: "${ids.environments.staging}") { name } }`
const road = '/x/railway/graphql/v2'

type Holder = Awaited<ReturnType<typeof holder>>

/** Somebody with a key. */
async function holder(alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const jwk = await exportJWK(publicKey)
  const proof = (claims: JWTPayload, header: object = {}) =>
    new SignJWT({ jti: randomUUID(), iat: now(), ...claims })
      .setProtectedHeader({ alg, typ: 'dpop+jwt', jwk, ...header })
      .sign(privateKey)
  return { jwk, thumbprint: await calculateJwkThumbprint(jwk), proof }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')

function tokenRequest(at: Front, secret: string, headers: Record<string, string>, more = {}) {
  return send(`${at.broker.agentUrl}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`keeper:${secret}`)}`, ...headers },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'work', ...more }),
  })
}

/** The nonce, as an honest client learns it. */
async function nonceOf(at: Front, secret: string, by: Holder): Promise<string> {
  const htu = `${at.broker.ctx.publicUrl}/oauth/token`
  const first = await tokenRequest(at, secret, { dpop: await by.proof({ htm: 'POST', htu }) })
  expect(first.json).toMatchObject({ error: 'use_dpop_nonce' })
  return first.headers.get('dpop-nonce') ?? ''
}

async function boundTo(at: Front, secret: string, by: Holder): Promise<string> {
  const nonce = await nonceOf(at, secret, by)
  const htu = `${at.broker.ctx.publicUrl}/oauth/token`
  const answer = expectOk(
    await tokenRequest(at, secret, { dpop: await by.proof({ htm: 'POST', htu, nonce }) }),
  )
  expect(answer.json).toMatchObject({ token_type: 'DPoP' })
  return field(answer, 'access_token')
}

function use(
  base: string,
  token: string,
  headers: Record<string, string>,
  path = road,
): Promise<Answer> {
  return send(base + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `DPoP ${token}`, ...headers },
    body: JSON.stringify({ query }),
  })
}

async function keeper(at: Front): Promise<string> {
  const added = await at.admin('POST', '/admin/agents', { name: 'keeper', scopes: ['work'] })
  return field(expectOk(added), 'secret')
}

describe.each(stores)('a bound capability on %s', async (kind) => {
  const at = await front(kind)
  const { publicUrl } = at.broker.ctx
  const secret = await keeper(at)
  const owner = await holder()
  const token = await boundTo(at, secret, owner)
  const nonce = await nonceOf(at, secret, owner)
  const good = { htm: 'POST', htu: publicUrl + road, ath: sha256(token), nonce }
  const used = async (claims: JWTPayload = {}, by: Holder = owner, header = {}) =>
    use(at.broker.agentUrl, token, { dpop: await by.proof({ ...good, ...claims }, header) })

  it('says whose it is, and works with a proof of the key', async () => {
    expect(decodeJwt(token)).toMatchObject({ cnf: { jkt: owner.thumbprint } })
    const answer = await used()
    expect(answer.status).toBe(200)
    expect(answer.headers.get('dpop-nonce')).toMatch(/\./)
    for (const alg of ['EdDSA', 'PS256']) {
      const by = await holder(alg)
      const other = await boundTo(at, secret, by)
      const dpop = await by.proof({ ...good, ath: sha256(other) })
      expect((await use(at.broker.agentUrl, other, { dpop })).status).toBe(200)
    }
  })

  it('is nothing to a thief: as a bearer, in another place, without or with a proof of their own', async () => {
    const thief = await holder()
    const own = await thief.proof(good)
    const stolen: Record<string, string>[] = [
      { authorization: `Bearer ${token}` },
      { authorization: `Bearer ${token}`, dpop: own },
      { authorization: `Bearer ${token}`, dpop: await owner.proof(good) },
      { authorization: `DPoP ${token}` },
      { authorization: `DPoP ${token}`, dpop: own },
      { authorization: `Basic ${btoa(`${token}:`)}` },
      { authorization: `Basic ${btoa(`${token}:`)}`, dpop: own },
    ]
    for (const headers of stolen) {
      const answer = await use(at.broker.agentUrl, token, headers)
      expect([answer.status, answer.json['code']]).toEqual([401, 'invalid-proof'])
      expect(answer.headers.get('www-authenticate')).toMatch(/^DPoP error="invalid_dpop_proof"/)
    }
    for (const path of ['/v1/capability', '/v1/approvals/apr_x']) {
      const shown = await at.agent(path, { headers: { authorization: `Bearer ${token}` } })
      expect(shown.json).toMatchObject({ code: 'invalid-proof' })
    }
    expect(at.carriedOut()).toEqual([])
  })

  it.each([
    ['another method', { htm: 'GET' }],
    ['another path', { htu: `${publicUrl}/x/railway/graphql` }],
    ['another host', { htu: `http://evil.example${road}` }],
    ['another capability', { ath: sha256('another') }],
    ['no capability', { ath: undefined }],
    ['an hour ago', { iat: now() - 3_600 }],
    ['an hour from now', { iat: now() + 3_600 }],
    ['no id of its own', { jti: undefined }],
  ] as [string, JWTPayload][])('is refused with a proof for %s', async (_, claims) => {
    const answer = await used(claims)
    expect(answer.json).toMatchObject({ code: 'invalid-proof' })
    expect(answer.headers.get('www-authenticate')).toContain('invalid_dpop_proof')
  })

  it.each([
    ['no nonce', undefined],
    ['one that somebody made up', 'abc.def'],
    ['one of an hour ago', `${Math.floor(Date.now() / 60_000 - 60).toString(36)}.x`],
  ])('is refused with %s, and told the right one', async (_, wrong) => {
    const answer = await used({ nonce: wrong })
    expect(answer.headers.get('www-authenticate')).toContain('use_dpop_nonce')
    expect((await used({ nonce: answer.headers.get('dpop-nonce') ?? '' })).status).toBe(200)
  })

  it('is refused with a proof of another kind, of a symmetric key, or two at once', async () => {
    for (const header of [
      { typ: 'JWT' },
      { jwk: { kty: 'oct', k: 'AAAA' } },
      { jwk: undefined },
      { jwk: (await holder()).jwk },
    ]) {
      expect((await used({}, owner, header)).json).toMatchObject({ code: 'invalid-proof' })
    }
    const dpop = `${await owner.proof(good)}, ${await owner.proof(good)}`
    expect((await use(at.broker.agentUrl, token, { dpop })).status).toBe(401)
  })

  it('is not what an unbound capability can be made to look like', async () => {
    const plain = await at.capability()
    const dpop = await owner.proof({ ...good, ath: sha256(plain) })
    expect((await use(at.broker.agentUrl, plain, { dpop })).json).toMatchObject({
      code: 'invalid-capability',
    })
  })

  it('is exchanged only with its key, and its child stays bound, to this key or to a named one', async () => {
    const exchange = (headers: Record<string, string>, more: Record<string, string> = {}) =>
      send(`${at.broker.agentUrl}/oauth/token`, {
        method: 'POST',
        headers,
        body: new URLSearchParams({
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          ...more,
        }),
      })
    const proof = (by: Holder) => by.proof({ htm: 'POST', htu: `${publicUrl}/oauth/token`, nonce })
    const thief = await holder()
    expect((await exchange({})).json).toMatchObject({ error: 'invalid_dpop_proof' })
    expect((await exchange({ dpop: await proof(thief) })).json).toMatchObject({
      error: 'invalid_dpop_proof',
    })
    const child = expectOk(await exchange({ dpop: await proof(owner) }))
    expect(decodeJwt(field(child, 'access_token'))).toMatchObject({
      cnf: { jkt: owner.thumbprint },
    })
    const sub = await holder()
    const given = expectOk(
      await exchange({ dpop: await proof(owner) }, { dpop_jkt: sub.thumbprint }),
    )
    expect(decodeJwt(field(given, 'access_token'))).toMatchObject({ cnf: { jkt: sub.thumbprint } })
  })

  it('can be demanded by a scope, of what is minted and of what was', async () => {
    const before = await at.capability()
    const scope = { environment: 'staging', allow: ['railway:@read', 'railway:@write'] }
    expectOk(await at.admin('PUT', '/admin/scopes/work', { ...scope, bound: true }))
    expect((await at.call(before, query)).json).toMatchObject({ code: 'capability-revoked' })
    expect((await tokenRequest(at, secret, {})).json).toMatchObject({ error: 'invalid_dpop_proof' })
    expect((await used()).status).toBe(200)
    expectOk(await at.admin('PUT', '/admin/scopes/work', scope))
    expect((await at.call(before, query)).status).toBe(200)
  })

  it('is had and used by strict clients that others wrote, nonces included', async () => {
    const url = new URL(publicUrl)
    const insecure = { [oauth.allowInsecureRequests]: true }
    const found = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
    const server = await oauth.processDiscoveryResponse(url, found)
    const named = { client_id: 'keeper' }
    const DPoP = oauth.DPoP({}, await oauth.generateKeyPair('ES256'))
    const request = () =>
      oauth.clientCredentialsGrantRequest(
        server,
        named,
        oauth.ClientSecretPost(secret),
        { scope: 'work' },
        { DPoP, ...insecure },
      )
    const got = await oauth
      .processClientCredentialsResponse(server, named, await request())
      .catch(async (error) => {
        if (!oauth.isDPoPNonceError(error)) throw error
        return oauth.processClientCredentialsResponse(server, named, await request())
      })
    expect(got.token_type).toBe('dpop')
    const headers = new Headers({ 'content-type': 'application/json' })
    const body = JSON.stringify({ query })
    const call = () =>
      oauth.protectedResourceRequest(
        got.access_token,
        'POST',
        new URL(publicUrl + road),
        headers,
        body,
        { DPoP, ...insecure },
      )
    expect(await (await call()).json()).toMatchObject({
      data: { environment: { name: 'staging' } },
    })

    const config = await client.discovery(url, 'keeper', secret, undefined, {
      algorithm: 'oauth2',
      execute: [client.allowInsecureRequests],
    })
    const handle = client.getDPoPHandle(config, await client.randomDPoPKeyPair())
    const second = await client.clientCredentialsGrant(config, { scope: 'work' }, { DPoP: handle })
    const answer = await client.fetchProtectedResource(
      config,
      second.access_token,
      new URL(publicUrl + road),
      'POST',
      body,
      headers,
      { DPoP: handle },
    )
    expect(answer.status).toBe(200)
  })
})

it('a proof is spent on every replica at once, and a nonce of one is good on the other', async () => {
  const { one, two } = await twins()
  const secret = await keeper(one)
  const owner = await holder()
  const token = await boundTo(one, secret, owner)
  const nonce = await nonceOf(one, secret, owner)
  const { publicUrl } = one.broker.ctx
  const dpop = await owner.proof({ htm: 'POST', htu: publicUrl + road, ath: sha256(token), nonce })
  const urls = [one.broker.agentUrl, two.agentUrl, one.broker.agentUrl, two.agentUrl]
  const answers = await Promise.all(urls.map((url) => use(url, token, { dpop })))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401])
})
