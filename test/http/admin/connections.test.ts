import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ids } from '../../../src/demo/railway/world.ts'
import { operatorPlane, type Plane } from '../../support/operator-plane.ts'
import { stores } from '../../support/stores.ts'

let plane: Plane

const given = (more: object = {}) => ({
  name: 'railway',
  base_url: plane.railway.url,
  allow_private: true,
  secret: plane.railway.token,
  ...more,
})

describe.each(stores)('on %s', (kind) => {
  beforeAll(async () => {
    plane = await operatorPlane(kind)
  })

  beforeEach(async () => {
    plane.railway.reset()
    for (const name of plane.ctx.realm.now().connections.keys()) {
      await plane.call('DELETE', `/admin/connections/${name}?confirm=${name}`)
    }
  })

  test('a connection whose secret works is added, with what its name implies', async () => {
    const added = await plane.call('POST', '/admin/connections', given())
    expect(added).toMatchObject({
      status: 201,
      json: {
        name: 'railway',
        provider: 'railway',
        base_url: plane.railway.url,
        allow_private: true,
        secret_version: 1,
        healthy: true,
      },
    })
    const policy = plane.ctx.realm.now()
    expect(policy.catalogues.has('railway')).toBe(true)
    expect((await plane.call('GET', '/admin/connections')).json).toEqual({
      connections: [added.json],
    })
  })

  test('a secret that the upstream refuses is not kept, and the refusal does not repeat it', async () => {
    const secret = 'marked-secret-that-does-not-work'
    const refused = await plane.call('POST', '/admin/connections', given({ secret }))
    expect(refused).toMatchObject({ status: 502, json: { code: 'upstream-credential-rejected' } })
    expect(refused.text).not.toContain(secret)
    expect((await plane.call('GET', '/admin/connections/railway')).status).toBe(404)
    expect(plane.logged.join('')).not.toContain(secret)
  })

  test('no route tells a secret, and neither does the log', async () => {
    await plane.call('POST', '/admin/connections', given())
    await plane.call('POST', '/admin/environments', { name: 'staging' })
    await plane.call('POST', '/admin/environments/staging/bindings', {
      connection: 'railway',
      own: [{ kind: 'environment', address: ids.environments.staging }],
    })
    const paths = [
      '/admin/status',
      '/admin/providers',
      '/admin/providers/railway/operations',
      '/admin/connections',
      '/admin/connections/railway',
      '/admin/connections/railway/discover',
      '/admin/environments',
      '/admin/environments/staging',
      '/admin/scopes',
      '/admin/agents',
      '/admin/capabilities',
      '/admin/operators',
      '/admin/audit',
      '/admin/audit/export',
      '/admin/audit/keys',
      '/admin/keys',
    ]
    const secret = plane.railway.token
    const spellings = [secret, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)]
    for (const path of paths) {
      const answer = await plane.call('GET', path)
      expect([path, answer.status]).toEqual([path, 200])
      for (const spelling of spellings) expect(answer.text).not.toContain(spelling)
    }
    for (const spelling of spellings) expect(plane.logged.join('')).not.toContain(spelling)
    await plane.call('DELETE', '/admin/environments/staging')
  })

  test('rotating keeps the old secret until the new one has worked', async () => {
    await plane.call('POST', '/admin/connections', given())
    const wrong = await plane.call('POST', '/admin/connections/railway/rotate', {
      secret: 'a-secret-that-does-not-work',
    })
    expect(wrong).toMatchObject({ status: 502, json: { code: 'upstream-credential-rejected' } })
    const shown = await plane.call('GET', '/admin/connections/railway')
    expect(shown.json).toMatchObject({ secret_version: 1 })
    expect((await plane.call('POST', '/admin/connections/railway/test')).status).toBe(200)
    const sealed = plane.ctx.realm.now().connections.get('railway')?.sealed
    const rotated = await plane.call('POST', '/admin/connections/railway/rotate', {
      secret: plane.railway.token,
    })
    expect(rotated).toMatchObject({ status: 200, json: { secret_version: 2 } })
    expect(plane.ctx.realm.now().connections.get('railway')?.sealed).not.toBe(sealed)
  })

  test('a name is taken once, and a second secret for it is no way to move it elsewhere', async () => {
    await plane.call('POST', '/admin/connections', given())
    const again = await plane.call(
      'POST',
      '/admin/connections',
      given({ base_url: 'https://elsewhere.example.com' }),
    )
    expect(again).toMatchObject({ status: 409, json: { code: 'conflict' } })
    const patched = await plane.call('PATCH', '/admin/connections/railway', {
      base_url: 'https://elsewhere.example.com',
    })
    expect(patched).toMatchObject({ status: 405, json: { code: 'method-not-allowed' } })
    expect(patched.headers.get('allow')).toBe('GET, DELETE')
  })

  test('removing says what is lost, and does it only when the name is repeated', async () => {
    await plane.call('POST', '/admin/connections', given())
    await plane.call('POST', '/admin/environments', { name: 'staging' })
    await plane.call('POST', '/admin/environments/staging/bindings', {
      connection: 'railway',
      own: [{ kind: 'environment', address: ids.environments.staging }],
    })
    await plane.call('PUT', '/admin/scopes/deploy', {
      environment: 'staging',
      allow: ['railway:Query.*'],
    })
    const asked = await plane.call('DELETE', '/admin/connections/railway')
    expect(asked).toMatchObject({
      status: 409,
      json: { hint: expect.stringContaining('confirm=railway') },
    })
    expect(asked.text).toContain('scope deploy')
    const removed = await plane.call('DELETE', '/admin/connections/railway?confirm=railway')
    expect(removed).toMatchObject({
      status: 200,
      json: {
        name: 'railway',
        bindings: [expect.stringMatching(/^staging owns environment=/)],
        scopes: ['deploy'],
      },
    })
    const scope = await plane.call('GET', '/admin/scopes/deploy')
    expect(scope.json).toMatchObject({ allow: [], version: 2 })
    expect(plane.ctx.realm.now().bindings).toEqual([])
    await plane.call('DELETE', '/admin/environments/staging')
  })

  test('refreshing an unchanged schema changes no policy', async () => {
    await plane.call('POST', '/admin/connections', given())
    const { version } = plane.ctx.realm.now()
    expect((await plane.call('POST', '/admin/connections/railway/refresh')).json).toEqual({
      name: 'railway',
      changed: false,
      added: [],
      removed: [],
    })
    expect(plane.ctx.realm.now().version).toBe(version)
  })

  test('three refusals of the credential in a row make a connection unhealthy, and one success heals it', async () => {
    await plane.call('POST', '/admin/connections', given())
    const healthy = async () => (await plane.call('GET', '/admin/status')).json
    const token = plane.railway.token
    plane.railway.world.tokens.splice(0)
    for (const _ of [1, 2, 3]) {
      const tested = await plane.call('POST', '/admin/connections/railway/test')
      expect(tested).toMatchObject({ json: { code: 'upstream-credential-rejected' } })
      expect(tested.text).not.toContain(token)
    }
    expect(await healthy()).toMatchObject({ connections: [{ name: 'railway', healthy: false }] })
    plane.railway.reset()
    await plane.call('POST', '/admin/connections/railway/test')
    expect(await healthy()).toMatchObject({ connections: [{ name: 'railway', healthy: true }] })
  })

  test('a token of another kind works where it is placed as its kind wants, and only there', async () => {
    const secret = plane.railway.projectToken
    const misplaced = await plane.call('POST', '/admin/connections', given({ secret }))
    expect(misplaced).toMatchObject({ json: { code: 'upstream-credential-rejected' } })
    const placed = await plane.call(
      'POST',
      '/admin/connections',
      given({ secret, placement: 'project-access-token' }),
    )
    expect(placed).toMatchObject({ status: 201, json: { placement: 'project-access-token' } })
  })

  test('discover tells what can be bound and who owns it', async () => {
    await plane.call('POST', '/admin/connections', given())
    const { json } = await plane.call('GET', '/admin/connections/railway/discover')
    expect(json).toMatchObject({
      found: expect.arrayContaining([
        expect.objectContaining({ kind: 'project', bind: 'sees', owner: null }),
        expect.objectContaining({
          kind: 'environment',
          bind: 'owns',
          id: ids.environments.staging,
        }),
      ]),
    })
  })
})

