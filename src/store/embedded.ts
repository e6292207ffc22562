/** PGlite in a directory that this process alone holds, made to sync for real. Never acknowledges what is not on disk. */
import fs from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { PGlite, types } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import { drizzle } from 'drizzle-orm/pglite'
import { databaseNow } from './clock.ts'
import { lockDirectory } from './lock.ts'
import { migrate } from './migrate.ts'
import type { Store } from './open.ts'
import * as schema from './schema.ts'

export async function openEmbedded(directory: string): Promise<Store> {
  const root = resolve(directory)
  await mkdir(root, { recursive: true, mode: 0o700 })
  await chmod(root, 0o700)
  const unlock = lockDirectory(root)
  try {
    const pglite = await openDirectory(root)
    const store = embeddedStore(pglite, unlock)
    await migrate(store.db)
    return store
  } catch (error) {
    unlock()
    throw error
  }
}

/** A database that is being made has another name, so that one whose making was cut short is never opened. */
async function openDirectory(root: string): Promise<PGlite> {
  const path = join(root, 'pg')
  if (!fs.existsSync(path)) {
    const making = join(root, 'pg.new')
    fs.rmSync(making, { recursive: true, force: true })
    // Its tree is synced as a whole, so that no file of it has to be on the way.
    const pglite = await start(making, [...startParams, '-F'])
    await pglite.close()
    syncTree(making)
    fs.renameSync(making, path)
    sync(root)
    sync(dirname(root))
  }
  return start(path)
}

/** Drops `-F`, with which PGlite never syncs, and most of the memory that it takes by default. */
export const startParams = [
  ...PGlite.defaultStartParams.filter((flag) => flag !== '-F'),
  ...['-c', 'wal_sync_method=fsync', '-c', 'shared_buffers=8MB', '-c', 'wal_buffers=1MB'],
]

async function start(path: string, params: string[] = startParams): Promise<PGlite> {
  return PGlite.create({ fs: syncing(path), startParams: params })
}

/**
 * PGlite's Node file system answers a sync without doing it: its open files share operations that lack one. Given before
 * the start, so that recovery after a crash syncs too.
 */
function syncing(path: string): NodeFS {
  const files = new NodeFS(path)
  const init = files.init.bind(files)
  files.init = async (pglite, options) => {
    const { emscriptenOpts } = await init(pglite, options)
    const preRun = [...(emscriptenOpts.preRun ?? []), giveSync]
    return { emscriptenOpts: { ...emscriptenOpts, preRun } }
  }
  return files
}

type StreamOperations = { fsync?: (stream: { nfd: number }) => number }

function giveSync({ NODEFS }: { NODEFS: { stream_ops: StreamOperations } }): void {
  NODEFS.stream_ops.fsync = ({ nfd }) => {
    try {
      fs.fsyncSync(nfd)
      return 0
    } catch {
      // PostgreSQL reports it, and stops where going on could lose what it acknowledged.
      return inputOutputError
    }
  }
}

const inputOutputError = 29

/** Syncs every file and folder below, and the folder itself. */
function syncTree(folder: string): void {
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    sync(join(entry.parentPath, entry.name))
  }
  sync(folder)
}

function sync(path: string): void {
  const descriptor = fs.openSync(path, 'r')
  fs.fsyncSync(descriptor)
  fs.closeSync(descriptor)
}

/** Also for tests, which bring a PGlite of their own. */
export function embeddedStore(pglite: PGlite, closed: () => void = () => {}): Store {
  const run = async <R>(text: string, params: unknown[]): Promise<R[]> =>
    (await pglite.query<R>(text, params, { parsers })).rows
  return {
    kind: 'embedded',
    db: drizzle(pglite, { schema }),
    run,
    listen: async (channel, heard) => {
      const unlisten = await pglite.listen(channel, heard)
      return () => unlisten()
    },
    now: () => databaseNow(run),
    close: async () => {
      await pglite.close()
      closed()
    },
  }
}

const asText = (value: string) => value
const parsers = { [types.TIMESTAMPTZ]: asText, [types.INT8]: Number }
