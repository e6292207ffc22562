/** Where master keys come from: a variable, or a file that only its owner may read. Never prints one. */
import { randomBytes, randomUUID } from 'node:crypto'
import { link, mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { keyBytes, kidFor } from './keyring.ts'

export type MasterKeySource =
  | { kind: 'value'; value: string }
  | { kind: 'file'; path: string; create: boolean }

/** The first key seals. `mayCreate` says that nothing is sealed yet: a key made later would open none of it. */
export async function readMasterKeys(
  source: MasterKeySource,
  mayCreate: boolean,
): Promise<Uint8Array[]> {
  if (source.kind === 'value') return parseKeys(source.value, 'VALETKEY_MASTER_KEY')
  const found = await readKeyFile(source.path)
  if (found !== null) return found
  if (!source.create)
    throw new Error(
      `There is no master key at ${source.path}: put one there (openssl rand -base64 32), with mode 0600`,
    )
  if (!mayCreate)
    throw new Error(
      `There is no master key at ${source.path}, and this database holds values that were sealed with one: put it back, a new one would open none of them`,
    )
  return createKeyFile(source.path)
}

/** Base64 or base64url, separated by white space or commas. `where` names the origin in the refusal. */
export function parseKeys(text: string, where: string): Uint8Array[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== '')
  if (words.length === 0) throw new Error(`${where} holds no key: ${recipe}`)
  return words.map((word, index) => {
    const key = Buffer.from(word, 'base64')
    const tidy = /^[A-Za-z0-9+/_-]+={0,2}$/.test(word)
    if (tidy && key.length === keyBytes) return new Uint8Array(key)
    throw new Error(
      `${where}: key ${index + 1} of ${words.length} is not ${keyBytes} bytes in base64: ${recipe}`,
    )
  })
}

const recipe = 'make one with: openssl rand -base64 32'

/** Null when there is no such file. */
export async function readKeyFile(path: string): Promise<Uint8Array[] | null> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return null
    throw error
  })
  if (file === null) return null
  try {
    const { mode } = await file.stat()
    if ((mode & 0o077) !== 0) {
      throw new Error(
        `Others may read the master key at ${path} (mode ${(mode & 0o777).toString(8)}): chmod 600 it, and if others did read it, rotate it`,
      )
    }
    return parseKeys(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}

/** Of two that create it at once, one does and both read the same. */
async function createKeyFile(path: string): Promise<Uint8Array[]> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const draft = await writeDraft(path, [newKey()])
  await link(draft, path).catch((error: unknown) => {
    if (errnoOf(error) !== 'EEXIST') throw error
  })
  await rm(draft)
  await syncFolder(path)
  const made = await readKeyFile(path)
  if (made === null) throw new Error(`The master key at ${path} vanished while it was made`)
  return made
}

function newKey(): Uint8Array {
  return new Uint8Array(randomBytes(keyBytes))
}

/** Puts a new key first. The former ones stay, until no row needs them. */
export async function addKey(path: string): Promise<Uint8Array[]> {
  return rewrite(path, (keys) => [newKey(), ...keys])
}

/** Drops all keys but those named; `kids` is what is still in use, besides the one that seals. */
export async function keepKeys(path: string, kids: ReadonlySet<string>): Promise<Uint8Array[]> {
  return rewrite(path, (keys) => keys.filter((key, index) => index === 0 || kids.has(kidFor(key))))
}

async function rewrite(
  path: string,
  change: (keys: Uint8Array[]) => Uint8Array[],
): Promise<Uint8Array[]> {
  const keys = await readKeyFile(path)
  if (keys === null) throw new Error(`There is no master key at ${path}`)
  const changed = change(keys)
  await rename(await writeDraft(path, changed), path)
  await syncFolder(path)
  return changed
}

/** On disk before it gets the name, so that a power cut leaves the old file or the new one. */
async function writeDraft(path: string, keys: readonly Uint8Array[]): Promise<string> {
  const draft = `${path}.${randomUUID()}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(keys.map((key) => `${Buffer.from(key).toString('base64')}\n`).join(''))
    await file.sync()
    return draft
  } finally {
    await file.close()
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r')
  await folder.sync()
  await folder.close()
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
