import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { kidFor } from '../../src/seal/keyring.ts'
import { addKey, keepKeys, parseKeys, readMasterKeys } from '../../src/seal/master-key.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-key-'))
})
afterEach(() => rm(folder, { recursive: true }))

const file = (create = true) =>
  ({ kind: 'file', path: join(folder, 'master.key'), create }) as const

test('keys are read in base64 and base64url, separated by white space or commas, in order', () => {
  const keys = [randomBytes(32), randomBytes(32), randomBytes(32)]
  const [a, b, c] = keys.map((key) => key.toString('base64'))
  const [url] = keys.map((key) => key.toString('base64url'))
  expect(parseKeys(`${a},${b}\n ${c}\n`, 'here')).toEqual(keys.map((key) => new Uint8Array(key)))
  expect(parseKeys(`${url}`, 'here')).toEqual(parseKeys(`${a}`, 'here'))
})

test.each([
  ['too short', randomBytes(31).toString('base64')],
  ['too long', randomBytes(33).toString('base64')],
  ['in hexadecimal', randomBytes(32).toString('hex')],
  ['not base64', `${'*'.repeat(43)}=`],
])('a key that is %s is refused without being printed', (_, key) => {
  expect(() => parseKeys(key, 'VALETKEY_MASTER_KEY')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining(key) }),
  )
  expect(() => parseKeys(key, 'VALETKEY_MASTER_KEY')).toThrow('key 1 of 1 is not 32 bytes')
})

test('an empty value is refused', () => {
  expect(() => parseKeys(' \n', 'VALETKEY_MASTER_KEY')).toThrow('holds no key')
})

test('a key file is made once, for its owner alone, and read from then on', async () => {
  const made = await readMasterKeys(file(), true)
  expect((await stat(file().path)).mode & 0o777).toBe(0o600)
  expect(await readMasterKeys(file(), false)).toEqual(made)
  expect(await readdir(folder)).toEqual(['master.key'])
})

test('of many that make the key file at once all get the same key', async () => {
  const all = await Promise.all(Array.from({ length: 20 }, () => readMasterKeys(file(), true)))
  expect(new Set(all.map(([key]) => kidFor(key ?? new Uint8Array()))).size).toBe(1)
  expect(await readdir(folder)).toEqual(['master.key'])
})

test('a key file is not made where something is sealed, nor where none may be made', async () => {
  await expect(readMasterKeys(file(), false)).rejects.toThrow('put it back')
  await expect(readMasterKeys(file(false), true)).rejects.toThrow('put one there')
  expect(await readdir(folder)).toEqual([])
})

test.each([0o640, 0o604, 0o660, 0o644])(
  'a key file that others may read is refused (%o)',
  async (mode) => {
    await readMasterKeys(file(), true)
    await chmod(file().path, mode)
    await expect(readMasterKeys(file(), true)).rejects.toThrow('chmod 600')
  },
)

test('a new key comes first, and the former is dropped only when nothing names it', async () => {
  const [old] = await readMasterKeys(file(), true)
  const [current, former] = await addKey(file().path)
  expect(former).toEqual(old)
  expect(current).not.toEqual(old)
  expect(await keepKeys(file().path, new Set([kidFor(former ?? new Uint8Array())]))).toHaveLength(2)
  expect(await keepKeys(file().path, new Set())).toEqual([current])
  expect(await readMasterKeys(file(), false)).toEqual([current])
  expect((await stat(file().path)).mode & 0o777).toBe(0o600)
})

test('a damaged key file is refused without being printed', async () => {
  await writeFile(file().path, 'half-of-a-key', { mode: 0o600 })
  const error = await readMasterKeys(file(), true).catch((cause: unknown) => cause)
  expect(String(error)).toContain(file().path)
  expect(String(error)).not.toContain('half-of-a-key')
  expect(await readFile(file().path, 'utf8')).toBe('half-of-a-key')
})
