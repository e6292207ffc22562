import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { getIntrospectionQuery } from 'graphql'
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, type Front, front } from '../support/broker.ts'
import { raw, requestOf } from './raw.ts'

const { staging } = ids.environments
const at = await front()
const token = await at.capability()
const path = '/x/railway/graphql/v2'
const good = JSON.stringify({ query: `{ environment(id: "${staging}") { name } }` })
const json = 'application/json'

type Body = string | Uint8Array
type Headers = Record<string, string>

/** Sends it and asserts what holds for whatever cannot be taken: told clearly, at once, and nothing went on. */
async function expectProblem(
  code: string,
  status: number,
  send: () => Promise<Pick<Answer, 'status' | 'headers' | 'text' | 'json'>>,
): Promise<void> {
  const arrived = at.railway.received.length
  const began = performance.now()
  const answer = await send()
  expect(performance.now() - began).toBeLessThan(2_000)
  expect(answer.json).toMatchObject({
    type: `urn:valetkey:problem:${code}`,
    code,
    status,
    title: expect.stringMatching(/\w/),
    detail: expect.stringMatching(/^\S.{5,600}[.?]$/s),
    hint: expect.stringMatching(/^\S.{5,400}\.$/s),
    request_id: answer.headers.get('valetkey-request-id'),
    errors: [
      {
        message: `${answer.json['detail']} ${answer.json['hint']}`,
        extensions: { code, request_id: answer.json['request_id'] },
      },
    ],
  })
  expect(answer.status).toBe(status)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('valetkey-verdict')).toBe('deny')
  expect(answer.text).not.toMatch(/\n\s+at |node_modules|\.ts:\d|node:internal/)
  expect(at.railway.received.length, 'nothing may arrive').toBe(arrived)
  const next = await post(good)
  expect(next.json, 'it goes on').toEqual({ data: { environment: { name: 'staging' } } })
}

function post(body: Body, headers: Headers = {}): Promise<Answer> {
  return at.agent(path, {
    method: 'POST',
    headers: { 'content-type': json, authorization: `Bearer ${token}`, ...headers },
    body,
  })
}

const of = (query: string, rest: object = {}) => JSON.stringify({ query, ...rest })
const name = (id: string = staging) => `environment(id: "${id}") { name }`
const nested = (levels: number) => `{ ${'a { '.repeat(levels)}b${' }'.repeat(levels)} }`
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)))

