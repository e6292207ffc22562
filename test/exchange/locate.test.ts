import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { Limits } from '../../src/config.ts'
import type { Faults } from '../../src/demo/railway/server.ts'
import { ids, volumeInstance } from '../../src/demo/railway/world.ts'
import { type Answer, type Front, front } from '../support/broker.ts'

const { staging, production } = ids.environments
const { scratch, postgresData } = ids.volumes

const reading = 'query($id: String!) { environment(id: $id) { name } }'
const writing = 'mutation($id: String!) { deploymentRedeploy(id: $id) { id } }'
const destroying = 'mutation($id: String!) { volumeDelete(volumeId: $id) }'
const patterns = ['railway:@read', 'railway:@write', 'railway:Mutation.volumeDelete']

async function limited(limits: Partial<Limits>) {
  const at = await front('embedded', {
    config: (config) => ({ ...config, limits: { ...config.limits, ...limits } }),
  })
  await at.scope('all', patterns)
  return { at, token: await at.capability({ scope: 'all' }) }
}

/** A policy of another version: what was located under the last one counts no more. */
async function forget(at: Front): Promise<void> {
  await at.scope('all', patterns)
}

/** What arrived while `work` was under way: look-ups, and calls that were passed on. */
async function arriving<T>(at: Front, work: () => Promise<T>) {
  const before = at.railway.received.length
  const result = await work()
  const bodies = at.railway.received.slice(before).map(({ body }) => body)
  const passed = bodies.filter((body) =>
    [reading, writing, destroying].some((sent) => JSON.parse(body).query === canonical(sent)),
  )
  return { result, lookups: bodies.length - passed.length, passed: passed.length }
}

/** As the broker prints them; one root field and one level below it. */
function canonical(query: string): string {
  const [, head = '', root = '', below] =
    /^(.+?) \{ (\w+\(.+?\))(?: \{ (\w+) \})? \}$/.exec(query) ?? []
  return `${head.replace('(', ' (').replace(/^(\w+) \(/, '$1 (')} {\n  ${root}${below === undefined ? '' : ` {\n    ${below}\n  }`}\n}`
}

describe('an upstream that fails', async () => {
  const { at, token } = await limited({ locateMs: 300 })
  afterEach(() => {
    for (const name of Object.keys(at.railway.faults))
      Reflect.deleteProperty(at.railway.faults, name)
  })

  const roots = ['environment', 'deployment', 'project', 'projects', 'service']
  const faults: [string, Faults][] = [
    ['answers late', { delayMs: 900 }],
    ['never answers', { hang: true }],
    ['answers drop by drop', { dripMs: 60 }],
    ['answers with errors', { failRoots: roots }],
    ['answers null', { nullRoots: roots }],
    ['answers 500', { status: 500 }],
    ['answers 401', { status: 401 }],
    ['answers 403', { status: 403 }],
    ['answers 404', { status: 404 }],
    ['answers 429', { status: 429 }],
    ['redirects', { redirect: 'http://localhost:9/graphql/v2' }],
    ['answers with a web page', { garbage: true }],
    ['breaks off half-way', { closeEarly: true }],
    ['compresses what should be plain', { encoding: 'gzip' }],
  ]
  const calls: [string, string, string][] = [
    ['a read', reading, staging],
    ['a write', writing, ids.deployments.webStaging],
    ['a destruction', destroying, scratch],
    ['a destruction in production', destroying, postgresData],
  ]

  it.each(faults)(
    'that %s makes everything unresolved, soon, and lets nothing pass',
    async (_, fault) => {
      await forget(at)
      Object.assign(at.railway.faults, fault)
      const began = performance.now()
      const { result, passed } = await arriving(at, () =>
        Promise.all(calls.map(([, query, id]) => at.call(token, query, { id }))),
      )
      for (const [i, [what]] of calls.entries()) {
        expect(result[i]?.json, what).toMatchObject({ code: 'resource-unresolved', retry: 'later' })
        expect(result[i]?.status).toBe(403)
      }
      expect(passed).toBe(0)
      expect(performance.now() - began).toBeLessThan(1_500)
      expect(at.carriedOut()).toEqual([])
    },
  )

  it('that fails is asked again as soon as it recovers', async () => {
    await forget(at)
    Object.assign(at.railway.faults, { status: 500 })
    expect((await at.call(token, reading, { id: staging })).json).toMatchObject({
      code: 'resource-unresolved',
    })
    Reflect.deleteProperty(at.railway.faults, 'status')
    expect((await at.call(token, reading, { id: staging })).status).toBe(200)
  })

  it('that gives one row a page is read to the last page', async () => {
    await forget(at)
    Object.assign(at.railway.faults, { pageSize: 1 })
    const outside = { code: 'outside-environment', found: 'production' }
    expect((await at.call(token, destroying, { id: postgresData })).json).toMatchObject(outside)
    expect((await at.call(token, destroying, { id: scratch })).json).toMatchObject({
      code: 'approval-required',
    })
    expect(at.carriedOut()).toEqual([])
  })

  it('and names nothing of itself in what the agent is told', async () => {
    await forget(at)
    Object.assign(at.railway.faults, { failRoots: roots })
    const answer = await at.call(token, reading, { id: staging })
    expect(answer.text).not.toContain('Problem processing request')
    expect(answer.text).not.toContain(new URL(at.railway.url).port)
  })
})

