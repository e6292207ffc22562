/** Bringing one's own API at a shell: described, looked at, decided on, connected, bound, and called. */

import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import { commanded } from '../cli/valetkey.ts'
import { expectOk, front, send } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { folder } from '../support/folder.ts'

const config = await folder()
const at = await front()
const key = `notes_${inject('marker')}_secret`
const notes = await startNotes()

const { json: invited } = expectOk(
  await at.admin('POST', '/admin/operators/invitations', { role: 'admin' }),
)
await commanded(['login', '--url', at.broker.operatorUrl, '--enrol', '--name', 'grace', '--json'], {
  config,
  stdin: `${String(invited['code'])}\na passphrase long enough\n`,
})
const run = (args: string[], stdin = '') =>
  commanded(args, { config, env: { VALETKEY_URL: at.broker.agentUrl }, stdin })
const done = async (args: string[], stdin = '') => {
  const ended = await run(args, stdin)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  return ended
}

/** Notes in books, by a key in a header. */
async function startNotes() {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    const [, , , book, , note] = (request.url ?? '').split('/')
    const give = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    if (request.headers['x-notes-key'] !== key) return give(401, {})
    if (book === undefined) return give(200, [{ id: 'red' }, { id: 'blue' }])
    if (book !== 'red' && book !== 'blue') return give(404, {})
    give(200, note === undefined ? { id: book } : { id: note, book_id: book })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closeLater(async () => void server.close())
  return { asked, url: `http://127.0.0.1:${Object(server.address()).port}` }
}

