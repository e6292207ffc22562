/** The operator's session on this machine: one file that only its owner may read. Never holds a passphrase. */
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from './failure.ts'

export type Session = {
  adminUrl: string
  /** The agent plane, as the broker itself named it. */
  url: string
  operator: string
  role: string
  expiresAt: string
  token: string
}

export async function saveSession(directory: string, session: Session): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  const path = join(directory, 'session.json')
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(session, null, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
}

export async function removeSession(directory: string): Promise<void> {
  await rm(join(directory, 'session.json'), { force: true })
}

/** Null when nobody signed in. A file that others can read is refused: its token may be known to them. */
export async function readSession(directory: string): Promise<Session | null> {
  const path = join(directory, 'session.json')
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new Failure('session-unreadable', `${path} cannot be read (${error.code}).`)
  })
  if (file === null) return null
  try {
    const { mode } = await file.stat()
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new Failure('session-exposed', `${path} can be read by others.`, {
        hint: 'Its session may be known to them: end it with "valetkey logout" after "chmod 600" on the file, and sign in again.',
      })
    }
    return parse(await file.readFile('utf8'), path)
  } finally {
    await file.close()
  }
}

function parse(text: string, path: string): Session {
  const value = jsonOrNull(text)
  const parts = ['adminUrl', 'url', 'operator', 'role', 'expiresAt', 'token'].map((name) =>
    value !== null && typeof value === 'object' ? Reflect.get(value, name) : undefined,
  )
  const [adminUrl, url, operator, role, expiresAt, token] = parts.filter(
    (part) => typeof part === 'string',
  )
  if (token === undefined || !adminUrl || !url || !operator || !role || !expiresAt) {
    throw new Failure('session-unreadable', `${path} is not a session.`, {
      hint: 'Remove it and sign in again with: valetkey login',
    })
  }
  return { adminUrl, url, operator, role, expiresAt, token }
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Whatever else is in the file: the caller says what to do about it.
    return null
  }
}
