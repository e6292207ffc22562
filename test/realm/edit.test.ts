import { desc } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { changeBy, edit } from '../../src/realm/edit.ts'
import {
  addEnvironment,
  listEnvironments,
  removeEnvironment,
  setProtected,
} from '../../src/realm/environments.ts'
import { setScope } from '../../src/realm/scopes.ts'
import type { Db } from '../../src/store/open.ts'
import { auditEntries, bindings, environments } from '../../src/store/schema.ts'
import { stores } from '../support/stores.ts'
import { addConnectionRow, by, editing } from './editing.ts'

async function lastEntry(db: Db): Promise<{ seq: number; body: unknown }> {
  const [row] = await db.select().from(auditEntries).orderBy(desc(auditEntries.seq)).limit(1)
  if (row === undefined) throw new Error('the audit log is empty')
  return { seq: row.seq, body: JSON.parse(row.body) }
}

describe.each(stores)('on %s', (kind) => {
  test('an edit commits with a new version and an entry that says who, what, before and after', async () => {
    const ctx = await editing(kind)
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    await setProtected(ctx, by, { name: 'staging', protected: false })
    expect((await lastEntry(ctx.db)).body).toMatchObject({
      kind: 'change',
      operator: 'ada',
      request: 'req_1',
      environment: 'staging',
      facts: {
        what: 'environment.set',
        before: { name: 'staging', protected: true },
        after: { name: 'staging', protected: false },
        policy_version: ctx.realm.now().version,
      },
    })
  })

  test('an edit that fails leaves neither a change, nor a version, nor an entry', async () => {
    const ctx = await editing(kind)
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    const { version } = ctx.realm.now()
    const { seq } = await lastEntry(ctx.db)
    const failing = edit(ctx, changeBy(by, 'environment.add', {}), async (tx) => {
      await tx
        .insert(environments)
        .values({ name: 'ghost', protected: true, createdAt: new Date() })
      throw new Error('changed my mind')
    })
    await expect(failing).rejects.toThrow('changed my mind')
    expect((await ctx.realm.refresh()).version).toBe(version)
    expect((await lastEntry(ctx.db)).seq).toBe(seq)
    expect((await listEnvironments(ctx)).map((row) => row.name)).toEqual(['staging'])
  })

  test('edits at the same time each get a version of their own', async () => {
    const ctx = await editing(kind)
    const before = ctx.realm.now().version
    const names = ['one', 'two', 'three', 'four', 'five']
    await Promise.all(names.map((name) => addEnvironment(ctx, by, { name, protected: true })))
    const policy = ctx.realm.now()
    expect([...policy.environments.keys()].sort()).toEqual([...names].sort())
    expect(policy.version).toBe(before + names.length)
  })

  test('one name is one environment', async () => {
    const ctx = await editing(kind)
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    const again = addEnvironment(ctx, by, { name: 'staging', protected: false })
    await expect(again).rejects.toMatchObject({ code: 'conflict' })
    expect(ctx.realm.now().environments.get('staging')?.protected).toBe(true)
  })

  test('removing an environment says what went with it, and voids the capabilities of its scopes', async () => {
    const ctx = await editing(kind)
    await addConnectionRow(ctx.db, 'railway')
    await addEnvironment(ctx, by, { name: 'staging', protected: true })
    await setScope(ctx, by, {
      name: 'deploy',
      environment: 'staging',
      allow: ['railway:Query.*'],
      maxTtl: 900,
      callsPerMinute: null,
      approve: [],
      approvers: 1,
      bound: false,
      leases: {},
    })
    await ctx.db.insert(bindings).values({
      id: 'bnd_1',
      environment: 'staging',
      connection: 'railway',
      provider: 'railway',
      mode: 'owns',
      kind: 'environment',
      resource: 'e1',
      place: [{ kind: 'environment', id: 'e1' }],
      label: 'acme/staging',
      createdAt: new Date(),
    })
    const lost = await removeEnvironment(ctx, by, 'staging')
    expect(lost).toEqual({ bindings: ['owns environment=acme/staging'], scopes: ['deploy'] })
    const policy = ctx.realm.now()
    expect([policy.environments.size, policy.scopes.size, policy.bindings.length]).toEqual([
      0, 0, 0,
    ])
    const capability = {
      jti: 'cap',
      agent: 'cursor',
      environment: 'staging',
      scopes: ['deploy'],
      details: [],
      issuedAt: 0,
      expiresAt: 0,
    }
    expect(policy.notBefore(capability, 'railway')).toBeGreaterThan(Date.now() / 1000 - 60)
    expect((await lastEntry(ctx.db)).body).toMatchObject({
      facts: { before: { bindings: lost.bindings, scopes: ['deploy'] } },
    })
  })
})
