/** What bodies may cost the broker before anybody has looked at them. */
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { front } from '../support/broker.ts'

const { staging } = ids.environments
const upload = `/x/railway/project/${ids.projects.rentals}/environment/${staging}/up?serviceId=${ids.services.web}`

describe('bodies that are under way', async () => {
  const at = await front('embedded', {
    config: (config) => ({ ...config, limits: { ...config.limits, heldBytes: 20_000 } }),
  })
  const token = await at.capability()
  const query = `{ environment(id: "${staging}") { name } }`
  const long = `${query}${' '.repeat(6_000)}`

  it('are held up to a bound, beyond which others are told to come again, and it is free when they end', async () => {
    const { hostname, port } = new URL(at.broker.agentUrl)
    const slow = connect(Number(port), hostname)
    onTestFinished(() => void slow.destroy())
    slow.write(
      `POST /x/railway/graphql/v2 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(18_000)}`,
    )
    const arrived = at.railway.received.length
    // Nothing tells when its bytes are held; were it not yet, it would be the one that is refused.
    await wait(500)
    const refused = await vi.waitUntil(async () => {
      const answer = await at.call(token, long)
      return answer.status === 429 ? answer : null
    })
    expect(refused.json).toMatchObject({ code: 'limit-exceeded', retry: 'later' })
    expect(refused.headers.get('retry-after')).toBe('1')
    expect((await at.call(token, query)).status, 'what fits passes').toBe(200)
    slow.destroy()
    await vi.waitUntil(async () => (await at.call(token, long)).status === 200)
    expect(at.railway.received.length).toBeGreaterThan(arrived)
  })
})

describe('a large body', async () => {
  const at = await front()
  const send = async (scope: string) =>
    at.agent(upload, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await at.capability({ scope })}`,
        'content-type': 'application/gzip',
      },
      body: new Uint8Array(2_000_000),
    })

  it('is taken only from an agent whose scope names what it is for', async () => {
    expect((await send('work')).json).toMatchObject({ code: 'payload-too-large' })
    await at.scope('ship', ['railway:POST /project/{projectId}/environment/{environmentId}/up'])
    expect((await send('ship')).json).toMatchObject({ code: 'approval-required' })
    expect(at.carriedOut()).toEqual([])
  })
})

describe('a connection that is not there', async () => {
  const at = await front()

  it('is counted as unknown, whatever name the caller makes up', async () => {
    const token = await at.capability()
    for (const name of ['made-up-1', 'made-up-2', 'made-up-3']) {
      const answer = await at.agent(`/x/${name}/graphql/v2`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: '{}',
      })
      expect(answer.json).toMatchObject({ code: 'unknown-connection' })
    }
    const metrics = await (await fetch(`${at.broker.operatorUrl}/metrics`)).text()
    expect(metrics).not.toContain('made-up')
    expect(metrics).toMatch(
      /valetkey_calls_total\{connection="unknown",verdict="unknown-connection"\} 3/,
    )
  })
})
