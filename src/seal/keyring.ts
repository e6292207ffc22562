/** Seals values for the row they belong to, and opens them for no other. Never shows a key or a value. */
import {
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  webcrypto,
} from 'node:crypto'
import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose'
import { BrokerError } from '../errors.ts'
import { type Secret, secret } from './secret.ts'

export type Keyring = {
  /** The key that seals. */
  readonly current: string
  readonly kids: readonly string[]
  /** `row` names the one place where the value may be opened again: `connections/railway/secret`. */
  seal(row: string, value: string): Promise<string>
  open(row: string, sealed: string): Promise<Secret>
  /** What only holders of the same master key can make of a text, for one purpose: by the key that seals, then by the others. */
  mac(purpose: string, text: string): readonly string[]
  /** Takes other keys from now on, for everyone who holds this keyring. */
  replace(keys: readonly Uint8Array[]): void
}

type Key = webcrypto.CryptoKey
/** In order: the first seals. */
type Keys = {
  current: string
  byKid: ReadonlyMap<string, Promise<Key>>
  macs: readonly KeyObject[]
}

export const keyBytes = 32
const algorithm = 'dir'
const encryption = 'A256GCM'

/** The first key seals, all open. */
export function createKeyring(initial: readonly Uint8Array[]): Keyring {
  let keys = load(initial)
  return {
    get current() {
      return keys.current
    },
    get kids() {
      return [...keys.byKid.keys()]
    },
    seal: (row, value) => seal(keys, row, value),
    open: (row, sealed) => open(keys, row, sealed),
    mac: (purpose, text) => keys.macs.map((key) => macOf(key, purpose, text)),
    replace: (others) => {
      keys = load(others)
    },
  }
}

/** Names a key without telling anything of it. */
export function kidFor(key: Uint8Array): string {
  return createHash('sha256')
    .update('valetkey master key')
    .update(key)
    .digest('base64url')
    .slice(0, 16)
}

function load(raw: readonly Uint8Array[]): Keys {
  const byKid = new Map(raw.map((key) => [kidFor(key), importKey(key)]))
  const [current] = byKid.keys()
  if (current === undefined) throw new Error('There is no master key')
  return { current, byKid, macs: raw.map(macKey) }
}

function importKey(key: Uint8Array): Promise<Key> {
  if (key.length !== keyBytes)
    throw new Error(`A master key has ${keyBytes} bytes, not ${key.length}`)
  return webcrypto.subtle.importKey('raw', Uint8Array.from(key), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ])
}

/** A key of its own: what seals is used for nothing else. */
function macKey(key: Uint8Array): KeyObject {
  const info = 'valetkey mac'
  return createSecretKey(Buffer.from(hkdfSync('sha256', key, '', info, keyBytes)))
}

function macOf(key: KeyObject, purpose: string, text: string): string {
  return createHmac('sha256', key).update(`${purpose}\0${text}`).digest('base64url')
}

async function seal({ current, byKid }: Keys, row: string, value: string): Promise<string> {
  const key = await byKid.get(current)
  if (key === undefined) throw new Error('The current master key is not in the keyring')
  return new CompactEncrypt(new TextEncoder().encode(value))
    .setProtectedHeader({ alg: algorithm, enc: encryption, kid: current, row })
    .encrypt(key)
}

async function open({ byKid }: Keys, row: string, sealed: string): Promise<Secret> {
  const kid = kidOf(sealed)
  const key = await byKid.get(kid)
  if (key === undefined) throw unopened(row, kid, 'no master key that this broker has made it')
  const { plaintext, protectedHeader } = await decrypt(sealed, key).catch((cause: unknown) => {
    throw unopened(row, kid, 'it was altered, or the key is another', cause)
  })
  if (protectedHeader['row'] !== row) throw unopened(row, kid, 'it was sealed for another row')
  return secret(new TextDecoder().decode(plaintext))
}

async function decrypt(sealed: string, key: Key) {
  if (!isCanonical(sealed)) throw new Error('not in canonical base64url')
  return compactDecrypt(sealed, key, {
    keyManagementAlgorithms: [algorithm],
    contentEncryptionAlgorithms: [encryption],
  })
}

/** Decoders ignore the last bits of a part: without this, one sealed value would have many spellings. */
function isCanonical(sealed: string): boolean {
  return sealed
    .split('.')
    .every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}

function unopened(row: string, kid: string, why: string, cause?: unknown): BrokerError {
  return new BrokerError(
    'internal',
    `The sealed value of ${row} under key ${kid} does not open: ${why}.`,
    { hint: 'Give the broker the master key that sealed it, or give the value again.' },
    cause,
  )
}

/** The key that sealed it, and the row that it was sealed for, as it says itself: only opening proves them. */
export function headerOf(sealed: string): { kid: string; row: string } {
  const header = readHeader(sealed)
  const { kid, row } = header
  if (typeof kid !== 'string' || typeof row !== 'string') throw unreadable()
  return { kid, row }
}

export function kidOf(sealed: string): string {
  return headerOf(sealed).kid
}

function readHeader(sealed: string): { kid?: unknown; row?: unknown } {
  try {
    return decodeProtectedHeader(sealed)
  } catch (cause) {
    throw unreadable(cause)
  }
}

function unreadable(cause?: unknown): BrokerError {
  return new BrokerError(
    'internal',
    'A sealed value cannot be read: it was altered.',
    { hint: 'Give the value again.' },
    cause,
  )
}
