/** What a stolen session of the command line gets from each route that changes anything: listed one by one, so that a new route fails here until somebody has thought of it. */
import { eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { adminRoutes } from '../../src/http/admin/admin.ts'
import { changes } from '../../src/store/schema.ts'
import { expectOk, type Front, field, front } from '../support/broker.ts'
import { changeIn, confirm, type Key, passkey, seen } from '../support/passkey.ts'

/** `waits`: 202, and nothing has changed. `less`: at once, since it only takes away or stops. `own`: no edit of policy. */
type Expected = {
  what: 'waits' | 'less' | 'own' | 'refused'
  path?: string
  body?: unknown
}

function expectations(ids: Record<'binding' | 'freeze' | 'change', string>, at: Front) {
  return {
    'POST /admin/connections': {
      what: 'waits',
      body: {
        ...{ name: 'second', provider: 'railway', base_url: at.railway.url },
        ...{ allow_private: true, secret: at.railway.token },
      },
    },
    'DELETE /admin/connections/{name}': {
      what: 'waits',
      path: '/admin/connections/railway?confirm=railway',
    },
    'POST /admin/connections/{name}/rotate': {
      what: 'waits',
      path: '/admin/connections/railway/rotate',
      body: { secret: at.railway.token },
    },
    // It waits when the schema is another one; here it is not, so nothing changes.
    'POST /admin/connections/{name}/refresh': {
      what: 'own',
      path: '/admin/connections/railway/refresh',
    },
    'POST /admin/connections/{name}/test': {
      what: 'own',
      path: '/admin/connections/railway/test',
    },
    'POST /admin/environments': { what: 'waits', body: { name: 'lax', protected: false } },
    'PATCH /admin/environments/{name}': {
      what: 'waits',
      path: '/admin/environments/production',
      body: { protected: false },
    },
    'DELETE /admin/environments/{name}': {
      what: 'waits',
      path: '/admin/environments/production',
    },
    'POST /admin/environments/{name}/bindings': {
      what: 'waits',
      path: '/admin/environments/staging/bindings',
      body: {
        connection: 'railway',
        own: [{ kind: 'environment', address: 'acme-rentals/pr-42' }],
      },
    },
    'DELETE /admin/environments/{name}/bindings/{id}': {
      what: 'waits',
      path: `/admin/environments/production/bindings/${ids.binding}`,
    },
    'PUT /admin/scopes/{name}': {
      what: 'waits',
      path: '/admin/scopes/work',
      body: { environment: 'staging', allow: ['railway:*', 'railway:Mutation.volumeDelete'] },
    },
    'DELETE /admin/scopes/{name}': { what: 'less', path: '/admin/scopes/spare' },
    'POST /admin/agents': { what: 'waits', body: { name: 'eve', scopes: [] } },
    'DELETE /admin/agents/{name}': { what: 'less', path: '/admin/agents/ci' },
    'PUT /admin/agents/{name}/grants/{scope}': {
      what: 'waits',
      path: '/admin/agents/cursor/grants/wide',
    },
    'DELETE /admin/agents/{name}/grants/{scope}': {
      what: 'less',
      path: '/admin/agents/cursor/grants/work',
    },
    'POST /admin/agents/{name}/credentials': {
      what: 'waits',
      path: '/admin/agents/cursor/credentials',
      body: {},
    },
    'PUT /admin/configuration': {
      what: 'waits',
      body: { version: 1, agents: { cursor: { scopes: [] }, mole: { scopes: ['work'] } } },
    },
    'PUT /admin/providers/{name}': {
      what: 'waits',
      path: '/admin/providers/notes',
      body: { operations: [{ route: 'GET /a/{a_id}', effects: ['read'] }] },
    },
    'PUT /admin/providers/{name}/overrides': {
      what: 'refused',
      path: '/admin/providers/nobody/overrides',
      body: {},
    },
    'DELETE /admin/providers/{name}': { what: 'refused', path: '/admin/providers/nobody' },
    'POST /admin/trusts': {
      what: 'waits',
      body: { name: 'jobs', system: 'github', claims: ['repository_id=1'], scopes: [] },
    },
    'DELETE /admin/trusts/{name}': { what: 'refused', path: '/admin/trusts/nobody' },
    'POST /admin/trusts/{name}/examination': {
      what: 'own',
      path: '/admin/trusts/nobody/examination',
      body: { token: 'x.y.z' },
    },
    'POST /admin/operators/invitations': { what: 'waits', body: { role: 'admin' } },
    'DELETE /admin/operators/{name}': { what: 'waits', path: '/admin/operators/otto' },
    'POST /admin/freezes': { what: 'less', body: { subject: 'agent:cursor' } },
    'DELETE /admin/freezes/{id}': { what: 'waits', path: `/admin/freezes/${ids.freeze}` },
    'POST /admin/changes/{id}/reject': {
      what: 'less',
      path: `/admin/changes/${ids.change}/reject`,
      body: {},
    },
    // There is none to deny, and denying gives nothing.
    'POST /admin/approvals/{id}/deny': {
      what: 'refused',
      path: '/admin/approvals/apr_00000000000000000000000000000000/deny',
      body: {},
    },
    'DELETE /admin/leases/{id}': {
      what: 'refused',
      path: '/admin/leases/lse_00000000000000000000000000000000',
    },
    'DELETE /admin/capabilities/{jti}': {
      what: 'refused',
      path: '/admin/capabilities/cap_00000000000000000000000000000000',
    },
    'POST /admin/providers/{name}/coverage': {
      what: 'own',
      path: '/admin/providers/railway/coverage',
      body: { schema: 'type Query { me: String }' },
    },
    'POST /admin/keys/rotate': { what: 'own', body: { which: 'signing' } },
    // No code, and the passphrase of somebody with a passkey: neither signs in.
    'POST /admin/session': {
      what: 'refused',
      body: { name: 'ada', passphrase: 'correct horse battery staple' },
    },
    'POST /admin/sign-ins': { what: 'own', body: {} },
    'POST /admin/sign-ins/poll': { what: 'refused', body: { id: 'vkd_unknown' } },
    // Last: it ends the session that the others are tried with.
    'DELETE /admin/session': { what: 'own' },
  } satisfies Record<string, Expected>
}

async function ready(kind: 'embedded' | 'postgres') {
  const at = await front(kind)
  await at.scope('spare', ['railway:@read'])
  await at.scope('wide', ['railway:@read', 'railway:@write', 'railway:Mutation.volumeDelete'])
  expectOk(await at.admin('DELETE', '/admin/agents/cursor/grants/wide'))
  expectOk(await at.admin('POST', '/admin/agents', { name: 'ci', scopes: ['spare'] }))
  const { json } = expectOk(await at.admin('GET', '/admin/environments/production'))
  // The route's own shape.
  const [binding] = json['bindings'] as [{ id: string }]
  const key = await passkey(at)
  const invited = await at.admin('POST', '/admin/operators/invitations', { role: 'auditor' })
  expectOk(await confirm(at, key, [changeIn(invited)]))
  await passkey(at, 'otto', field(invited, 'code'))
  const freeze = field(
    expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:ci' })),
    'id',
  )
  const body = { name: 'given-up', protected: true }
  const change = changeIn(await at.admin('POST', '/admin/environments', body))
  return { at, key, ids: { binding: binding.id, freeze, change } }
}

async function policyOf(at: Front): Promise<unknown> {
  const {
    version: _,
    notBefore: __,
    catalogues: ___,
    ...policy
  } = await at.broker.ctx.realm.refresh()
  return policy
}

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  test('every route that changes anything is known here, and a stolen session widens nothing through any', async () => {
    const { at, ids } = await ready(kind)
    const expected: Record<string, Expected> = expectations(ids, at)
    const routes = adminRoutes(at.broker.ctx)
      .routes.filter(({ path, method }) => !/^(ALL|GET|HEAD)$/.test(method) && !path.includes('*'))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`)
    expect([...new Set(routes)].toSorted()).toEqual(Object.keys(expected).toSorted())

    const order = ['waits', 'own', 'refused', 'less']
    const all = Object.entries(expected).toSorted(
      ([a, one], [b, other]) =>
        Number(a === 'DELETE /admin/session') - Number(b === 'DELETE /admin/session') ||
        order.indexOf(one.what) - order.indexOf(other.what),
    )
    const proposed: string[] = []
    let before = await policyOf(at)
    for (const [route, { what, path, body }] of all) {
      const [method = '', template = ''] = route.split(' ')
      const answer = await at.admin(method, path ?? template, body)
      const said = `${route}: ${answer.status} ${answer.text}`
      if (what === 'refused') expect(answer.status, said).toBeGreaterThanOrEqual(400)
      else expect(answer.status, said).toBeLessThan(300)
      expect('change' in answer.json && answer.status === 202, said).toBe(what === 'waits')
      if (what === 'waits') proposed.push(field(answer, 'change'))
      const after = await policyOf(at)
      if (what !== 'less') expect(after, said).toEqual(before)
      before = after
    }
    expect(proposed).toHaveLength(
      Object.values(expected).filter(({ what }) => what === 'waits').length,
    )
    // Of everything that waits, nothing became policy on its own; what was taken away is gone.
    const after = await at.broker.ctx.realm.refresh()
    expect([...after.environments.keys()].toSorted()).toEqual(['production', 'staging'])
    expect(after.environments.get('production')?.protected).toBe(true)
    expect([...after.agents.keys()]).toEqual(['cursor'])
    expect([...after.connections.keys()]).toEqual(['railway'])
    expect(after.freezes.size).toBe(2)
  })

  test('what was rejected or has expired stays undone', async () => {
    const { at, key } = await ready(kind)
    const propose = (name: string) =>
      at.admin('POST', '/admin/environments', { name, protected: false }).then(changeIn)
    const before = await policyOf(at)
    const refused = await propose('refused')
    expectOk(await at.admin('POST', `/admin/changes/${refused}/reject`, { reason: 'no' }))
    const late = await propose('late')
    await at.broker.ctx.db
      .update(changes)
      .set({ expiresAt: new Date(Date.now() - 1_000) })
      .where(eq(changes.id, late))
    for (const [id, state] of [
      [refused, 'rejected'],
      [late, 'expired'],
    ] as const) {
      const options = await key.post('/console/api/changes/options', await seen(at, [id]))
      expect(options).toMatchObject({ status: 409 })
      expect(expectOk(await at.admin('GET', `/admin/changes/${id}`)).json).toMatchObject({ state })
    }
    expect(await policyOf(at)).toEqual(before)
    const entries = await at.audit('&kind=change')
    expect(entries.map(({ facts }) => facts)).toContainEqual(
      expect.objectContaining({ what: 'change.reject', change: refused }),
    )
  })

  test('it may expire between the look and the touch, or be rejected, and is then not carried out', async () => {
    const { at, key } = await ready(kind)
    const before = await policyOf(at)
    const body = { name: 'lax', protected: false }
    const id = changeIn(await at.admin('POST', '/admin/environments', body))
    const other = changeIn(await at.admin('POST', '/admin/environments', { ...body, name: 'lax2' }))
    const signed = async (key: Key, ids: string[]) => {
      const options = expectOk(await key.post('/console/api/changes/options', await seen(at, ids)))
      return { ids, response: key.authenticator.get(options.json as never) }
    }
    const late = await signed(key, [id])
    await at.broker.ctx.db
      .update(changes)
      .set({ expiresAt: new Date(Date.now() - 1_000) })
      .where(eq(changes.id, id))
    expect(await key.post('/console/api/changes/confirm', late)).toMatchObject({ status: 409 })
    const turned = await signed(key, [other])
    expectOk(await at.admin('POST', `/admin/changes/${other}/reject`, {}))
    expect(await key.post('/console/api/changes/confirm', turned)).toMatchObject({ status: 409 })
    expect(await policyOf(at)).toEqual(before)
  })
})
