/** A migrated, empty store for whoever asks, of either kind. Closed after the file that asked. */
import { randomUUID } from 'node:crypto'
import { openAsBlob } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import postgres from 'postgres'
import { afterAll, inject } from 'vitest'
import { embeddedStore, startParams } from '../../src/store/embedded.ts'
import type { Store } from '../../src/store/open.ts'
import { openPostgres } from '../../src/store/postgres.ts'

export const stores = ['embedded', 'postgres'] as const
export type StoreKind = (typeof stores)[number]

const opened: Store[] = []

afterAll(async () => {
  await Promise.all(opened.splice(0).map((store) => store.close()))
})

export async function freshStore(kind: StoreKind): Promise<Store> {
  const store =
    kind === 'embedded' ? await freshEmbedded() : await openPostgres(await freshDatabase())
  opened.push(store)
  return store
}

/** In memory: the same engine and settings, without the disk. */
async function freshEmbedded(): Promise<Store> {
  const loadDataDir = await openAsBlob(inject('image'))
  return embeddedStore(await PGlite.create({ loadDataDir, startParams }))
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
