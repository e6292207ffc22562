/** Several edits as one change: all of it or nothing, one touch on the difference of the whole, and no way around either. */
import { describe, expect, test } from 'vitest'
import { type Edits, make } from '../../src/approvals/changes.ts'
import { ChangeWaits } from '../../src/errors.ts'
import { expectOk, type Front, field, front } from '../support/broker.ts'
import { confirm, pageOf, passkey } from '../support/passkey.ts'

const by = { name: 'ada', request: 'req_0123456789abcdef0123456789abcdef' }

const scope = (name: string, allow: string[], environment = 'staging') => ({
  action: 'scope.set' as const,
  params: {
    ...{ name, environment, allow, approve: [], approvers: 1, bound: false, leases: {} },
    ...{ maxTtl: 900, callsPerMinute: null },
  },
})

/** The id of the change that they wait as. */
async function asked(at: Front, edits: Edits): Promise<string> {
  const outcome: unknown = await make(at.broker.ctx, by, 'together', { edits }).catch((e) => e)
  if (outcome instanceof ChangeWaits) return outcome.change.id
  throw outcome
}

async function outcomes(answer: { json: Record<string, unknown> }) {
  // The route's own shape.
  return (answer.json['changes'] as { outcome: string }[]).map(({ outcome }) => outcome)
}

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  test('four edits wait as one, are shown as one difference, and come true with one version and one touch', async () => {
    const at = await front(kind)
    const key = await passkey(at)
    const edits: Edits = [
      { action: 'environment.add', params: { name: 'preview', protected: false } },
      scope('look', ['railway:@read'], 'preview'),
      { action: 'agent.grant', params: { name: 'cursor', scope: 'look' } },
      { action: 'agent.revoke', params: { name: 'cursor', scope: 'work' } },
    ]
    const before = at.broker.ctx.realm.now()
    const id = await asked(at, edits)
    expect(at.broker.ctx.realm.now().environments.has('preview')).toBe(false)
    const shown = expectOk(await at.admin('GET', `/admin/changes/${id}`))
    expect(shown.json).toMatchObject({
      action: 'together',
      diff: {
        added: expect.arrayContaining(['Agent cursor may railway:@read in preview (scope look)']),
        removed: expect.arrayContaining([
          'Agent cursor may railway:@write in staging (scope work)',
        ]),
      },
    })
    expect(await outcomes(expectOk(await confirm(at, key, [id])))).toEqual(['confirmed'])
    const after = at.broker.ctx.realm.now()
    expect(after.version).toBe(before.version + 1)
    expect([...(after.agents.get('cursor')?.scopes ?? [])]).toEqual(['look'])
    const verified = expectOk(await at.admin('GET', '/admin/audit/verification'))
    expect(verified.json).toMatchObject({ ok: true, proofs: 1 })
    const entries = await at.audit('&kind=change')
    const made = entries.filter(({ facts }) => Reflect.get(Object(facts), 'change') === id)
    expect(made.map(({ facts }) => Reflect.get(Object(facts), 'what'))).toEqual([
      ...['agent.revoke', 'agent.grant', 'scope.set', 'environment.add', 'together'],
      'change.propose',
    ])
  })

  test('when one of them cannot be made by then, none is', async () => {
    const at = await front(kind)
    const key = await passkey(at)
    const id = await asked(at, [
      { action: 'environment.add', params: { name: 'preview', protected: false } },
      scope('look', ['railway:@read'], 'preview'),
      {
        action: 'agent.add',
        params: { name: 'helper', scopes: ['look'], credential: { hash: 'none' } },
      },
    ])
    const other = await asked(at, [
      {
        action: 'agent.add',
        params: { name: 'helper', scopes: [], credential: { hash: 'other' } },
      },
    ])
    expect(await outcomes(expectOk(await confirm(at, key, [other])))).toEqual(['confirmed'])
    expect(await outcomes(expectOk(await confirm(at, key, [id])))).toEqual(['failed'])
    const { environments, scopes } = at.broker.ctx.realm.now()
    expect([environments.has('preview'), scopes.has('look')]).toEqual([false, false])
  })
})

test('among edits that only take away, one that gives makes all of them wait', async () => {
  const at = await front()
  await passkey(at)
  const less = { action: 'agent.revoke' as const, params: { name: 'cursor', scope: 'work' } }
  const more = scope('spare', ['railway:@read'])
  await asked(at, [less, more])
  expect(at.broker.ctx.realm.now().agents.get('cursor')?.scopes.size).toBe(1)
  await make(at.broker.ctx, by, 'together', { edits: [less] })
  expect(at.broker.ctx.realm.now().agents.get('cursor')?.scopes.size).toBe(0)
})

test('production laundered into another environment in one change stands in its difference', async () => {
  const at = await front()
  await passkey(at)
  const { json } = expectOk(await at.admin('GET', '/admin/environments/production'))
  // The route's own shape.
  const [binding] = json['bindings'] as [{ id: string; resource: string; place: [] }]
  const { kind, resource, place, label, mode } = Object(binding)
  const id = await asked(at, [
    { action: 'environment.unbind', params: { environment: 'production', id: binding.id } },
    {
      action: 'environment.bind',
      params: {
        ...{ environment: 'staging', connection: 'railway' },
        wanted: [{ kind, resource, place, label, mode }],
      },
    },
  ])
  const shown = expectOk(await at.admin('GET', `/admin/changes/${id}`))
  expect(shown.json['diff']).toEqual({
    added: [
      expect.stringContaining('Environment staging owns environment "acme-rentals/production"'),
    ],
    removed: [
      expect.stringContaining('Environment production owns environment "acme-rentals/production"'),
    ],
  })
})

test('what would do something else by the time of the touch is shown again, and nothing was done', async () => {
  const at = await front()
  const key = await passkey(at)
  const id = await asked(at, [
    scope('work', ['railway:@read', 'railway:Mutation.volumeDelete']),
    { action: 'agent.revoke', params: { name: 'cursor', scope: 'work' } },
  ])
  const other = field(
    await at.admin('POST', '/admin/agents', { name: 'second', scopes: ['work'] }),
    'change',
  )
  expect(await outcomes(expectOk(await confirm(at, key, [other])))).toEqual(['confirmed'])
  expect(await outcomes(expectOk(await confirm(at, key, [id])))).toEqual(['moved'])
  expect(at.broker.ctx.realm.now().agents.get('cursor')?.scopes.size).toBe(1)
  const shown = expectOk(await at.admin('GET', `/admin/changes/${id}`))
  expect(JSON.stringify(shown.json['diff'])).toContain(
    'Agent second may railway:Mutation.volumeDelete in staging',
  )
})

test('the set-up page takes forms of its own session alone, and of an admin', async () => {
  const at = await front()
  const key = await passkey(at)
  for (const path of ['/console/setup/connection', '/console/setup/environments']) {
    const stolen = await at.admin('POST', path, {})
    expect(stolen.status).toBe(403)
    const tokenless = await key.post(path, {})
    expect(tokenless).toMatchObject({ status: 403 })
    expect(await pageOf(at, '')('POST', path, {})).toMatchObject({ status: 303 })
  }
  expect(expectOk(await at.admin('GET', '/admin/changes')).json['changes']).toEqual([])
})
