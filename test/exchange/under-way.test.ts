/** What is under way is cut on every replica once it no longer stands, within a second, and written down as unknown. */
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { type Broker, startBroker } from '../../src/broker.ts'
import type { Config } from '../../src/config.ts'
import { createLog } from '../../src/log.ts'
import type { Store } from '../../src/store/open.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { relay } from '../store/relay.ts'
import { type Answer, expectOk, type Front, front, keep, send } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { freshDatabase } from '../support/stores.ts'
import { startMisbehaving } from './misbehaving.ts'

const held = '{ held: platformStatus { isStable } }'
const quick = '{ platformStatus { isStable } }'
const within = 1_000

type Pair = {
  at: Front
  b: Broker
  /** Answers that the upstream holds open, the latest last. */
  open: ServerResponse[]
  /** What the upstream does with the next held call: begins a long answer, or says nothing. */
  upstream: 'streams' | 'silent'
}

/** Two brokers over one PostgreSQL. What happens on the first, the second learns as `hears` says. */
async function pair(hears: (url: string) => Promise<Store>): Promise<Pair> {
  const railway = await startMisbehaving()
  const url = await freshDatabase()
  const store = await openPostgres(url)
  closeLater(() => store.close())
  let shared: Config | undefined
  const at = await front('postgres', {
    railway,
    store,
    config: (config) => {
      shared = { ...config, publicUrl: 'http://broker.test' }
      return shared
    },
  })
  if (shared === undefined) throw new Error('no config')
  const second = await hears(url)
  closeLater(() => second.close())
  const log = createLog({
    level: 'warn',
    human: false,
    // The log only writes.
    out: { write: (line: string) => keep(line) } as unknown as NodeJS.WritableStream,
  })
  const b = await startBroker(shared, log, async () => ({ ...second, close: async () => {} }))
  closeLater(() => b.stop().catch(() => {}))
  const made: Pair = { at, b, open: [], upstream: 'streams' }
  railway.script = {
    marker: 'held: platformStatus',
    answer: (_, res) => {
      made.open.push(res)
      if (made.upstream === 'silent') return
      res.writeHead(200, { 'content-type': 'application/json' })
      res.write(Buffer.alloc(400_000, ' '))
      const more = setInterval(() => res.write(' '.repeat(1_000)), 20)
      res.on('close', () => clearInterval(more))
    },
  }
  return made
}

function ask({ agentUrl }: Broker, token: string, query: string): Promise<Answer> {
  return send(`${agentUrl}/x/railway/graphql/v2`, requestOf(token, query))
}

function requestOf(token: string, query: string): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  }
}

/** A stream that is being read; `ended` says when, and whether it was whole. */
async function streaming({ agentUrl }: Broker, token: string) {
  const response = await fetch(`${agentUrl}/x/railway/graphql/v2`, requestOf(token, held))
  expect(response.status).toBe(200)
  const reader = response.body?.getReader()
  if (reader === undefined) throw new Error('no body')
  let bytes = 0
  const ended = (async () => {
    try {
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return { whole: true, at: performance.now() }
        bytes += value.length
      }
    } catch {
      return { whole: false, at: performance.now() }
    }
  })()
  await expect.poll(() => bytes).toBeGreaterThan(300_000)
  return { request: response.headers.get('valetkey-request-id'), ended }
}

async function outcomeOf({ at }: Pair, request: string | null): Promise<unknown> {
  let found: unknown
  await expect
    .poll(async () => {
      const entries = await at.audit(`&request=${request}`)
      found = entries.find(({ kind }) => kind === 'outcome')
      return found
    })
    .toBeDefined()
  return found
}

const freeze = async ({ at }: Pair, subject: string) =>
  String(expectOk(await at.admin('POST', '/admin/freezes', { subject })).json['id'])

async function lift({ at, b }: Pair, id: string, token: string): Promise<void> {
  expectOk(await at.admin('DELETE', `/admin/freezes/${id}`))
  await expect.poll(async () => (await ask(b, token, quick)).status).toBe(200)
}

const lost = async (url: string): Promise<Store> => ({
  ...(await openPostgres(url)),
  // As behind a pooler that takes the LISTEN and never delivers.
  listen: async () => async () => {},
})

