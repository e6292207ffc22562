/** What one agent may ask at once and in a minute: what is beyond it is refused, says when to try again, and goes nowhere. */
import { describe, expect, it } from 'vitest'
import type { Config, Limits } from '../../src/config.ts'
import { ids } from '../../src/demo/railway/world.ts'
import { expectOk, field, front } from '../support/broker.ts'

const read = 'query($id: String!) { environment(id: $id) { name } }'
const variables = { id: ids.environments.staging }

const bounded =
  (limits: Partial<Limits>) =>
  (config: Config): Config => ({ ...config, limits: { ...config.limits, ...limits } })

describe('in a minute', async () => {
  const at = await front('embedded', { config: bounded({ callsPerMinute: 7 }) })

  it('a scope gives as many calls as it says, and the agent’s other scopes go on', async () => {
    await at.scope('few', ['railway:@read'], { callsPerMinute: 2 })
    const few = await at.capability({ scope: 'few' })
    for (const expected of [200, 200]) {
      expect((await at.call(few, read, variables)).status).toBe(expected)
    }
    const arrived = at.railway.received.length
    const refused = await at.call(few, read, variables)
    expect(refused.status).toBe(429)
    expect(refused.json).toMatchObject({
      code: 'limit-exceeded',
      retry: 'later',
      retry_after: expect.any(Number),
      detail: expect.stringContaining('cursor under scope few made more than 2 calls in a minute'),
    })
    const seconds = Number(refused.headers.get('retry-after'))
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThanOrEqual(60)
    expect(at.railway.received).toHaveLength(arrived)
    expect((await at.call(await at.capability(), read, variables)).status).toBe(200)
  })

  it('a fresh capability of the same scope brings no more calls', async () => {
    const fresh = await at.capability({ scope: 'few' })
    expect((await at.call(fresh, read, variables)).json).toMatchObject({ code: 'limit-exceeded' })
  })

  it('the agent as a whole has a bound, whatever it calls with', async () => {
    const statuses: number[] = []
    for (let i = 0; i < 6; i += 1) {
      statuses.push((await at.call(await at.capability(), read, variables)).status)
    }
    expect(statuses.at(-1)).toBe(429)
    expect(statuses.filter((status) => status === 200).length).toBeLessThanOrEqual(4)
  })
})

describe('at the token endpoints', async () => {
  const at = await front('embedded', {
    config: bounded({ mintsPerMinute: 3, revocationsPerMinute: 1 }),
  })
  const { secret } = expectOk(
    await at.admin('POST', '/admin/agents', { name: 'hasty', scopes: ['work'] }),
  ).json
  const post = (path: string, form: Record<string, string>) =>
    at.agent(path, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`hasty:${secret}`)}` },
      body: new URLSearchParams(form),
    })
  const mint = () => post('/oauth/token', { grant_type: 'client_credentials', scope: 'work' })

  it('an agent mints and revokes no more than its bounds, and is told when to come again', async () => {
    const minted = [await mint(), await mint(), await mint()].map(expectOk)
    const tokens = minted.map((answer) => field(answer, 'access_token'))
    const refused = await mint()
    expect(refused.status).toBe(429)
    expect(refused.json).toMatchObject({
      error: 'temporarily_unavailable',
      error_description: expect.stringContaining('hasty made more than 3 tokens in a minute'),
    })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)

    const [first = '', second = ''] = tokens
    expect((await post('/oauth/revoke', { token: first })).status).toBe(200)
    expect((await post('/oauth/revoke', { token: second })).status).toBe(429)
    expect((await at.call(second, read, variables)).status).toBe(200)
    expect((await at.call(first, read, variables)).json).toMatchObject({
      code: 'capability-revoked',
    })
    expect((await at.call(await at.capability(), read, variables)).status).toBe(200)
  })
})

describe('at once', async () => {
  const at = await front('embedded', { config: bounded({ concurrentPerAgent: 2 }) })

  it('an agent has no more calls under way than its bound, and is free again when they end', async () => {
    const token = await at.capability()
    const warm = await at.call(token, read, variables)
    expect(warm.status).toBe(200)
    at.railway.faults.delayMs = 300
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => at.call(token, read, variables)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429, 429, 429])
    expect(answers.find(({ status }) => status === 429)?.json).toMatchObject({
      code: 'limit-exceeded',
      detail: 'cursor has 2 calls under way.',
      retry_after: 1,
    })
    at.railway.faults.delayMs = 0
    for (let i = 0; i < 4; i += 1) {
      expect((await at.call(token, read, variables)).status).toBe(200)
    }
  })

  it('a refused call takes no place for longer than it lasts', async () => {
    const token = await at.capability()
    for (let i = 0; i < 5; i += 1) {
      const answer = await at.call(token, 'mutation { projectDelete(id: "p") }')
      expect(answer.json).toMatchObject({ code: 'operation-not-allowed' })
    }
    expect((await at.call(token, read, variables)).status).toBe(200)
  })
})