describe('a body that is no JSON, or two', () => {
  const malformed: [string, Body][] = [
    ['that is empty', ''],
    ['of white space', ' \n'],
    ['that breaks off', good.slice(0, -1)],
    ['followed by something', `${good}x`],
    ['of two values', good + good],
    ['with a trailing comma', '{"query":"{ __typename }",}'],
    ['with single quotes', "{'query':'{ __typename }'}"],
    ['with a comment', `/* */${good}`],
    ['with NaN', of('{ __typename }').replace('}"}', '}","variables":{"a":NaN}}')],
    ['with a leading zero', '{"query":"{ __typename }","variables":{"a":01}}'],
    ['with a bad escape', '{"query":"\\x41"}'],
    ['with a raw line end in a string', '{"query":"{\n__typename }"}'],
    ['that is a number', '7'],
    ['that is a string', '"{ __typename }"'],
    ['that is null', 'null'],
    ['that is true', 'true'],
    ['that is an empty list', '[]'],
    ['that is a list of lists', `[[${good}]]`],
    ['that is an empty object', '{}'],
    ['of form fields', 'query=%7B__typename%7D'],
    ['of SQL', "' or 1=1 --"],
    ['nested 10,000 levels deep', '['.repeat(10_000) + ']'.repeat(10_000)],
    [
      'nested 10,000 levels deep in its variables',
      of('{ __typename }', {}).replace(
        '}"}',
        `}","variables":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`,
      ),
    ],
    ['nested 100,000 levels deep and open', '{"query":'.repeat(100_000)],
    ['with the key __proto__', '{"query":"{ __typename }","__proto__":{"a":1}}'],
    [
      'with the key __proto__ in its variables',
      '{"query":"{ __typename }","variables":{"__proto__":{"a":1}}}',
    ],
    [
      'with the key __proto__ spelled in escapes',
      '{"query":"{ __typename }","variables":{"\\u005f_proto__":1}}',
    ],
    ['with a lone surrogate', '{"query":"{ __typename }","variables":{"a":"\\ud800"}}'],
    ['with a byte order mark', bytes([0xef, 0xbb, 0xbf], good)],
    ['in UTF-16', Buffer.from(good, 'utf16le')],
    ['with a byte that is no UTF-8', bytes('{"query":"{ __typename } #', [0xff], '"}')],
    ['with an overlong slash', bytes('{"query":"{ __typename } #', [0xc0, 0xaf], '"}')],
    ['with an encoded surrogate', bytes('{"query":"{ __typename } #', [0xed, 0xa0, 0x80], '"}')],
    ['with a zero byte after it', bytes(good, [0])],
    ['with a query that is a number', '{"query":7}'],
    ['with a query that is empty', '{"query":""}'],
    ['with variables that are a list', of('{ __typename }', { variables: [1] })],
    ['with variables that are a string', of('{ __typename }', { variables: '{}' })],
    ['with an operation name that is a number', of('{ __typename }', { operationName: 7 })],
    ['with a member that nobody knows', of('{ __typename }', { queries: [] })],
    ['in a batch of eleven', `[${Array(11).fill(good).join(',')}]`],
  ]
  it.each(malformed)('%s is malformed', async (_, body) => {
    await expectProblem('malformed-request', 400, () => post(body))
  })

  it.each<[string, Body]>([
    ['its query twice', '{"query":"{ __typename }","query":"mutation { x }"}'],
    [
      'its query twice, once in escapes',
      '{"query":"{ __typename }","\\u0071uery":"mutation { x }"}',
    ],
    ['a variable twice', '{"query":"{ __typename }","variables":{"id":"a","id":"b"}}'],
    [
      'a variable twice, once in escapes',
      '{"query":"{ __typename }","variables":{"id":"a","\\u0069d":"b"}}',
    ],
    [
      'a key twice deep inside',
      '{"query":"{ __typename }","variables":{"a":[{"b":{"c":1,"c":2}}]}}',
    ],
    ['a number beyond a double', '{"query":"{ __typename }","variables":{"a":1e400}}'],
    [
      'an integer that a double cannot hold',
      '{"query":"{ __typename }","variables":{"a":9007199254740993}}',
    ],
    ['an integer of 400 digits', `{"query":"{ __typename }","variables":{"a":${'9'.repeat(400)}}}`],
    [
      'a persisted query without its text',
      '{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"abc"}}}',
    ],
    ['a document by its id', '{"documentId":"abc"}'],
    ['a document by its id, with null for its text', '{"id":"abc","query":null}'],
  ])('with %s has two readings', async (_, body) => {
    await expectProblem('ambiguous-request', 400, () => post(body))
  })
})