describe('where a thing lives', async () => {
  const { at, token } = await limited({})

  it.each([
    ['a deployment of production', writing, ids.deployments.webProduction, 'production'],
    ['the environment of production', reading, production, 'production'],
    ['an environment that nobody has bound', reading, ids.environments.pr42, 'elsewhere'],
    ['a deployment in another project', writing, ids.deployments.siteProduction, 'elsewhere'],
    ['an environment of another project', reading, ids.environments.websiteProduction, 'elsewhere'],
    ['a volume that production shares', destroying, postgresData, 'production'],
  ])(
    'is told of %s by the name of a Valetkey environment or as elsewhere',
    async (_, query, id, found) => {
      const answer = await at.call(token, query, { id })
      expect(answer.json).toMatchObject({ code: 'outside-environment', found })
      for (const name of ['pr-42', 'acme', 'website']) expect(answer.text).not.toContain(name)
      const explained = await at.explain(token, query, { id })
      expect(explained.json).toMatchObject({ verdict: 'deny', code: 'outside-environment', found })
      for (const name of ['pr-42', 'acme', 'website']) expect(explained.text).not.toContain(name)
    },
  )

  it('is asked once by many calls at a time, and not again for seconds', async () => {
    await forget(at)
    const one = await arriving(at, () =>
      at.call(token, writing, { id: ids.deployments.webStaging }),
    )
    expect(one).toMatchObject({ lookups: 1, passed: 1 })
    await forget(at)
    const many = await arriving(at, () =>
      Promise.all(Array.from({ length: 12 }, () => at.call(token, reading, { id: staging }))),
    )
    expect(many.result.map(({ status }) => status)).toEqual(Array(12).fill(200))
    expect(many).toMatchObject({ lookups: 1, passed: 12 })
    const later = await arriving(at, () => at.call(token, reading, { id: staging }))
    expect(later).toMatchObject({ lookups: 0, passed: 1 })
  })

  it('is asked afresh each time for what destroys', async () => {
    const first = await arriving(at, () => at.call(token, destroying, { id: scratch }))
    const second = await arriving(at, () => at.call(token, destroying, { id: scratch }))
    expect(first.lookups).toBeGreaterThan(0)
    expect(second.lookups).toBe(first.lookups)
  })

  it('is seen to have changed between two destructive calls', async () => {
    const { world } = at.railway
    const call = () => at.call(token, destroying, { id: scratch })
    expect((await call()).json).toMatchObject({ code: 'approval-required' })
    world.volumeInstances.push(volumeInstance(randomUUID(), production, { volumeId: scratch }))
    expect((await call()).json).toMatchObject({ code: 'outside-environment', found: 'production' })
    world.volumeInstances.pop()
    expect((await call()).json).toMatchObject({ code: 'approval-required' })
  })

  it('is remembered as not found', async () => {
    const id = randomUUID()
    const first = await arriving(at, () => at.call(token, reading, { id }))
    expect(first.result.json).toMatchObject({ code: 'resource-unresolved' })
    expect(first.lookups).toBeGreaterThan(0)
    const second = await arriving(at, () => at.call(token, reading, { id }))
    expect(second.result.json).toMatchObject({ code: 'resource-unresolved' })
    expect(second.lookups).toBe(0)
  })

  const upper = staging.toUpperCase()
  it.each([
    ['in upper case', upper],
    ['with one letter in upper case', staging.replace('a', 'A')],
    ['in braces', `{${staging}}`],
    ['without hyphens', staging.replaceAll('-', '')],
    ['as a URN', `urn:uuid:${staging}`],
    ['with a space before', ` ${staging}`],
    ['with a line end after', `${staging}\n`],
    ['with a zero byte after', `${staging}\u0000`],
    ['with a full-width digit', staging.replace('8', '８')],
    ['with hyphens of another kind', staging.replaceAll('-', '‐')],
    ['empty', ''],
    ['as a path', `../${staging}`],
    ['as two', `${staging},${staging}`],
  ])('is not looked up for an id that is spelled %s', async (_, id) => {
    const { result, lookups, passed } = await arriving(at, () => at.call(token, reading, { id }))
    expect(result.json).toMatchObject({ code: 'resource-unresolved' })
    expect({ lookups, passed }).toEqual({ lookups: 0, passed: 0 })
    const deployment = await at.call(token, writing, { id })
    expect(deployment.json).toMatchObject({ code: 'resource-unresolved' })
  })

  it('is not taken from a number', async () => {
    const answer = await at.call(token, reading, { id: 7 })
    expect(answer.json).toMatchObject({ code: 'malformed-request' })
  })
})

