/** Answers what is no HTTP request, or none that came in time, on the bare socket: no handler ever sees it. Never repeats what was sent. */
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { BrokerError, problem } from '../errors.ts'
import { newRequestId } from '../ids.ts'

/** For a server's `clientError`. */
export function refuseOnWire(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, refusal] = wireError(error.code)
  const document = { ...problem(refusal, newRequestId()), status }
  const body = Buffer.from(JSON.stringify(document))
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/problem+json',
    `Content-Length: ${body.length}`,
    'Cache-Control: no-store',
    'Valetkey-Verdict: deny',
    `Valetkey-Request-Id: ${document.request_id}`,
    'Connection: close',
  ]
  socket.end(Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body]))
}

function wireError(code: string | undefined): [number, BrokerError] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        431,
        new BrokerError('payload-too-large', 'The headers are too large.', {
          hint: 'Send fewer and shorter ones.',
        }),
      ]
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return [
        408,
        new BrokerError('malformed-request', 'The request did not arrive in time.', {
          hint: 'Send it again, in one go.',
        }),
      ]
    default:
      return [
        400,
        new BrokerError('malformed-request', 'This is not an HTTP request that can be read.', {
          hint: 'Send HTTP/1.1 as its specification has it, one length or chunks, and no folded lines.',
        }),
      ]
  }
}
