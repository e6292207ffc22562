/** A relay before a PostgreSQL: it can fall silent, hang up, and do to a client what a pooler by transactions does. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type Relay = {
  /** The given address, through the relay. */
  url: string
  /** Names of prepared statements and settings at start that it saw; a pooler refuses both. */
  refused: string[]
  freeze(frozen: boolean): void
  hangUp(): void
  close(): Promise<void>
}

export async function relay(target: string, options: { pooler?: boolean } = {}): Promise<Relay> {
  const address = new URL(target)
  const [port, host] = [Number(address.port), address.hostname]
  const sockets = new Set<Socket>()
  const refused: string[] = []
  let frozen = false
  const server = createServer((client) => {
    const upstream = connect(port, host)
    let started = false
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    client.on('data', (chunk) => {
      if (frozen) return
      if (options.pooler) refused.push(...(started ? named(chunk) : settings(chunk)))
      started = true
      if (refused.length > 0) client.destroy()
      else upstream.write(chunk)
    })
    upstream.on('data', (chunk) => {
      if (!frozen) client.write(options.pooler ? disguised(chunk) : chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('The relay has no port')
  address.port = String(bound.port)
  const hangUp = () => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    url: address.href,
    refused,
    hangUp,
    freeze: (now) => {
      frozen = now
    },
    close: async () => {
      hangUp()
      server.close()
      await once(server, 'close')
    },
  }
}

type Message = { type: string; body: Buffer; at: number }

function* messages(chunk: Buffer): Generator<Message> {
  for (let at = 0; at + 5 <= chunk.length; at += 1 + chunk.readUInt32BE(at + 1)) {
    const body = chunk.subarray(at + 5, at + 1 + chunk.readUInt32BE(at + 1))
    yield { type: String.fromCharCode(chunk[at] ?? 0), body, at }
  }
}

/** Parse messages whose statement has a name. */
function named(chunk: Buffer): string[] {
  const parses = [...messages(chunk)].filter(({ type, body }) => type === 'P' && body[0] !== 0)
  return parses.map(({ body }) => body.toString().split('\0')[0] ?? '')
}

function settings(chunk: Buffer): string[] {
  const words = chunk.subarray(8).toString().split('\0')
  const names = words.filter((word, index) => index % 2 === 0 && word !== '')
  const known = ['user', 'database', 'client_encoding', 'application_name']
  return names.filter((name) => !known.includes(name))
}

/** The process id of the server's end is not the client's business. */
function disguised(chunk: Buffer): Buffer {
  const copy = Buffer.from(chunk)
  for (const { type, body, at } of messages(chunk)) {
    if (type === 'K' && body.length === 8) copy.writeUInt32BE(1_000_000, at + 5)
  }
  return copy
}
