/** Embedded databases, made as the product makes them, for tests to start from: on the disk or in memory. Never changed once they are made. */
import { readdirSync, readFileSync } from 'node:fs'
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { inject } from 'vitest'
import { embeddedStore } from '../../src/store/embedded.ts'
import { openInMemory } from '../../src/store/engine.ts'
import type { Image } from '../../src/store/image.ts'
import { openStore, type Store } from '../../src/store/open.ts'
import { folder } from './folder.ts'

/** Without what nobody connects to or reads again, which is most of it. */
export async function makeImage(directory: string): Promise<void> {
  const store = await openStore({ kind: 'embedded', directory })
  const unused = await store.run<{ oid: number }>(
    'select oid::int as oid from pg_database where datname <> current_database()',
    [],
  )
  await closeSmall(store, directory)
  await Promise.all(
    unused.map(({ oid }) => rm(join(directory, 'pg', 'base', String(oid)), { recursive: true })),
  )
}

/** Without the logs that nobody reads again. */
async function closeSmall(store: Store, directory: string): Promise<void> {
  await store.run('select pg_switch_wal()', [])
  await store.run('checkpoint', [])
  const [log] = await store.run<{ name: string }>(
    'select pg_walfile_name(pg_current_wal_lsn()) as name',
    [],
  )
  await store.close()
  const logs = join(directory, 'pg', 'pg_wal')
  const old = (await readdir(logs)).filter((name) => /^[0-9A-F]{24}$/.test(name))
  await Promise.all(old.filter((name) => name !== log?.name).map((name) => rm(join(logs, name))))
}

/** A directory that a broker may have as its own, made and migrated already. */
export async function copyImage(directory: string): Promise<void> {
  await cp(inject('image'), directory, { recursive: true })
}

let held: Image | undefined

/** The same engine and settings, without the disk. The image is read once in each worker. */
export async function storeInMemory(files?: Image): Promise<Store> {
  held ??= read(join(inject('image'), 'pg'))
  return embeddedStore(await openInMemory(files ?? held))
}

/** What lies in a database once `make` was there. */
export async function filesAfter<T>(
  make: (store: Store) => Promise<T>,
): Promise<{ made: T; files: Image }> {
  const directory = join(await folder(), 'data')
  await copyImage(directory)
  const store = await openStore({ kind: 'embedded', directory })
  const made = await make(store)
  await closeSmall(store, directory)
  return { made, files: read(join(directory, 'pg')) }
}

function read(root: string): Image {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true })
  const pathOf = (entry: (typeof entries)[number]) => join(entry.parentPath, entry.name)
  const [folders, files] = [true, false].map((wanted) =>
    entries.filter((entry) => entry.isDirectory() === wanted).map(pathOf),
  ) as [string[], string[]]
  return {
    folders: folders.map((path) => path.slice(root.length)),
    files: files.map((path) => [path.slice(root.length), written(readFileSync(path))]),
  }
}

/** Without the blank pages at the end of the log, which the engine makes again. */
function written(bytes: Buffer): Uint8Array {
  const page = 8_192
  let end = bytes.length
  if (end >= 1 << 24) {
    const blank = Buffer.alloc(page)
    while (end > page && bytes.subarray(end - page, end).equals(blank)) end -= page
  }
  // No Buffer: the engine's files are slices of what it is given, and slices of a Buffer are no copies.
  return new Uint8Array(bytes.subarray(0, end))
}
