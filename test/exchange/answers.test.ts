import { randomBytes } from 'node:crypto'
import { request } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import type { Limits } from '../../src/config.ts'
import { ids } from '../../src/demo/railway/world.ts'
import { raw, requestOf } from '../http/raw.ts'
import { type Answer, type Front, front } from '../support/broker.ts'
import { type Script, startMisbehaving } from './misbehaving.ts'

const { staging } = ids.environments
const redeploying = 'mutation($id: String!) { deploymentRedeploy(id: $id) { id } }'
const webStaging = { id: ids.deployments.webStaging }
const status = '{ platformStatus { isStable } }'
const json = { 'content-type': 'application/json' }

async function behind(limits: Partial<Limits> = {}) {
  const railway = await startMisbehaving()
  const at = await front('embedded', {
    railway,
    config: (config) => ({ ...config, limits: { ...config.limits, upstreamMs: 700, ...limits } }),
  })
  const token = await at.capability()
  afterEach(() => {
    railway.script = null
    for (const name of Object.keys(railway.faults)) Reflect.deleteProperty(railway.faults, name)
  })
  return { at, railway, token }
}

/** What the audit log says of a request once its outcome is written. */
async function outcomeOf(at: Front, request: unknown): Promise<Record<string, unknown>> {
  for (let tries = 0; tries < 60; tries += 1) {
    const entries = await at.audit(`&request=${request}`)
    const found = entries.find(({ kind }) => kind === 'outcome')
    if (found !== undefined) return found
    await wait(50)
  }
  throw new Error(`no outcome for ${request}`)
}

function requestId(answer: Pick<Answer, 'headers'>): string | null {
  return answer.headers.get('valetkey-request-id')
}

/** Every spelling that a server is known to give a credential in an answer. */
function spellings(token: string): string[] {
  const bytes = Buffer.from(token)
  return [
    token,
    bytes.toString('base64'),
    Buffer.from(`Bearer ${token}`).toString('base64'),
    Buffer.from(`x:${token}`).toString('base64'),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    bytes.toString('hex').toUpperCase(),
    encodeURIComponent(token),
  ]
}

