/**
 * An empty database as files: made once, when the package is installed or packed, because making one takes seconds. What
 * does not fit this PGlite is not used, and what is missing is made where it is needed.
 */
import { readFile, rename, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { deserialize, serialize } from 'node:v8'
import { gunzip, gzip } from 'node:zlib'
import { MemoryFS, PGlite } from '@electric-sql/pglite'

export type Image = { folders: string[]; files: [path: string, bytes: Uint8Array][] }

/** Both the sources and what is compiled from them lie two levels below. */
const prepared = fileURLToPath(new URL('../../database.image', import.meta.url))
const home = PGlite.paths.PGDATA

export async function emptyImage(startParams: string[]): Promise<Image> {
  return (await preparedImage()) ?? makeImage(startParams)
}

/** Beside the package, for every start to come. */
export async function prepare(startParams: string[]): Promise<void> {
  const image = await makeImage(startParams)
  const bytes = await promisify(gzip)(serialize({ pglite: await versionOfPglite(), image }))
  await writeFile(`${prepared}.new`, bytes)
  await rename(`${prepared}.new`, prepared)
}

/** Null where there is none, or none that is whole and of this PGlite. */
export async function preparedImage(path = prepared): Promise<Image | null> {
  try {
    // As `prepare` wrote it.
    const held: { pglite: string; image: Image } = deserialize(
      await promisify(gunzip)(await readFile(path)),
    )
    return held.pglite === (await versionOfPglite()) ? held.image : null
  } catch {
    // Making one takes longer and is as good.
    return null
  }
}

async function versionOfPglite(): Promise<string> {
  const manifest = new URL('../package.json', import.meta.resolve('@electric-sql/pglite'))
  return JSON.parse(await readFile(manifest, 'utf8')).version
}

/** In memory, where it takes half the time that it takes in a directory. */
async function makeImage(startParams: string[]): Promise<Image> {
  const startWithoutSync = [...startParams, '-F']
  const pglite = await PGlite.create({ fs: new MemoryFS(), startParams: startWithoutSync })
  const { FS } = pglite.Module
  // What is read has to be what a shutdown leaves.
  await pglite.close()
  const image: Image = { folders: [''], files: [] }
  const read = (folder: string) => {
    for (const name of FS.readdir(home + folder)) {
      if (name === '.' || name === '..') continue
      const path = `${folder}/${name}`
      if (FS.isDir(FS.stat(home + path).mode)) {
        image.folders.push(path)
        read(path)
      } else image.files.push([path, FS.readFile(home + path)])
    }
  }
  read('')
  return image
}

type FileSystem = {
  mkdirTree(path: string, mode: number): void
  mkdir(path: string, mode: number): void
  writeFile(path: string, bytes: Uint8Array): void
}

/** A file system that begins with an image. */
export function inMemory({ folders, files }: Image): MemoryFS {
  const memory = new MemoryFS()
  const init = memory.init.bind(memory)
  const fill = ({ FS }: { FS: FileSystem }) => {
    FS.mkdirTree(home, 0o700)
    for (const path of folders) if (path !== '') FS.mkdir(home + path, 0o700)
    for (const [path, bytes] of files) FS.writeFile(home + path, bytes)
  }
  memory.init = async (pglite, options) => {
    const { emscriptenOpts } = await init(pglite, options)
    const preRun = [...(emscriptenOpts.preRun ?? []), fill]
    return { emscriptenOpts: { ...emscriptenOpts, preRun } }
  }
  return memory
}
