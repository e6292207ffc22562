import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Front, front } from '../support/broker.ts'
import { type RawAnswer, raw, requestOf } from './raw.ts'

const { staging } = ids.environments
const at = await front()
const token = await at.capability()
const path = '/x/railway/graphql/v2'
const good = JSON.stringify({ query: `{ environment(id: "${staging}") { name } }` })
const mutation = JSON.stringify({
  query: `mutation { deploymentRedeploy(id: "${ids.deployments.webStaging}") { id } }`,
})
const head = ['Host: localhost', `Authorization: Bearer ${token}`, 'Content-Type: application/json']

function ask(line: string, headers: readonly string[] = head, body = good): Promise<RawAnswer> {
  return raw(at.broker.agentUrl, [requestOf(line, headers, body)])
}

async function expectGoodCall(front: Front = at, capability = token): Promise<void> {
  const next = await front.call(capability, `{ environment(id: "${staging}") { name } }`)
  expect(next.json, 'it goes on').toEqual({ data: { environment: { name: 'staging' } } })
}

/** Asserts a problem document, at once, that nothing arrived, and that the broker goes on. */
async function expectProblem(
  code: string,
  status: number,
  send: () => Promise<RawAnswer>,
): Promise<RawAnswer> {
  const arrived = at.railway.received.length
  const answer = await send()
  expect(answer.json).toMatchObject({
    type: `urn:valetkey:problem:${code}`,
    code,
    status: answer.status,
    detail: expect.stringMatching(/^\S.{5,400}\.$/),
    request_id: expect.stringMatching(/^req_/),
  })
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('valetkey-request-id')).toBe(answer.json['request_id'])
  expect(answer.text).not.toMatch(/\n\s+at |node_modules|\.ts:\d|node:internal/)
  expect(answer.ms).toBeLessThan(2_000)
  expect(at.railway.received.length, 'nothing may arrive').toBe(arrived)
  await expectGoodCall()
  return answer
}

