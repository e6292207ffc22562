import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { cp, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { lockDirectory } from '../../src/store/lock.ts'
import { openStore, type Store } from '../../src/store/open.ts'
import { folder } from '../support/folder.ts'
import { copyImage } from '../support/image.ts'
import { surroundings } from '../support/surroundings.ts'

const directory = join(await folder(), 'data')
const children = new Set<ChildProcess>()

beforeEach(() => copyImage(directory))
afterEach(async () => {
  for (const child of children) await kill(child)
  await rm(directory, { recursive: true, force: true })
})

const open = (): Promise<Store> => openStore({ kind: 'embedded', directory })

/** With `fault` it says when it syncs, and cannot while that file lies there. */
function appender(noted?: { fault: string }) {
  const program = fileURLToPath(new URL('appender.ts', import.meta.url))
  const preload = new URL(`note-syncs.ts?${new URLSearchParams(noted)}`, import.meta.url)
  const child = spawn(
    process.execPath,
    [...(noted === undefined ? [] : [`--import=${preload.href}`]), program, directory],
    { env: surroundings() },
  )
  children.add(child)
  const heard = { said: '', complained: '' }
  child.stdout.on('data', (chunk: Buffer) => {
    heard.said += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    heard.complained += chunk.toString()
  })
  return { child, heard }
}

async function kill(child: ChildProcess): Promise<void> {
  children.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

/** Starting a process takes many seconds on a busy machine. */
const soon = 30_000

const acknowledged = (said: string) =>
  Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1)?.replace('open', '0') ?? 0)

test('no acknowledged row is lost to kill -9, at whatever moment', async () => {
  let last = 0
  for (const wait of [0, 20, 150]) {
    const { child, heard } = appender()
    await vi.waitFor(() => expect(acknowledged(heard.said)).toBeGreaterThan(last), soon)
    await sleep(wait + Math.random() * 20)
    await kill(child)
    last = acknowledged(heard.said)
  }
  const store = await open()
  const [found] = await store.run<{ last: number; rows: number }>(
    'select max(seq)::bigint as last, count(*)::bigint as rows from audit_checkpoints',
    [],
  )
  await store.close()
  expect(found?.last).toBeGreaterThanOrEqual(last)
  expect(found?.rows).toBe(found?.last)
})

test('each commit is synced to disk before it is acknowledged', async () => {
  const { heard } = appender({ fault: '' })
  await vi.waitFor(() => expect(acknowledged(heard.said)).toBeGreaterThan(20), soon)
  const lines = heard.said.split('\n')
  const rows = lines.flatMap((line, index) => (/^\d+$/.test(line) ? [index] : []))
  expect(rows.map((index) => lines[index - 1])).toEqual(rows.map(() => 'synced'))
  expect(lines.filter((line) => line === 'synced').length).toBeGreaterThanOrEqual(rows.length)
})

test('a commit whose sync fails is not acknowledged, and nothing is after it', async () => {
  const fault = join(await folder(), 'fault')
  const { child, heard } = appender({ fault })
  await vi.waitFor(() => expect(acknowledged(heard.said)).toBeGreaterThan(5), soon)
  await writeFile(fault, '')
  await once(child, 'close')
  expect(child.exitCode).toBe(1)
  expect(heard.complained).toContain('could not fsync file')
  const last = acknowledged(heard.said)
  const store = await open()
  const [found] = await store.run<{ last: number }>(
    'select max(seq)::bigint as last from audit_checkpoints',
    [],
  )
  await store.close()
  // What was asked for and not acknowledged may be there or not.
  expect([last, last + 1]).toContain(found?.last)
})

test('recovery after a crash is synced as well', async () => {
  const { child, heard } = appender()
  await vi.waitFor(() => expect(acknowledged(heard.said)).toBeGreaterThan(5), soon)
  await kill(child)
  const again = appender({ fault: '' })
  await vi.waitFor(() => expect(again.heard.said).toContain('open'), soon)
  const [recovery = ''] = again.heard.said.split('open')
  expect(recovery.split('\n').filter((line) => line === 'synced').length).toBeGreaterThan(10)
})

test('a second process is refused with a sentence that names the first, which goes on', async () => {
  const first = appender()
  await vi.waitFor(() => expect(acknowledged(first.heard.said)).toBeGreaterThan(0), soon)
  const second = appender()
  await once(second.child, 'close')
  expect(second.child.exitCode).toBe(1)
  expect(second.heard.complained).toContain(`Process ${first.child.pid} is using ${directory}`)
  const before = acknowledged(first.heard.said)
  await vi.waitFor(() => expect(acknowledged(first.heard.said)).toBeGreaterThan(before), soon)
})

test('of many that find the lock of a dead process, one gets in', async () => {
  const dead = appender()
  await vi.waitFor(() => expect(dead.heard.said).toContain('open'), soon)
  await kill(dead.child)
  const all = Array.from({ length: 4 }, appender)
  await vi.waitFor(
    () => expect(all.filter(({ child }) => child.exitCode === 1)).toHaveLength(3),
    soon,
  )
  const [winner] = all.filter(({ child }) => child.exitCode === null)
  await vi.waitFor(() => expect(winner?.heard.said).toContain('open'), soon)
})

test('the same process cannot open a directory twice, and can once it is closed', async () => {
  const store = await open()
  await expect(open()).rejects.toThrow(`Process ${process.pid} is using`)
  await store.close()
  const again = await open()
  await again.close()
})

test('a later process with the same pid is not taken for the holder, unless nothing tells them apart', async () => {
  await rm(directory, { recursive: true })
  await mkdir(directory)
  const earlier = JSON.stringify({ pid: process.pid, started: 'another-boot 1' })
  await writeFile(join(directory, 'lock.7'), earlier)
  if (fs.existsSync('/proc/self/stat')) {
    const unlock = lockDirectory(directory)
    expect(await readdir(directory)).toEqual(['lock.8'])
    unlock()
  } else {
    expect(() => lockDirectory(directory)).toThrow('is using')
    expect(await readdir(directory)).toEqual(['lock.7'])
  }
})

test('a lock that a power cut emptied is nobody’s', async () => {
  await writeFile(join(directory, 'lock.9'), '')
  const unlock = lockDirectory(directory)
  expect(() => lockDirectory(directory)).toThrow('is using')
  unlock()
  lockDirectory(directory)()
})

test('a database whose making was cut short is made again', async () => {
  await cp(join(directory, 'pg'), join(directory, 'pg.new'), { recursive: true })
  await rm(join(directory, 'pg'), { recursive: true })
  await rm(join(directory, 'pg.new', 'global'), { recursive: true })
  const store = await open()
  expect(await store.run('select version from policy', [])).toEqual([{ version: 1 }])
  await store.close()
})

test('the directory is its owner’s alone', async () => {
  const store = await open()
  expect((await stat(directory)).mode & 0o777).toBe(0o700)
  await store.close()
})
