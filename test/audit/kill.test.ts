import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { it } from 'vitest'
import { verifyStore } from '../../src/audit/inspect.ts'
import type { Config } from '../../src/config.ts'
import { openStore } from '../../src/store/open.ts'
import { folder } from '../support/folder.ts'
import { copyImage } from '../support/image.ts'
import { freshDatabase, type StoreKind, stores } from '../support/stores.ts'
import { surroundings } from '../support/surroundings.ts'

const program = join(import.meta.dirname, 'until-killed.ts')

async function place(kind: StoreKind): Promise<Config['store']> {
  if (kind === 'postgres') return { kind, url: await freshDatabase() }
  const directory = join(await folder(), 'data')
  await copyImage(directory)
  return { kind, directory }
}

/** Numbers that were acknowledged before the kill, which comes at a random moment after the first. */
async function runUntilKilled(where: Config['store']): Promise<number[]> {
  const address = where.kind === 'embedded' ? where.directory : where.url
  const child = spawn(process.execPath, [program, where.kind, address], {
    env: surroundings(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(child, 'close')
  let said = ''
  const started = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      resolve()
    })
  })
  await Promise.race([started, gone])
  await sleep(Math.random() * 400)
  child.kill('SIGKILL')
  await gone
  // What follows the last line break was cut.
  return said.split('\n').slice(0, -1).map(Number)
}

it.concurrent.for(stores)(
  'kill -9 at any moment loses no acknowledged entry and leaves a whole chain (%s)',
  { timeout: 60_000 },
  async (kind, { expect }) => {
    const where = await place(kind)
    const acknowledged: number[] = []
    for (let kill = 0; kill < 2; kill++) {
      const said = await runUntilKilled(where)
      expect(said.length).toBeGreaterThan(0)
      acknowledged.push(...said)
    }
    const store = await openStore(where)
    try {
      const rows = await store.run<{ seq: number }>('select seq from audit_entries', [])
      const there = new Set(rows.map(({ seq }) => seq))
      expect(acknowledged.filter((seq) => !there.has(seq))).toEqual([])
      expect(new Set(acknowledged).size).toBe(acknowledged.length)
      expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: there.size })
    } finally {
      await store.close()
    }
  },
)
