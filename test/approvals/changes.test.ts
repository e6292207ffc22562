/** Changes through the front door: once there is a passkey, whoever holds a session widens nothing by a detour. Route by route it is tried in every-route.test.ts. */
import { eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { sweep } from '../../src/realm/sweep.ts'
import { changes } from '../../src/store/schema.ts'
import { expectOk, type Front, field, front } from '../support/broker.ts'
import { changeIn, confirm, pageOf, passkey, seen } from '../support/passkey.ts'

const wider = { environment: 'staging', allow: ['railway:@read', 'railway:Mutation.volumeDelete'] }

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  test('what widens waits, is shown as a difference, and is carried out once it is confirmed', async () => {
    const at = await front(kind)
    const key = await passkey(at)
    const before = at.broker.ctx.realm.now().scopes.get('work')
    const id = changeIn(await at.admin('PUT', '/admin/scopes/work', wider))
    expect(at.broker.ctx.realm.now().scopes.get('work')).toEqual(before)
    const shown = expectOk(await at.admin('GET', `/admin/changes/${id}`))
    expect(shown.json['diff']).toMatchObject({
      added: ['Agent cursor may railway:Mutation.volumeDelete in staging (scope work)'],
    })
    expect(expectOk(await confirm(at, key, [id])).json).toEqual({
      changes: [{ id, outcome: 'confirmed' }],
    })
    expect(at.broker.ctx.realm.now().scopes.get('work')?.allow).toHaveLength(2)
    const [entry] = await at.audit('&kind=change')
    expect(entry).toMatchObject({ operator: 'ada', facts: { what: 'scope.set', change: id } })
    expect((await at.admin('GET', '/admin/audit/verification')).json).toMatchObject({
      ok: true,
      proofs: 1,
    })
    expect(await confirm(at, key, [id]).catch((error: Error) => error.message)).toContain('409')
  })
})

test('what only takes away is done at once', async () => {
  const at = await front()
  await passkey(at)
  expect(
    await at.admin('PUT', '/admin/scopes/work', {
      environment: 'staging',
      allow: ['railway:@read'],
    }),
  ).toMatchObject({ status: 200 })
  expect((await at.admin('DELETE', '/admin/agents/cursor/grants/work')).status).toBe(204)
  expect((await at.admin('DELETE', '/admin/agents/cursor')).status).toBe(204)
})

function policyOf({ broker }: Front): unknown {
  const { version: _, notBefore: __, catalogues: ___, ...policy } = broker.ctx.realm.now()
  return policy
}

test('production is not laundered into staging', async () => {
  const at = await front()
  const key = await passkey(at)
  const before = policyOf(at)
  const production = expectOk(await at.admin('GET', '/admin/environments/production'))
  const bindings = production.json['bindings'] as { id: string; mode: string }[]
  for (const { id } of bindings) {
    changeIn(await at.admin('DELETE', `/admin/environments/production/bindings/${id}`))
  }
  expect(
    await at.admin('POST', '/admin/environments/staging/bindings', {
      connection: 'railway',
      own: [{ kind: 'environment', address: 'acme-rentals/production' }],
    }),
  ).toMatchObject({ status: 409 })
  changeIn(await at.admin('DELETE', '/admin/environments/production'))
  expect(policyOf(at)).toEqual(before)
  expect(key.operator).toBe('ada')
})

test('a step of laundering that was confirmed for itself does not carry the next', async () => {
  const at = await front()
  const key = await passkey(at)
  const { json } = expectOk(await at.admin('GET', '/admin/environments/production'))
  const diffOf = async (id: string) =>
    // The route's own shape.
    expectOk(await at.admin('GET', `/admin/changes/${id}`)).json['diff'] as { added: string[] }
  const ask = async (...[method, path, body]: Parameters<Front['admin']>) => {
    const before = policyOf(at)
    const id = changeIn(await at.admin(method, path, body))
    expect(policyOf(at)).toEqual(before)
    return id
  }
  const done = async (id: string) =>
    expect(expectOk(await confirm(at, key, [id])).json).toMatchObject({
      changes: [{ outcome: 'confirmed' }],
    })
  for (const { id } of json['bindings'] as { id: string }[]) {
    await done(await ask('DELETE', `/admin/environments/production/bindings/${id}`))
  }
  const production = { kind: 'environment', address: 'acme-rentals/production' }
  const into = (connection: string) =>
    ask('POST', '/admin/environments/staging/bindings', { connection, own: [production] })
  expect((await diffOf(await into('railway'))).added).toEqual([
    expect.stringMatching(/^Environment staging owns environment "acme-rentals\/production" /),
  ])
  await done(
    await ask('POST', '/admin/connections', {
      ...{ name: 'second', provider: 'railway', base_url: at.railway.url },
      ...{ allow_private: true, secret: at.railway.token },
    }),
  )
  expect((await diffOf(await into('second'))).added).toEqual([
    expect.stringMatching(/^Environment staging owns .* on second$/),
  ])
  await done(await ask('DELETE', '/admin/environments/production'))
  const anew = await ask('POST', '/admin/environments', { name: 'production', protected: false })
  expect((await diffOf(anew)).added).toEqual(['Environment production is unprotected'])
})