describe('a request target', () => {
  it.each([
    [
      'with an empty segment before the connection',
      '/x//railway/graphql/v2',
      'malformed-request',
      400,
    ],
    ['with an empty segment', '/x/railway//graphql/v2', 'ambiguous-request', 400],
    ['with an empty segment at its end', '/x/railway/graphql/v2/', 'ambiguous-request', 400],
    ['with a dot segment', '/x/railway/./graphql/v2', 'ambiguous-request', 400],
    ['with two dots', '/x/railway/a/../graphql/v2', 'ambiguous-request', 400],
    ['with two dots, encoded', '/x/railway/a/%2e%2e/graphql/v2', 'ambiguous-request', 400],
    ['with two dots, half encoded', '/x/railway/a/.%2E/graphql/v2', 'ambiguous-request', 400],
    ['with two dots before the connection', '/x/../x/railway/graphql/v2', 'malformed-request', 400],
    ['with a slash, encoded', '/x/railway/graphql%2fv2', 'ambiguous-request', 400],
    ['with a slash, encoded in upper case', '/x/railway/graphql%2Fv2', 'ambiguous-request', 400],
    ['with a slash, encoded twice', '/x/railway/graphql%252fv2', 'ambiguous-request', 400],
    ['with a slash, overlong', '/x/railway/graphql%c0%afv2', 'malformed-request', 400],
    ['with a backslash', '/x/railway/graphql\\v2', 'ambiguous-request', 400],
    ['with a backslash, encoded', '/x/railway/graphql%5cv2', 'ambiguous-request', 400],
    ['with a zero byte, encoded', '/x/railway/graphql/v2%00', 'ambiguous-request', 400],
    ['with a line end, encoded', '/x/railway/graphql/v2%0d%0aX:y', 'ambiguous-request', 400],
    ['with a path parameter', '/x/railway/graphql;a=b/v2', 'ambiguous-request', 400],
    ['with a path parameter, encoded', '/x/railway/graphql%3ba/v2', 'ambiguous-request', 400],
    ['with a fragment', '/x/railway/graphql/v2#a', 'ambiguous-request', 400],
    ['with broken encoding', '/x/railway/graphql/v2%zz', 'malformed-request', 400],
    ['with half an encoding', '/x/railway/graphql/v2%', 'malformed-request', 400],
    ['with a query', '/x/railway/graphql/v2?a=b', 'ambiguous-request', 400],
    ['with an encoded question mark', '/x/railway/graphql/v2%3fa=b', 'unknown-operation', 403],
    ['with an invisible character', '/x/railway/graphql/v2%E2%80%8B', 'unknown-operation', 403],
    ['in upper case', '/x/railway/GRAPHQL/v2', 'unknown-operation', 403],
    ['of another version', '/x/railway/graphql/internal', 'unknown-operation', 403],
    ['of the connection alone', '/x/railway', 'unknown-operation', 403],
    ['of nothing', '/x/', 'malformed-request', 400],
    ['of a connection in upper case', '/x/Railway/graphql/v2', 'malformed-request', 400],
    ['of a connection with a port', '/x/railway:443/graphql/v2', 'malformed-request', 400],
    ['of a connection with a user', '/x/a@railway/graphql/v2', 'malformed-request', 400],
    ['of a connection that is not there', '/x/github/graphql/v2', 'unknown-connection', 403],
    [
      'of a connection like a member of every object',
      '/x/constructor/graphql/v2',
      'unknown-connection',
      403,
    ],
    [
      'of a connection that is a URL',
      '/x/https://backboard.railway.app/graphql/v2',
      'malformed-request',
      400,
    ],
    ['that begins with two slashes', '//x/railway/graphql/v2', 'not-found', 404],
    ['with its first part in upper case', '/X/railway/graphql/v2', 'not-found', 404],
    ['with its first part encoded', '/%78/railway/graphql/v2', 'not-found', 404],
    ['of the upstream’s own path', '/graphql/v2', 'not-found', 404],
    ['of the operators’ side', '/admin/connections', 'not-found', 404],
    ['that is absolute', 'http://backboard.railway.app/graphql/v2', 'not-found', 404],
    [
      'that is absolute and names this broker',
      'http://localhost/x/railway/graphql/v2',
      'not-found',
      404,
    ],
    ['of 9,000 characters', `/x/railway/${'a'.repeat(9_000)}`, 'payload-too-large', 413],
    ['of 40,000 characters', `/x/railway/${'a'.repeat(40_000)}`, 'payload-too-large', 431],
    ['of 3,000 segments', `/x/railway${'/a'.repeat(3_000)}`, 'unknown-operation', 403],
  ])('%s is refused', async (_, target, code, status) => {
    await expectProblem(code, status, () => ask(`POST ${target} HTTP/1.1`))
  })

  it.each([
    ['with a byte that no URL has', Buffer.from('POST /x/railway/gr\xe4phql HTTP/1.1', 'latin1')],
    ['with a space', Buffer.from('POST /x/railway/graphql v2 HTTP/1.1')],
    ['with a zero byte', Buffer.from('POST /x/railway/graphql/v2\0 HTTP/1.1')],
    ['with a tab', Buffer.from('POST /x/railway/graphql\t/v2 HTTP/1.1')],
  ])('%s is refused', async (_, line) => {
    const rest = `\r\n${head.join('\r\n')}\r\nContent-Length: ${good.length}\r\n\r\n${good}`
    await expectProblem('malformed-request', 400, () => raw(at.broker.agentUrl, [line, rest]))
  })

  it.each([
    ['an asterisk', 'OPTIONS * HTTP/1.1'],
    ['an authority', 'CONNECT backboard.railway.app:443 HTTP/1.1'],
  ])('that is %s is no way in', async (_, line) => {
    const arrived = at.railway.received.length
    const answer = await ask(line, head, '')
    expect(answer.status === 0 || answer.status >= 400).toBe(true)
    expect(answer.ms).toBeLessThan(2_000)
    expect(at.railway.received.length).toBe(arrived)
    await expectGoodCall()
  })
})

