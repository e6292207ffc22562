import { beforeAll, describe, expect, test } from 'vitest'
import { operatorPlane, type Plane } from '../../support/operator-plane.ts'
import { stores } from '../../support/stores.ts'

let plane: Plane

const set = (name: string, more: object) =>
  plane.call('PUT', `/admin/scopes/${name}`, {
    environment: 'staging',
    allow: ['railway:Query.*'],
    ...more,
  })

describe.each(stores)('on %s', (kind) => {
  beforeAll(async () => {
    plane = await operatorPlane(kind)
    await plane.call('POST', '/admin/environments', { name: 'staging' })
    await plane.call('POST', '/admin/connections', {
      name: 'railway',
      base_url: plane.railway.url,
      allow_private: true,
      secret: plane.railway.token,
    })
  })

  test('a scope is set whole, and its version counts up', async () => {
    expect((await set('read', {})).json).toMatchObject({
      name: 'read',
      environment: 'staging',
      version: 1,
      allow: ['railway:Query.*'],
      max_ttl: 900,
      calls_per_minute: null,
      approve: [],
      approvers: 1,
      bound: false,
      leases: {},
      warnings: [],
    })
    await set('read', { allow: ['railway:@read'], max_ttl: 3_600, calls_per_minute: 30 })
    expect((await plane.call('GET', '/admin/scopes/read')).json).toMatchObject({
      version: 2,
      allow: ['railway:@read'],
      max_ttl: 3_600,
      calls_per_minute: 30,
      approve: [],
      approvers: 1,
      bound: false,
      leases: {},
    })
    const listed = await plane.call('GET', '/admin/scopes')
    expect(listed.json).toMatchObject({ scopes: [{ name: 'read', version: 2 }] })
    expect((await plane.call('DELETE', '/admin/scopes/read')).json).toEqual({
      name: 'read',
      agents: [],
    })
    expect((await plane.call('GET', '/admin/scopes/read')).status).toBe(404)
  })

  test('a name that the connection does not offer is a warning, whether root field or nested', async () => {
    const { json, status } = await set('typo', {
      allow: [
        'railway:Mutation.volumeDelete',
        'railway:Mutation.volumeDelet',
        'railway:Environment.config',
        'railway:Environment.confog',
        'railway:volumeDelete',
      ],
    })
    expect(status).toBe(200)
    expect(json).toMatchObject({
      warnings: ['Mutation.volumeDelet', 'Environment.confog', 'volumeDelete'].map(
        (name) => `railway offers no ${name}, so that allows nothing`,
      ),
    })
  })

  test.each([
    ['a life under a minute', { max_ttl: 59 }],
    ['a life over an hour', { max_ttl: 3_601 }],
    ['no calls at all', { calls_per_minute: 0 }],
    ['a pattern of destruction', { allow: ['railway:@destructive'] }],
    ['a connection that is not there', { allow: ['github:Query.*'] }],
    ['an unknown key', { allowed: [] }],
    ['patterns that are no list', { allow: 'railway:Query.*' }],
  ])('%s is refused', async (_what, more) => {
    const refused = await set('wrong', more)
    expect(refused).toMatchObject({ status: 400, json: { code: 'malformed-request' } })
    expect(plane.ctx.realm.now().scopes.has('wrong')).toBe(false)
  })

  test('an environment that is not there is refused', async () => {
    const refused = await set('wrong', { environment: 'nowhere' })
    expect(refused).toMatchObject({ status: 404, json: { code: 'not-found' } })
  })
})
