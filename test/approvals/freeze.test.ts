/** A freeze suspends what waits for a human and cuts what the broker executes for an agent; once it is lifted, each goes on once. */
import { expect, test } from 'vitest'
import { type Answer, expectOk, type Front, field, front } from '../support/broker.ts'
import { confirm, type Key, passkey } from '../support/passkey.ts'

const remove = 'mutation($v: String!) { volumeDelete(volumeId: $v) }'

async function ready() {
  const at = await front()
  expectOk(
    await at.admin('PUT', '/admin/scopes/risky', {
      environment: 'staging',
      allow: ['railway:Mutation.volumeDelete'],
      approve: ['railway:@destructive'],
    }),
  )
  expectOk(await at.admin('PUT', '/admin/agents/cursor/grants/risky'))
  const key = await passkey(at)
  const { environments, volumeInstances } = at.railway.world
  const staging = environments.find(({ name }) => name === 'staging')?.id
  const outside = new Set(
    volumeInstances.flatMap((one) => (one.environmentId === staging ? [] : [one.volumeId])),
  )
  const volume = volumeInstances.find(({ volumeId }) => !outside.has(volumeId))?.volumeId
  return { at, key, capability: await at.capability({ scope: 'risky' }), volume: { v: volume } }
}

function approvalIn(answer: Answer): string {
  expect(answer.json).toMatchObject({ code: 'approval-required' })
  // The problem document's own shape.
  return (answer.json['approval'] as { id: string }).id
}

const approve = async (key: Key, id: string) =>
  expectOk(
    await key.touch(`/console/api/approvals/${id}/options`, `/console/api/approvals/${id}/approve`),
  )

const freeze = async (at: Front) =>
  field(expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' })), 'id')

/** With a touch: it gives authority back. */
async function lift(at: Front, key: Key, id: string): Promise<void> {
  const asked = expectOk(await at.admin('DELETE', `/admin/freezes/${id}`))
  if (asked.status !== 202) return
  expectOk(await confirm(at, key, [field(asked, 'change')]))
}

test('what was approved is not spent while its agent is frozen, and is once it is not', async () => {
  const { at, key, capability, volume } = await ready()
  const id = approvalIn(await at.call(capability, remove, volume))
  await approve(key, id)
  const stop = await freeze(at)
  const again = () => at.call(capability, remove, volume, { 'valetkey-approval': id })
  expect((await again()).json).toMatchObject({ code: 'frozen' })
  expect(at.carriedOut()).toEqual([])
  await lift(at, key, stop)
  expect((await again()).json).toEqual({ data: { volumeDelete: true } })
  expect(at.carriedOut()).toEqual(['Mutation.volumeDelete'])
})

test('what the broker executes waits too, and is done once when the freeze is lifted', async () => {
  const { at, key, capability, volume } = await ready()
  const asks = await at.call(capability, remove, volume, { prefer: 'respond-async' })
  const id = approvalIn(asks)
  const stop = await freeze(at)
  await approve(key, id)
  const state = async () => {
    const found = await at.admin('GET', `/admin/approvals/${id}`)
    return found.json['state']
  }
  await expect.poll(async () => (await at.audit('&outcome=frozen')).length).toBeGreaterThan(0)
  expect(await state()).toBe('approved')
  expect(at.carriedOut()).toEqual([])
  await lift(at, key, stop)
  await expect.poll(state).toBe('used')
  // It is spent before the call leaves.
  await expect.poll(() => at.carriedOut()).toEqual(['Mutation.volumeDelete'])
})

test('what the broker executes is cut, with its outcome unknown', async () => {
  const { at, key, capability, volume } = await ready()
  const asks = await at.call(capability, remove, volume, { prefer: 'respond-async' })
  at.railway.faults.onlyRoots = ['volumeDelete']
  at.railway.faults.hang = true
  await approve(key, approvalIn(asks))
  await expect.poll(() => at.carriedOut()).toEqual(['Mutation.volumeDelete'])
  await freeze(at)
  await expect
    .poll(async () => (await at.audit('&kind=outcome&operation=Mutation.volumeDelete'))[0])
    .toMatchObject({ outcome: 'unknown', facts: { code: 'frozen' } })
})