describe('a body that is too large', () => {
  const large = of(`{ ${name()} } #${'x'.repeat(10_000_000)}`)

  it('with its length declared is refused', async () => {
    const head = requestOf(`POST ${path} HTTP/1.1`, [
      'Host: localhost',
      `Authorization: Bearer ${token}`,
      `Content-Type: ${json}`,
      `Content-Length: ${Buffer.byteLength(large)}`,
    ])
    await expectProblem('payload-too-large', 413, () => raw(at.broker.agentUrl, [head, large]))
    await expectProblem('payload-too-large', 413, () => raw(at.broker.agentUrl, [head]))
  })

  it('without its length declared is refused', async () => {
    const head = requestOf(`POST ${path} HTTP/1.1`, [
      'Host: localhost',
      `Authorization: Bearer ${token}`,
      `Content-Type: ${json}`,
      'Transfer-Encoding: chunked',
    ])
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`
    await expectProblem('payload-too-large', 413, () =>
      raw(at.broker.agentUrl, [head, ...Array(100).fill(chunk)], { pauseMs: 1 }),
    )
  })
})

describe('a document', () => {
  const spread = (levels: number, width: number) => {
    const fragments = Array.from({ length: levels }, (_, i) => {
      const next = i + 1 < levels ? `...F${i + 1} `.repeat(width) : 'id'
      return `fragment F${i} on Environment { ${next} }`
    })
    return `{ environment(id: "${staging}") { ...F0 } } ${fragments.join(' ')}`
  }
  const aliases = (count: number) => Array.from({ length: count }, (_, i) => `a${i}:id`).join(' ')
  const refused: [string, string][] = [
    ['10,000 levels deep', nested(10_000)],
    ['of 10,000 open braces', '{'.repeat(10_000)],
    ['of 100,000 open brackets', `{ a(b: ${'['.repeat(100_000)}`],
    [
      'with a list value 10,000 levels deep',
      `{ environment(id: ${'['.repeat(10_000)}${']'.repeat(10_000)}) { name } }`,
    ],
    [
      'with a list type 10,000 levels deep',
      `query($a: ${'['.repeat(10_000)}Int${']'.repeat(10_000)}) { __typename }`,
    ],
    [
      'deeper than any needs',
      `{ environment(id: "${staging}") { ${'sourceEnvironment { '.repeat(40)}id${' }'.repeat(40)} } }`,
    ],
    ['of 100,000 aliases', `{ environment(id: "${staging}") { ${aliases(100_000)} } }`],
    ['of 3,000 aliases', `{ environment(id: "${staging}") { ${aliases(3_000)} } }`],
    ['of 50,000 root fields', `{ ${'__typename '.repeat(50_000)} }`],
    ['that unfolds into a billion fields', spread(30, 2)],
    ['that unfolds widely', spread(6, 20)],
    [
      'with a fragment that spreads itself',
      `{ environment(id: "${staging}") { ...A } } fragment A on Environment { ...A }`,
    ],
    [
      'with fragments that spread each other',
      `{ environment(id: "${staging}") { ...A } } fragment A on Environment { ...B } fragment B on Environment { ...A }`,
    ],
    [
      'with a cycle in a fragment that is not used',
      `{ ${name()} } fragment A on Environment { ...A }`,
    ],
    ['with a fragment that is not used', `{ ${name()} } fragment A on Environment { id }`],
    ['with a fragment that is not there', `{ environment(id: "${staging}") { ...A } }`],
    [
      'with two fragments of one name',
      `{ environment(id: "${staging}") { ...A } } fragment A on Environment { id } fragment A on Environment { name }`,
    ],
    [
      'with 10,000 directives',
      `{ environment(id: "${staging}") { name ${'@include(if: true) '.repeat(10_000)} } }`,
    ],
    ['with a directive twice', `{ ${name()} @skip(if: false) @skip(if: true) }`],
    ['with a directive that nobody knows', `{ ${name()} @defer }`],
    [
      'with 5,000 variables',
      `query(${Array.from({ length: 5_000 }, (_, i) => `$v${i}: Int`).join(' ')}) { __typename }`,
    ],
    [
      'with an argument twice',
      `{ environment(id: "${staging}", id: "${ids.environments.production}") { name } }`,
    ],
    ['with two meanings of one alias', `{ a: ${name()} a: ${name(ids.environments.pr42)} }`],
    [
      'with an argument that nobody knows',
      `{ environment(id: "${staging}", as: "admin") { name } }`,
    ],
    ['without an argument that is needed', '{ environment { name } }'],
    ['with a variable that is not declared', '{ environment(id: $id) { name } }'],
    [
      'with a variable declared twice',
      `query($id: String!, $id: String!) { environment(id: $id) { name } }`,
    ],
    ['with a variable of another type', 'query($id: Int!) { environment(id: $id) { name } }'],
    ['with a variable of no known type', 'query($id: Sesame!) { environment(id: $id) { name } }'],
    ['without its variable', 'query($id: String!) { environment(id: $id) { name } }'],
    ['that selects nothing of an object', `{ environment(id: "${staging}") }`],
    ['that selects below a name', `{ environment(id: "${staging}") { name { x } } }`],
    ['that is only a fragment', 'fragment A on Environment { id }'],
    ['that is only a comment', '# { __typename }'],
    ['that defines a type', 'type A { b: Int } { __typename }'],
    ['that extends the schema', `extend type Query { a: Int } { ${name()} }`],
    ['with two operations that have no name', `{ ${name()} } { ${name()} }`],
    ['with two operations of one name', `query A { ${name()} } query A { ${name()} }`],
    ['with a character that no document has', `{ ${name()} \u0000 }`],
    ['with a string that does not end', '{ environment(id: "a) { name } }'],
  ]
  it.each(refused)('%s is malformed', async (_, query) => {
    await expectProblem('malformed-request', 400, () => post(of(query)))
  })

  it('with an operation name that it does not have is malformed', async () => {
    const body = of(`query A { ${name()} }`, { operationName: 'B' })
    await expectProblem('malformed-request', 400, () => post(body))
  })

  it.each([
    ['a field that the API has not', '{ sesame }', 'unknown-operation'],
    ['a mutation that the API has not', 'mutation { volumeErase(id: "x") }', 'unknown-operation'],
    [
      'a nested field that the API has not',
      `{ environment(id: "${staging}") { sesame } }`,
      'unknown-operation',
    ],
    ['a field that every object of the language has', '{ constructor }', 'unknown-operation'],
    [
      'a field of every object, nested',
      `{ environment(id: "${staging}") { hasOwnProperty toString } }`,
      'unknown-operation',
    ],
    [
      'a subscription',
      `subscription { deploymentLogs(deploymentId: "${ids.deployments.webStaging}") { message } }`,
      'unknown-operation',
    ],
    [
      'a subscription behind a query',
      `query A { ${name()} } subscription B { deploymentLogs(deploymentId: "${ids.deployments.webStaging}") { message } }`,
      'unknown-operation',
    ],
  ])('with %s is unknown', async (_, query, code) => {
    await expectProblem(code, 403, () =>
      post(of(query, query.startsWith('query A') ? { operationName: 'A' } : {})),
    )
  })
})

describe('a content type', () => {
  it.each([
    'text/plain',
    'text/plain; charset=utf-8',
    'application/graphql',
    'application/graphql+json',
    'application/json; charset=utf-16',
    'application/json; charset=iso-8859-1',
    'application/json; boundary=x',
    'application/json, text/plain',
    'application/x-json',
    'application/problem+json',
    'multipart/form-data; boundary=x',
    'multipart/mixed; boundary=x',
    'application/octet-stream',
    'application/x-www-form-urlencoded; charset=utf-7',
    'json',
  ])('%s is malformed', async (type) => {
    await expectProblem('malformed-request', 400, () => post(good, { 'content-type': type }))
  })

  it.each([json, 'application/json; charset=utf-8', 'APPLICATION/JSON;charset=UTF-8'])(
    '%s is taken',
    async (type) => {
      expect((await post(good, { 'content-type': type })).status).toBe(200)
    },
  )

  it('of an upload by the multipart specification is malformed, and says why', async () => {
    const part = (field: string, value: string) =>
      `--x\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`
    const body = `${part('operations', good)}${part('map', '{"0":["variables.file"]}')}${part('0', 'x')}--x--\r\n`
    const headers = { 'content-type': 'multipart/form-data; boundary=x' }
    await expectProblem('malformed-request', 400, () => post(body, headers))
    expect((await post(body, headers)).json['detail']).toContain('uploads')
  })

  it.each(['gzip', 'deflate', 'br', 'GZIP', 'gzip, gzip', 'sesame'])(
    'encoded as %s is malformed',
    async (encoding) => {
      await expectProblem('malformed-request', 400, () =>
        post(good, { 'content-encoding': encoding }),
      )
    },
  )
})

describe('a method', () => {
  it.each(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('%s is not allowed', async (method) => {
    await expectProblem('method-not-allowed', 405, () =>
      at.agent(path, { method, headers: { authorization: `Bearer ${token}` } }),
    )
  })

  it('GET with a query in its URL is not allowed', async () => {
    const query = encodeURIComponent(`{ ${name()} }`)
    await expectProblem('method-not-allowed', 405, () =>
      at.agent(`${path}?query=${query}`, { headers: { authorization: `Bearer ${token}` } }),
    )
  })

  it.each(['x-http-method-override', 'x-http-method', 'x-method-override'])(
    'said a second time in %s is ambiguous',
    async (header) => {
      await expectProblem('ambiguous-request', 400, () => post(good, { [header]: 'GET' }))
    },
  )

  it('with a query both in the URL and in the body is ambiguous', async () => {
    await expectProblem('ambiguous-request', 400, () =>
      at.agent(`${path}?query=${encodeURIComponent('{ __typename }')}`, {
        method: 'POST',
        headers: { 'content-type': json, authorization: `Bearer ${token}` },
        body: good,
      }),
    )
  })
})

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

describe('a token', () => {
  const [header = '', payload = '', signature = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString())
  const foreign = generateKeyPairSync('ed25519').privateKey
  const signed = (head: object, body: object = claims) => {
    const text = `${part(head)}.${part(body)}`
    return `${text}.${sign(null, Buffer.from(text), foreign).toString('base64url')}`
  }
  const hmac = (head: object, key: string) => {
    const text = `${part(head)}.${payload}`
    return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`
  }
  const tokens: [string, string][] = [
    ['of another signer', signed({ alg: 'EdDSA', typ: 'at+jwt', kid })],
    ['of a key that nobody knows', signed({ alg: 'EdDSA', typ: 'at+jwt', kid: 'x'.repeat(43) })],
    [
      'of another broker',
      signed({ alg: 'EdDSA', typ: 'at+jwt', kid }, { ...claims, iss: 'https://a.example' }),
    ],
    ['without an algorithm', `${part({ alg: 'none', typ: 'at+jwt', kid })}.${payload}.`],
    [
      'without an algorithm, with a signature',
      `${part({ alg: 'none', typ: 'at+jwt', kid })}.${payload}.${signature}`,
    ],
    [
      'without an algorithm, oddly spelled',
      `${part({ alg: 'nOnE', typ: 'at+jwt', kid })}.${payload}.`,
    ],
    [
      'signed with the public key as an HMAC secret',
      hmac({ alg: 'HS256', typ: 'at+jwt', kid }, kid),
    ],
    ['of another type', signed({ alg: 'EdDSA', typ: 'JWT', kid })],
    ['without a type', signed({ alg: 'EdDSA', kid })],
    ['that brings its own key', signed({ alg: 'EdDSA', typ: 'at+jwt', kid, jwk: {} })],
    [
      'that says where its key is',
      signed({ alg: 'EdDSA', typ: 'at+jwt', kid, jku: 'https://a.example' }),
    ],
    ['with critical headers', signed({ alg: 'EdDSA', typ: 'at+jwt', kid, crit: ['x'], x: 1 })],
    [
      'with another payload',
      `${header}.${part({ ...claims, environment: 'production' })}.${signature}`,
    ],
    ['with its signature cut', `${header}.${payload}.${signature.slice(0, -4)}`],
    ['without its signature', `${header}.${payload}.`],
    ['with a fourth part', `${token}.x`],
    ['with padding', `${token}==`],
    ['encrypted', `${header}.a.b.c.d`],
    ['that is a word', 'sesame'],
    ['of one dot', '.'],
    ['of 5,000 characters', 'x'.repeat(5_000)],
    ['that is an agent’s secret', 'vks_0123456789abcdef'],
    ['that is an operator’s session', 'vko_0123456789abcdef'],
    ['that is a shell variable in braces', `\${TOKEN}`],
    ['that is the text $TOKEN', '$TOKEN'],
    ['that is a quoted shell variable', `"\${RAILWAY_API_TOKEN}"`],
    ['that is the text $(cat token)', '$(cat token)'],
    ['that is the text %TOKEN%', '%TOKEN%'],
    ['that is the text {{ secrets.TOKEN }}', '{{ secrets.TOKEN }}'],
    ['that is the text undefined', 'undefined'],
  ]
  it.each(tokens)('%s is no capability', async (_, text) => {
    const send = () => post(good, { authorization: `Bearer ${text}` })
    await expectProblem('invalid-capability', 401, send)
    const answer = await send()
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
    expect(answer.json['retry']).toBe('new-capability')
  })

  it.each([`\${TOKEN}`, '$TOKEN', '$(cat token)', '%TOKEN%', '{{ secrets.TOKEN }}'])(
    '%s is told to be a variable that was not expanded',
    async (text) => {
      const answer = await post(good, { authorization: `Bearer ${text}` })
      expect(answer.json['detail']).toContain('did not expand its variable')
    },
  )

  it('spelled otherwise in its last character is no capability', async () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(token.at(-1) ?? '')
    const respelled = token.slice(0, -1) + alphabet[last ^ 1]
    expect(Buffer.from(respelled.split('.')[2] ?? '', 'base64url')).toEqual(
      Buffer.from(signature, 'base64url'),
    )
    await expectProblem('invalid-capability', 401, () =>
      post(good, { authorization: `Bearer ${respelled}` }),
    )
  })

  it('that is not there is told so', async () => {
    const send = () =>
      at.agent(path, { method: 'POST', headers: { 'content-type': json }, body: good })
    await expectProblem('invalid-capability', 401, send)
  })

  it.each([
    ['empty', ''],
    ['a scheme alone', 'Bearer'],
    ['a scheme and spaces', 'Bearer   '],
    ['of a scheme that nobody knows', 'Digest username="x"'],
    ['Basic of nothing', 'Basic'],
    ['Basic of no base64', 'Basic ???'],
    ['two tokens in one', `Bearer ${token} ${token}`],
    ['two joined by a comma', `Bearer ${token}, Bearer ${token}`],
  ])('in an Authorization header that is %s is no capability', async (_, authorization) => {
    await expectProblem('invalid-capability', 401, () => post(good, { authorization }))
  })

  it.each(['project-access-token', 'team-access-token'])(
    'in Authorization and in %s at once is ambiguous, whichever is good',
    async (header) => {
      await expectProblem('ambiguous-request', 400, () => post(good, { [header]: token }))
      await expectProblem('ambiguous-request', 400, () =>
        post(good, { authorization: 'Bearer x', [header]: token }),
      )
    },
  )

  it('in Project-Access-Token alone is taken', async () => {
    const answer = await at.agent(path, {
      method: 'POST',
      headers: { 'content-type': json, 'project-access-token': token },
      body: good,
    })
    expect(answer.status).toBe(200)
  })

  it('that expires under way is refused from then on', async () => {
    const short = await at.capability({ ttl: 1 })
    const headers = { authorization: `Bearer ${short}` }
    await expect.poll(async () => (await post(good, headers)).status, { timeout: 20_000 }).toBe(401)
    await expectProblem('capability-expired', 401, () => post(good, headers))
  })

  it('fills no audit log when it is a stranger’s', async () => {
    const [newest] = await at.audit()
    for (let i = 0; i < 20; i += 1) await post(good, { authorization: `Bearer stranger-${i}` })
    const later = (await at.audit()).filter(({ seq }) => Number(seq) > Number(newest?.['seq']))
    // Refusals of agents that were counted may be written meanwhile.
    expect(later.filter(({ agent }) => agent === undefined || agent === null)).toEqual([])
  })
})

describe('introspection', () => {
  const silent = async (at: Front, body: Body): Promise<Answer> => {
    const before = at.railway.received.length
    const answer = await post(body)
    expect(at.railway.received.length).toBe(before)
    return answer
  }

  it('as every client asks is answered by the broker without a call', async () => {
    const answer = await silent(at, of(getIntrospectionQuery()))
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({ data: { __schema: { queryType: { name: 'Query' } } } })
    expect(answer.json).not.toHaveProperty('errors')
    expect(answer.text).toContain('volumeDelete')
  })

  it('of one type, with a variable, is answered by the broker without a call', async () => {
    const query = 'query($n: String!) { __type(name: $n) { name fields { name } } }'
    const answer = await silent(at, of(query, { variables: { n: 'VolumeInstance' } }))
    expect(answer.json).toMatchObject({ data: { __type: { name: 'VolumeInstance' } } })
  })

  it('of the name of the root type is answered by the broker without a call', async () => {
    expect((await silent(at, of('{ __typename }'))).json).toEqual({ data: { __typename: 'Query' } })
  })

  it('together with other fields is refused', async () => {
    const query = `{ __schema { queryType { name } } ${name()} }`
    const answer = await post(of(query))
    expect(answer.json).toMatchObject({ code: 'ambiguous-request' })
    expect(at.railway.executed.at(-1)?.coordinate).not.toBe('Query.__schema')
  })

  it.each([
    ['of every field of every type of every field', 6],
    ['of types of fields of types', 3],
  ])('%s is bounded', async (_, levels) => {
    const query = `{ __schema { types { ${'fields { type { '.repeat(levels)}name${' } }'.repeat(levels)} } } }`
    const began = performance.now()
    await silent(at, of(query))
    expect(performance.now() - began).toBeLessThan(2_000)
    expect((await post(good)).status).toBe(200)
  })

  it('twice under aliases is answered', async () => {
    const query = '{ a: __type(name: "Query") { name } b: __type(name: "Volume") { name } }'
    const answer = await silent(at, of(query))
    expect(answer.json).toEqual({ data: { a: { name: 'Query' }, b: { name: 'Volume' } } })
  })

  it.each([
    [
      'fifty times over',
      Array.from({ length: 50 }, (_, i) => `s${i}: __schema { types { name } }`),
    ],
    [
      'of one list under hundreds of aliases',
      [
        `__schema { types { ${Array.from({ length: 400 }, (_, i) => `f${i}: fields { name }`).join(' ')} } }`,
      ],
    ],
  ])('%s is malformed', async (_, fields) => {
    const query = `{ ${fields.join(' ')} }`
    await expectProblem('malformed-request', 400, () => post(of(query)))
  })

  it('needs a capability', async () => {
    await expectProblem('invalid-capability', 401, () =>
      post(of(getIntrospectionQuery()), { authorization: 'Bearer x' }),
    )
  })
})