describe('what comes back', async () => {
  const { at, railway, token } = await behind()
  const answering = (answer: Script['answer']) => {
    railway.script = { marker: 'platformStatus', answer }
  }

  it('holds no form of the credential when the upstream repeats its headers', async () => {
    Object.assign(railway.faults, { echoHeaders: true, onlyRoots: ['platformStatus'] })
    const answer = await at.call(token, status)
    expect(answer.status).toBe(200)
    expect(answer.json).toMatchObject({
      data: { platformStatus: { isStable: true } },
      extensions: { headers: { authorization: 'Bearer [redacted]' } },
    })
    expect(answer.text.match(/\[redacted\]/g)?.length).toBeGreaterThanOrEqual(5)
    for (const form of spellings(railway.token)) expect(answer.text).not.toContain(form)
    expect(answer.headers.get('x-echo')).toBeNull()
  })

  it.each([
    ['a JSON string', (secret: string) => JSON.stringify({ said: secret })],
    ['other words on both sides', (secret: string) => `a${secret}b`],
    ['itself', (secret: string) => secret + secret],
  ])('holds no form of the credential beside %s', async (_, around) => {
    answering((_req, res) => {
      res.writeHead(200, json)
      res.end(spellings(railway.token).map(around).join('\n'))
    })
    const answer = await at.call(token, status)
    for (const form of spellings(railway.token)) expect(answer.text).not.toContain(form)
    expect(answer.text).toContain('[redacted]')
  })

  it('carries few headers, no cookie and no credential', async () => {
    answering((_req, res) => {
      res.writeHead(200, {
        ...json,
        'set-cookie': ['session=abc', 'other=def'],
        'x-powered-by': 'rails',
        'x-token': railway.token,
        authorization: `Bearer ${railway.token}`,
        'retry-after': railway.token,
        'x-ratelimit-limit': '1000',
        'x-ratelimit-remaining': '998',
        'access-control-allow-origin': '*',
        'clear-site-data': '"*"',
        'www-authenticate': 'Bearer realm="railway"',
        location: 'https://elsewhere.example/',
        link: '<https://elsewhere.example/>; rel="next"',
        etag: '"x"',
      })
      res.end('{"data":{"platformStatus":{"isStable":true}}}')
    })
    const answer = await at.call(token, status)
    const ours = [...answer.headers].filter(
      ([name]) => !['date', 'connection', 'keep-alive'].includes(name),
    )
    expect(Object.fromEntries(ours)).toEqual({
      'content-type': 'application/json',
      'content-length': '45',
      'retry-after': '[redacted]',
      'x-ratelimit-limit': '1000',
      'x-ratelimit-remaining': '998',
      'x-content-type-options': 'nosniff',
      'valetkey-verdict': 'allow',
      'valetkey-request-id': expect.stringMatching(/^req_/),
    })
  })

  it.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['br', brotliCompressSync],
    ['GZIP', gzipSync],
  ])(
    'is decoded and searched when it comes as %s although identity was asked for',
    async (encoding, encode) => {
      answering((_req, res) => {
        res.writeHead(200, { ...json, 'content-encoding': encoding })
        res.end(encode(JSON.stringify({ data: { token: railway.token } })))
      })
      const answer = await at.call(token, status)
      expect(answer.json).toEqual({ data: { token: '[redacted]' } })
      expect(answer.headers.get('content-encoding')).toBeNull()
    },
  )

  it.each([
    ['in an encoding that nobody knows', 'zstd', Buffer.from('nonsense')],
    ['in two encodings', 'gzip, gzip', gzipSync(gzipSync('{}'))],
    ['as gzip that is none', 'gzip', Buffer.from('{"data":{}}')],
    ['as gzip that breaks off', 'gzip', gzipSync('x'.repeat(5_000)).subarray(0, 20)],
    ['as gzip in a second header', ['identity', 'gzip'], gzipSync('{"data":{}}')],
    ['as gzip that says it is plain', 'identity', gzipSync('{"data":{}}')],
    ['as gzip in gzip', 'gzip', gzipSync(gzipSync('{"data":{}}'))],
  ])('is not relayed when it comes %s', async (_, encoding, body) => {
    answering((_req, res) => {
      res.setHeader('content-encoding', encoding)
      res.writeHead(200, json)
      res.end(body)
    })
    const answer = await at.call(token, status)
    expect(answer.status).toBe(502)
    expect(answer.json).toMatchObject({ code: 'response-unredactable' })
    expect(await outcomeOf(at, answer.json['request_id'])).toMatchObject({ outcome: 'unknown' })
  })

  it('is a report, not a relay, when the upstream redirects', async () => {
    const redirect = `http://localhost:9/?signature=${railway.token}`
    Object.assign(railway.faults, { redirect, onlyRoots: ['platformStatus'] })
    const arrived = railway.received.length
    const answer = await at.call(token, status)
    expect(answer.status).toBe(502)
    expect(answer.json).toMatchObject({ code: 'upstream-unreachable' })
    expect(answer.headers.get('location')).toBeNull()
    expect(answer.text).not.toContain('signature')
    expect(railway.received.length).toBe(arrived + 1)
  })

  it('never holds up the broker, however large it is and in however few pieces it comes', async () => {
    const long = `{"data":{"text":"${'x'.repeat(900_000)}"}}`
    for (const pieces of [1, 2, 90]) {
      answering((_req, res) => {
        res.writeHead(200, json)
        const size = Math.ceil(long.length / pieces)
        for (let at = 0; at < long.length; at += size) res.write(long.slice(at, at + size))
        res.end()
      })
      const answer = await at.call(token, status)
      expect(answer.text).toBe(long)
      expect(await outcomeOf(at, requestId(answer))).toMatchObject({
        outcome: 'ok',
        facts: { bytes: long.length },
      })
    }
  })

  it('is cut, not relayed, when a large one turns out to be packed', async () => {
    const noise = gzipSync(randomBytes(400_000))
    answering((_req, res) => {
      res.writeHead(200, json)
      res.end(noise)
    })
    await expect(at.call(token, status)).rejects.toThrow()
  })

  it('does not end the broker when a redirect goes on and on', async () => {
    answering((_req, res) => {
      res.writeHead(302, { location: 'https://elsewhere.example/' })
      res.write('x')
    })
    expect((await at.call(token, status)).json).toMatchObject({ code: 'upstream-unreachable' })
    railway.script = null
    expect((await at.call(token, status)).status).toBe(200)
  })

  it.each([400, 404, 418, 500, 503])(
    'is the upstream’s own %i, marked as let through',
    async (code) => {
      Object.assign(railway.faults, { status: code, onlyRoots: ['platformStatus'] })
      const answer = await at.call(token, status)
      expect(answer.status).toBe(code)
      expect(answer.headers.get('valetkey-verdict')).toBe('allow')
      expect(await outcomeOf(at, requestId(answer))).toMatchObject({
        outcome: 'failed',
        facts: { status: code },
      })
    },
  )

  it('is written down with its status, its bytes and how long it took', async () => {
    const answer = await at.call(token, status)
    const outcome = await outcomeOf(at, requestId(answer))
    expect(outcome).toMatchObject({
      kind: 'outcome',
      outcome: 'ok',
      agent: 'cursor',
      environment: 'staging',
      operation: 'Query.platformStatus',
      facts: { status: 200, bytes: Buffer.byteLength(answer.text), ms: expect.any(Number) },
    })
    const opened = (await at.audit(`&request=${requestId(answer)}`)).find(
      ({ kind }) => kind === 'call',
    )
    expect(Number(opened?.['seq'])).toBeLessThan(Number(outcome['seq']))
  })
})

