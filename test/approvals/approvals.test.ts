/** Approvals through the front door: one exact request, approved with a passkey, executed once; and every way to cheat. */
import { describe, expect, test } from 'vitest'
import { type Answer, expectOk, field, front } from '../support/broker.ts'
import { changeIn, confirm, passkey } from '../support/passkey.ts'
import { approve, livesOnlyInStaging, type Ready, ready, remove } from '../support/risky.ts'

function approvalIn(answer: Answer): string {
  expect(answer).toMatchObject({ status: 403, json: { code: 'approval-required' } })
  // The problem document's own shape.
  return (answer.json['approval'] as { id: string }).id
}

const again = (
  { at, capability, volume }: Ready,
  id: string,
  { query = remove, variables = { v: volume } as Record<string, unknown>, headers = {} } = {},
) => at.call(capability, query, variables, { 'valetkey-approval': id, ...headers })

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  test('what was approved is executed once, and its answer can be fetched again', async () => {
    const its = await ready(kind)
    const { at, key, capability, volume } = its
    const first = await at.call(capability, remove, { v: volume })
    const id = approvalIn(first)
    expect(approvalIn(await at.call(capability, remove, { v: volume }))).toBe(id)
    expect(at.carriedOut()).toEqual([])

    expect(await again(its, id)).toMatchObject({ status: 403, json: { code: 'approval-required' } })
    expectOk(await approve(key, id))
    const poll = await at.agent(`/v1/approvals/${id}?wait=5`, {
      headers: { authorization: `Bearer ${capability}` },
    })
    expect(poll.json).toMatchObject({ state: 'approved' })
    const done = await again(its, id)
    expect(done).toMatchObject({ status: 200, json: { data: { volumeDelete: true } } })
    expect(at.carriedOut()).toEqual(['Mutation.volumeDelete'])

    expect(await again(its, id)).toMatchObject({
      status: 403,
      json: { code: 'resource-unresolved' },
    })
    expect(at.carriedOut()).toEqual([])
    const outcome = await at.agent(`/v1/approvals/${id}`, {
      headers: { authorization: `Bearer ${capability}` },
    })
    expect(outcome.json).toMatchObject({
      state: 'used',
      outcome: { known: true, status: 200, body: done.text },
    })
    const production = await at.capability({ scope: 'elsewhere' })
    const elsewhere = await at.agent(`/v1/approvals/${id}`, {
      headers: { authorization: `Bearer ${production}` },
    })
    expect(elsewhere.json).toMatchObject({ code: 'not-found' })
    const entries = await at.audit('&kind=approval')
    expect(entries).toHaveLength(1)
  })
})

test('the broker executes what was approved for an agent that does not wait', async () => {
  const { at, key, capability, volume } = await ready()
  const asked = await at.call(capability, remove, { v: volume }, { prefer: 'respond-async' })
  expect(asked).toMatchObject({ status: 202, json: { approval: { deferred: true } } })
  const { id } = asked.json['approval'] as { id: string }
  expectOk(await approve(key, id))
  const outcome = await at.agent(`/v1/approvals/${id}?wait=20`, {
    headers: { authorization: `Bearer ${capability}` },
  })
  expect(outcome.json).toMatchObject({ state: 'used', outcome: { known: true, status: 200 } })
  expect(at.carriedOut()).toEqual(['Mutation.volumeDelete'])
})

test('an approval fits one request: another id, another operation, another form of it are another', async () => {
  const its = await ready()
  const { at, key, capability, volume } = its
  const id = approvalIn(await at.call(capability, remove, { v: volume }))
  expectOk(await approve(key, id))
  const answer = await again(its, id, {
    query: 'mutation($v: String!) { other: volumeDelete(volumeId: $v) }',
  })
  expect(answer).toMatchObject({ status: 403, json: { code: 'approval-mismatch' } })
  const twice = await at.call(
    capability,
    remove,
    { v: volume },
    {
      'valetkey-approval': `${id}, ${id}`,
    },
  )
  expect(twice).toMatchObject({ status: 400, json: { code: 'malformed-request' } })
  expect(at.carriedOut()).toEqual([])
  // The same, spelled otherwise, is the same.
  const same = await again(its, id, {
    query: `mutation ( $v : String! ) {\n  volumeDelete(volumeId: $v)\n}`,
  })
  expect(same).toMatchObject({ status: 200 })
  expect(at.carriedOut()).toEqual(['Mutation.volumeDelete'])
})

test('forged, foreign and unverified assertions approve nothing, and neither does a command line', async () => {
  const { at, key, capability, volume } = await ready()
  const id = approvalIn(await at.call(capability, remove, { v: volume }))
  for (const how of [
    { origin: 'https://evil.example' },
    { rpId: 'evil.example' },
    { userVerified: false },
  ]) {
    expect(await approve(key, id, how)).toMatchObject({ status: 403, json: { code: 'forbidden' } })
  }
  const cli = await at.admin('POST', `/console/api/approvals/${id}/options`, {})
  expect([401, 403]).toContain(cli.status)
  expect(
    await at.agent(`/v1/approvals/${id}`, { headers: { authorization: `Bearer ${capability}` } }),
  ).toMatchObject({ json: { state: 'pending' } })
  expect(at.carriedOut()).toEqual([])
})

