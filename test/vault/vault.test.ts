/** The vault against upstreams that behave, fail, echo and change their schema. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createKeyring } from '../../src/seal/keyring.ts'
import { connections, schemas } from '../../src/store/schema.ts'
import { openCredential, rowOf } from '../../src/vault/vault.ts'
import { operatorPlane, type Plane } from '../support/operator-plane.ts'
import { stores } from '../support/stores.ts'

type Play = (incoming: IncomingMessage, body: string, response: ServerResponse) => Promise<boolean>

/** In front of the simulated Railway: what `play` does not answer passes through. */
let play: Play = async () => false
let front = ''
let plane: Plane

const server = createServer((incoming, response) => {
  void pass(incoming, response)
})

async function pass(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  if (await play(incoming, body, response)) return
  const answer = await throughTo(incoming, body)
  response.writeHead(answer.status, { 'content-type': 'application/json' })
  response.end(await answer.text())
}

function throughTo(incoming: IncomingMessage, body: string): Promise<Response> {
  return fetch(plane.railway.url + (incoming.url ?? ''), {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: incoming.headers.authorization ?? '',
    },
    body,
  })
}

function answering(
  status: number,
  type: string,
  text: (incoming: IncomingMessage) => string,
): Play {
  return async (incoming, _body, response) => {
    response.writeHead(status, { 'content-type': type })
    response.end(text(incoming))
    return true
  }
}

const add = (more: object = {}) =>
  plane.call('POST', '/admin/connections', {
    name: 'railway',
    base_url: front,
    allow_private: true,
    secret: plane.railway.token,
    ...more,
  })

beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A server on a TCP port has an AddressInfo.
  front = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.closeAllConnections()
  server.close()
})

