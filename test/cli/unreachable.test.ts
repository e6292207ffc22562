import { createServer, type RequestListener } from 'node:http'
import { expect, test } from 'vitest'
import { saveSession } from '../../src/cli/session.ts'
import { closeLater } from '../support/closing.ts'
import { folder } from '../support/folder.ts'
import { valetkey } from './valetkey.ts'

/** Something that listens and is no broker. */
async function stranger(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  closeLater(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return `http://localhost:${address.port}`
}

/** An address where nothing listens any more. */
async function nobody(): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  await new Promise((resolve) => server.close(resolve))
  return `http://localhost:${address.port}`
}

async function signedInAt(adminUrl: string): Promise<string> {
  const config = await folder()
  await saveSession(`${config}/valetkey`, {
    adminUrl,
    url: adminUrl,
    operator: 'ada',
    role: 'admin',
    expiresAt: '2099-01-01T00:00:00.000Z',
    token: 'vko_never-shown',
  })
  return config
}

test('where nothing answers, the address is named and how to start a broker', async () => {
  const url = await nobody()
  const config = await signedInAt(url)
  const ended = await valetkey(['status'], { config })
  expect(ended).toMatchObject({ code: 1, stdout: '' })
  expect(ended.stderr).toMatch(`error: Nothing answers at ${url} (`)
  expect(ended.stderr).toContain('valetkey serve')
  expect(ended.stderr).toContain('(broker-unreachable)')
})

test('an agent is told which variable names the agent plane', async () => {
  const url = await nobody()
  const ended = await valetkey(['token', '--client-id', 'cursor', '--scope', 's', '--json'], {
    config: await folder(),
    env: { VALETKEY_URL: url },
    stdin: 'vks_secret\n',
  })
  expect(ended).toMatchObject({ code: 1, stdout: '' })
  expect(JSON.parse(ended.stderr)).toMatchObject({
    code: 'broker-unreachable',
    hint: expect.stringContaining('VALETKEY_URL'),
  })
  expect(ended.stderr).not.toContain('vks_secret')
})

test('what answers and is no broker is said to be none', async () => {
  const url = await stranger((_, response) => response.writeHead(404).end('<h1>Not found</h1>'))
  const config = await signedInAt(url)
  const ended = await valetkey(['status', '--json'], { config })
  expect(ended.code).toBe(1)
  expect(JSON.parse(ended.stderr)).toMatchObject({
    code: 'not-a-broker',
    hint: expect.stringContaining('8421'),
  })
})

test('a redirect is not followed, so that the session goes nowhere else', async () => {
  const seen: string[] = []
  const trap = await stranger((request, response) => {
    seen.push(String(request.headers.authorization))
    response.end('{}')
  })
  const url = await stranger((_, response) => response.writeHead(307, { location: trap }).end())
  const config = await signedInAt(url)
  const ended = await valetkey(['status'], { config })
  expect(ended.code).toBe(1)
  expect(seen).toEqual([])
})

test('nothing that a broker says can steer the terminal', async () => {
  const url = await stranger((_, response) => {
    response.writeHead(403, { 'content-type': 'application/problem+json' })
    response.end(
      JSON.stringify({ code: 'forbidden', detail: 'red \u001b[31m, back \u0008, flipped \u202e' }),
    )
  })
  const config = await signedInAt(url)
  const ended = await valetkey(['status'], { config })
  expect(ended.stderr).toContain('error: red \ufffd[31m, back \ufffd, flipped \ufffd\n')
  const machine = await valetkey(['status', '--json'], { config })
  expect(machine.stderr).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u)
  expect(JSON.parse(machine.stderr).detail).toBe('red \u001b[31m, back \u0008, flipped \u202e')
})
