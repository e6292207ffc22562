/** What the holder of a narrow capability, or of a revoked one, tries on the rest of its agent; and what an operator's session tries on whoever confirms. */
import { decodeJwt } from 'jose'
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { leases } from '../../src/store/schema.ts'
import { attenuate } from '../../src/tokens/attenuate.ts'
import { mint } from '../../src/tokens/mint.ts'
import { verifyCapability } from '../../src/tokens/verify.ts'
import { expectOk, type Front, field, front } from '../support/broker.ts'
import { githubClaims, startIssuer } from '../support/issuer.ts'
import { ask, leased, ready, until } from '../support/leased.ts'
import { changeIn, confirm, passkey } from '../support/passkey.ts'
import { addScope, agentNamed, broker, newAgent } from './broker.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const tokenType = (name: string) => `urn:ietf:params:oauth:token-type:${name}`
const read = `{ environment(id: "${ids.environments.staging}") { name } }`
const variables = `{ variables(projectId: "${ids.projects.rentals}", environmentId: "${ids.environments.staging}", serviceId: "${ids.services.web}") }`
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

async function narrower(
  at: Front,
  token: string,
  more: Record<string, string> = {},
): Promise<string> {
  const asked = {
    grant_type: exchange,
    subject_token: token,
    subject_token_type: tokenType('access_token'),
  }
  const body = new URLSearchParams({ ...asked, ...more })
  return field(expectOk(await at.agent('/oauth/token', { method: 'POST', body })), 'access_token')
}

const platformOnly = {
  authorization_details: JSON.stringify([
    { type: 'valetkey', connection: 'railway', operations: ['Query.platformStatus'] },
  ]),
}

/** Secrets that a human lets one capability read. */
async function approved() {
  const at = await front()
  const scope = { environment: 'staging', allow: ['railway:@read', 'railway:Query.variables'] }
  expectOk(await at.admin('PUT', '/admin/scopes/vault', { ...scope, approve: ['railway:@reveal'] }))
  expectOk(await at.admin('PUT', '/admin/agents/cursor/grants/vault'))
  const key = await passkey(at)
  const root = await at.capability({ scope: 'vault' })
  const { id } = (await at.call(root, variables)).json['approval'] as { id: string }
  expectOk(
    await key.touch(
      `/console/api/approvals/${id}/options`,
      `/console/api/approvals/${id}/approve`,
      {
        how: {},
      },
    ),
  )
  const spend = (token: string) => at.call(token, variables, undefined, { 'valetkey-approval': id })
  const shown = (token: string) => at.agent(`/v1/approvals/${id}`, bearer(token))
  return { at, id, root, scope, spend, shown }
}

describe('what came back for an approval', async () => {
  const { at, root, scope, spend, shown } = await approved()
  const fresh = await at.capability({ scope: 'vault' })
  expectOk(await spend(root))

  it('is for the capability that asked, and for a fresh one that carries as much', async () => {
    for (const one of [root, fresh]) {
      expect((await shown(one)).json).toMatchObject({ state: 'used', outcome: { known: true } })
    }
  })

  it('is for no narrower one, none of another scope, and none without a key where one is wanted by now', async () => {
    const others = [await narrower(at, root, platformOnly), await at.capability({ scope: 'work' })]
    for (const one of others) {
      expect((await shown(one)).json).toMatchObject({ state: 'used', outcome: { known: false } })
    }
    expectOk(
      await at.admin('PUT', '/admin/scopes/vault', {
        ...scope,
        approve: ['railway:@reveal'],
        bound: true,
      }),
    )
    expect((await shown(fresh)).json).toMatchObject({ code: 'capability-revoked' })
    expect((await shown(others[1] ?? '')).json).toMatchObject({ outcome: { known: false } })
  })
})

it('an approval is not voided by a call of a capability that carries less', async () => {
  const { at, id, root, spend } = await approved()
  const child = await narrower(at, root, platformOnly)
  const tried = await at.call(child, variables, undefined, { 'valetkey-approval': id })
  expect(tried.json).toMatchObject({ code: 'operation-not-allowed' })
  expectOk(await spend(root))
})