describe.each(stores)('on %s', (kind) => {
  beforeAll(async () => {
    plane = await operatorPlane(kind)
  })

  beforeEach(async () => {
    play = async () => false
    plane.railway.reset()
    await plane.call('DELETE', '/admin/connections/railway?confirm=railway')
  })

  test('what is stored of a secret is sealed for its row, and opens for no other', async () => {
    await add()
    const row = plane.ctx.realm.now().connections.get('railway')
    if (row === undefined) throw new Error('the connection is not there')
    expect(row.sealed).not.toContain(plane.railway.token)
    expect((await openCredential(plane.ctx, row)).reveal()).toBe(plane.railway.token)
    const stolen = openCredential(plane.ctx, { name: 'other', sealed: row.sealed })
    await expect(stolen).rejects.toMatchObject({ code: 'internal' })
    const elsewhere = { ...plane.ctx, keyring: createKeyring([randomBytes(32)]) }
    await expect(openCredential(elsewhere, row)).rejects.toMatchObject({ code: 'internal' })
  })

  test('a sealed text that failed to open is tried anew', async () => {
    const keyring = createKeyring([randomBytes(32)])
    let broken = true
    const flaky = {
      ...keyring,
      open: (row: string, sealed: string) =>
        broken ? Promise.reject(new Error('not now')) : keyring.open(row, sealed),
    }
    const connection = { name: 'a', sealed: await keyring.seal(rowOf('a'), 'the secret') }
    await expect(openCredential({ keyring: flaky }, connection)).rejects.toThrow('not now')
    broken = false
    expect((await openCredential({ keyring: flaky }, connection)).reveal()).toBe('the secret')
  })

  test.each<[string, Play]>([
    ['fails', answering(500, 'text/plain', () => 'no')],
    ['answers with a page', answering(200, 'text/html', () => '<h1>Hello</h1>')],
    ['answers with JSON that is no object', answering(200, 'application/json', () => '[]')],
    ['answers with nothing', answering(200, 'application/json', () => '{"data":null}')],
    [
      'answers with errors beside data',
      answering(
        200,
        'application/json',
        () => '{"data":{"__schema":{}},"errors":[{"message":"x"}]}',
      ),
    ],
    [
      'answers with something that is no schema',
      answering(200, 'application/json', () => '{"data":{"__schema":{"types":[]}}}'),
    ],
  ])('an upstream that %s gives no connection', async (_what, played) => {
    play = played
    const refused = await add()
    expect(refused.status).toBeGreaterThanOrEqual(400)
    expect(refused.json).toMatchObject({
      code: expect.stringMatching(/^(upstream-unreachable|malformed-request)$/),
    })
    expect(plane.ctx.realm.now().connections.size).toBe(0)
  })

  test('an upstream that redirects is not followed, so the secret goes nowhere else', async () => {
    plane.railway.received.length = 0
    play = async (_incoming, _body, response) => {
      response.writeHead(307, { location: `${plane.railway.url}/graphql/v2` })
      response.end()
      return true
    }
    expect(await add()).toMatchObject({ status: 502, json: { code: 'upstream-unreachable' } })
    expect(plane.railway.received).toEqual([])
  })

  test('an upstream that repeats the secret in its error does not get it repeated by the broker', async () => {
    const echo = (incoming: IncomingMessage) =>
      JSON.stringify({ errors: [{ message: `bad token ${incoming.headers.authorization}` }] })
    play = answering(200, 'application/json', echo)
    const refused = await add()
    expect(refused.status).toBe(502)
    play = answering(401, 'application/json', echo)
    const rejected = await add()
    expect(rejected).toMatchObject({ json: { code: 'upstream-credential-rejected' } })
    for (const text of [refused.text, rejected.text, plane.logged.join('')]) {
      expect(text).not.toContain(plane.railway.token)
    }
  })

  test('a schema that anybody may read proves nothing: the credential is tried as well', async () => {
    play = async (_incoming, body, response) => {
      if (!body.includes('__schema')) return false
      const anyone = await fetch(`${plane.railway.url}/graphql/v2`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${plane.railway.token}`,
        },
        body,
      })
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(await anyone.text())
      return true
    }
    const refused = await add({ secret: 'somebody-elses-secret' })
    expect(refused).toMatchObject({ status: 502, json: { code: 'upstream-credential-rejected' } })
  })

  test('refreshing tells which operations came and went', async () => {
    await add()
    play = async (incoming, body, response) => {
      if (!body.includes('__schema')) return false
      const text = await (await throughTo(incoming, body)).text()
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(text.replaceAll('"volumeDelete"', '"volumeShred"'))
      return true
    }
    const before = plane.ctx.realm.now().connections.get('railway')?.schemaHash
    expect((await plane.call('POST', '/admin/connections/railway/refresh')).json).toEqual({
      name: 'railway',
      changed: true,
      added: ['Mutation.volumeShred'],
      removed: ['Mutation.volumeDelete'],
    })
    const after = plane.ctx.realm.now().connections.get('railway')?.schemaHash
    expect(after).not.toBe(before)
    const kept = await plane.ctx.db.select({ hash: schemas.hash }).from(schemas)
    expect(kept.map((row) => row.hash)).toEqual(expect.arrayContaining([before, after]))
  })

  test('of two rotations at the same time one wins, and the other is told', async () => {
    await add()
    const rotate = () =>
      plane.call('POST', '/admin/connections/railway/rotate', { secret: plane.railway.token })
    const both = await Promise.all([rotate(), rotate()])
    const statuses = both.map((one) => one.status).sort()
    const shown = await plane.call('GET', '/admin/connections/railway')
    const wins = statuses.filter((status) => status === 200).length
    expect(shown.json).toMatchObject({ secret_version: 1 + wins })
    expect(statuses.every((status) => status === 200 || status === 409)).toBe(true)
    expect(wins).toBeGreaterThan(0)
  })

  test('a row whose sealed text was changed opens for nobody, and the refusal does not show it', async () => {
    await add()
    const row = plane.ctx.realm.now().connections.get('railway')
    const sealed = `${row?.sealed.slice(0, -8)}AAAAAAAA`
    await plane.ctx.db.update(connections).set({ sealed }).where(eq(connections.name, 'railway'))
    const tested = await plane.call('POST', '/admin/connections/railway/test')
    expect(tested).toMatchObject({ status: 500, json: { code: 'internal' } })
    expect(tested.text).not.toContain(sealed)
  })
})
