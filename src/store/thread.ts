/** The embedded database in a thread of its own, seen from outside. Never leaves anybody waiting for a thread that is gone. */
import module from 'node:module'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Ask, Failure, Question, Result, Told } from './worker.ts'

/** What drizzle and the store ask of an embedded database, which a PGlite of one's own answers too. */
export type Client = {
  query<R>(
    text: string,
    params?: unknown[],
    options?: { rowMode?: 'array' | 'object' },
  ): Promise<{ rows: R[] }>
  /** No other statement runs meanwhile. */
  transaction<T>(work: (tx: Pick<Client, 'query'>) => Promise<T>): Promise<T>
  listen(channel: string, heard: (payload: string) => void): Promise<() => Promise<void>>
  close(): Promise<void>
}

export type Thread = Client & {
  /** Once, before anything else is asked. */
  open(directory: string): Promise<void>
  /** Says why, when the database is gone for good. */
  lost: Promise<Error>
  /** For a thread that is not to be opened after all. */
  drop(): Promise<void>
}

/** No statement of a broker takes as long, and after this none is answered any more. */
const silentMs = 60_000
/** Recovery after a crash, or a first start, on a slow disk. */
const openingMs = 600_000

/** Begins to load the database, and opens it when asked. Until then it keeps no process from ending. */
export function startThread(mayBeSilentMs = silentMs): Thread {
  const worker = startWorker()
  const lost = Promise.withResolvers<Error>()
  const waiting = new Map<number, PromiseWithResolvers<Result>>()
  const listeners = new Map<number, (payload: string) => void>()
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let gone: Error | null = null
  let asked = 0
  let quietSince = 0
  let limitMs = openingMs
  /** Settles when the last transaction has ended. */
  let turn: Promise<void> | null = null

  const watch = setInterval(() => {
    if (waiting.size === 0 || performance.now() - quietSince < limitMs) return
    lose(`it has not answered for ${Math.round(limitMs / 1_000)} seconds`)
  }, mayBeSilentMs / 10)
  watch.unref()

  worker.unref()
  worker.on('message', hear)
  worker.on('messageerror', (error) => lose(error.message))
  worker.on('error', (error) => lose(error instanceof Error ? error.message : String(error)))
  worker.on('exit', () => lose('its thread has ended'))

  return {
    lost: lost.promise,
    open: async (directory) => {
      worker.ref()
      await ask({ do: 'open', directory })
      limitMs = mayBeSilentMs
    },
    query: (text, params = [], options = {}) => inTurn(() => query(text, params, options)),
    transaction,
    listen: (channel, heard) => inTurn(() => listen(channel, heard)),
    close: () => inTurn(close),
    drop: async () => {
      end(new Error('The embedded database is not open'))
      await ended
    },
  }

  function ask(question: Question, id = ++asked): Promise<Result> {
    if (gone !== null) return Promise.reject(gone)
    const answer = Promise.withResolvers<Result>()
    worker.postMessage({ id, question } satisfies Ask)
    if (waiting.size === 0) quietSince = performance.now()
    waiting.set(id, answer)
    return answer.promise
  }

  function hear(told: Told): void {
    if ('dead' in told) lose(told.dead)
    else if ('payload' in told) listeners.get(told.listening)?.(told.payload)
    else settle(told)
  }

  function settle(told: Extract<Told, { id: number }>): void {
    quietSince = performance.now()
    const answer = waiting.get(told.id)
    waiting.delete(told.id)
    if ('failure' in told) answer?.reject(errorOf(told.failure))
    else answer?.resolve(told.result)
  }

  function lose(why: string): void {
    if (gone !== null) return
    lost.resolve(end(new Error(`The embedded database stopped: ${why}`)))
  }

  /** What is asked from now on is told why at once. */
  function end(why: Error): Error {
    gone ??= why
    clearInterval(watch)
    for (const { reject } of waiting.values()) reject(gone)
    waiting.clear()
    void worker.terminate()
    return gone
  }

  /** Asked in the order of the calls, but for what a transaction asks itself. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    return turn === null ? work() : turn.then(work)
  }

  async function query<R>(
    text: string,
    params: unknown[],
    { rowMode = 'object' }: { rowMode?: 'array' | 'object' },
  ): Promise<{ rows: R[]; command?: string | undefined }> {
    const { rows, command } = await ask({ do: 'query', text, params, rowMode })
    // Whoever writes a statement says what its rows look like.
    return { rows: rows as R[], command }
  }

  async function transaction<T>(work: (tx: Pick<Client, 'query'>) => Promise<T>): Promise<T> {
    const before = turn
    const { promise: mine, resolve: done } = Promise.withResolvers<void>()
    turn = mine
    try {
      if (before !== null) await before
      await query('begin', [], {})
      const result = await work({
        query: (text, params = [], options = {}) => query(text, params, options),
      }).catch(async (error: unknown) => {
        // When this fails too there is no session left that could keep anything of it.
        await query('rollback', [], {}).catch(() => {})
        throw error
      })
      const { command } = await query('commit', [], {})
      if (command !== 'COMMIT') throw errorOf(rolledBack)
      return result
    } finally {
      done()
      if (turn === mine) turn = null
    }
  }

  async function listen(
    channel: string,
    heard: (payload: string) => void,
  ): Promise<() => Promise<void>> {
    const id = ++asked
    listeners.set(id, heard)
    await ask({ do: 'listen', channel }, id)
    return async () => {
      listeners.delete(id)
      await inTurn(() => ask({ do: 'unlisten', listening: id }))
    }
  }

  async function close(): Promise<void> {
    if (gone === null) {
      await ask({ do: 'close' })
      end(new Error('The embedded database is closed'))
    }
    await ended
  }
}

/** Beside this file, in the sources and in what is published. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? 'worker.ts' : 'worker.js',
  import.meta.url,
)

/** The database's own memory is not counted in these: only what passes through on its way. */
const resourceLimits = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 16 }

function startWorker(): Worker {
  const compiled = module.getCompileCacheDir()
  return new Worker(program, {
    name: 'database',
    resourceLimits,
    // Nothing else of the surroundings: they hold secrets. Node appends a folder of its own to this one.
    env: compiled === undefined ? {} : { NODE_COMPILE_CACHE: dirname(compiled) },
  })
}

function errorOf({ message, fields }: Failure): Error {
  return Object.assign(new Error(message), fields)
}

/** What PostgreSQL does to the commit of a transaction in which a statement failed, without calling it an error. */
const rolledBack: Failure = {
  message: 'Transaction was rolled back instead of committed',
  fields: { severity: 'ERROR', code: '25P02' },
}
