/**
 * A listener on loopback for one command: what comes in under its secret path goes on to the broker with a fresh capability and
 * a proof of its key. It changes nothing else, follows nothing, and keeps no body.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request as plainRequest,
  type ServerResponse,
} from 'node:http'
import { request as tlsRequest } from 'node:https'
import { pipeline } from 'node:stream'
import { answerOf, call, type Plane, record, refusal } from './client.ts'
import { Failure } from './failure.ts'
import { describedBy, type Obtain, type Obtained } from './obtain.ts'
import { type Prover, proverOf } from './prover.ts'

export type Relay = {
  /** What the command's clients read to find it. */
  variables: Record<string, string>
  close(): Promise<void>
}

/** A capability is renewed when so much of its life is left, or at the latest a minute before its end. */
const renewAtMost = 0.3
const renewMs = 60_000
/** The broker takes a nonce for longer than that. */
const nonceMs = 60_000

/** Neither what belongs to one connection nor what could be taken for a credential goes on. */
const dropped = new Set([
  ...[
    'connection',
    'keep-alive',
    'proxy-connection',
    'te',
    'trailer',
    'transfer-encoding',
    'upgrade',
  ],
  ...[
    'host',
    'authorization',
    'proxy-authorization',
    'project-access-token',
    'team-access-token',
    'dpop',
  ],
])

