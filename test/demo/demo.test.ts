import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import { startBroker } from '../../src/broker.ts'
import { type DemoOptions, demo } from '../../src/demo/demo.ts'
import type { Claim } from '../../src/demo/stage.ts'
import { createLog } from '../../src/log.ts'
import { type Rehearsal, startRehearsal } from '../../src/rehearsal.ts'
import { keep, realToken, testConfig } from '../support/broker.ts'
import { storeInMemory } from '../support/image.ts'

type Told = { code: number; text: string; lines: string[]; seconds: number; token: string }

/** As the product rehearses, but on a database that is made already, since making one takes seconds. */
async function rehearse(): Promise<Rehearsal> {
  const log = createLog({ level: 'silent', human: false, out: process.stderr })
  const { enrolment, ...broker } = await startBroker(testConfig(), log, () => storeInMemory())
  return { ...broker, enrolmentCode: enrolment?.code.reveal() ?? '' }
}

/** Plays it once and gives everything it wrote. */
async function played(options: Partial<DemoOptions>): Promise<Told> {
  const token = realToken()
  let text = ''
  const out = new Writable({
    write: (chunk, _, done) => {
      text += chunk
      done()
    },
  })
  const began = performance.now()
  const code = await demo({
    startBroker: rehearse,
    out,
    color: false,
    width: 80,
    token,
    ...options,
  })
  const seconds = (performance.now() - began) / 1000
  keep(text)
  return { code, text, lines: text.split('\n'), seconds, token }
}

const words = (text: string) => stripVTControlCharacters(text).split(/\s+/).join(' ')

test.each([
  { width: 40, color: true, unicode: true },
  { width: 60, color: false, unicode: false },
  { width: 100, color: false, unicode: true },
])('fits $width columns, with colour: $color, with Unicode: $unicode', async (options) => {
  const { width, color, unicode } = options
  const { code, text, lines, token } = await played(options)
  const plain = lines.map(stripVTControlCharacters)
  expect(plain.filter((line) => line.length > width)).toEqual([])
  expect(plain.filter((line) => /\s$/.test(line))).toEqual([])
  expect(text !== plain.join('\n')).toBe(color)
  expect(/[^\n -~]/.test(plain.join('\n'))).toBe(unicode)
  expect(text).not.toContain(token)
  expect(words(text)).toContain('23 claims of this story were checked')
  expect(code).toBe(0)
})

// Other tests take turns on the same processors, so it may try again.
test('takes less than ten seconds, pauses included', { retry: 2 }, async () => {
  const { code, seconds } = await played({ pace: true, startBroker: startRehearsal })
  expect(seconds).toBeLessThan(10)
  expect(code).toBe(0)
})

test('as JSON, says what was lost in Act I, what was refused in Act II, and that nothing was lost there', async () => {
  const { code, text, token } = await played({ json: true })
  expect(code).toBe(0)
  expect(text).not.toContain(token)
  const { ok, act_one, act_two, act_three, claims, next } = JSON.parse(text)
  expect(ok).toBe(true)
  expect(claims.filter(({ held }: { held: boolean }) => !held)).toEqual([])

  const shares = [
    { environment: 'production', bookings: 48_211, backups: 3 },
    { environment: 'staging', bookings: 120, backups: 1 },
  ]
  expect(act_one).toMatchObject({
    status: 200,
    answer: { data: { volumeDelete: true } },
    before: shares,
    after: [],
    volume_left: false,
  })
  expect(act_two.left).toEqual(shares)
  expect(act_two.carried_out).toEqual([
    'Mutation.customDomainCreate',
    'Mutation.deploymentRedeploy',
  ])
  const judged = act_two.tried.map(
    ({ verdict, refusal }: { verdict: string; refusal?: { code: string; found?: string } }) =>
      [verdict, refusal?.code, refusal?.found].filter(Boolean).join(' '),
  )
  expect(judged).toEqual([
    'allow',
    'allow',
    'allow',
    'deny operation-not-allowed',
    'deny operation-not-allowed',
    'deny operation-not-allowed',
    'deny outside-environment production',
    'deny outside-environment production',
    'deny approval-required',
  ])
  expect(act_two.audit.verified.ok).toBe(true)
  expect(act_three).toMatchObject({ executed: true, asked_about: 0 })
  expect(next).toHaveLength(3)
})

test('a broker that does not start ends the story with what went wrong, and with 1', async () => {
  const { code, text } = await played({
    startBroker: () => Promise.reject(new Error('no room on the disk')),
  })
  expect(code).toBe(1)
  expect(text).toContain('48,211 bookings')
  expect(words(text)).toContain('Not everything was as told')
  expect(words(text)).toContain('it broke off: no room on the disk')
  expect(text).not.toContain('npx valetkey serve')
})

test('a broker that says yes to everything is found out', async () => {
  const yes = createServer((request, response) => {
    const token = JSON.stringify({ access_token: 'any', expires_in: 900 })
    response.end(request.url === '/oauth/token' ? token : '{"data":{"volumeDelete":true}}')
  })
  await new Promise<void>((resolve) => yes.listen(0, 'localhost', resolve))
  // A server on a TCP port has an AddressInfo.
  const { port } = yes.address() as AddressInfo
  const { code, text } = await played({
    json: true,
    startBroker: async () => ({
      ...(await rehearse()),
      agentUrl: `http://localhost:${port}`,
    }),
  })
  yes.close()
  expect(code).toBe(1)
  const { ok, claims } = JSON.parse(text)
  expect(ok).toBe(false)
  const missed = claims.flatMap(({ claim, held }: Claim) => (held ? [] : [claim]))
  expect(missed).toHaveLength(9)
  expect(missed).toContain('Act II: every verdict is in the audit log')
  expect(missed).toContain('Act II: of all mutations only the two allowed ones were carried out')
})
