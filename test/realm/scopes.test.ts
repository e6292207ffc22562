import { describe, expect, test } from 'vitest'
import { changeBy, edit } from '../../src/realm/edit.ts'
import { addEnvironment } from '../../src/realm/environments.ts'
import { removeScope, type ScopeSetting, setScope, showScope } from '../../src/realm/scopes.ts'
import { agents, grants, policy } from '../../src/store/schema.ts'
import { stores } from '../support/stores.ts'
import { addConnectionRow, by, editing } from './editing.ts'

const setting: ScopeSetting = {
  name: 'deploy',
  environment: 'staging',
  allow: ['railway:Query.*'],
  maxTtl: 900,
  callsPerMinute: null,
  approve: [],
  approvers: 1,
  bound: false,
  leases: {},
}

async function withStaging(kind: (typeof stores)[number]) {
  const ctx = await editing(kind)
  await addConnectionRow(ctx.db, 'railway')
  await addEnvironment(ctx, by, { name: 'staging', protected: true })
  await addEnvironment(ctx, by, { name: 'production', protected: true })
  return ctx
}

describe.each(stores)('on %s', (kind) => {
  test('setting a scope replaces it whole and counts its version up', async () => {
    const ctx = await withStaging(kind)
    await setScope(ctx, by, { ...setting, callsPerMinute: 10 })
    await setScope(ctx, by, { ...setting, allow: ['railway:@read', 'railway:@read'], maxTtl: 60 })
    expect(ctx.realm.now().scopes.get('deploy')).toEqual({
      name: 'deploy',
      environment: 'staging',
      version: 2,
      allow: [{ connection: 'railway', pattern: { form: 'effect', effect: 'read' } }],
      maxTtl: 60,
      callsPerMinute: null,
      approve: [],
      approvers: 1,
      bound: false,
      leases: {},
    })
  })

  test.each([
    ['railway:@destructive', /must be named exactly/],
    ['Query.project', /connection:operation/],
    ['railway:Query.*;*', /is no glob/],
  ])('%s is no pattern, and the refusal says why', async (source, why) => {
    const ctx = await withStaging(kind)
    const wrong = setScope(ctx, by, { ...setting, allow: ['railway:Query.*', source] })
    await expect(wrong).rejects.toMatchObject({
      code: 'malformed-request',
      message: expect.stringMatching(why),
    })
    expect(ctx.realm.now().scopes.size).toBe(0)
  })

  test('a pattern of a connection that is not there is refused, naming those that are', async () => {
    const ctx = await withStaging(kind)
    await addConnectionRow(ctx.db, 'another')
    const wrong = setScope(ctx, by, { ...setting, allow: ['raillway:Query.*'] })
    await expect(wrong).rejects.toMatchObject({
      code: 'malformed-request',
      facts: { hint: 'There are: another, railway.' },
    })
  })

  test('a scope that demands a key is for replicas that know what one is', async () => {
    const ctx = await withStaging(kind)
    const reader = async () => (await ctx.db.select().from(policy))[0]?.reader
    await setScope(ctx, by, setting)
    const before = await reader()
    await setScope(ctx, by, { ...setting, bound: true })
    expect(await reader()).toBe(3)
    expect(before).toBeLessThan(3)
  })

  test('a scope never moves to another environment', async () => {
    const ctx = await withStaging(kind)
    await setScope(ctx, by, setting)
    const moved = setScope(ctx, by, { ...setting, environment: 'production' })
    await expect(moved).rejects.toMatchObject({
      code: 'conflict',
      facts: { environment: 'staging' },
    })
    expect((await showScope(ctx.db, 'deploy')).environment).toBe('staging')
  })

  test('removing a scope takes it from every agent and names them', async () => {
    const ctx = await withStaging(kind)
    await setScope(ctx, by, setting)
    await edit(ctx, changeBy(by, 'agent.add', {}), async (tx) => {
      await tx.insert(agents).values({ name: 'cursor', createdAt: new Date() })
      await tx.insert(grants).values({ agent: 'cursor', scope: 'deploy' })
    })
    expect([...(ctx.realm.now().agents.get('cursor')?.scopes ?? [])]).toEqual(['deploy'])
    expect(await removeScope(ctx, by, 'deploy')).toEqual(['cursor'])
    expect(ctx.realm.now().agents.get('cursor')?.scopes.size).toBe(0)
    await expect(removeScope(ctx, by, 'deploy')).rejects.toMatchObject({ code: 'not-found' })
  })
})