describe('a large answer', async () => {
  const { at, railway, token } = await behind({ answerBytes: 2_500_000, upstreamMs: 5_000 })
  const streaming = (
    chunks: () => Iterable<Buffer | string>,
    end: 'whole' | 'broken' = 'whole',
  ) => {
    railway.script = {
      marker: 'platformStatus',
      answer: async (_req, res) => {
        res.writeHead(200, json)
        for (const chunk of chunks()) {
          if (!res.write(chunk)) await new Promise((resolve) => res.once('drain', resolve))
        }
        if (end === 'whole') res.end()
        else setTimeout(() => res.destroy(), 50)
      },
    }
  }

  it('is redacted wherever chunks cut the credential', async () => {
    const filler = Buffer.alloc(70_000, 'x')
    streaming(function* () {
      for (let i = 0; i < 5; i += 1) yield filler
      for (const form of spellings(railway.token)) {
        for (const cut of [1, 7, form.length - 1]) {
          yield filler
          yield form.slice(0, cut)
          yield form.slice(cut)
        }
      }
      for (const char of railway.token) yield char
    })
    const answer = await at.call(token, status)
    expect(answer.status).toBe(200)
    for (const form of spellings(railway.token)) expect(answer.text).not.toContain(form)
    expect(answer.text.endsWith('[redacted]')).toBe(true)
    const outcome = await outcomeOf(at, requestId(answer))
    expect(outcome).toMatchObject({
      outcome: 'ok',
      facts: { status: 200, bytes: Buffer.byteLength(answer.text) },
    })
  })

  it('arrives whole and unchanged where it holds nothing to hide', async () => {
    const lines = Array.from({ length: 60_000 }, (_, i) => `{"line":${i}}`)
    streaming(() => lines.map((line) => `${line}\n`))
    const answer = await at.call(token, status)
    expect(answer.text).toBe(lines.map((line) => `${line}\n`).join(''))
  })

  it('keeps its place among the calls under way until its last byte', async () => {
    let finish = () => {}
    const held = new Promise<void>((resolve) => {
      finish = resolve
    })
    railway.script = {
      marker: 'platformStatus',
      answer: async (_req, res) => {
        res.writeHead(200, json)
        res.write(Buffer.alloc(600_000, 'z'))
        await held
        res.end()
      },
    }
    const open = async () => (await at.broker.ctx.metrics.open.get()).values[0]?.value
    const response = await fetch(`${at.broker.agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: status }),
    })
    expect(response.status).toBe(200)
    expect(await open()).toBe(1)
    finish()
    await response.text()
    await expect.poll(open).toBe(0)
  })

  it('is cut, never shortened in silence, when it grows beyond the limit', async () => {
    streaming(() => Array(40).fill(Buffer.alloc(70_000, 'y')))
    const before = new Set((await at.audit('&kind=outcome')).map(({ seq }) => seq))
    await expect(at.call(token, status)).rejects.toThrow()
    await expect
      .poll(async () => (await at.audit('&kind=outcome')).filter(({ seq }) => !before.has(seq)))
      .toMatchObject([{ outcome: 'unknown' }])
  })

  it('is cut when the upstream breaks off', async () => {
    streaming(() => Array(10).fill(Buffer.alloc(70_000, 'z')), 'broken')
    const before = new Set((await at.audit('&kind=outcome')).map(({ seq }) => seq))
    await expect(at.call(token, status)).rejects.toThrow()
    await expect
      .poll(async () => (await at.audit('&kind=outcome')).filter(({ seq }) => !before.has(seq)))
      .toMatchObject([{ outcome: 'unknown' }])
  })

  it('is let go of, and written down as unknown, when its reader leaves in the middle', async () => {
    let written = 0
    let closed = false
    railway.script = {
      marker: 'platformStatus',
      answer: async (_req, res) => {
        res.once('close', () => {
          closed = true
        })
        res.writeHead(200, json)
        for (; !closed && written < 30; written += 1) {
          res.write(Buffer.alloc(70_000, 'w'))
          await wait(10)
        }
      },
    }
    const before = new Set((await at.audit('&kind=outcome')).map(({ seq }) => seq))
    const reading = request(`${at.broker.agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${token}` },
    })
    reading.on('error', () => {})
    reading.on('response', (response) => response.once('data', () => reading.destroy()))
    reading.end(JSON.stringify({ query: status }))
    await expect
      .poll(async () => (await at.audit('&kind=outcome')).filter(({ seq }) => !before.has(seq)), {
        timeout: 3_000,
      })
      .toMatchObject([{ outcome: 'unknown' }])
    await expect.poll(() => closed).toBe(true)
  })

  it('that is compressed to almost nothing is not unpacked beyond the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000))
    railway.script = {
      marker: 'platformStatus',
      answer: (_req, res) => {
        res.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(bomb)
      },
    }
    const answer = await at.call(token, status)
    expect(answer.json).toMatchObject({ code: 'response-unredactable' })
  })
})

describe('an upstream that refuses the credential', async () => {
  const { at, railway, token } = await behind()
  const health = async () => {
    const { json: shown } = await at.admin('GET', '/admin/connections/railway')
    return shown['healthy']
  }
  const refusing: [string, Script['answer']][] = [
    ['with 401', (_req, res) => void res.writeHead(401, json).end('{"message":"no"}')],
    [
      'with "Not Authorized" under 200',
      (_req, res) =>
        void res
          .writeHead(200, json)
          .end('{"errors":[{"message":"Not Authorized","path":["platformStatus"]}],"data":null}'),
    ],
  ]

  it.each(refusing)('%s is a 502 of its own, and unhealthy after three', async (_, answer) => {
    expect((await at.call(token, status)).status).toBe(200)
    expect(await health()).toBe(true)
    railway.script = { marker: 'platformStatus', answer }
    for (let i = 0; i < 3; i += 1) {
      expect(await health()).toBe(true)
      const refused = await at.call(token, status)
      expect(refused.status).toBe(502)
      expect(refused.json).toMatchObject({
        code: 'upstream-credential-rejected',
        errors: [{ message: expect.stringContaining("connection's own credential") }],
      })
      expect(refused.headers.get('www-authenticate')).toBeNull()
      expect(await outcomeOf(at, refused.json['request_id'])).toMatchObject({ outcome: 'failed' })
    }
    expect(await health()).toBe(false)
  })
})

describe('a call whose end nobody knows', async () => {
  const { at, railway, token } = await behind({ upstreamMs: 500 })
  const strike = (fault: object) =>
    Object.assign(railway.faults, { onlyRoots: ['deploymentRedeploy'], ...fault })

  it.each([
    ['never answers', { hang: true }, 504, 'upstream-timeout'],
    ['answers too late', { delayMs: 900 }, 504, 'upstream-timeout'],
    ['drips its answer', { dripMs: 80 }, 504, 'upstream-timeout'],
    ['breaks off half-way', { closeEarly: true }, 502, 'upstream-unreachable'],
  ])('is told and written down as unknown when the upstream %s', async (_, fault, code, name) => {
    strike(fault)
    const began = performance.now()
    const answer = await at.call(token, redeploying, webStaging)
    expect(performance.now() - began).toBeLessThan(2_500)
    expect(answer.status).toBe(code)
    expect(answer.json).toMatchObject({
      code: name,
      hint: expect.stringContaining('not known'),
    })
    expect(await outcomeOf(at, answer.json['request_id'])).toMatchObject({
      outcome: 'unknown',
      operation: 'Mutation.deploymentRedeploy',
    })
    // It was carried out all the same, which is why the answer may not sound like a refusal.
    expect(at.carriedOut()).toEqual(['Mutation.deploymentRedeploy'])
  })

  it('is written down as unknown when the caller goes away', async () => {
    at.carriedOut()
    strike({ delayMs: 400 })
    const before = new Set((await at.audit('&kind=outcome')).map(({ seq }) => seq))
    const gone = request(`${at.broker.agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${token}` },
    })
    gone.on('error', () => {})
    gone.end(JSON.stringify({ query: redeploying, variables: webStaging }))
    await expect
      .poll(() => at.carriedOut(), { timeout: 3_000 })
      .toEqual(['Mutation.deploymentRedeploy'])
    gone.destroy()
    await expect
      .poll(async () => (await at.audit('&kind=outcome')).filter(({ seq }) => !before.has(seq)), {
        timeout: 3_000,
      })
      .toMatchObject([{ outcome: 'unknown', operation: 'Mutation.deploymentRedeploy' }])
  })

  it('does not keep the agent from the next one', async () => {
    expect((await at.call(token, redeploying, webStaging)).status).toBe(200)
  })
})

describe('what leaves', async () => {
  const { at, railway, token } = await behind()
  const last = () => {
    const received = railway.received.at(-1)
    if (received === undefined) throw new Error('nothing arrived')
    return received
  }
  const body = JSON.stringify({
    query: status,
    extensions: null,
  })

  it('has the headers that the broker writes, one by one, and none of the agent’s', async () => {
    const { host } = new URL(at.broker.agentUrl)
    const answer = await raw(at.broker.agentUrl, [
      requestOf(
        'POST /x/railway/graphql/v2 HTTP/1.1',
        [
          `Host: ${host}`,
          `Authorization: Bearer ${token}`,
          'Content-Type: application/json',
          'Accept: text/html, */*',
          'Accept-Encoding: gzip, br',
          'Accept-Language: de',
          'Cookie: session=mine',
          'User-Agent: railway-cli/4',
          'Range: bytes=0-3',
          'If-Range: "x"',
          'If-None-Match: "x"',
          'TE: trailers',
          'Connection: close, X-Secret-Hop',
          'X-Secret-Hop: 1',
          'Keep-Alive: timeout=9',
          'Upgrade-Insecure-Requests: 1',
          'Forwarded: for=10.0.0.1;host=backboard.railway.com',
          'X-Forwarded-For: 10.0.0.1',
          'X-Forwarded-Host: backboard.railway.com',
          'X-Forwarded-Proto: https',
          'X-Real-IP: 10.0.0.1',
          'Via: 1.1 proxy',
          'Origin: https://railway.com',
          'Referer: https://railway.com/project',
          'Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          'Baggage: user=robin',
          'X-Request-Id: mine',
          'X-Original-URL: /graphql/internal',
          'X-Rewrite-URL: /graphql/internal',
          'X-Railway-Token: mine',
          'X-Api-Key: mine',
          'Idempotency-Key: mine',
          'Expect: 100-continue',
          'Priority: u=1',
          'Sec-Fetch-Mode: cors',
        ],
        body,
      ),
    ])
    expect(answer.status).toBe(200)
    const { method, target, headers } = last()
    expect(`${method} ${target}`).toBe('POST /graphql/v2')
    const length = String(Buffer.byteLength(last().body))
    // One hop lies between, which keeps what it gets.
    expect(Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))).toEqual(
      {
        host: new URL(railway.url).host,
        connection: 'keep-alive',
        accept: 'application/json',
        'accept-encoding': 'identity',
        'content-type': 'application/json',
        'content-length': length,
        'user-agent': 'valetkey',
        authorization: `Bearer ${railway.token}`,
      },
    )
    expect(headers.length).toBe(8)
  })

  it('is the document printed anew, with the variables as the schema reads them', async () => {
    const query = `# a comment\nquery Domain($env:String!="${staging}",$unused:Int=7 $all:Boolean!) {,,
      e: environment(id:$env) { ...Part @include(if: true) ... { id } n:name @skip(if:$all) }
    } fragment Part on Environment { createdAt }`
    const answer = await at.agent('/x/railway/graphql/v2', {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${token}` },
      body: JSON.stringify({ query, variables: { all: false, stranger: 'x' } }),
    })
    expect(answer.json).toMatchObject({ code: 'malformed-request' })

    const used = query.replace('$unused:Int=7 ', '')
    const passed = await at.agent('/x/railway/graphql/v2', {
      method: 'POST',
      headers: { ...json, authorization: `Bearer ${token}` },
      body: ` { "variables": {"stranger": "x", "all": false}, "query": ${JSON.stringify(used)}, "operationName": "Domain" } `,
    })
    expect(passed.json).not.toHaveProperty('errors')
    expect(JSON.parse(last().body)).toEqual({
      query: [
        `query Domain($env: String! = "${staging}", $all: Boolean!) {`,
        '  e: environment(id: $env) {',
        '    ...Part @include(if: true)',
        '    ... {',
        '      id',
        '    }',
        '    n: name @skip(if: $all)',
        '  }',
        '}',
        '',
        'fragment Part on Environment {',
        '  createdAt',
        '}',
      ].join('\n'),
      variables: { env: staging, all: false },
      operationName: 'Domain',
    })
    expect(last().body).not.toContain('stranger')
    expect(last().body).not.toContain('comment')
  })

  it('is JSON also when the agent’s was declared as a form', async () => {
    const answer = await at.call(token, status, undefined, {
      'content-type': 'application/x-www-form-urlencoded',
    })
    expect(answer.status).toBe(200)
    expect(last().headers).toContainEqual(['content-type', 'application/json'])
  })

  it('has one value of a list where the agent gave the value alone', async () => {
    const query =
      'query($in: DeploymentListInput!) { deployments(input: $in) { edges { node { id } } } }'
    const passed = await at.call(token, query, {
      in: { environmentId: staging, status: { in: 'SUCCESS' } },
    })
    expect(passed.json).not.toHaveProperty('errors')
    expect(JSON.parse(last().body).variables).toEqual({
      in: { environmentId: staging, status: { in: ['SUCCESS'] } },
    })
  })
})
