/** PGlite in a directory, made to sync for real. Never acknowledges what is not on disk, and never opens what is half made. */
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { PGlite, types } from '@electric-sql/pglite'
import { NodeFS } from '@electric-sql/pglite/nodefs'
import { emptyImage, type Image, inMemory, prepare } from './image.ts'

/** Drops `-F`, with which PGlite never syncs, and most of the memory that it takes by default. */
const startParams = [
  ...PGlite.defaultStartParams.filter((flag) => flag !== '-F'),
  ...['-c', 'wal_sync_method=fsync', '-c', 'shared_buffers=8MB', '-c', 'wal_buffers=1MB'],
]

const asText = (value: string) => value

/** As the other kind of store gives them: bigint as number, whatever is a time as text. */
const parsers = {
  [types.INT8]: Number,
  [types.TIMESTAMP]: asText,
  [types.TIMESTAMPTZ]: asText,
  [types.DATE]: asText,
  [types.INTERVAL]: asText,
}

/** Of every PGlite, wherever its files are. */
const settings = { startParams, parsers }

export async function openDirectory(root: string): Promise<PGlite> {
  const path = join(root, 'pg')
  if (!fs.existsSync(path)) await writeImage(await emptyImage(startParams), root)
  return PGlite.create({ fs: syncing(path), ...settings })
}

/** Nothing of it is ever on a disk. */
export async function openInMemory(image?: Image): Promise<PGlite> {
  return PGlite.create({ fs: inMemory(image ?? (await emptyImage(startParams))), ...settings })
}

/** Once, so that no start has to make a database: `npm run prepare`. */
export function prepareImage(): Promise<void> {
  return prepare(startParams)
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

/** A database that is being made has another name, so that one whose making was cut short is never opened. */
async function writeImage({ folders, files }: Image, root: string): Promise<void> {
  const making = join(root, 'pg.new')
  fs.rmSync(making, { recursive: true, force: true })
  for (const folder of folders) fs.mkdirSync(making + folder, { mode: 0o700 })
  for (const [path, bytes] of files) {
    fs.writeFileSync(making + path, bytes, { mode: 0o600, flag: 'wx' })
  }
  await syncAll(files.map(([path]) => making + path))
  await syncAll(folders.map((folder) => making + folder))
  fs.renameSync(making, join(root, 'pg'))
  await syncAll([root])
  await syncAll([dirname(root)])
}

/** Many at a time: the file system then writes its own journal once for all of them. */
async function syncAll(paths: string[]): Promise<void> {
  const left = paths.values()
  const one = async () => {
    for (const path of left) {
      const file = await fs.promises.open(path)
      await file.sync().finally(() => file.close())
    }
  }
  await Promise.all(Array.from({ length: 16 }, one))
}