test('whoever may decide says no with a console session alone, and nobody else does', async () => {
  const at = await front()
  const key = await passkey(at)
  const id = changeIn(await at.admin('PUT', '/admin/scopes/work', wider))
  const reject = (cookie: string) =>
    pageOf(at, cookie)('POST', '/console/api/changes/reject', { id, reason: 'not now' })
  expect(await reject('')).toMatchObject({ status: 401 })
  expect(await reject(key.cookie)).toMatchObject({ status: 200, json: { state: 'rejected' } })
  expect(await reject(key.cookie)).toMatchObject({ status: 409 })
  expect(await key.post('/console/api/changes/options', await seen(at, [id]))).toMatchObject({
    status: 409,
  })
  expect(at.broker.ctx.realm.now().scopes.get('work')?.version).toBe(1)
})

test('an address that nobody agreed to is sent nothing', async () => {
  const at = await front()
  await passkey(at)
  const received = at.railway.received.length
  changeIn(
    await at.admin('POST', '/admin/connections', {
      name: 'second',
      provider: 'railway',
      base_url: at.railway.url,
      allow_private: true,
      secret: at.railway.token,
    }),
  )
  expect(at.railway.received).toHaveLength(received)
})

test('a signature for other changes, one given twice, and one of an approver confirm nothing', async () => {
  const at = await front()
  const ada = await passkey(at)
  const invited = await at.admin('POST', '/admin/operators/invitations', { role: 'approver' })
  expectOk(await confirm(at, ada, [changeIn(invited)]))
  const bob = await passkey(at, 'bob', field(invited, 'code'))
  const one = changeIn(await at.admin('PUT', '/admin/scopes/work', wider))
  const two = changeIn(
    await at.admin('POST', '/admin/environments', { name: 'lax', protected: false }),
  )
  const before = policyOf(at)
  expect((await bob.post('/console/api/changes/options', await seen(at, [one]))).status).toBe(403)
  const options = expectOk(await ada.post('/console/api/changes/options', await seen(at, [one])))
  const response = ada.authenticator.get(options.json as never)
  for (const ids of [[two], [one, two]]) {
    expect((await ada.post('/console/api/changes/confirm', { ids, response })).status).toBe(403)
  }
  expect((await bob.post('/console/api/changes/confirm', { ids: [one], response })).status).toBe(
    403,
  )
  expect(policyOf(at)).toEqual(before)
  expectOk(await ada.post('/console/api/changes/confirm', { ids: [one], response }))
  expect((await ada.post('/console/api/changes/confirm', { ids: [two], response })).status).toBe(
    403,
  )
  expect(at.broker.ctx.realm.now().environments.has('lax')).toBe(false)
})

test('a change that would do something else by now is not carried out, and shows what it would do', async () => {
  const at = await front()
  expectOk(await at.admin('POST', '/admin/agents', { name: 'eve', scopes: [] }))
  const key = await passkey(at)
  const id = changeIn(await at.admin('PUT', '/admin/scopes/work', wider))
  const other = changeIn(await at.admin('PUT', '/admin/agents/eve/grants/work'))
  expectOk(await confirm(at, key, [other]))
  // Now two agents hold the scope that the first change widens.
  const before = await seen(at, [id])
  expect(expectOk(await confirm(at, key, [id])).json).toMatchObject({
    changes: [{ id, outcome: 'moved' }],
  })
  // A page that was open all the while still shows the first difference: nothing is signed from it.
  const late = await key.post('/console/api/changes/options', before)
  expect(late).toMatchObject({ status: 409, json: { hint: expect.stringContaining('again') } })
  expect((await at.audit('&kind=change'))[0]).toMatchObject({
    outcome: 'waits',
    facts: { what: 'change.moved', change: id },
  })
  expect(at.broker.ctx.realm.now().scopes.get('work')?.allow).not.toHaveLength(0)
  const shown = expectOk(await at.admin('GET', `/admin/changes/${id}`))
  expect(shown.json).toMatchObject({ state: 'pending' })
  expect(JSON.stringify(shown.json['diff'])).toContain('Agent eve may')
  expect(expectOk(await confirm(at, key, [id])).json).toMatchObject({
    changes: [{ outcome: 'confirmed' }],
  })
})