it('a capability for nothing is not given', async () => {
  const at = await front()
  await at.scope('empty', [])
  await expect(at.capability({ scope: 'empty' })).rejects.toThrow('allow nothing')
})

it('a sub-agent cannot use up what whoever began it has to revoke it with', async () => {
  const at = await front('embedded', {
    config: (config) => ({ ...config, limits: { ...config.limits, revocationsPerMinute: 5 } }),
  })
  const revoke = (token: string) =>
    at.agent('/oauth/revoke', { method: 'POST', body: new URLSearchParams({ token }) })
  const parent = await at.capability()
  const child = await narrower(at, parent, { actor: 'evil' })
  const burner = await narrower(at, child)
  for (let i = 0; i < 10; i += 1) expectOk(await revoke(burner))
  const statuses = []
  for (let i = 0; i < 6; i += 1) statuses.push((await revoke(await narrower(at, child))).status)
  expect(statuses.at(-1)).toBe(429)
  expectOk(await revoke(child))
  expect((await at.call(child, read)).json).toMatchObject({ code: 'capability-revoked' })
  const { json } = expectOk(await at.admin('GET', '/admin/capabilities?all=true'))
  const shown = json['capabilities'] as { jti: string; revoked: boolean }[]
  expect(shown.find(({ jti }) => jti === decodeJwt(burner).jti)?.revoked).toBe(true)
  expect(shown.find(({ jti }) => jti === decodeJwt(parent).jti)?.revoked).toBe(false)
})

it('what was narrowed past what can be read is not given', async () => {
  const at = await front()
  const long = `Query.${'a'.repeat(150)}`
  await at.scope('long', [`railway:${long}*`, 'railway:Query.*', 'railway:@read'])
  const root = await at.capability({ scope: 'long' })
  const details = [{ type: 'valetkey', connection: 'railway', operations: [`${long}bcdef`] }]
  await expect(
    narrower(at, root, { authorization_details: JSON.stringify(details) }),
  ).rejects.toThrow('narrower than can be written')
})

describe('a lease', async () => {
  const { at } = await ready('embedded')
  const root = await at.capability({ scope: 'leasing' })
  const state = async (id: string) => {
    const { json } = expectOk(await at.admin('GET', '/admin/leases?all=true'))
    return (json['leases'] as { id: string; state: string; expires_at: string }[]).find(
      (one) => one.id === id,
    )
  }

  it('is renewed by its own line alone, and ends with any that it was renewed with', async () => {
    const child = await narrower(at, root, { actor: 'evil' })
    const its = await leased(at, child, { ttl: 120 })
    const mine = await leased(at, root, { ttl: 600 })
    expect((await ask(at, root, { renew: its.id })).json).toMatchObject({ code: 'not-found' })
    expect((await ask(at, child, { renew: mine.id, ttl: 60 })).json).toMatchObject({
      code: 'not-found',
    })
    expect((await state(mine.id))?.expires_at).toBe(mine.expires_at)
    const sibling = await narrower(at, root)
    for (let i = 0; i < 3; i += 1) expectOk(await ask(at, sibling, { renew: its.id, ttl: 300 }))
    const both = await Promise.all([1, 2, 3].map(() => ask(at, sibling, { renew: its.id })))
    expect(both.map(({ status }) => status)).toEqual([200, 200, 200])
    expectOk(await at.admin('DELETE', `/admin/capabilities/${decodeJwt(child).jti}`))
    await until(async () => (await state(its.id))?.state === 'ended')
    expect((await state(mine.id))?.state).toBe('active')
    expectOk(await at.admin('DELETE', `/admin/leases/${mine.id}`))
  })

  it('is seen and given up by whom it was given to or what that grew from, in its environment', async () => {
    const child = await narrower(at, root, { actor: 'tests' })
    const other = await leased(at, root)
    const its = await leased(at, child)
    const listed = async (token: string) => (await at.agent('/v1/leases', bearer(token))).text
    expect(await listed(child)).toContain(its.id)
    expect(await listed(child)).not.toContain(other.id)
    expect(await listed(root)).toContain(its.id)
    const give = (token: string, id: string) =>
      at.agent(`/v1/leases/${id}`, { method: 'DELETE', ...bearer(token) })
    expect((await give(child, other.id)).status).toBe(404)
    await at.broker.ctx.db.update(leases).set({ environment: 'production' })
    expect((await give(root, other.id)).status).toBe(404)
    await at.broker.ctx.db.update(leases).set({ environment: 'staging' })
    expectOk(await give(root, its.id))
    expectOk(await give(root, other.id))
  })
})

