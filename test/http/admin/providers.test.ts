import { beforeAll, expect, test } from 'vitest'
import { operatorPlane, type Plane } from '../../support/operator-plane.ts'

let plane: Plane

beforeAll(async () => {
  plane = await operatorPlane()
})

test('providers are listed with what can be bound and how a credential is placed', async () => {
  expect((await plane.call('GET', '/admin/providers')).json).toMatchObject({
    providers: [
      {
        name: 'railway',
        engine: 'graphql',
        base_url: expect.stringMatching(/^https:/),
        kinds: expect.arrayContaining([
          { kind: 'project', bind: 'sees' },
          { kind: 'environment', bind: 'owns' },
        ]),
      },
      { name: 'postgres', engine: 'lease', kinds: [{ kind: 'database', bind: 'owns' }] },
      {
        name: 'github',
        engine: 'rest',
        described: false,
        kinds: expect.arrayContaining([{ kind: 'ref', bind: 'owns' }]),
      },
      { name: 'github-app', engine: 'lease', kinds: [{ kind: 'repository', bind: 'owns' }] },
      { name: 'aws', engine: 'lease', kinds: [{ kind: 'account', bind: 'owns' }] },
    ],
  })
})

test('operations come from a schema that was learned, and without one the answer says how to learn it', async () => {
  const none = await plane.call('GET', '/admin/providers/railway/operations')
  expect(none).toMatchObject({
    status: 404,
    json: { code: 'not-found', hint: 'Add one with: valetkey connection add railway' },
  })
  await plane.call('POST', '/admin/connections', {
    name: 'simulated',
    provider: 'railway',
    base_url: plane.railway.url,
    allow_private: true,
    secret: plane.railway.token,
  })
  const { json } = await plane.call('GET', '/admin/providers/railway/operations')
  expect(json).toMatchObject({
    connection: 'simulated',
    operations: expect.arrayContaining([
      expect.objectContaining({
        name: 'Mutation.volumeDelete',
        effects: ['destructive'],
        resources: [expect.stringMatching(/^volumeId: volume/)],
      }),
    ]),
  })
  const wrong = await plane.call('GET', '/admin/providers/railway/operations?connection=other')
  expect(wrong.status).toBe(404)
})

test('coverage names what a schema has and Valetkey does not know', async () => {
  const schema = 'type Query { platformStatus: String, somethingNew(id: ID!): String }'
  const covered = await plane.call('POST', '/admin/providers/railway/coverage', { schema })
  expect(covered).toMatchObject({
    status: 200,
    json: {
      gaps: expect.arrayContaining([
        expect.objectContaining({ coordinate: 'Query.somethingNew', gap: 'root' }),
      ]),
    },
  })
})

test('what is no schema is refused', async () => {
  const refused = await plane.call('POST', '/admin/providers/railway/coverage', { schema: '{' })
  expect(refused).toMatchObject({ status: 400, json: { code: 'malformed-request' } })
})

test('a provider that nobody knows is not found', async () => {
  expect((await plane.call('GET', '/admin/providers/nobody/operations')).status).toBe(404)
})