test('an agent that was asked for gets its secret at once, and can use it once it is confirmed', async () => {
  const at = await front()
  const key = await passkey(at)
  const asked = await at.admin('POST', '/admin/agents', { name: 'eve', scopes: ['work'] })
  const id = changeIn(asked)
  const secret = field(asked, 'secret')
  const mint = () =>
    at.agent('/oauth/token', {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`eve:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'work' }),
    })
  expect((await mint()).status).toBe(401)
  expectOk(await confirm(at, key, [id]))
  expect((await mint()).status).toBe(200)
  expect(expectOk(await at.admin('GET', `/admin/changes/${id}`)).text).not.toContain(secret)
})

test('lifting a freeze waits, and adding one does not', async () => {
  const at = await front()
  const key = await passkey(at)
  const frozen = expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' }))
  const id = changeIn(await at.admin('DELETE', `/admin/freezes/${field(frozen, 'id')}`))
  expect(at.broker.ctx.realm.now().freezes.size).toBe(1)
  expectOk(await confirm(at, key, [id]))
  expect(at.broker.ctx.realm.now().freezes.size).toBe(0)
})

test('the log proves by itself which difference was signed, and takes no proof of another', async () => {
  const at = await front()
  const key = await passkey(at)
  const id = changeIn(await at.admin('PUT', '/admin/scopes/work', wider))
  const diff = expectOk(await at.admin('GET', `/admin/changes/${id}`)).json['diff']
  expectOk(await confirm(at, key, [id]))
  const entry = (await at.audit('&kind=change'))[0]?.['facts']
  expect(entry).toMatchObject({ change: id, agreed: { diff } })
  // The shape that was just checked.
  const facts = entry as { agreed: object }
  const verified = async () =>
    expectOk(await at.admin('GET', '/admin/audit/verification')).json as {
      ok: boolean
      proofs: number
      problems: unknown[]
    }
  expect(await verified()).toMatchObject({ ok: true, proofs: 1 })
  const forged = [
    { ...facts, change: 'chg_00000000000000000000000000000000' },
    { ...facts, what: 'operator.invite' },
    { ...facts, agreed: { ...facts.agreed, diff: { added: [], removed: [] } } },
    { ...facts, agreed: undefined },
  ]
  for (const { agreed, ...rest } of forged) {
    await at.broker.ctx.journal.append({
      ...{ kind: 'change', operator: 'ada', outcome: 'ok' },
      facts: { ...rest, ...(agreed === undefined ? {} : { agreed }) },
    })
  }
  const { ok, proofs, problems } = await verified()
  expect({ ok, proofs, problems: problems.length }).toEqual({ ok: false, proofs: 1, problems: 4 })
})

test('what is always asked is asked even where nothing would change', async () => {
  const at = await front()
  await passkey(at)
  const id = changeIn(
    await at.admin('PATCH', '/admin/environments/production', { protected: true }),
  )
  expect(expectOk(await at.admin('GET', `/admin/changes/${id}`)).json).toMatchObject({
    diff: { added: [], removed: [] },
  })
})

test('of a change that was decided, or that nobody decided, no secret is kept', async () => {
  const at = await front()
  const { db, keyring } = at.broker.ctx
  const key = await passkey(at)
  const ask = async (name: string) =>
    changeIn(
      await at.admin('POST', '/admin/connections', {
        ...{ name, provider: 'railway', base_url: at.railway.url },
        ...{ allow_private: true, secret: at.railway.token },
      }),
    )
  const [made, refused, late, waits] = [
    await ask('made'),
    await ask('refused'),
    await ask('late'),
    await ask('waits'),
  ]
  const sealedIn = async (id: string) => {
    const [row] = await db.select().from(changes).where(eq(changes.id, id))
    return row === undefined ? 'gone' : (await keyring.open(`changes/${id}`, row.params)).reveal()
  }
  expect(await sealedIn(made)).toContain(at.railway.token)
  expectOk(await confirm(at, key, [made]))
  expectOk(await at.admin('POST', `/admin/changes/${refused}/reject`, {}))
  const longAgo = new Date(Date.now() - 2 * 3_600_000)
  await db.update(changes).set({ expiresAt: longAgo }).where(eq(changes.id, late))
  await sweep(db)
  expect(await Promise.all([made, refused, late].map(sealedIn))).toEqual(['null', 'null', 'gone'])
  expect(await sealedIn(waits)).toContain(at.railway.token)
})
