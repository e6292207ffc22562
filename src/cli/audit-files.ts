/** Audit logs and audit keys in files: written as they come, read line by line, never held whole in memory. */
import { open, readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { record } from './client.ts'
import { Failure, usage } from './failure.ts'

type Answer = { body: Parameters<typeof Readable.fromWeb>[0] | null }

/** Writes the log to a new file, or to stdout, and says how many lines it has. */
export async function exported(
  log: Answer,
  path: string | undefined,
  stdout: NodeJS.WritableStream,
): Promise<number> {
  if (log.body === null) throw new Failure('not-a-broker', 'The broker sent no log.')
  let lines = 0
  const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
    for await (const chunk of chunks) {
      for (const byte of chunk) if (byte === 10) lines += 1
      yield chunk
    }
  }
  try {
    if (path === undefined) {
      await pipeline(Readable.fromWeb(log.body), counted, stdout, { end: false })
    } else {
      await pipeline(Readable.fromWeb(log.body), counted, await fresh(path))
    }
  } catch (error) {
    throw cutShort(error)
  }
  return lines
}

/** A log is never written over another one. */
async function fresh(path: string) {
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    throw usage(
      error.code === 'EEXIST'
        ? `${path} is there already.`
        : `${path} cannot be written (${error.code}).`,
    )
  })
  // Not by the number of its descriptor: the handle would close that again.
  return file.createWriteStream()
}

function cutShort(error: unknown): unknown {
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined
  if (error instanceof Failure || code === 'EPIPE') return error
  return new Failure('export-cut', 'The broker went away before the log was complete.', {
    hint: 'Export it again; what was written ends early and does not verify.',
  })
}

export function linesOf(log: Answer): AsyncIterable<string> {
  if (log.body === null) throw new Failure('not-a-broker', 'The broker sent no log.')
  return createInterface({ input: Readable.fromWeb(log.body), crlfDelay: Number.POSITIVE_INFINITY })
}

export async function* linesOfFile(path: string): AsyncGenerator<string> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw usage(`${path} cannot be read (${error.code}).`)
  })
  yield* file.readLines()
}

type Key = { kid: string; kty: string; crv: string; x: string }

/** One JWK, or a set of them, as `GET /admin/audit/keys` gives it. */
export async function readKeys(path: string): Promise<Key[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw usage(`${path} cannot be read (${error.code}).`)
  })
  const value = record(parsed(text))
  const listed: unknown = value?.['keys']
  const keys = (Array.isArray(listed) ? listed : [value]).flatMap((one) => readKey(record(one)))
  if (keys.length > 0) return keys
  throw usage(`${path} holds no public audit key.`, 'It should be a JWK, or an object with "keys".')
}

function readKey(value: Record<string, unknown> | undefined): Key[] {
  const { kid, kty, crv, x } = value ?? {}
  if (typeof kid !== 'string' || typeof x !== 'string') return []
  return kty === 'OKP' && crv === 'Ed25519' ? [{ kid, kty, crv, x }] : []
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Whatever it is, it is no key, which is what the caller says.
    return undefined
  }
}
