import { decodeJwt, decodeProtectedHeader } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { limits } from '../../src/config.ts'
import { capabilities } from '../../src/store/schema.ts'
import { type MintRequest, mint } from '../../src/tokens/mint.ts'
import { OauthError } from '../../src/tokens/oauth-error.ts'
import { verifyCapability } from '../../src/tokens/verify.ts'
import { stores } from '../support/stores.ts'
import { addScope, agentNamed, auditLog, type Broker, broker, newAgent } from './broker.ts'

describe.each(stores)('mint on %s', (kind) => {
  let ctx: Broker
  const cursor = (request: Omit<MintRequest, 'agent'>) =>
    mint(ctx, { agent: agentNamed(ctx, 'cursor'), ...request })
  const refused = async (request: Omit<MintRequest, 'agent'>) => {
    const error = await cursor(request).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OauthError)
    return error instanceof OauthError ? { code: error.code, says: error.message } : { says: '' }
  }
  const detail = (more: object) => ({
    type: 'valetkey',
    environment: 'staging',
    connection: 'railway',
    operations: ['Query.project'],
    ...more,
  })

  beforeAll(async () => {
    ctx = await broker(kind)
    await addScope(ctx, { name: 'reads', allow: ['railway:Query.*', 'github:repos/get'] })
    await addScope(ctx, {
      name: 'domains',
      allow: ['railway:Mutation.customDomainCreate'],
      maxTtl: 600,
    })
    await addScope(ctx, { name: 'live', environment: 'production' })
    await addScope(ctx, { name: 'secret-scope' })
    const many = Array.from({ length: 200 }, (_, i) => `railway:Mutation.operationNumber${i}`)
    await addScope(ctx, { name: 'huge', allow: many })
    await newAgent(ctx, 'cursor', ['reads', 'domains', 'live', 'huge'])
  })

  it('gives a capability with every claim, that is verified as what was asked for', async () => {
    const minted = await cursor({ scopes: ['reads', 'domains', 'reads'] })
    expect(decodeProtectedHeader(minted.token)).toEqual({
      alg: 'EdDSA',
      typ: 'at+jwt',
      kid: (await ctx.signing.current('capability')).kid,
    })
    const claims = decodeJwt(minted.token)
    expect(claims).toMatchObject({
      iss: ctx.publicUrl,
      aud: ctx.publicUrl,
      sub: 'cursor',
      client_id: 'cursor',
      jti: minted.jti,
      environment: 'staging',
      scope: 'reads domains',
      authorization_details: [
        detail({ operations: ['Query.*', 'Mutation.customDomainCreate'] }),
        detail({ connection: 'github', operations: ['repos/get'] }),
      ],
    })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(minted.expiresIn)
    expect(minted.details).toEqual(claims['authorization_details'])
    expect(await verifyCapability(ctx, minted.token)).toMatchObject({
      jti: minted.jti,
      agent: 'cursor',
      environment: 'staging',
      scopes: ['reads', 'domains'],
    })
  })

  it('lives a quarter of an hour, or as long as the strictest scope allows', async () => {
    expect((await cursor({ scopes: ['reads'] })).expiresIn).toBe(900)
    expect((await cursor({ scopes: ['reads', 'domains'] })).expiresIn).toBe(600)
    expect((await cursor({ scopes: ['reads'], ttl: 1_800 })).expiresIn).toBe(1_800)
    expect((await cursor({ scopes: ['reads'], ttl: 1 })).expiresIn).toBe(1)
  })

  it('refuses a longer life than the scopes allow, and names the longest', async () => {
    const { code, says } = await refused({ scopes: ['reads', 'domains'], ttl: 601 })
    expect(code).toBe('invalid_request')
    expect(says).toContain('at most 600')
  })

  it('refuses a scope that is not granted as it refuses one that does not exist', async () => {
    const hidden = await refused({ scopes: ['secret-scope'] })
    const unknown = await refused({ scopes: ['no-such-scope'] })
    expect(hidden).toEqual(unknown)
    expect(hidden.code).toBe('invalid_scope')
    expect(hidden.says).toContain('domains, huge, live, reads')
  })

  it('refuses no scope, and scopes of two environments', async () => {
    expect((await refused({ scopes: [] })).code).toBe('invalid_scope')
    const two = await refused({ scopes: ['reads', 'live'] })
    expect(two.code).toBe('invalid_scope')
    expect(two.says).toContain('staging and production')
  })

  it('is narrowed by authorization_details, which may leave the environment out', async () => {
    const { environment: _, ...short } = detail({
      operations: ['Query.project', 'Query.environment*'],
    })
    const minted = await cursor({ scopes: ['reads'], details: [short] })
    const expected = [detail({ operations: ['Query.project', 'Query.environment*'] })]
    expect(minted.details).toEqual(expected)
    expect(decodeJwt(minted.token)['authorization_details']).toEqual(expected)
  })

  it.each([
    ['no array', detail({})],
    ['nothing in it', []],
    ['another type', [detail({ type: 'payment' })]],
    ['an unknown field', [detail({ actions: ['read'] })]],
    ['a missing field', [{ type: 'valetkey', operations: ['Query.project'] }]],
    ['no operations', [detail({ operations: [] })]],
    ['a value of another type', [detail({ operations: 'Query.project' })]],
    ['another environment', [detail({ environment: 'production' })]],
    ['what is no pattern', [detail({ operations: ['@destructive'] })]],
    ['a wider pattern', [detail({ operations: ['*'] })]],
    ['an operation outside the scopes', [detail({ operations: ['Mutation.volumeDelete'] })]],
    ['a connection outside the scopes', [detail({ connection: 'stripe' })]],
    ['one good and one wider entry', [detail({}), detail({ operations: ['@write'] })]],
  ])('refuses authorization_details with %s', async (_, details) => {
    expect((await refused({ scopes: ['reads'], details })).code).toBe(
      'invalid_authorization_details',
    )
  })

  it('refuses what would not fit into four kilobytes, until it is narrowed', async () => {
    const { code, says } = await refused({ scopes: ['huge'] })
    expect(code).toBe('invalid_scope')
    expect(says).toContain('authorization_details')
    const details = [detail({ operations: ['Mutation.operationNumber7'] })]
    const minted = await cursor({ scopes: ['huge'], details })
    expect(minted.token.length).toBeLessThanOrEqual(limits.capabilityBytes)
  })

  it('is recorded durably, and never with the token', async () => {
    const minted = await cursor({ scopes: ['domains'], reason: 'a domain for the demo' })
    const { jti } = minted
    const rows = await ctx.db.select().from(capabilities)
    expect(rows.find((row) => row.jti === jti)).toMatchObject({
      agent: 'cursor',
      environment: 'staging',
      scopes: ['domains'],
      reason: 'a domain for the demo',
    })
    const entries = await auditLog(ctx)
    const entry = entries.find((one) => JSON.stringify(one).includes(jti))
    expect(entry).toMatchObject({
      kind: 'mint',
      agent: 'cursor',
      environment: 'staging',
      facts: { jti, scopes: ['domains'], reason: 'a domain for the demo' },
    })
    const signature = minted.token.split('.')[2] ?? 'none'
    for (const place of [entries, rows, ctx.lines]) {
      expect(JSON.stringify(place)).not.toContain(signature)
    }
  })

  it('hands out nothing when it cannot be recorded', async () => {
    const broken = await broker(kind)
    await addScope(broken, { name: 'reads' })
    await newAgent(broken, 'cursor', ['reads'])
    const agent = agentNamed(broken, 'cursor')
    await broken.store.run('alter table capabilities rename to gone', [])
    await expect(mint(broken, { agent, scopes: ['reads'] })).rejects.toThrow()
    await broken.store.run('alter table gone rename to capabilities', [])
    await mint(broken, { agent, scopes: ['reads'] })
  })
})
