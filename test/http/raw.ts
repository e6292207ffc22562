/** Sends bytes as they are, on a socket of their own: what no HTTP client would agree to send. Never repairs what it sends or gets. */
import { connect } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { keep } from '../support/broker.ts'

export type RawAnswer = {
  /** 0 when the connection ended without an answer. */
  status: number
  headers: Headers
  text: string
  json: Record<string, unknown>
  /** From connecting to the end of the answer. */
  ms: number
}

/** A request as text, with a Content-Length unless one, or another framing, is given. */
export function requestOf(
  line: string,
  headers: readonly string[],
  body: Uint8Array | string = '',
): Buffer {
  const bytes = Buffer.from(body)
  const framed = headers.some((one) => /^(content-length|transfer-encoding):/i.test(one))
  const all = framed ? headers : [...headers, `Content-Length: ${bytes.length}`]
  return Buffer.concat([Buffer.from(`${line}\r\n${all.join('\r\n')}\r\n\r\n`, 'latin1'), bytes])
}

/** Sends the pieces, `pauseMs` apart, and reads one answer. Throws when none came, and the connection stayed, for `giveUpMs`. */
export async function raw(
  url: string,
  pieces: readonly (Uint8Array | string)[],
  { pauseMs = 0, giveUpMs = 8_000 }: { pauseMs?: number; giveUpMs?: number } = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const began = performance.now()
  const socket = connect({ host: hostname, port: Number(port) })
  const chunks: Buffer[] = []
  let ended = false
  const answered = new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('no answer, and no end')), giveUpMs)
    const end = () => {
      ended = true
      clearTimeout(late)
      resolve()
    }
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      if (isWhole(Buffer.concat(chunks))) end()
    })
    // A broker that has said no may close while the sender still sends.
    socket.on('error', end)
    socket.on('close', end)
  })
  try {
    const sent = send()
    await answered
    await sent
  } finally {
    socket.destroy()
  }
  return read(Buffer.concat(chunks), performance.now() - began)

  async function send(): Promise<void> {
    for (const piece of pieces) {
      if (ended || socket.destroyed) return
      socket.write(piece)
      if (pauseMs > 0) await wait(pauseMs)
    }
  }
}

const headEnd = Buffer.from('\r\n\r\n')

const lastChunk = Buffer.from('0\r\n\r\n')
const goOn = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n')

function final(bytes: Buffer): Buffer {
  return bytes.subarray(0, goOn.length).equals(goOn) ? bytes.subarray(goOn.length) : bytes
}

function isWhole(all: Buffer): boolean {
  const bytes = final(all)
  const at = bytes.indexOf(headEnd)
  if (at < 0) return false
  const fields = bytes.subarray(0, at).toString('latin1')
  if (/^transfer-encoding: *chunked/im.test(fields)) return bytes.subarray(-5).equals(lastChunk)
  const length = /^content-length: *(\d+)/im.exec(fields)?.[1]
  return length !== undefined && bytes.length >= at + 4 + Number(length)
}

function read(all: Buffer, ms: number): RawAnswer {
  const bytes = final(all)
  keep(bytes.toString('utf8'))
  const at = bytes.indexOf(headEnd)
  const [line = '', ...fields] = bytes.subarray(0, Math.max(0, at)).toString('latin1').split('\r\n')
  const headers = new Headers()
  for (const field of fields) {
    const colon = field.indexOf(':')
    headers.append(field.slice(0, colon), field.slice(colon + 1).trim())
  }
  const text = at < 0 ? '' : bytes.subarray(at + 4).toString('utf8')
  return {
    status: Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1] ?? 0),
    headers,
    text,
    json: parsed(text),
    ms,
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text)
  } catch {
    // Not every answer is JSON; who expects it will miss its members.
    return {}
  }
}
