import { sql } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import * as schema from '../../src/store/schema.ts'
import { freshStore, stores } from '../support/stores.ts'

describe.each(stores)('a store on %s', (kind) => {
  test('starts with policy at version 1 and an empty audit chain', async () => {
    const { db, run } = await freshStore(kind)
    expect(await db.select().from(schema.policy)).toEqual([{ id: 1, version: 1, reader: 1 }])
    expect(await run('select seq, hash from audit_head where id = $1', [1])).toEqual([
      { seq: 0, hash: '0'.repeat(64) },
    ])
  })

  test('commits a transaction as a whole, or not at all', async () => {
    const { db } = await freshStore(kind)
    const broken = db.transaction(async (tx) => {
      await tx
        .insert(schema.environments)
        .values({ name: 'a', protected: true, createdAt: new Date() })
      throw new Error('on purpose')
    })
    await expect(broken).rejects.toThrow('on purpose')
    expect(await db.select().from(schema.environments)).toEqual([])
    await db.execute(sql`select 1`)
  })
})
