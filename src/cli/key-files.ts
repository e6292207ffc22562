/** Private keys that an agent keeps: made here, in a file that only its owner may read. The broker never sees one. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { open, readFile, rm } from 'node:fs/promises'
import { record } from './client.ts'
import { usage } from './failure.ts'

export type Jwk = Record<string, unknown>

/** Writes a new Ed25519 key to a new file (JWK, RFC 8037) and gives its public half. */
export async function makeKey(path: string): Promise<Jwk> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw usage(
      error.code === 'EEXIST'
        ? `${path} is there already, and a key is never written over another.`
        : `${path} cannot be written (${error.code}).`,
    )
  })
  try {
    await file.writeFile(`${JSON.stringify(privateKey.export({ format: 'jwk' }), null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  return { ...publicKey.export({ format: 'jwk' }) }
}

/** Nobody has the other half. */
export async function dropKey(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** A private key, as JWK or PEM. A file that others can read is refused: they may have it. */
export async function readPrivateKey(path: string): Promise<KeyObject> {
  const text = await readOwn(path)
  const jwk = record(parsed(text))
  try {
    return createPrivateKey(jwk === undefined ? text : { key: jwk, format: 'jwk' })
  } catch {
    // What is in it may be a secret, so nothing of it is said.
    throw usage(
      `${path} holds no private key.`,
      'It should be a JWK with its private half, or PEM.',
    )
  }
}

/** What it signs with (RFC 7518, RFC 8037). */
export function algorithmOf(key: KeyObject): string {
  const known: Record<string, string> = { ed25519: 'EdDSA', ec: 'ES256', rsa: 'PS256' }
  const algorithm = known[key.asymmetricKeyType ?? '']
  if (algorithm !== undefined) return algorithm
  throw usage(
    'The key is of a kind that the broker does not take.',
    'It takes Ed25519, P-256 and RSA.',
  )
}

/** A public JWK to register. */
export async function readPublicJwk(path: string): Promise<Jwk> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw usage(`${path} cannot be read (${error.code}).`)
  })
  const jwk = record(parsed(text))
  if (jwk === undefined) throw usage(`${path} holds no JWK.`)
  if ('d' in jwk) throw usage(`${path} holds a private key.`, 'Give the public half alone.')
  return jwk
}

async function readOwn(path: string): Promise<string> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw usage(`${path} cannot be read (${error.code}).`)
  })
  try {
    const { mode } = await file.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw usage(`${path} can be read by others.`, `If nobody did: chmod 600 ${path}`)
    }
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // PEM, or nothing that could be a key: the caller finds out.
    return undefined
  }
}
