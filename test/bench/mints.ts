/** Capabilities by every kind of proof. What proves is good once, so all of it is made before, and each is sent once. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose'
import { Pool } from 'undici'
import { type Agent, asOperator, type Serving, tokenRequest } from './broker.ts'
import { type Claim, whole } from './table.ts'

const amount = 2_000
const atOnce = 64

type Sent = { headers: Record<string, string>; body: string }

const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString()
const encoded = { 'content-type': 'application/x-www-form-urlencoded' }
const now = () => Math.floor(Date.now() / 1000)

/** One line for each way to prove who asks. */
export async function mintClaims(
  where: string,
  { serving, session, agents }: { serving: Serving; session: string; agents: readonly Agent[] },
): Promise<Claim[]> {
  const admin = asOperator(serving, session)
  const issuer = await openIssuer()
  try {
    const key = await generateKeyPair('EdDSA', { extractable: true })
    const jwk = await exportJWK(key.publicKey)
    await admin('POST', '/admin/agents', { name: 'keyed', scopes: ['work'], key: jwk })
    await admin('POST', '/admin/trusts', {
      ...{ name: 'jobs', system: 'oidc', issuer: issuer.url, allow_private: true },
      ...{ claims: ['sub=job'], scopes: ['work'] },
    })
    const url = `${serving.agentUrl}/oauth/token`
    const [agent] = agents
    if (agent === undefined) throw new Error('there is no agent')
    const bySecret = tokenRequest(agent)
    const proofs = await provers(serving)
    const ways: [string, () => Promise<Sent>][] = [
      ['by key', () => byKey(key.privateKey, serving.agentUrl)],
      ['by a job’s token', () => byJob(issuer.sign, serving.agentUrl)],
      [
        'with DPoP',
        async () => ({
          headers: { ...bySecret.headers, dpop: await proofs() },
          body: bySecret.body,
        }),
      ],
    ]
    const lines: Claim[] = []
    for (const [how, make] of ways) {
      const all: Sent[] = []
      for (let i = 0; i < 2 * amount; i += 1) all.push(await make())
      await sendAll(url, all.slice(0, amount))
      const perSecond = await sendAll(url, all.slice(amount))
      lines.push({ what: `minted ${how} ${where}`, value: `${whole(perSecond)}/s`, goal: null })
    }
    return lines
  } finally {
    await issuer.close()
  }
}

async function byKey(key: Parameters<SignJWT['sign']>[0], audience: string): Promise<Sent> {
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: 'EdDSA' })
    .setIssuer('keyed')
    .setSubject('keyed')
    .setAudience(audience)
    .setExpirationTime('5m')
    .sign(key)
  return {
    headers: encoded,
    body: form({
      grant_type: 'client_credentials',
      scope: 'work',
      client_assertion: assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    }),
  }
}

async function byJob(sign: (audience: string) => Promise<string>, audience: string): Promise<Sent> {
  return {
    headers: encoded,
    body: form({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      subject_token: await sign(audience),
      scope: 'work',
    }),
  }
}

/** Makes proofs for the token endpoint, with a nonce that the broker gave. */
async function provers({ agentUrl }: Serving): Promise<() => Promise<string>> {
  const key = await generateKeyPair('ES256', { extractable: true })
  const jwk = await exportJWK(key.publicKey)
  const proof = (nonce?: string) =>
    new SignJWT({
      ...{ jti: randomUUID(), htm: 'POST', htu: `${agentUrl}/oauth/token` },
      ...(nonce === undefined ? {} : { nonce }),
    })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt()
      .sign(key.privateKey)
  const asked = async () => {
    const headers = { ...encoded, dpop: await proof() }
    const body = 'grant_type=client_credentials'
    const response = await fetch(`${agentUrl}/oauth/token`, { method: 'POST', headers, body })
    return response.headers.get('dpop-nonce') ?? ''
  }
  let nonce = await asked()
  let askedAt = Date.now()
  return async () => {
    if (Date.now() - askedAt > 30_000) {
      nonce = await asked()
      askedAt = Date.now()
    }
    return proof(nonce)
  }
}

/** As many a second. Throws where one was refused. */
async function sendAll(url: string, all: readonly Sent[]): Promise<number> {
  const { origin, pathname } = new URL(url)
  const pool = new Pool(origin, { connections: atOnce })
  let next = 0
  const began = performance.now()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (;;) {
        const one = all[next]
        next += 1
        if (one === undefined) return
        const answer = await pool.request({ method: 'POST', path: pathname, ...one })
        const text = await answer.body.text()
        if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${text}`)
      }
    }),
  )
  const seconds = (performance.now() - began) / 1000
  await pool.close()
  return all.length / seconds
}

async function openIssuer() {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(jwk)
  const server = createServer((request, response) => {
    const discovers = request.url === '/.well-known/openid-configuration'
    const body = discovers
      ? { issuer: url, jwks_uri: `${url}/jwks` }
      : { keys: [{ ...jwk, kid, use: 'sig' }] }
    response.end(JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const url = `http://127.0.0.1:${address.port}`
  return {
    url,
    sign: (audience: string) =>
      new SignJWT({ iss: url, sub: 'job', aud: audience, jti: randomUUID(), exp: now() + 600 })
        .setIssuedAt()
        .setProtectedHeader({ alg: 'RS256', kid })
        .sign(privateKey),
    close: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}