describe.each([
  ['by NOTIFY', openPostgres],
  ['by the poll alone, since every NOTIFY is lost', lost],
])('the other replica hears %s', async (_, hears) => {
  const two = await pair(hears)
  const { at, b } = two
  const token = await at.capability()

  it('a freeze is obeyed within a second', async () => {
    const times: number[] = []
    for (let round = 0; round < 5; round += 1) {
      expect((await ask(b, token, quick)).status).toBe(200)
      const id = await freeze(two, 'agent:cursor')
      const acknowledged = performance.now()
      const arrived = at.railway.executed.length
      // Even before it has heard, the entry of a call cannot be opened under the policy that was.
      const first = await ask(b, token, quick)
      times.push(performance.now() - acknowledged)
      expect(first.json).toMatchObject({ code: 'frozen' })
      expect(at.railway.executed).toHaveLength(arrived)
      await lift(two, id, token)
    }
    expect(Math.max(...times)).toBeLessThan(within)
  })

  it('an open stream is cut within a second, upstream too, and its outcome is unknown', async () => {
    two.upstream = 'streams'
    for (const subject of ['agent:cursor', 'environment:staging', 'all']) {
      const stream = await streaming(b, token)
      const upstream = two.open.at(-1)
      const id = await freeze(two, subject)
      const acknowledged = performance.now()
      const ended = await stream.ended
      expect(ended.whole).toBe(false)
      expect(ended.at - acknowledged).toBeLessThan(within)
      await expect.poll(() => upstream?.destroyed).toBe(true)
      expect(await outcomeOf(two, stream.request)).toMatchObject({
        agent: 'cursor',
        outcome: 'unknown',
        facts: { status: 200, code: 'frozen' },
      })
      await lift(two, id, token)
    }
  })

  it('a call that was not answered yet is told so, and that nobody knows whether it was done', async () => {
    two.upstream = 'silent'
    const calls = two.open.length
    const asked = ask(b, token, held)
    await expect.poll(() => two.open.length).toBe(calls + 1)
    const id = await freeze(two, 'scope:work')
    const acknowledged = performance.now()
    const answer = await asked
    expect(performance.now() - acknowledged).toBeLessThan(within)
    expect(answer.status).toBe(403)
    expect(answer.headers.get('valetkey-verdict')).toBe('deny')
    expect(answer.json).toMatchObject({
      code: 'frozen',
      detail: expect.stringMatching(
        /^The scope work is frozen since .* by ada\. This call was under way and was cut, so whether it was done is not known\.$/,
      ),
    })
    expect(await outcomeOf(two, answer.headers.get('valetkey-request-id'))).toMatchObject({
      outcome: 'unknown',
      facts: { status: null, code: 'frozen' },
    })
    await lift(two, id, token)
  })

  it('what another freeze is for goes on', async () => {
    two.upstream = 'streams'
    const stream = await streaming(b, token)
    const id = await freeze(two, 'environment:production')
    await b.ctx.realm.refresh()
    const ended = await Promise.race([
      stream.ended,
      new Promise((resolve) => setTimeout(resolve, 700, 'goes on')),
    ])
    expect(ended).toBe('goes on')
    two.open.at(-1)?.end()
    expect(await stream.ended).toMatchObject({ whole: true })
    expect(await outcomeOf(two, stream.request)).toMatchObject({ outcome: 'ok' })
    await lift(two, id, token)
  })

  it('so is the stream of a capability that is revoked, and of an agent that is removed', async () => {
    two.upstream = 'streams'
    const own = await at.capability()
    const kept = await at.capability()
    const [ofOwn, ofKept] = [await streaming(b, own), await streaming(b, kept)]
    const revokes = performance.now()
    const claims = JSON.parse(Buffer.from(own.split('.')[1] ?? '', 'base64url').toString())
    expectOk(await at.admin('DELETE', `/admin/capabilities/${claims.jti}`))
    const ended = await ofOwn.ended
    expect(ended).toMatchObject({ whole: false })
    expect(ended.at - revokes).toBeLessThan(within + 500)
    expect(await outcomeOf(two, ofOwn.request)).toMatchObject({
      outcome: 'unknown',
      facts: { code: 'capability-revoked' },
    })
    expectOk(await at.admin('DELETE', '/admin/agents/cursor'))
    expect(await ofKept.ended).toMatchObject({ whole: false })
  })
})

it('a replica that lost its database cuts what is under way once its policy is stale', async () => {
  let cut = (_: boolean) => {}
  const two = await pair(async (url) => {
    const between = await relay(url)
    closeLater(() => between.close())
    cut = between.freeze
    return openPostgres(between.url)
  })
  const token = await two.at.capability()
  const stream = await streaming(two.b, token)
  const from = performance.now()
  cut(true)
  const ended = await stream.ended.finally(() => cut(false))
  expect(ended.whole).toBe(false)
  // Five seconds after it was last confirmed, which was not long before.
  expect(ended.at - from).toBeGreaterThan(2_000)
  expect(ended.at - from).toBeLessThan(6_500)
})