describe('the headers', () => {
  const post = `POST ${path} HTTP/1.1`
  const [host = '', authorization = '', type = ''] = head

  it.each<[string, string[], string, number]>([
    ['with two capabilities', [...head, authorization], 'ambiguous-request', 400],
    [
      'with a good and a bad capability',
      [...head, 'authorization: Bearer x'],
      'ambiguous-request',
      400,
    ],
    [
      'with a capability for a proxy too',
      [...head, 'Proxy-Authorization: Bearer x'],
      'ambiguous-request',
      400,
    ],
    [
      'with a capability in Project-Access-Token too',
      [...head, `Project-Access-Token: ${token}`],
      'ambiguous-request',
      400,
    ],
    [
      'with a capability under another spelling of one name',
      [
        host,
        type,
        authorization.toUpperCase().replace(/^AUTHORIZATION: BEARER .*/, authorization),
        `AUTHORIZATION: Bearer ${token}`,
      ],
      'ambiguous-request',
      400,
    ],
    ['with two content types', [...head, 'Content-Type: text/plain'], 'ambiguous-request', 400],
    [
      'with two content encodings',
      [...head, 'Content-Encoding: identity', 'Content-Encoding: gzip'],
      'ambiguous-request',
      400,
    ],
    [
      'of 150 fields',
      [...head, ...Array.from({ length: 150 }, (_, i) => `X-${i}: y`)],
      'payload-too-large',
      413,
    ],
    [
      'of 40,000 bytes in one field',
      [...head, `X-Long: ${'y'.repeat(40_000)}`],
      'payload-too-large',
      431,
    ],
    [
      'of 40,000 bytes in many fields',
      [...head, ...Array.from({ length: 90 }, (_, i) => `X-${i}: ${'y'.repeat(500)}`)],
      'payload-too-large',
      431,
    ],
    [
      'of one name of 40,000 bytes',
      [...head, `${'X'.repeat(40_000)}: y`],
      'payload-too-large',
      431,
    ],
    [
      'with two lengths',
      [...head, 'Content-Length: 5', 'Content-Length: 6'],
      'malformed-request',
      400,
    ],
    [
      'with one length twice',
      [...head, `Content-Length: ${good.length}`, `Content-Length: ${good.length}`],
      'malformed-request',
      400,
    ],
    ['with a length below nothing', [...head, 'Content-Length: -1'], 'malformed-request', 400],
    [
      'with a length that is no number',
      [...head, 'Content-Length: 0x10'],
      'malformed-request',
      400,
    ],
    [
      'with a length beyond all numbers',
      [...head, `Content-Length: ${'9'.repeat(40)}`],
      'malformed-request',
      400,
    ],
    [
      'with a length and chunks',
      [...head, 'Transfer-Encoding: chunked', 'Content-Length: 5'],
      'malformed-request',
      400,
    ],
    [
      'with chunks and a length',
      [...head, 'Content-Length: 5', 'Transfer-Encoding: chunked'],
      'malformed-request',
      400,
    ],
    [
      'with a transfer encoding that nobody knows',
      [...head, 'Transfer-Encoding: xchunked'],
      'malformed-request',
      400,
    ],
    [
      'with chunks that are not last',
      [...head, 'Transfer-Encoding: chunked, identity'],
      'malformed-request',
      400,
    ],
    ['with a space before a colon', [...head, 'X-Space : y'], 'malformed-request', 400],
    ['with a field without a colon', [...head, 'nonsense'], 'malformed-request', 400],
    ['with a folded line', [...head, 'X-Folded: a\r\n b'], 'malformed-request', 400],
    ['with a zero byte', [...head, 'X-Zero: a\0b'], 'malformed-request', 400],
    ['with a carriage return in a value', [...head, 'X-CR: a\rb'], 'malformed-request', 400],
  ])('%s are refused', async (_, headers, code, status) => {
    await expectProblem(code, status, () => ask(post, headers))
  })

  it.each([
    ['of no known protocol', 'hello\r\n\r\n'],
    ['of another protocol', `POST ${path} HTTP/9.9\r\nHost: localhost\r\n\r\n`],
    ['of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['of TLS', Buffer.from('16030100c8010000c40303', 'hex')],
    ['of an unknown method', `STEAL ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
    ['of a method in lower case', `post ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`],
    ['that end their lines with a line feed alone', `POST ${path} HTTP/1.1\nHost: localhost\n\n`],
    [
      'with broken chunks',
      `POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n${good}\r\n`,
    ],
    [
      'with a chunk longer than it says',
      `POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n${good}\r\n0\r\n\r\n`,
    ],
    [
      'with a chunk of unspeakable size',
      `POST ${path} HTTP/1.1\r\n${head.join('\r\n')}\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n`,
    ],
  ])('%s are refused', async (_, bytes) => {
    await expectProblem('malformed-request', 400, () => raw(at.broker.agentUrl, [bytes]))
  })

  it('without a Host are refused', async () => {
    const arrived = at.railway.received.length
    expect((await ask(post, [authorization, type])).status).toBe(400)
    expect(at.railway.received.length).toBe(arrived)
  })

  it('with Host and forwarding fields of somewhere else change nothing', async () => {
    const fields = [
      'Host: backboard.railway.app',
      authorization,
      type,
      'X-Forwarded-Host: evil.example',
      'X-Original-URL: /admin/connections',
    ]
    const answer = await ask(post, fields)
    expect(answer.json).toEqual({ data: { environment: { name: 'staging' } } })
  })
})

describe('what follows a request on its connection', () => {
  const second = requestOf(`POST ${path} HTTP/1.1`, head, mutation).toString('latin1')

  it('is not read when the first was too large to be read to its end', async () => {
    at.carriedOut()
    const first = requestOf(`POST ${path} HTTP/1.1`, [...head, 'Content-Length: 5000000'], second)
    const answer = await raw(at.broker.agentUrl, [first])
    expect(answer.json).toMatchObject({ code: 'payload-too-large' })
    expect(answer.headers.get('connection')).toBe('close')
    expect(at.carriedOut()).toEqual([])
    await expectGoodCall()
  })

  it('is not read when the first was refused before its body', async () => {
    at.carriedOut()
    const headers = [...head.filter((one) => !one.startsWith('Auth')), 'Content-Length: 900000']
    const answer = await raw(at.broker.agentUrl, [
      requestOf(`POST ${path} HTTP/1.1`, headers, second),
    ])
    expect(answer.json).toMatchObject({ code: 'invalid-capability' })
    expect(at.carriedOut()).toEqual([])
  })

  it('stays inside the body that its length says', async () => {
    at.carriedOut()
    const smuggled = requestOf(`POST ${path} HTTP/1.1`, head, `${good}${second}`)
    const answer = await raw(at.broker.agentUrl, [smuggled])
    expect(answer.json).toMatchObject({ code: 'malformed-request' })
    expect(at.carriedOut()).toEqual([])
  })
})

describe('a slow sender', async () => {
  const patient = await front('embedded', {
    config: (config) => ({ ...config, limits: { ...config.limits, requestMs: 500 } }),
  })
  const capability = await patient.capability()
  const { agentUrl } = patient.broker
  const fields = [
    'Host: localhost',
    `Authorization: Bearer ${capability}`,
    'Content-Type: application/json',
  ]

  it('of headers is cut, with a reason', async () => {
    const drops = [...`POST ${path} HTTP/1.1\r\nHost: localhost\r\nX-Slow: ${'y'.repeat(400)}`]
    const answer = await raw(agentUrl, drops, { pauseMs: 20, giveUpMs: 6_000 })
    expect(answer.status).toBe(408)
    expect(answer.json).toMatchObject({ code: 'malformed-request' })
    expect(answer.ms).toBeLessThan(4_000)
  })

  it('that says nothing after its headers is cut', async () => {
    const answer = await raw(
      agentUrl,
      [requestOf(`POST ${path} HTTP/1.1`, [...fields, 'Content-Length: 500'])],
      { giveUpMs: 6_000 },
    )
    expect([0, 400, 408]).toContain(answer.status)
    expect(answer.ms).toBeLessThan(4_000)
  })

  it('of a body is cut, and nothing of it is sent on', async () => {
    const before = patient.railway.received.length
    const first = requestOf(`POST ${path} HTTP/1.1`, [...fields, `Content-Length: ${good.length}`])
    const answer = await raw(agentUrl, [first, ...good], { pauseMs: 60, giveUpMs: 6_000 })
    expect([0, 400, 408]).toContain(answer.status)
    expect(answer.ms).toBeLessThan(4_000)
    expect(patient.railway.received.length).toBe(before)
  })

  it('among two hundred keeps nobody else waiting', async () => {
    const slow = Array.from({ length: 200 }, () =>
      raw(agentUrl, [`POST ${path} HTTP/1.1\r\nHost: localhost\r\n`], { giveUpMs: 6_000 }),
    )
    const began = performance.now()
    await expectGoodCall(patient, capability)
    expect(performance.now() - began).toBeLessThan(1_500)
    for (const { status } of await Promise.all(slow)) expect(status).toBe(408)
    await expectGoodCall(patient, capability)
  })

  it('that leaves in the middle of its body leaves nothing behind', async () => {
    const before = patient.railway.received.length
    const controller = new AbortController()
    const leaving = patient
      .agent(path, {
        method: 'POST',
        headers: { authorization: `Bearer ${capability}`, 'content-type': 'application/json' },
        body: new ReadableStream({
          start: (stream) => stream.enqueue(Buffer.from(good.slice(0, 20))),
        }),
        signal: controller.signal,
        duplex: 'half',
      } as RequestInit)
      .catch(() => 'left')
    setTimeout(() => controller.abort(), 100)
    expect(await leaving).toBe('left')
    expect(patient.railway.received.length).toBe(before)
    await expectGoodCall(patient, capability)
  })
})