it('nothing grows from a capability whose time is over by the time it is exchanged', async () => {
  const ctx = await broker('embedded')
  await addScope(ctx, { name: 'work' })
  await newAgent(ctx, 'cursor', ['work'])
  const root = await mint(ctx, { agent: agentNamed(ctx, 'cursor'), scopes: ['work'], ttl: 5 })
  const parent = await verifyCapability(ctx, root.token)
  ctx.pass(20)
  await expect(attenuate(ctx, { parent, scopes: [] })).rejects.toMatchObject({
    code: 'invalid_grant',
  })
})

describe('a trust', () => {
  it('never reads like another one to whoever confirms it', async () => {
    const at = await front()
    const key = await passkey(at)
    const issuer = await startIssuer('/_services/token')
    const propose = async (...claims: string[]) => {
      const about = { name: 'deploy', system: 'github', issuer: issuer.url, allow_private: true }
      const id = changeIn(
        await at.admin('POST', '/admin/trusts', { ...about, scopes: ['work'], claims }),
      )
      return { id, diff: expectOk(await at.admin('GET', `/admin/changes/${id}`)).json['diff'] }
    }
    const honest = await propose(
      'repository_id=123456',
      'ref=refs/heads/main',
      'event_name=push',
      'event_name=schedule',
    )
    const forged = await propose(
      'repository_id=123456',
      'event_name=push',
      'event_name=schedule and ref is refs/heads/main',
    )
    expect(forged.diff).not.toEqual(honest.diff)
    expect(JSON.stringify(forged.diff)).toContain('schedule and ref is refs/heads/main')
    expectOk(await confirm(at, key, [honest.id]))
    const subject = await issuer.sign(
      githubClaims({ aud: at.broker.ctx.publicUrl, ref: 'refs/heads/evil' }),
    )
    const body = new URLSearchParams({
      grant_type: exchange,
      subject_token: subject,
      subject_token_type: tokenType('id_token'),
      scope: 'work',
    })
    expect((await at.agent('/oauth/token', { method: 'POST', body })).status).toBe(400)
  })

  it.each([
    [
      'the issuer of a CI system called by another name',
      {
        system: 'oidc',
        issuer: 'https://token.actions.githubusercontent.com',
        claims: ['ref=refs/heads/main'],
      },
      /is GitHub Actions/,
    ],
    [
      'claims that every token has',
      { issuer: 'https://idp.example', claims: ['iss=https://idp.example', 'aud=x'] },
      /names no claim/,
    ],
  ])('is refused that takes too many: %s', async (_, asked, why) => {
    const at = await front()
    const answer = await at.admin('POST', '/admin/trusts', {
      name: 'a',
      scopes: ['work'],
      ...asked,
    })
    expect(answer.json).toMatchObject({
      code: 'malformed-request',
      detail: expect.stringMatching(why),
    })
  })

  it('takes no other token of an issuer for an ID token', async () => {
    const at = await front()
    const issuer = await startIssuer('/_services/token')
    const about = {
      name: 'deploy',
      system: 'github',
      issuer: issuer.url,
      allow_private: true,
      scopes: ['work'],
    }
    expectOk(
      await at.admin('POST', '/admin/trusts', {
        ...about,
        claims: ['repository_id=123456', 'ref=refs/heads/main'],
      }),
    )
    const taken = async (typ: string) => {
      const subject = await issuer.sign(githubClaims({ aud: at.broker.ctx.publicUrl }), { typ })
      const body = new URLSearchParams({
        grant_type: exchange,
        subject_token: subject,
        subject_token_type: tokenType('id_token'),
        scope: 'work',
      })
      return (await at.agent('/oauth/token', { method: 'POST', body })).status
    }
    expect(await taken('JWT')).toBe(200)
    for (const typ of ['logout+jwt', 'at+jwt', 'dpop+jwt'])
      expect([typ, await taken(typ)]).toEqual([typ, 400])
  })
})
