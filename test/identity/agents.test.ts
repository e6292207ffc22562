import { beforeAll, describe, expect, it } from 'vitest'
import { BrokerError } from '../../src/errors.ts'
import {
  addAgent,
  authenticateAgent,
  grantScope,
  listAgents,
  newAgentSecret,
  removeAgent,
  revokeGrant,
  rotateCredential,
} from '../../src/identity/agents.ts'
import { agentSecrets } from '../../src/store/schema.ts'
import { stores } from '../support/stores.ts'
import {
  addScope,
  auditLog,
  type Broker,
  broker,
  by,
  newAgent,
  replicaOf,
} from '../tokens/broker.ts'

const address = '127.0.0.1'

async function rotated(ctx: Broker, name: string, more: { overlapSeconds?: number } = {}) {
  const { secret, hash } = await newAgentSecret()
  await rotateCredential(ctx, by, name, { credential: { hash }, ...more })
  return secret
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => 'accepted',
    (thrown: unknown) => thrown,
  )
  return error instanceof BrokerError ? error.code : String(error)
}

describe.each(stores)('agents on %s', (kind) => {
  let ctx: Broker
  let named = 0
  const fresh = async (scopes: string[] = []) => {
    named += 1
    const client = `agent-${named}`
    return { client, secret: await newAgent(ctx, client, scopes), address }
  }
  const code = (claimed: { client: string; secret: string; address: string }, on = ctx) =>
    codeOf(authenticateAgent(on, claimed))

  beforeAll(async () => {
    ctx = await broker(kind)
    await addScope(ctx, { name: 'reads' })
    await addScope(ctx, { name: 'domains' })
  })

  it('prove themselves with the secret that was shown once', async () => {
    const agent = await fresh(['reads'])
    expect(agent.secret).toMatch(/^vks_[A-Za-z0-9_-]{43}$/)
    expect(await authenticateAgent(ctx, agent)).toEqual({
      name: agent.client,
      scopes: new Set(['reads']),
      keys: [],
    })
  })

  it('keep no secret: neither rows nor log nor audit entries hold it', async () => {
    const agent = await fresh(['reads'])
    await authenticateAgent(ctx, agent)
    await code({ ...agent, secret: `${agent.secret}x` })
    const rows = await ctx.db.select().from(agentSecrets)
    expect(rows.every((row) => row.hash.startsWith('$argon2id$'))).toBe(true)
    for (const place of [rows, ctx.lines, await auditLog(ctx)]) {
      expect(JSON.stringify(place)).not.toContain(agent.secret.slice(4))
    }
  })

  it('refuse a wrong secret, another agent’s, and an unknown client alike', async () => {
    const agent = await fresh()
    const other = await fresh()
    const refusals = await Promise.all(
      [
        { ...agent, secret: 'vks_wrong' },
        { ...agent, secret: other.secret },
        { ...agent, client: 'nobody' },
        { ...agent, client: "x' or '1'='1" },
        { ...agent, client: agent.client.toUpperCase() },
        { ...agent, client: ` ${agent.client}` },
        { ...agent, secret: `${agent.secret} ` },
        { ...agent, secret: 'x'.repeat(5_000) },
      ].map((claimed) => authenticateAgent(ctx, claimed).catch((error: unknown) => error)),
    )
    for (const error of refusals) {
      expect(error).toBeInstanceOf(BrokerError)
      expect(error).toMatchObject({ code: 'invalid-client' })
      expect(String(error)).toBe(String(refusals[0]))
    }
  })

  it('are hashed once: a proven secret is remembered, through changes of policy too', async () => {
    const agent = await fresh()
    const took = async () => {
      const start = performance.now()
      await authenticateAgent(ctx, agent)
      return performance.now() - start
    }
    const first = await took()
    const later: number[] = []
    for (const change of [grantScope, revokeGrant, grantScope]) {
      await change(ctx, by, agent.client, 'reads')
      later.push(await took())
    }
    // Something else may come between one of them, and not between all.
    expect(Math.min(...later)).toBeLessThan(first / 2)
    expect((await authenticateAgent(ctx, agent)).scopes).toEqual(new Set(['reads']))
  })

  it('cost the same whether or not the client exists', async () => {
    const agent = await fresh()
    const took = async (client: string, i: number) => {
      const start = performance.now()
      await code({ client, secret: `vks_wrong${i}`, address: `10.0.0.${i}` })
      return performance.now() - start
    }
    const known: number[] = []
    const unknown: number[] = []
    for (let i = 0; i < 8; i++) {
      known.push(await took(agent.client, i))
      unknown.push(await took('nobody-at-all', i))
    }
    const median = (of: number[]) => of.toSorted((a, b) => a - b)[4] ?? 0
    expect(median(unknown) / median(known)).toBeGreaterThan(0.5)
    expect(median(unknown) / median(known)).toBeLessThan(2)
  })

  it('rotate their secret at once, or with an overlap', async () => {
    const agent = await fresh()
    await authenticateAgent(ctx, agent)
    const second = await rotated(ctx, agent.client)
    expect(await code(agent)).toBe('invalid-client')
    const held = { ...agent, secret: second.reveal() }
    expect(await code(held)).toBe('accepted')

    const third = await rotated(ctx, agent.client, { overlapSeconds: 3_600 })
    expect(await code(held)).toBe('accepted')
    expect(await code({ ...agent, secret: third.reveal() })).toBe('accepted')

    const fourth = await rotated(ctx, agent.client, { overlapSeconds: 60 })
    expect(await code(held)).toBe('invalid-client')
    expect(await code({ ...agent, secret: third.reveal() })).toBe('accepted')
    expect(await code({ ...agent, secret: fourth.reveal() })).toBe('accepted')
  })

  it('lose the earlier secret when the overlap ends, though it is remembered', async () => {
    const own = await broker(kind)
    const first = { client: 'cursor', secret: await newAgent(own, 'cursor', []), address }
    const second = await rotated(own, 'cursor', { overlapSeconds: 60 })
    expect(await code(first, own)).toBe('accepted')
    own.pass(61)
    expect(await code(first, own)).toBe('invalid-client')
    expect(await code({ ...first, secret: second.reveal() }, own)).toBe('accepted')
  })

  it('are gone on every replica when removed, and so is what was remembered of them', async () => {
    const agent = await fresh(['reads'])
    const other = await replicaOf(ctx)
    expect(await code(agent)).toBe('accepted')
    expect(await code(agent, other)).toBe('accepted')
    await removeAgent(ctx, by, agent.client)
    await other.realm.refresh()
    expect(await code(agent)).toBe('invalid-client')
    expect(await code(agent, other)).toBe('invalid-client')

    await addAgent(ctx, by, { name: agent.client, scopes: [], credential: null })
    expect(await code(agent)).toBe('invalid-client')
  })

  it('are limited in failed tries per client, without shutting out who was proven', async () => {
    const own = await broker(kind)
    const proven = {
      client: 'cursor',
      secret: await newAgent(own, 'cursor', []),
      address: '10.9.9.9',
    }
    expect(await code(proven, own)).toBe('accepted')
    own.stop()
    const wrong = (i: number) => ({ client: 'cursor', secret: `vks_${i}`, address: `10.1.1.${i}` })
    for (let i = 0; i < 10; i++) expect(await code(wrong(i), own)).toBe('invalid-client')
    const error = await authenticateAgent(own, wrong(10)).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      code: 'limit-exceeded',
      facts: { retryAfter: expect.any(Number) },
    })
    expect(await code(proven, own)).toBe('accepted')
    own.pass(60)
    expect(await code(wrong(11), own)).toBe('invalid-client')
  })

  it('are limited in failed tries per address, of which an IPv6 network counts as one', async () => {
    const own = await broker(kind)
    own.stop()
    const wrong = (i: number) => ({
      client: `nobody-${i}`,
      secret: 'vks_x',
      address: `2001:db8::${i.toString(16)}`,
    })
    for (let i = 1; i <= 30; i++) expect(await code(wrong(i), own)).toBe('invalid-client')
    expect(await code(wrong(31), own)).toBe('limit-exceeded')
    expect(await code({ ...wrong(32), address: '2001:db8:1::1' }, own)).toBe('invalid-client')
  })

  it('count tries that are under way, so that many at once are no way around the limit', async () => {
    const own = await broker(kind)
    await newAgent(own, 'cursor', [])
    own.stop()
    const codes = await Promise.all(
      Array.from({ length: 25 }, (_, i) =>
        code({ client: 'cursor', secret: `vks_${i}`, address: `10.1.1.${i}` }, own),
      ),
    )
    expect(codes.filter((one) => one === 'invalid-client')).toHaveLength(10)
    expect(codes.filter((one) => one === 'limit-exceeded')).toHaveLength(15)
  })

  it('are granted scopes that exist, and lose them', async () => {
    const { client } = await fresh()
    const scopes = async () => (await listAgents(ctx)).find((one) => one.name === client)?.scopes
    await grantScope(ctx, by, client, 'reads')
    await grantScope(ctx, by, client, 'reads')
    await grantScope(ctx, by, client, 'domains')
    expect(await scopes()).toEqual(['domains', 'reads'])
    await revokeGrant(ctx, by, client, 'reads')
    expect(await scopes()).toEqual(['domains'])
    expect(await codeOf(revokeGrant(ctx, by, client, 'reads'))).toBe('not-found')
    expect(await codeOf(grantScope(ctx, by, client, 'nothing'))).toBe('not-found')
    expect(await codeOf(grantScope(ctx, by, 'nobody', 'reads'))).toBe('not-found')
  })

  it('are added once, and not at all with an unknown scope', async () => {
    const { client } = await fresh()
    expect(await codeOf(addAgent(ctx, by, { name: client, scopes: [], credential: null }))).toBe(
      'conflict',
    )
    expect(
      await codeOf(addAgent(ctx, by, { name: 'half', scopes: ['nothing'], credential: null })),
    ).toBe('not-found')
    expect((await listAgents(ctx)).map((one) => one.name)).not.toContain('half')
  })

  it('change only with an audit entry that names who did it', async () => {
    const { client } = await fresh(['reads'])
    await rotated(ctx, client, { overlapSeconds: 60 })
    await removeAgent(ctx, by, client)
    const entries = (await auditLog(ctx)).filter((entry) => entry['agent'] === client)
    expect(entries.map((entry) => entry['facts'])).toEqual([
      expect.objectContaining({ what: 'agent.add', scopes: ['reads'] }),
      expect.objectContaining({ what: 'agent.rotate', overlap_seconds: 60 }),
      expect.objectContaining({ what: 'agent.remove', scopes: ['reads'] }),
    ])
    for (const entry of entries) expect(entry).toMatchObject({ kind: 'change', operator: by.name })
  })
})
