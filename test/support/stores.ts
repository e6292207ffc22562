/** A migrated, empty store for whoever asks, of either kind. Closed after the file that asked. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { inject } from 'vitest'
import type { Store } from '../../src/store/open.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { closeLater } from './closing.ts'
import { storeInMemory } from './image.ts'

export const stores = ['embedded', 'postgres'] as const
export type StoreKind = (typeof stores)[number]

export async function freshStore(kind: StoreKind): Promise<Store> {
  const store =
    kind === 'embedded' ? await storeInMemory() : await openPostgres(await freshDatabase())
  closeLater(() => store.close())
  return store
}

/** The address of a database of one's own on the shared PostgreSQL: migrated, unless it is to be empty. */
export async function freshDatabase(
  template: 'migrated' | 'template0' = 'migrated',
): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const sql = postgres(`${inject('cluster')}/postgres`, { max: 1, onnotice: () => {} })
  await sql`create database ${sql(name)} template ${sql(template)}`
  await sql.end()
  return `${inject('cluster')}/${name}`
}
