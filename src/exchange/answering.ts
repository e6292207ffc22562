/**
 * Takes one answer off the wire: whole when it is small, else as a stream that waits for its reader. Never holds more than
 * it may, and reads nothing of what it takes.
 */
import type { Dispatcher } from 'undici'

export type Answered = {
  status: number
  /** Names lower case; repeats kept. */
  headers: readonly (readonly [string, string])[]
  /** A stream when there was more than the caller takes whole. */
  body: Buffer | AsyncGenerator<Buffer>
  /** Gives up the rest of it. A stream has to be read to its end, or dropped. */
  drop(): void
}

export type Answering = {
  handler: Dispatcher.DispatchHandler
  answered: Promise<Answered>
  /** Ends the request, wherever it is; what has not left then never does. */
  cut(reason: Error): void
}

/** `ended` is called once, when nothing more will come. */
export function receive(wholeBytes: number, ended: () => void): Answering {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const chunks: Buffer[] = []
  let size = 0
  let controller: Dispatcher.DispatchController | null = null
  let state: 'coming' | 'streaming' | 'done' = 'coming'
  let failure: Error | null = null
  let status = 0
  let headers: Answered['headers'] = []
  let wake = () => {}

  const answer = (body: Answered['body']) => resolve({ status, headers, body, drop })

  const cut = (reason: Error) => {
    if (state === 'done') return
    failure ??= reason
    if (controller === null) end()
    else controller.abort(reason)
  }

  function drop(): void {
    cut(new Error('nobody wants the rest of the answer'))
  }

  function begin(): void {
    state = 'streaming'
    answer(stream())
  }

  function end(): void {
    const before = state
    state = 'done'
    ended()
    if (before === 'streaming') wake()
    else if (failure !== null) reject(failure)
    else answer(joined(chunks))
  }

  async function* stream(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const chunk = chunks.shift()
        if (chunk !== undefined) yield chunk
        else if (failure !== null) throw failure
        else if (state === 'done') return
        else {
          // Before `resume`, which may bring the next chunk at once.
          const woken = new Promise<void>((resolve) => {
            wake = resolve
          })
          controller?.resume()
          await woken
        }
      }
    } finally {
      drop()
    }
  }

  return {
    answered: promise,
    cut,
    handler: {
      onRequestStart(begun) {
        controller = begun
        if (failure !== null) begun.abort(failure)
      },
      onResponseStart(_, code, fields) {
        // What comes before the answer itself (RFC 9110, section 15.2).
        if (code < 200) return
        status = code
        headers = pairs(fields)
        // Nobody reads the body of a redirect, which need not end.
        if (code >= 300 && code < 400) begin()
      },
      onResponseData(own, chunk) {
        // Which is what a resumed parser says first: to pause for it again would go on for ever.
        if (chunk.length === 0) return
        chunks.push(chunk)
        size += chunk.length
        if (state === 'coming' && size > wholeBytes) begin()
        if (state === 'streaming') {
          own.pause()
          wake()
        }
      },
      onResponseEnd() {
        if (state !== 'done') end()
      },
      onResponseError(_, error) {
        failure ??= error
        if (state !== 'done') end()
      },
    },
  }
}

export function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks
  return chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)
}

function pairs(fields: Record<string, string | string[] | undefined>): Answered['headers'] {
  const found: (readonly [string, string])[] = []
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') found.push([name.toLowerCase(), value])
    else for (const one of value ?? []) found.push([name.toLowerCase(), one])
  }
  return found
}