describe('look-ups', async () => {
  const unresolved = { code: 'resource-unresolved' }

  it('of one call are bounded in number', async () => {
    const { at, token } = await limited({ lookupsPerCall: 2 })
    const before = at.railway.received.length
    const refused = await at.call(token, destroying, { id: scratch })
    expect(refused.json).toMatchObject(unresolved)
    expect(refused.json['detail']).toEqual(expect.stringContaining('too many look-ups'))
    // The last of them may still be on its way when the one that is too many decides.
    await expect.poll(() => at.railway.received.length - before).toBe(2)
    expect((await at.call(token, reading, { id: staging })).status).toBe(200)
  })

  it('of one call are bounded over all of its root fields', async () => {
    const { at, token } = await limited({ lookupsPerCall: 5 })
    const fields = Array.from(
      { length: 40 },
      (_, i) => `f${i}: deployment(id: "${randomUUID()}") { id }`,
    )
    const { result, lookups } = await arriving(at, () => at.call(token, `{ ${fields.join(' ')} }`))
    expect(result.json).toMatchObject(unresolved)
    expect(lookups).toBeLessThanOrEqual(5)
  })

  it('of one agent are bounded by the minute, those of explain too', async () => {
    const { at, token } = await limited({ lookupsPerMinute: 3 })
    const ask = async (): Promise<Answer> => {
      await forget(at)
      return at.call(token, reading, { id: staging })
    }
    const explain = async (): Promise<Answer> => {
      await forget(at)
      return at.explain(token, reading, { id: staging })
    }
    expect((await ask()).status).toBe(200)
    expect((await explain()).json).toMatchObject({ verdict: 'allow' })
    expect((await ask()).status).toBe(200)
    const { result, lookups } = await arriving(at, ask)
    expect(result.json).toMatchObject(unresolved)
    expect(lookups).toBe(0)
    expect((await explain()).json).toMatchObject({ verdict: 'deny', ...unresolved })
  })

  it('leave a fifth of the upstream’s quota to operators', async () => {
    const { at, token } = await limited({})
    at.railway.faults.rateRemaining = 199
    expect((await at.call(token, reading, { id: staging })).status).toBe(200)
    await forget(at)
    const { result, lookups } = await arriving(at, () => at.call(token, reading, { id: staging }))
    expect(result.json).toMatchObject(unresolved)
    expect(lookups).toBe(0)
    const tested = await at.admin('POST', '/admin/connections/railway/test')
    expect(tested.status).toBe(200)
  })
})
