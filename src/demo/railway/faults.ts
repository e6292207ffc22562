/** Scripted misbehaviour: how an upstream can fail its caller, on demand. Without faults, answers leave unharmed. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { RootField } from './execution.ts'

/**
 * What goes wrong. `status`, `redirect` and `failRoots` answer instead of doing the work; all others spoil the answer after the
 * work was done, which is what makes an outcome unknown.
 */
export type Faults = {
  /** Limits all other faults to documents with one of these root fields, and to uploads when it has `up`. */
  onlyRoots?: string[]
  delayMs?: number
  /** The request is worked on and never answered. */
  hang?: boolean
  /** Documents with one of these root fields are answered with an error. */
  failRoots?: string[]
  /** These root fields answer null, even where the schema promises a value. */
  nullRoots?: string[]
  status?: number
  /** The address a 307 points to. */
  redirect?: string
  /** The body is a web page instead of JSON. */
  garbage?: boolean
  /** The body and a header repeat the request's headers, the credential included: plain, in base64 and in hex. */
  echoHeaders?: boolean
  /** The body is compressed whatever was asked for. */
  encoding?: 'gzip'
  /** The most rows a connection yields at once, whatever `first` says. */
  pageSize?: number
  rateRemaining?: number
  /** The connection breaks after half the body. */
  closeEarly?: boolean
  /** The body arrives in pieces, this long apart. */
  dripMs?: number
}

export type Outcome = { status: number; body: unknown }

const rateLimit = 1000
const pieces = 16

/** The faults that strike this request. */
export function striking(faults: Faults, roots: RootField[]): Faults {
  const { onlyRoots } = faults
  if (onlyRoots === undefined) return faults
  return roots.some(({ name }) => onlyRoots.includes(name)) ? faults : {}
}

/** Whether a fault answers in the place of the service. */
export function intercepted(faults: Faults): Outcome | undefined {
  if (faults.redirect !== undefined) return { status: 307, body: {} }
  if (faults.status !== undefined) {
    return { status: faults.status, body: { message: `Answered with ${faults.status}` } }
  }
  return undefined
}

/** Sends an outcome, harmed as the faults say. */
export async function deliver(
  { req, res }: { req: IncomingMessage; res: ServerResponse },
  outcome: Outcome,
  faults: Faults,
  remaining: number,
): Promise<void> {
  if (faults.hang) return
  if (faults.delayMs !== undefined) await wait(faults.delayMs)
  const bytes = bodyOf(req, outcome, faults)
  res.statusCode = outcome.status
  res.setHeader('content-type', faults.garbage ? 'text/html' : 'application/json; charset=utf-8')
  res.setHeader('content-length', bytes.length)
  res.setHeader('x-ratelimit-limit', rateLimit)
  res.setHeader('x-ratelimit-remaining', faults.rateRemaining ?? remaining)
  res.setHeader('x-ratelimit-reset', Math.ceil(Date.now() / 1000) + 3600)
  harmHeaders(req, res, faults)
  if (faults.closeEarly) return breakOff(res, bytes)
  if (faults.dripMs !== undefined) return drip(res, bytes, faults.dripMs)
  res.end(bytes)
}

function harmHeaders(req: IncomingMessage, res: ServerResponse, faults: Faults): void {
  if (faults.redirect !== undefined) res.setHeader('location', faults.redirect)
  if (faults.status === 429 || faults.status === 503) res.setHeader('retry-after', 1)
  if (faults.encoding !== undefined) res.setHeader('content-encoding', faults.encoding)
  const credential = credentialOf(req)
  if (faults.echoHeaders && credential !== undefined) res.setHeader('x-echo', credential)
}

function bodyOf(req: IncomingMessage, { body }: Outcome, faults: Faults): Buffer {
  const sound = faults.echoHeaders ? withEcho(req, body) : body
  const text = faults.garbage ? '<html><body>Bad gateway</body></html>' : JSON.stringify(sound)
  const bytes = Buffer.from(text)
  return faults.encoding === undefined ? bytes : gzipSync(bytes)
}

/** Extensions may hold anything in a GraphQL answer, so a client reads on. */
function withEcho(req: IncomingMessage, body: unknown): unknown {
  const credential = Buffer.from(credentialOf(req) ?? '')
  const forms = {
    plain: credential.toString(),
    base64: credential.toString('base64'),
    base64url: credential.toString('base64url'),
    hex: credential.toString('hex'),
  }
  const echo = { headers: req.headers, credential: forms }
  return Array.isArray(body)
    ? [...body, { extensions: echo }]
    : { ...Object(body), extensions: echo }
}

function credentialOf(req: IncomingMessage): string | undefined {
  const scoped = req.headers['project-access-token']
  if (typeof scoped === 'string') return scoped
  return req.headers.authorization?.replace(/^Bearer\s+/i, '')
}

function breakOff(res: ServerResponse, bytes: Buffer): void {
  res.write(bytes.subarray(0, Math.ceil(bytes.length / 2)), () => res.destroy())
}

async function drip(res: ServerResponse, bytes: Buffer, ms: number): Promise<void> {
  const size = Math.max(1, Math.ceil(bytes.length / pieces))
  for (let at = 0; at < bytes.length && !res.destroyed; at += size) {
    res.write(bytes.subarray(at, at + size))
    await wait(ms)
  }
  res.end()
}
