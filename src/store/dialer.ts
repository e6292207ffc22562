/** Connections to PostgreSQL that end when it falls silent. Never cuts one that waits for nothing. */
import { connect, type LookupFunction, type Socket } from 'node:net'
import { Duplex } from 'node:stream'

/** What postgres-js resolves from the address before it asks for a socket. */
type Address = { host: string[]; port: number[]; path?: string | false; ssl?: unknown }

/**
 * For the `socket` option of postgres-js, which by itself waits for ever for a server that is frozen or was cut off. Its
 * TLS runs inside, so what is seen here is then encrypted.
 */
export function dialer(silenceMs: number, lookup?: LookupFunction): (address: Address) => Duplex {
  let attempts = 0
  return (address) => {
    // Several hosts are tried in turn.
    const index = attempts++ % address.host.length
    const host = address.host[index] ?? 'localhost'
    const port = address.port[index] ?? 5432
    const socket = address.path
      ? connect(address.path)
      : connect({ host, port, ...(lookup === undefined ? {} : { lookup }) })
    const stream = watched(socket, { silenceMs, isEnd: address.ssl ? anything : endsInReady })
    return Object.assign(stream, {
      host,
      port,
      setKeepAlive: (on: boolean, delay: number) => socket.setKeepAlive(on, delay),
    })
  }
}

/** A stream of its own round the socket: TLS would take a bare socket's handle, and nothing would be seen. */
function watched(
  socket: Socket,
  { silenceMs, isEnd }: { silenceMs: number; isEnd: (chunk: Buffer) => boolean },
): Duplex {
  let timer: NodeJS.Timeout | undefined
  const owed = () => {
    clearTimeout(timer)
    timer = setTimeout(() => socket.destroy(silent(silenceMs)), silenceMs)
  }
  const stream = new Duplex({
    emitClose: false,
    read: () => socket.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      if (timer === undefined) owed()
      socket.write(chunk, done)
    },
    final: (done) => socket.end(done),
    destroy: (error, done) => {
      clearTimeout(timer)
      socket.destroy()
      done(error)
    },
  })
  socket.on('data', (chunk: Buffer) => {
    if (isEnd(chunk)) {
      clearTimeout(timer)
      timer = undefined
    } else if (timer !== undefined) owed()
    if (!stream.push(chunk)) socket.pause()
  })
  socket.on('end', () => stream.push(null))
  socket.on('error', (error) => stream.destroy(error))
  socket.on('close', (hadError) => {
    stream.destroy()
    // As a socket says it: without the flag, the driver would come back every few milliseconds.
    stream.emit('close', hadError)
  })
  return Object.defineProperty(stream, 'readyState', { get: () => socket.readyState })
}

const anything = () => true

/** ReadyForQuery, the last message of every answer: `Z`, its length, and the state of the transaction. */
function endsInReady(chunk: Buffer): boolean {
  const at = chunk.length - 6
  return at >= 0 && chunk[at] === 0x5a && chunk.readUInt32BE(at + 1) === 5
}

function silent(silenceMs: number): Error {
  return Object.assign(new Error(`The database owed an answer for ${silenceMs / 1000} s`), {
    code: 'DATABASE_SILENT',
  })
}