test('an API that has no description is written down, and is a provider like any other', async () => {
  const file = join(await folder(), 'notes.txt')
  await writeFile(
    file,
    `# Notes
GET /v1/books read
GET /v1/books/{id} read
GET /v1/books/{id}/notes/{note_id} read
DELETE /v1/books/{id}/notes/{note_id} destructive
POST /v1/books/{id}/notes write`,
  )
  const added = await done([
    ...['provider', 'add', 'notes', '--base-url', notes.url, '--placement', 'header:x-notes-key'],
    ...['--file', file, '--operation', 'POST /v1/books/{id}/export write,reveal'],
  ])
  expect(added.stderr).toContain('notes offers 6 operations')
  const listed = await done(['provider', 'list'])
  expect(listed.stdout).toMatch(/notes +rest +a description +http:\/\/127/)
  const shown = await done(['provider', 'operations', 'notes'])
  expect(shown.stdout).toContain('DELETE /v1/books/{book_id}/notes/{note_id}')
  await done(['connection', 'add', 'notes', '--allow-private'], `${key}\n`)
  const found = await done(['environment', 'discover', 'notes'])
  expect(found.stdout).toMatch(/book +red/)
  await done(['environment', 'bind', 'staging', 'notes', '--own', 'book=red'])
  await done([
    ...['scope', 'set', 'noting', '--environment', 'staging', '--allow', 'notes:@read'],
    ...['--allow', 'notes:POST /v1/books/{book_id}/notes'],
  ])
  await done(['agent', 'grant', 'cursor', 'noting'])
  const token = await at.capability({ scope: 'noting' })
  const call = (method: string, path: string) =>
    send(`${at.broker.agentUrl}/x/notes${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
    })
  expect((await call('GET', '/v1/books/red')).json).toEqual({ id: 'red' })
  expect((await call('GET', '/v1/books/red/notes/7')).json).toEqual({ id: '7', book_id: 'red' })
  expect((await call('POST', '/v1/books/red/notes')).status).toBe(200)
  expect((await call('GET', '/v1/books/blue')).json).toMatchObject({ code: 'outside-environment' })
  expect((await call('GET', '/v1/books')).json).toMatchObject({ code: 'outside-environment' })
  expect((await call('DELETE', '/v1/books/red/notes/7')).json).toMatchObject({
    code: 'operation-not-allowed',
  })
  expect(notes.asked.filter((one) => one.startsWith('DELETE'))).toEqual([])
  await done(['provider', 'override', 'notes', 'GET /v1/books', '--harmless'])
  expect((await call('GET', '/v1/books')).status).toBe(200)
  await done(['provider', 'override', 'notes', 'GET /v1/books', '--guess'])
  expect((await call('GET', '/v1/books')).status).toBe(403)
})

test('a described one is taken over, looked at guess by guess, and decided on', async () => {
  const directory = await folder()
  const document = (more: object) =>
    JSON.stringify({
      ...{ openapi: '3.1.0', info: { title: 'Shop', version: '1' } },
      servers: [{ url: 'https://shop.example/api' }],
      paths: {
        '/shops/{shop_id}': { get: { operationId: 'getShop' } },
        '/shops/{shop_id}/orders': { put: { operationId: 'setOrders' } },
        ...more,
      },
    })
  const file = join(directory, 'shop.json')
  await writeFile(file, document({ '/shops/{shop_id}/old': { get: { operationId: 'old' } } }))
  await done(['provider', 'import', 'shop', '--openapi', file])
  const guessed = await done(['provider', 'operations', 'shop', '--guessed'])
  expect(guessed.stdout).toMatch(
    /setOrders +PUT \/shops\/\{shop_id\}\/orders +write destructive +PUT replaces/,
  )
  const decided = await done(['provider', 'override', 'shop', 'setOrders', '--effect', 'write'])
  expect(decided.stderr).toContain('setOrders')
  expect((await done(['provider', 'operations', 'shop', '--guessed'])).stdout).not.toContain(
    'setOrders',
  )

  await writeFile(file, document({ '/shops/{shop_id}/new': { delete: { operationId: 'fresh' } } }))
  const unsure = await run(['provider', 'import', 'shop', '--openapi', file])
  expect(unsure.code).not.toBe(0)
  expect(unsure.stderr).toMatch(/- old[\s\S]*\+ fresh/)
  expect((await done(['provider', 'operations', 'shop'])).stdout).toContain('old')
  await done(['provider', 'import', 'shop', '--openapi', file, '--yes'])
  const now = await done(['provider', 'operations', 'shop'])
  expect(now.stdout).not.toContain('old')
  expect(now.stdout).toMatch(/setOrders +PUT \/shops\/\{shop_id\}\/orders +write +-\n/)

  const overrides = join(directory, 'shop.yaml')
  await writeFile(
    overrides,
    'operations:\n  fresh: { effects: [read] }\n  none: { effects: [read] }\nresources:\n  store: shop_id\n',
  )
  const taken = await done(['provider', 'override', 'shop', '--file', overrides])
  expect(taken.stderr).toContain('There is no operation none')
  expect((await done(['provider', 'operations', 'shop'])).stdout).toMatch(
    /setOrders +.* +write destructive/,
  )
  const used = await run(['provider', 'remove', 'notes', '--yes'])
  expect(used).toMatchObject({ code: 1, stderr: expect.stringContaining('connection notes') })
  await done(['provider', 'remove', 'shop', '--yes'])
  expect((await done(['provider', 'list'])).stdout).not.toContain('shop')
})

test.each([
  [['provider', 'add', 'x', '--base-url', 'https://x.example'], /no operation/],
  [
    ['provider', 'add', 'x', '--base-url', 'https://x.example', '--operation', 'FETCH /a read'],
    /no route/,
  ],
  [
    ['provider', 'add', 'x', '--base-url', 'https://x.example', '--operation', 'GET /a'],
    /is no operation/,
  ],
  [
    ['provider', 'add', 'x', '--base-url', 'https://x.example', '--operation', 'GET /a peek'],
    /no effect peek/,
  ],
  [
    ['provider', 'add', 'railway', '--base-url', 'https://x.example', '--operation', 'GET /a read'],
    /comes with the program/,
  ],
  [
    [
      'provider',
      'add',
      'x',
      '--base-url',
      'https://x.example',
      '--placement',
      'header:host',
      '--operation',
      'GET /a read',
    ],
    /no placement/,
  ],
  [['provider', 'import', 'x', '--openapi', '/nowhere'], /cannot be read/],
  [['provider', 'override', 'x', 'op'], /What about op/],
  [['provider', 'override', 'x', 'op', '--harmless'], /Nobody has described/],
])('%j is refused with what to do', async (args, why) => {
  const ended = await run(args)
  expect(ended.code).not.toBe(0)
  expect(ended.stderr).toMatch(why)
})