test('an assertion for one approval is none for another, and none twice', async () => {
  const { at, key, capability, volume } = await ready()
  const id = approvalIn(await at.call(capability, remove, { v: volume }))
  const id2 = approvalIn(
    await at.call(capability, 'mutation($v: String!) { again: volumeDelete(volumeId: $v) }', {
      v: volume,
    }),
  )
  const options = expectOk(await key.post(`/console/api/approvals/${id}/options`))
  const response = key.authenticator.get(options.json as never)
  expect(await key.post(`/console/api/approvals/${id2}/approve`, { response })).toMatchObject({
    status: 403,
  })
  expectOk(await key.post(`/console/api/approvals/${id}/approve`, { response }))
  expect((await key.post(`/console/api/approvals/${id}/approve`, { response })).status).toBe(403)
})

test('what was denied, what has expired, and what no longer stands is not executed', async () => {
  const its = await ready()
  const { at, key, capability, volume } = its
  const denied = approvalIn(await at.call(capability, remove, { v: volume }))
  expectOk(await key.post(`/console/api/approvals/${denied}/deny`, { reason: 'not today' }))
  expect(await again(its, denied)).toMatchObject({ status: 403, json: { code: 'approval-denied' } })

  const moved = approvalIn(await at.call(capability, remove, { v: volume }))
  expectOk(await approve(key, moved))
  const production = at.railway.world.environments.find(({ name }) => name === 'production')
  const [instance] = at.railway.world.volumeInstances.filter(({ volumeId }) => volumeId === volume)
  if (production === undefined || instance === undefined) throw new Error('no production')
  at.railway.world.volumeInstances.push({
    ...instance,
    id: crypto.randomUUID(),
    environmentId: production.id,
  })
  expect(await again(its, moved)).toMatchObject({
    status: 403,
    json: { code: 'outside-environment', found: 'production' },
  })
  at.railway.world.volumeInstances.pop()
  expect(await again(its, moved)).toMatchObject({ status: 403, json: { code: 'approval-void' } })
  expect(at.carriedOut()).toEqual([])
})

test('two operators are asked where a scope wants two, and one alone is not enough twice', async () => {
  const at = await front()
  expectOk(
    await at.admin('PUT', '/admin/scopes/risky', {
      environment: 'staging',
      allow: ['railway:@read', 'railway:Mutation.volumeDelete'],
      approve: ['railway:Mutation.volumeDelete'],
      approvers: 2,
    }),
  )
  expectOk(await at.admin('PUT', '/admin/agents/cursor/grants/risky'))
  const ada = await passkey(at)
  const invited = await at.admin('POST', '/admin/operators/invitations', { role: 'approver' })
  expectOk(await confirm(at, ada, [changeIn(invited)]))
  const bob = await passkey(at, 'bob', field(invited, 'code'))
  const capability = await at.capability({ scope: 'risky' })
  const volume = at.railway.world.volumes.find(({ id }) => livesOnlyInStaging(at, id))?.id ?? ''
  const id = approvalIn(await at.call(capability, remove, { v: volume }))
  expectOk(await approve(ada, id))
  expect(await approve(ada, id)).toMatchObject({ status: 409 })
  const its = { at, key: ada, capability, volume, other: volume }
  expect(await again(its, id)).toMatchObject({ status: 403, json: { code: 'approval-required' } })
  expectOk(await approve(bob, id))
  expect(await again(its, id)).toMatchObject({ status: 200 })
  expect(at.carriedOut()).toEqual(['Mutation.volumeDelete'])
})

test('a yes is worth nothing once its passkey or its operator is gone', async () => {
  const its = await ready()
  const { at, key, capability, volume } = its
  const invited = await at.admin('POST', '/admin/operators/invitations', { role: 'approver' })
  expectOk(await confirm(at, key, [changeIn(invited)]))
  const bob = await passkey(at, 'bob', field(invited, 'code'))
  const first = approvalIn(await at.call(capability, remove, { v: volume }))
  expectOk(await approve(bob, first))
  const lost = `/console/api/passkeys/${bob.authenticator.id}`
  expectOk(await bob.touch(`${lost}/assertion`, lost, { method: 'DELETE' }))
  expect(await again(its, first)).toMatchObject({ status: 403, json: { code: 'approval-void' } })

  const removed = await at.admin('DELETE', '/admin/operators/bob')
  expectOk(await confirm(at, key, [changeIn(removed)]))
  const anew = await at.admin('POST', '/admin/operators/invitations', { role: 'approver' })
  expectOk(await confirm(at, key, [changeIn(anew)]))
  await passkey(at, 'bob', field(anew, 'code'))
  expect(await again(its, first)).toMatchObject({ status: 403, json: { code: 'approval-void' } })
  expect(at.carriedOut()).toEqual([])
})
