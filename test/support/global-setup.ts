/** Starts what all test files share, one PostgreSQL and one migrated PGlite image, and removes it when they are done. */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import type { TestProject } from 'vitest/node'
import { embeddedStore } from '../../src/store/embedded.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { startCluster } from './cluster.ts'
import { findLeaks } from './leaks.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The shared PostgreSQL, ending where a database's name goes. */
    cluster: string
    /** File with a migrated PGlite, for loadDataDir. */
    image: string
    /** Folder for everything that leaves a broker in a test; searched for the marker at the end. */
    output: string
    /** In every real credential that a test gives a broker. */
    marker: string
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-test-'))
  const [cluster] = await Promise.all([
    startTemplate(folder),
    writeImage(join(folder, 'image.tar')),
  ])
  project.provide('cluster', cluster.url)
  const marker = `marked${randomBytes(12).toString('hex')}`
  const output = join(folder, 'output')
  await mkdir(output)
  project.provide('output', output)
  project.provide('marker', marker)
  project.provide('image', join(folder, 'image.tar'))

  return async () => {
    await cluster.stop()
    const leaks = await findLeaks(output, marker)
    await rm(folder, { recursive: true, force: true })
    if (leaks.length > 0) throw new Error(`A real credential leaked:\n${leaks.join('\n')}`)
  }
}

async function startTemplate(folder: string) {
  const cluster = await startCluster(join(folder, 'cluster'))
  await cluster.createDatabase('migrated')
  const store = await openPostgres(`${cluster.url}/migrated`)
  await store.close()
  return cluster
}

async function writeImage(path: string): Promise<void> {
  const pglite = await PGlite.create()
  await migrate(embeddedStore(pglite).db)
  const image = await pglite.dumpDataDir('none')
  await writeFile(path, image.stream())
  await pglite.close()
}
