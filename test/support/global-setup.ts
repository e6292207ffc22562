/** Starts what all test files share, one PostgreSQL and one migrated embedded database, and removes it when they are done. */
import '../../src/store/mended-driver.ts'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { openPostgres } from '../../src/store/postgres.ts'
import { startCluster } from './cluster.ts'
import { makeImage } from './image.ts'
import { findLeaks } from './leaks.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The shared PostgreSQL, ending where a database's name goes. */
    cluster: string
    /** Folder with a migrated embedded database. */
    image: string
    /** Folder where the processes that tests start keep compiled sources: hundreds would compile the same. */
    compiled: string
    /** Folder for everything that leaves a broker in a test; searched for the marker at the end. */
    output: string
    /** Where the browser is unpacked, by the first file that wants one. */
    chromium: string
    /** In every real credential that a test gives a broker. */
    marker: string
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-test-'))
  const temporary = join(folder, 'temporary')
  await mkdir(temporary)
  process.env['TMPDIR'] = temporary
  const [cluster] = await Promise.all([startTemplate(folder), makeImage(join(folder, 'image'))])
  project.provide('cluster', cluster.url)
  const marker = `marked${randomBytes(12).toString('hex')}`
  const output = join(folder, 'output')
  await mkdir(output)
  project.provide('output', output)
  project.provide('compiled', join(folder, 'compiled'))
  project.provide('chromium', join(folder, 'chromium'))
  project.provide('marker', marker)
  project.provide('image', join(folder, 'image'))

  return async () => {
    await cluster.stop()
    const leaks = await findLeaks(output, marker)
    const left = await readdir(temporary)
    await rm(folder, { recursive: true, force: true })
    if (leaks.length > 0) throw new Error(`A real credential leaked:\n${leaks.join('\n')}`)
    if (left.length > 0) throw new Error(`Left in the temporary folder: ${left.join(', ')}`)
  }
}

async function startTemplate(folder: string) {
  const cluster = await startCluster(join(folder, 'cluster'))
  await cluster.createDatabase('migrated')
  const store = await openPostgres(`${cluster.url}/migrated`)
  await store.close()
  return cluster
}
