import { CompactSign, exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { BrokerError } from '../../src/errors.ts'
import { removeAgent } from '../../src/identity/agents.ts'
import { edit } from '../../src/realm/edit.ts'
import { raiseWatermark } from '../../src/realm/watermark.ts'
import { mint } from '../../src/tokens/mint.ts'
import { revokeByOperator } from '../../src/tokens/revoke.ts'
import { standing, verifyCapability } from '../../src/tokens/verify.ts'
import { stores } from '../support/stores.ts'
import { addScope, agentNamed, type Broker, broker, by, newAgent, replicaOf } from './broker.ts'

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => 'accepted',
    (thrown: unknown) => thrown,
  )
  return error instanceof BrokerError ? error.code : String(error)
}

describe.each(stores)('verifyCapability on %s', (kind) => {
  let ctx: Broker
  let genuine: string

  const now = () => Math.floor(ctx.clock.now() / 1000)
  const claims = (more: object = {}) => ({
    iss: ctx.publicUrl,
    aud: ctx.publicUrl,
    sub: 'cursor',
    client_id: 'cursor',
    jti: `cap_${'0'.repeat(32)}`,
    iat: now(),
    exp: now() + 900,
    environment: 'staging',
    scope: 'reads',
    authorization_details: [
      {
        type: 'valetkey',
        environment: 'staging',
        connection: 'railway',
        operations: ['Query.*'],
      },
    ],
    ...more,
  })
  const header = async (more: object = {}) => ({
    alg: 'EdDSA',
    typ: 'at+jwt',
    kid: (await ctx.signing.current('capability')).kid,
    ...more,
  })
  /** With our own key, so that nothing but the text is wrong. */
  const signed = async (payload: string, headerMore: object = {}) =>
    new CompactSign(new TextEncoder().encode(payload))
      .setProtectedHeader(await header(headerMore))
      .sign((await ctx.signing.current('capability')).key)
  const withClaims = (more: object) => signed(JSON.stringify(claims(more)))
  const code = (token: string) => codeOf(verifyCapability(ctx, token))

  beforeAll(async () => {
    ctx = await broker(kind)
    await addScope(ctx, { name: 'reads' })
    await newAgent(ctx, 'cursor', ['reads'])
    genuine = (await mint(ctx, { agent: agentNamed(ctx, 'cursor'), scopes: ['reads'] })).token
  })

  it('takes what was minted, and the claims that the tests below spoil', async () => {
    expect((await verifyCapability(ctx, genuine)).agent).toBe('cursor')
    expect(await code(await withClaims({}))).toBe('accepted')
  })

  it('takes it on another replica too', async () => {
    const other = await replicaOf(ctx)
    expect((await verifyCapability(other, genuine)).agent).toBe('cursor')
  })

  it.each([
    ['no expiry', { exp: undefined }],
    ['no id', { jti: undefined }],
    ['no subject', { sub: undefined }],
    ['no issue time', { iat: undefined }],
    ['no environment', { environment: undefined }],
    ['no details', { authorization_details: undefined }],
    ['another issuer', { iss: 'https://other.example' }],
    ['another audience', { aud: 'https://other.example' }],
    ['several audiences', { aud: ['http://localhost:8420', 'x'] }],
    ['another client than subject', { client_id: 'other' }],
    ['a claim that we never write', { admin: true }],
    ['an expiry beyond all bounds', { exp: 1e300 }],
    [
      'details of another environment',
      {
        authorization_details: [
          { type: 'valetkey', environment: 'production', connection: 'railway', operations: ['*'] },
        ],
      },
    ],
  ])('refuses %s', async (_, more) => {
    expect(await code(await withClaims(more))).toBe('invalid-capability')
  })

  it('refuses what was issued in the future, or lives longer than an hour', async () => {
    expect(await code(await withClaims({ iat: now() + 60 }))).toBe('invalid-capability')
    expect(await code(await withClaims({ exp: now() + 3_601 }))).toBe('invalid-capability')
  })

  it('refuses what has expired, with its own code', async () => {
    expect(await code(await withClaims({ iat: now() - 900, exp: now() - 1 }))).toBe(
      'capability-expired',
    )
  })

  it('refuses a remembered capability once it expires', async () => {
    const other = await broker(kind)
    await addScope(other, { name: 'reads' })
    await newAgent(other, 'cursor', ['reads'])
    const { token } = await mint(other, {
      agent: agentNamed(other, 'cursor'),
      scopes: ['reads'],
      ttl: 60,
    })
    await verifyCapability(other, token)
    other.pass(61)
    expect(await codeOf(verifyCapability(other, token))).toBe('capability-expired')
  })

  it('refuses a claim that stands twice, spaces, and a byte order mark, though the signature is good', async () => {
    const text = JSON.stringify(claims())
    expect(await code(await signed(text))).toBe('accepted')
    const twice = text.replace(
      '"environment":"staging"',
      '"environment":"production","environment":"staging"',
    )
    for (const spelling of [
      twice,
      `\ufeff${text}`,
      ` ${text}`,
      text.replace('"sub"', '"su\\u0062"'),
    ]) {
      expect(await code(await signed(spelling))).toBe('invalid-capability')
    }
  })

  it('refuses every header but its own', async () => {
    const text = JSON.stringify(claims())
    for (const more of [
      { typ: 'JWT' },
      { typ: undefined },
      { typ: 'application/at+jwt' },
      { typ: 'AT+JWT' },
      { kid: undefined },
      { kid: 'x'.repeat(43) },
      { kid: "' or 1=1 --" },
      { jku: 'https://evil.example/jwks.json' },
      { crit: ['b64'], b64: true },
    ]) {
      expect(await code(await signed(text, more))).toBe('invalid-capability')
    }
  })

  it('refuses a foreign key under our kid, a changed payload, and the audit key', async () => {
    const text = JSON.stringify(claims())
    const foreign = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
    const forged = await new CompactSign(new TextEncoder().encode(text))
      .setProtectedHeader(await header())
      .sign(foreign.privateKey)
    expect(await code(forged)).toBe('invalid-capability')

    const [head, , tail] = genuine.split('.')
    expect(await code(`${head}.${Buffer.from(text).toString('base64url')}.${tail}`)).toBe(
      'invalid-capability',
    )

    const audit = await ctx.signing.current('audit')
    const crossed = await new CompactSign(new TextEncoder().encode(text))
      .setProtectedHeader(await header({ kid: audit.kid }))
      .sign(audit.key)
    expect(await code(crossed)).toBe('invalid-capability')
  })

  it('refuses alg none, and HS256 with our public key', async () => {
    const [payload] = new UnsecuredJWT(claims()).encode().split('.').slice(1)
    const none = Buffer.from(JSON.stringify(await header({ alg: 'none' }))).toString('base64url')
    expect(await code(`${none}.${payload}.`)).toBe('invalid-capability')
    expect(await code(`${none}.${payload}.AA`)).toBe('invalid-capability')

    const [published] = (await ctx.signing.jwks()).keys
    const secret = await importJWK({ kty: 'oct', k: published?.x ?? '' }, 'HS256')
    const confused = await new SignJWT(claims())
      .setProtectedHeader(await header({ alg: 'HS256' }))
      .sign(secret)
    expect(await code(confused)).toBe('invalid-capability')
  })

  it('refuses other spellings of a genuine capability', async () => {
    const [head = '', payload = '', signature = ''] = genuine.split('.')
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(signature.at(-1) ?? '')
    const respelled = [1, 2, 3].map((bits) => signature.slice(0, -1) + alphabet[last ^ bits])
    for (const text of [
      ...respelled.map((other) => `${head}.${payload}.${other}`),
      `${genuine}==`,
      `${genuine} `,
      `${genuine}\n`,
      `${head} .${payload}.${signature}`,
      `${head}.${payload.replaceAll('-', '+')}+.${signature}`,
      `${genuine}.`,
      `.${genuine}`,
      genuine.slice(0, -1),
    ]) {
      expect(await code(text)).toBe('invalid-capability')
    }
  })

  it('refuses what is missing, too long, or no token at all', async () => {
    for (const text of [
      '',
      'x',
      'a.b.c',
      `${'a'.repeat(4_100)}.b.c`,
      '{"alg":"none"}',
      'vks_x',
      '\0',
    ]) {
      expect(await code(text)).toBe('invalid-capability')
    }
  })

  it.each([
    `$${'{TOKEN}'}`,
    '$RAILWAY_API_TOKEN',
    `"$${'{TOKEN}'}"`,
    '%TOKEN%',
    '{{ token }}',
    '$(cat token)',
  ])('says of %s that the client did not expand its variable', async (text) => {
    await expect(verifyCapability(ctx, text)).rejects.toThrow('did not expand its variable')
  })

  it.each([
    ['$RAILWAY_API_TOKEN', 'RAILWAY_API_TOKEN'],
    [`$${'{TOKEN_2}'}`, 'TOKEN_2'],
    [`'$${'{token}'}'`, 'token'],
    ['{{ token }}', 'token'],
    ['{{TOKEN}}', 'TOKEN'],
    ['%TOKEN%', 'TOKEN'],
  ])('names the variable of %s', async (text, name) => {
    await expect(verifyCapability(ctx, text)).rejects.toThrow(`its variable ${name}:`)
  })

  it.each([
    '$ecret-hunter2',
    '$ecrethunter2',
    '$SECRET hunter2',
    `$${'{SECRET:-hunter2}'}`,
    `$${'{hunter2'}`,
    `$${'{SECRET}'}hunter2`,
    `"$${'{hunter2}'}`,
    '$(cat hunter2)',
    '{{ secrets.hunter2 }}',
    `%SECRET%hunter2`,
    `$${'{'}${'hunter2'.repeat(6)}}`,
  ])('repeats nothing of %s, which may be more than a name', async (text) => {
    const refused = await verifyCapability(ctx, text).catch((error) => error)
    expect(refused).toBeInstanceOf(BrokerError)
    expect(refused.message).toContain('did not expand its variable:')
    expect(JSON.stringify([refused.message, refused.facts])).not.toContain('hunter2')
  })

  it('refuses embedded keys', async () => {
    const pair = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
    const embedded = await new SignJWT(claims())
      .setProtectedHeader(await header({ jwk: await exportJWK(pair.publicKey) }))
      .sign(pair.privateKey)
    expect(await code(embedded)).toBe('invalid-capability')
  })
})