describe('what is refused before anything is sent', () => {
  beforeAll(async () => {
    plane = await operatorPlane()
  })

  test.each([
    ['http to a public host', { base_url: 'http://api.example.com', allow_private: false }],
    ['http to a public address', { base_url: 'http://8.8.8.8', allow_private: true }],
    ['loopback without permission', { allow_private: false }],
    [
      'a private address without permission',
      { base_url: 'https://10.0.0.8', allow_private: false },
    ],
    [
      'a private address in another spelling',
      { base_url: 'https://0x0a000008', allow_private: false },
    ],
    ['cloud metadata', { base_url: 'http://169.254.169.254' }],
    ['cloud metadata as IPv6', { base_url: 'http://[::ffff:169.254.169.254]' }],
    ['cloud metadata by name', { base_url: 'http://metadata.google.internal' }],
    ['a user name in the URL', { base_url: 'https://user@api.example.com' }],
    ['a query in the URL', { base_url: 'https://api.example.com/?a=b' }],
    ['another scheme', { base_url: 'file:///etc/passwd' }],
    ['a placement that the provider lacks', { placement: 'cookie' }],
    ['a secret with a line break', { secret: 'marked\nsecret-value' }],
    ['a short secret', { secret: 'marked' }],
    ['an unknown key', { secrets: 'x' }],
    ['a name that is none', { name: 'Railway!', provider: 'railway' }],
  ])('%s', async (_what, more) => {
    plane.railway.received.length = 0
    const refused = await plane.call('POST', '/admin/connections', given(more))
    expect(refused).toMatchObject({ status: 400, json: { code: 'malformed-request' } })
    expect(refused.text).not.toContain('marked')
    expect(plane.railway.received).toEqual([])
    expect(plane.ctx.realm.now().connections.size).toBe(0)
  })

  test('a provider that nobody knows', async () => {
    const refused = await plane.call('POST', '/admin/connections', given({ name: 'nobody' }))
    expect(refused).toMatchObject({
      status: 404,
      json: {
        hint: expect.stringContaining('There are: railway, postgres, github, github-app, aws.'),
      },
    })
  })
})
