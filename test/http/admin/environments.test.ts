import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ids } from '../../../src/demo/railway/world.ts'
import { operatorPlane, type Plane } from '../../support/operator-plane.ts'
import { stores } from '../../support/stores.ts'

let plane: Plane

const bind = (environment: string, more: object) =>
  plane.call('POST', `/admin/environments/${environment}/bindings`, {
    connection: 'railway',
    ...more,
  })

const { staging, production } = ids.environments

describe.each(stores)('on %s', (kind) => {
  beforeAll(async () => {
    plane = await operatorPlane(kind)
    await plane.call('POST', '/admin/connections', {
      name: 'railway',
      base_url: plane.railway.url,
      allow_private: true,
      secret: plane.railway.token,
    })
  })

  beforeEach(async () => {
    plane.railway.reset()
    for (const name of ['staging', 'production']) {
      await plane.call('DELETE', `/admin/environments/${name}`)
      await plane.call('POST', '/admin/environments', { name })
    }
  })

  test('an environment is protected unless it is said not to be', async () => {
    const shown = await plane.call('GET', '/admin/environments/staging')
    expect(shown.json).toMatchObject({ protected: true, bindings: [], scopes: [] })
    await plane.call('PATCH', '/admin/environments/staging', { protected: false })
    const listed = await plane.call('GET', '/admin/environments')
    expect(listed.json).toMatchObject({
      environments: [
        { name: 'production', protected: true },
        { name: 'staging', protected: false },
      ],
    })
  })

  test('what is bound by name is bound by the id that the upstream gives it', async () => {
    const bound = await bind('staging', {
      own: [{ kind: 'environment', address: 'acme-rentals/staging' }],
      see: [{ kind: 'project', address: 'acme-rentals' }],
    })
    expect(bound).toMatchObject({
      status: 201,
      json: {
        bindings: [
          {
            mode: 'owns',
            resource: staging,
            place: [
              { kind: 'project', id: ids.projects.rentals },
              { kind: 'environment', id: staging },
            ],
          },
          { mode: 'sees', resource: ids.projects.rentals },
        ],
      },
    })
    expect(plane.ctx.realm.now().bindings).toHaveLength(2)
  })

  test('what another environment owns is refused, naming the owner', async () => {
    await bind('production', { own: [{ kind: 'environment', address: production }] })
    const taken = await bind('staging', { own: [{ kind: 'environment', address: production }] })
    expect(taken).toMatchObject({
      status: 409,
      json: { code: 'conflict', environment: 'production' },
    })
    const shown = await plane.call('GET', '/admin/environments/staging')
    expect(shown.json).toMatchObject({ bindings: [] })
  })

  test('a project can be seen and never owned, and the refusal says what can be', async () => {
    const owned = await bind('staging', { own: [{ kind: 'project', address: 'acme-rentals' }] })
    expect(owned).toMatchObject({
      status: 400,
      json: {
        code: 'malformed-request',
        hint: expect.stringContaining('own one of these: environment'),
      },
    })
  })

  test('what the connection does not see cannot be bound', async () => {
    const id = '00000000-0000-4000-8000-000000000000'
    const unseen = await bind('staging', { own: [{ kind: 'environment', address: id }] })
    expect(unseen).toMatchObject({ status: 404, json: { code: 'not-found' } })
    expect(unseen.text).toContain('acme-rentals/staging')
  })

  test('a name that two have is refused with their ids', async () => {
    const twin = plane.railway.world.environments.find((one) => one.id === production)
    if (twin === undefined) throw new Error('no production')
    twin.name = 'staging'
    const twice = await bind('staging', {
      own: [{ kind: 'environment', address: 'acme-rentals/staging' }],
    })
    expect(twice).toMatchObject({ status: 409, json: { code: 'conflict' } })
    expect(twice.text).toContain(staging)
    expect(twice.text).toContain(production)
  })

  test('unbinding gives up what was bound', async () => {
    await bind('production', { own: [{ kind: 'environment', address: production }] })
    const id = await firstBinding('production')
    expect((await plane.call('DELETE', `/admin/environments/staging/bindings/${id}`)).status).toBe(
      404,
    )
    expect(
      (await plane.call('DELETE', `/admin/environments/production/bindings/${id}`)).status,
    ).toBe(200)
    const again = await bind('staging', { own: [{ kind: 'environment', address: production }] })
    expect(again.status).toBe(201)
  })

  test('removing an environment names what goes with it', async () => {
    await bind('staging', { own: [{ kind: 'environment', address: staging }] })
    await plane.call('PUT', '/admin/scopes/deploy', {
      environment: 'staging',
      allow: ['railway:Query.*'],
    })
    expect(await plane.call('DELETE', '/admin/environments/staging')).toMatchObject({
      status: 200,
      json: {
        name: 'staging',
        bindings: [expect.stringMatching(/^owns environment=/)],
        scopes: ['deploy'],
      },
    })
    expect(plane.ctx.realm.now().scopes.has('deploy')).toBe(false)
  })

  test('an auditor looks and does not touch', async () => {
    const look = await plane.call('GET', '/admin/environments', undefined, plane.auditor)
    expect(look.status).toBe(200)
    const touches = await Promise.all([
      plane.call('POST', '/admin/environments', { name: 'mine' }, plane.auditor),
      plane.call('PATCH', '/admin/environments/staging', { protected: false }, plane.auditor),
      plane.call('DELETE', '/admin/environments/staging', undefined, plane.auditor),
      plane.call('GET', '/admin/connections/railway/discover', undefined, plane.auditor),
    ])
    for (const touch of touches) {
      expect(touch).toMatchObject({ status: 403, json: { code: 'forbidden' } })
    }
    expect(plane.ctx.realm.now().environments.get('staging')?.protected).toBe(true)
    expect(plane.ctx.realm.now().environments.has('mine')).toBe(false)
  })
})

async function firstBinding(environment: string): Promise<string> {
  const { json } = await plane.call('GET', `/admin/environments/${environment}`)
  const id = /"id":"(bnd_[0-9a-f]+)"/.exec(JSON.stringify(json))?.[1]
  if (id === undefined) throw new Error(`${environment} has no binding`)
  return id
}
