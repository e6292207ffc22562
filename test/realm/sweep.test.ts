import { describe, expect, test } from 'vitest'
import { sweep } from '../../src/realm/sweep.ts'
import {
  approvals,
  capabilities,
  challenges,
  changes,
  enrolments,
  operators,
  revocations,
  sessions,
  signIns,
} from '../../src/store/schema.ts'
import { freshStore, stores } from '../support/stores.ts'

const hour = 3_600_000

describe.each(stores)('on %s', (kind) => {
  test('what expired long ago goes, and what could still be presented stays', async () => {
    const { db } = await freshStore(kind)
    const at = (hours: number) => new Date(Date.now() + hours * hour)
    const issuedAt = at(-30)
    await db
      .insert(operators)
      .values({ name: 'ada', role: 'admin', passphrase: 'hash', createdAt: issuedAt })
    const age = { gone: -25, recent: -0.5, alive: 1 }
    for (const [name, hours] of Object.entries(age)) {
      const expiresAt = at(hours)
      await db.insert(revocations).values({ jti: name, expiresAt, revokedAt: issuedAt })
      await db.insert(enrolments).values({ codeHash: name, role: 'admin', expiresAt })
      await db
        .insert(challenges)
        .values({ challenge: name, purpose: 'sign-in', operator: null, facts: {}, expiresAt })
      await db
        .insert(signIns)
        .values({ id: name, userCode: name, address: '::1', createdAt: issuedAt, expiresAt })
      await db.insert(capabilities).values({
        jti: name,
        agent: 'cursor',
        environment: 'staging',
        scopes: [],
        issuedAt,
        expiresAt,
      })
      await db.insert(sessions).values({
        id: name,
        operator: 'ada',
        tokenHash: name,
        createdAt: issuedAt,
        lastUsedAt: issuedAt,
        expiresAt,
      })
    }
    await sweep(db)
    const left = [
      (await db.select({ name: revocations.jti }).from(revocations)).map((row) => row.name),
      (await db.select({ name: enrolments.codeHash }).from(enrolments)).map((row) => row.name),
      (await db.select({ name: capabilities.jti }).from(capabilities)).map((row) => row.name),
      (await db.select({ name: sessions.id }).from(sessions)).map((row) => row.name),
      (await db.select({ name: challenges.challenge }).from(challenges)).map((row) => row.name),
      (await db.select({ name: signIns.id }).from(signIns)).map((row) => row.name),
    ]
    for (const names of left) expect(names.sort()).toEqual(['alive', 'recent'])
  })

  test('what an approval keeps of a call goes after a day, and all of it after a month', async () => {
    const { db } = await freshStore(kind)
    const at = (hours: number) => new Date(Date.now() + hours * hour)
    const row = (id: string, expiresAt: Date) => ({
      ...{ id, agent: 'cursor', environment: 'staging', connection: 'railway' },
      ...{ operation: id, effect: 'destructive', digest: id, request: id, reason: null },
      ...{ state: 'used' as const, capability: {}, shown: {}, deferred: false, approvers: 1 },
      ...{ call: 'sealed', outcome: 'sealed', createdAt: expiresAt, expiresAt },
    })
    await db
      .insert(approvals)
      .values([row('fresh', at(-1)), row('old', at(-25)), row('ancient', at(-24 * 31))])
    await db.insert(approvals).values({ ...row('untold', at(-25)), outcome: null })
    await sweep(db)
    const { id, call, outcome } = approvals
    expect(await db.select({ id, call, outcome }).from(approvals).orderBy(id)).toEqual([
      { id: 'fresh', call: 'sealed', outcome: 'sealed' },
      { id: 'old', call: '', outcome: '' },
      { id: 'untold', call: '', outcome: null },
    ])
  })

  test('a change that was decided goes after a month, one that nobody decided after an hour', async () => {
    const { db } = await freshStore(kind)
    const at = (hours: number) => new Date(Date.now() + hours * hour)
    const row = (id: string, state: 'pending' | 'confirmed', expiresAt: Date) => ({
      ...{ id, state, action: 'scope.set', params: 'sealed', proposedBy: 'ada', version: 1 },
      ...{ diff: {}, createdAt: expiresAt, expiresAt },
    })
    await db
      .insert(changes)
      .values([
        row('waits', 'pending', at(1)),
        row('late', 'pending', at(-2)),
        row('done', 'confirmed', at(-24 * 29)),
        row('long ago', 'confirmed', at(-24 * 31)),
      ])
    await sweep(db)
    const left = await db.select({ id: changes.id }).from(changes).orderBy(changes.id)
    expect(left.map(({ id }) => id)).toEqual(['done', 'waits'])
  })

  test('more than one batch is swept at once', async () => {
    const { db } = await freshStore(kind)
    const expiresAt = new Date(Date.now() - 3 * hour)
    const many = Array.from({ length: 4_500 }, (_, i) => ({
      jti: `cap_${i}`,
      expiresAt,
      revokedAt: expiresAt,
    }))
    await db.insert(revocations).values(many)
    await sweep(db)
    expect(await db.$count(revocations)).toBe(0)
  })
})