export async function startRelay(plane: Plane, obtain: Obtain): Promise<Relay> {
  const { issuer } = await describedBy(plane)
  const prover = await proverOf(issuer)
  const { fresh, held } = renewing(() => obtain(prover))
  const { token } = await fresh()
  const connections = await connectionsOf(plane, prover, token)
  // Any process of this machine can reach the port; only the command knows the path.
  const secret = `/${randomBytes(24).toString('base64url')}`
  const server = createServer((request, response) => {
    pass(request, response, { plane, prover, fresh, secret }).catch((error: unknown) =>
      refuse(response, error),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  const base = `http://127.0.0.1:${address.port}${secret}`
  return {
    variables: variablesFor(base, connections),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await giveUp(plane, held()?.token ?? token)
    },
  }
}

/** One that is about to expire is replaced before a call, once for all calls that wait. */
function renewing(obtain: () => Promise<Obtained>) {
  let held: (Obtained & { renewAt: number }) | null = null
  let under: Promise<Obtained> | null = null
  const fresh = async (): Promise<Obtained> => {
    if (held !== null && Date.now() < held.renewAt) return held
    under ??= obtain()
      .then((got) => {
        const life = got.expiresAt - Date.now()
        held = { ...got, renewAt: got.expiresAt - Math.min(renewMs, life * renewAtMost) }
        return held
      })
      .catch((error: unknown) => {
        // What is held is good until it has expired, whatever keeps a new one away.
        if (held !== null && Date.now() < held.expiresAt) return held
        throw error
      })
      .finally(() => {
        under = null
      })
    return under
  }
  return { fresh, held: (): Obtained | null => held }
}

type Connection = {
  connection: string
  urls: Record<string, string>
  tokens: string[]
  credentials: string | undefined
}

async function connectionsOf(plane: Plane, prover: Prover, token: string): Promise<Connection[]> {
  const response = await looked(plane, prover, token)
  const listed: unknown = record(await response.json())?.['connections']
  return (Array.isArray(listed) ? listed : []).flatMap((one) => {
    const { connection, clients } = record(one) ?? {}
    if (typeof connection !== 'string') return []
    const { urls, tokens, credentials } = record(clients) ?? {}
    const texts = Object.entries(record(urls) ?? {}).map(([name, path]) => [name, String(path)])
    const names = (Array.isArray(tokens) ? tokens : []).filter((name) => typeof name === 'string')
    const leased = typeof credentials === 'string' ? credentials : undefined
    return [{ connection, urls: Object.fromEntries(texts), tokens: names, credentials: leased }]
  })
}

/** What the capability is for; on the way it brings a nonce that is good for the next proofs. */
async function looked(plane: Plane, prover: Prover, token: string): Promise<Response> {
  const path = '/v1/capability'
  for (let tries = 2; ; tries -= 1) {
    const dpop = await prover.proof('GET', path, token)
    const headers = { authorization: `DPoP ${token}`, dpop }
    const response = await answerOf(plane, path, { headers })
    prover.learn(response.headers.get('dpop-nonce'))
    if (response.ok) return response
    if (tries === 1) throw await refusal(plane, response)
  }
}

function variablesFor(base: string, connections: readonly Connection[]): Record<string, string> {
  const of = (name: string) => `${base}/x/${name}`
  return Object.fromEntries(
    connections.flatMap(({ connection, urls, tokens, credentials }) => [
      [`VALETKEY_${connection.toUpperCase().replaceAll('-', '_')}_URL`, of(connection)],
      ...Object.entries(urls).map(([name, path]) => [name, of(connection) + path]),
      ...(credentials === undefined ? [] : [[credentials, `${base}/v1/credentials/${connection}`]]),
      // Clients demand one even where they need none. It is no secret, and the broker never sees it.
      ...tokens.map((name) => [name, 'valetkey-run']),
    ]),
  )
}

type Way = { plane: Plane; prover: Prover; fresh: () => Promise<Obtained>; secret: string }

async function pass(
  request: IncomingMessage,
  response: ServerResponse,
  { plane, prover, fresh, secret }: Way,
): Promise<void> {
  const target = request.url ?? ''
  if (!target.startsWith(`${secret}/`)) {
    response.writeHead(404).end()
    return
  }
  const { token } = await fresh()
  // A proof with an old nonce would be refused after the body has gone.
  if (prover.age() > nonceMs) await looked(plane, prover, token)
  const path = target.slice(secret.length)
  const method = request.method ?? 'GET'
  const url = new URL(plane.url)
  const headers = [
    ...kept(request.rawHeaders),
    ...['authorization', `DPoP ${token}`],
    ...['dpop', await prover.proof(method, path, token)],
    ...['host', url.host],
  ]
  const send = url.protocol === 'https:' ? tlsRequest : plainRequest
  const { hostname, port } = url
  const going = send({
    hostname: hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    method,
    path,
    headers,
  })
  // Whoever hangs up ends the call.
  response.once('close', () => response.writableFinished || going.destroy())
  const answer = await answered(request, going)
  const nonce = answer.headers['dpop-nonce']
  prover.learn(typeof nonce === 'string' ? nonce : null)
  response.writeHead(answer.statusCode ?? 502, kept(answer.rawHeaders))
  pipeline(answer, response, () => {})
}

/** A refusal may come before the whole body has gone; then nobody wants the rest of it. */
async function answered(request: IncomingMessage, going: ClientRequest): Promise<IncomingMessage> {
  const responded = once(going, 'response')
  request.once('error', () => going.destroy())
  request.pipe(going)
  const [answer]: IncomingMessage[] = await responded
  if (answer === undefined) throw new Error('there is no answer')
  // Broken off by the broker once it has answered, which is no failure.
  going.on('error', () => {})
  request.unpipe(going)
  request.resume()
  return answer
}

function kept(raw: readonly string[]): string[] {
  return raw.flatMap((name, i) => {
    const value = raw[i + 1]
    if (i % 2 === 1 || value === undefined || dropped.has(name.toLowerCase())) return []
    return [name, value]
  })
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const known =
    error instanceof Failure
      ? error
      : new Failure('broker-unreachable', 'The broker did not answer.', { hint: 'Try again.' })
  const { code, message: detail, hint } = known
  const message = hint === undefined ? detail : `${detail} ${hint}`
  const body = {
    code,
    detail,
    ...(hint === undefined ? {} : { hint }),
    message,
    error: { message, code },
    errors: [{ message }],
  }
  response.writeHead(502, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** Nobody needs it any more. If nobody hears that, it expires. */
async function giveUp(plane: Plane, token: string): Promise<void> {
  const form = new URLSearchParams({ token })
  await call(plane, '/oauth/revoke', { method: 'POST', form, timeoutMs: 3_000 }).catch(() => {})
}