describe.each(stores)('standing on %s', (kind) => {
  it('ends with the capability, its revocation, a watermark and its agent', async () => {
    const ctx = await broker(kind)
    await addScope(ctx, { name: 'reads' })
    await newAgent(ctx, 'cursor', ['reads'])
    const minted = async () => {
      const { token } = await mint(ctx, { agent: agentNamed(ctx, 'cursor'), scopes: ['reads'] })
      return verifyCapability(ctx, token)
    }
    const first = await minted()
    const second = await minted()
    const verdict = (capability: typeof first, connection = 'railway', at = ctx.clock.now()) => {
      const judged = standing(ctx.realm.now(), capability, connection, at)
      return judged.verdict === 'deny' ? judged.code : judged.verdict
    }
    expect(verdict(first)).toBe('allow')
    expect(verdict(first, 'railway', first.expiresAt * 1000 - 1)).toBe('allow')
    expect(verdict(first, 'railway', first.expiresAt * 1000)).toBe('capability-expired')

    await revokeByOperator(ctx, by, first.jti)
    expect(verdict(first)).toBe('capability-revoked')
    expect(verdict(second)).toBe('allow')

    await edit(ctx, { operator: 'ada' }, (tx) =>
      raiseWatermark(tx, 'connection:railway', ctx.clock.now() + 1_000),
    )
    expect(verdict(second)).toBe('capability-revoked')
    expect(verdict(second, 'github')).toBe('allow')

    await removeAgent(ctx, by, 'cursor')
    expect(verdict(second, 'github')).toBe('capability-revoked')
  })
})
