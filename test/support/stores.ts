/** A migrated, empty store for whoever asks, of either kind. Closed after the file that asked. */
import { randomUUID } from 'node:crypto'
import postgres from 'postgres'
import { inject } from 'vitest'
import type { Store } from '../../src/store/open.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { closeLater } from './closing.ts'
import { filesAfter, storeInMemory } from './image.ts'

export const stores = ['embedded', 'postgres'] as const
export type StoreKind = (typeof stores)[number]

export async function freshStore(kind: StoreKind): Promise<Store> {
  const store =
    kind === 'embedded' ? await storeInMemory() : await openPostgres(await freshDatabase())
  closeLater(() => store.close())
  return store
}

/** The address of a database of one's own on the shared PostgreSQL: migrated, unless it is to be empty. */
export async function freshDatabase(template = 'migrated'): Promise<string> {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const sql = postgres(`${inject('cluster')}/postgres`, { max: 1, onnotice: () => {} })
  await sql`create database ${sql(name)} template ${sql(template)}`
  await sql.end()
  return `${inject('cluster')}/${name}`
}

type Make<T> = (store: Store) => Promise<T>

/** A store as `make` leaves it: made once in each worker and for each kind, then copied. */
export function storesAfter<T>(
  make: Make<T>,
): (kind: StoreKind) => Promise<{ store: Store; made: T }> {
  const once = {
    embedded: memoized(async () => {
      const { made, files } = await filesAfter(make)
      return { made, open: () => storeInMemory(files) }
    }),
    postgres: memoized(async () => {
      const { made, name } = await databaseAfter(make)
      return { made, open: async () => openPostgres(await freshDatabase(name)) }
    }),
  }
  return async (kind) => {
    const { made, open } = await once[kind]()
    const store = await open()
    closeLater(() => store.close())
    return { store, made }
  }
}

function memoized<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** The name of a database for others to be made from. */
async function databaseAfter<T>(make: Make<T>): Promise<{ made: T; name: string }> {
  const url = await freshDatabase()
  const store = await openPostgres(url)
  const made = await make(store)
  await store.close()
  return { made, name: new URL(url).pathname.slice(1) }
}
