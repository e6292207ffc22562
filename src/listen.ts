/** The listeners, bound before anything is opened, and how they stop. Never serves what the broker has not handed to them. */
import { readFile } from 'node:fs/promises'
import http, { type RequestListener, type Server } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Config, Limits } from './config.ts'
import { refuseOnWire } from './http/wire-error.ts'

export type Listening = { server: Server; port: number; serve(listener: RequestListener): void }

/** `doors` lead to one connection each, by its name. */
export type Planes = {
  agent: Listening
  operator: Listening
  doors: ReadonlyMap<string, Listening>
}

/** All or none. */
export async function listenOn(config: Config): Promise<Planes> {
  const bound: Listening[] = []
  const on = async (port: number) => {
    const one = await listen(config, port)
    bound.push(one)
    return one
  }
  try {
    const agent = await on(config.agentPort)
    const operator = await on(config.operatorPort)
    const doors = new Map<string, Listening>()
    for (const [name, port] of config.connectionPorts) doors.set(name, await on(port))
    return { agent, operator, doors }
  } catch (error) {
    await drainAll(bound, 0)
    throw error
  }
}

/** Binds first, so that a port in use stops the start before anything is opened. Until it serves, it answers 503. */
async function listen(config: Config, port: number): Promise<Listening> {
  let serve: RequestListener = (_, response) => {
    response.writeHead(503, { 'Retry-After': '1' }).end()
  }
  const server = await createServer(config, (request, response) => serve(request, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(bindError(error, config.host, port)))
    server.listen(port, config.host, resolve)
  })
  const { port: bound } = addressOf(server)
  return {
    server,
    port: bound,
    serve: (listener) => {
      serve = listener
    },
  }
}

async function createServer(config: Config, listener: RequestListener): Promise<Server> {
  const { limits, tls } = config
  const options = serverOptions(limits)
  if (tls === null) return hardened(http.createServer(options, listener))
  const [cert, key] = await Promise.all([
    readSetting('VALETKEY_TLS_CERT', tls.cert),
    readSetting('VALETKEY_TLS_KEY', tls.key),
  ])
  try {
    return hardened(https.createServer({ ...options, cert, key, minVersion: 'TLSv1.2' }, listener))
  } catch (error) {
    throw new Error(
      `VALETKEY_TLS_CERT and VALETKEY_TLS_KEY do not make a TLS server (${wordsOf(error)}): give a certificate and its own key, both in PEM`,
      { cause: error },
    )
  }
}

async function readSetting(name: string, path: string): Promise<Buffer> {
  return readFile(path).catch((error: unknown) => {
    throw new Error(`${name} cannot be read: ${wordsOf(error)}`, { cause: error })
  })
}

function serverOptions(limits: Limits) {
  return {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.requestMs,
    requestTimeout: limits.requestMs,
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 65_000,
    insecureHTTPParser: false,
    requireHostHeader: true,
  }
}

function hardened(server: Server): Server {
  // Node drops what is beyond this number without a word; the road counts for itself and refuses.
  server.maxHeadersCount = 0
  server.on('clientError', refuseOnWire)
  return server
}

function addressOf(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the listener has no port')
  return address
}

function bindError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const detail =
    error.code === 'EADDRINUSE'
      ? `Port ${port} on ${host} is in use: stop what uses it, or choose another port`
      : `Port ${port} on ${host} cannot be listened on (${error.code}): choose another VALETKEY_HOST or port`
  return new Error(detail, { cause: error })
}

/** At once, so that a reader of one plane does not keep the other open. */
export async function drainAll(planes: readonly Listening[], drainMs: number): Promise<void> {
  await Promise.all(planes.map(({ server }) => drain(server, drainMs)))
}

/** Stops accepting, lets what is under way finish, and cuts it when that takes too long. */
async function drain(server: Server, drainMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  // Again and again: a connection that is kept alive becomes idle only when its call has ended.
  server.closeIdleConnections()
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  const cut = setTimeout(() => server.closeAllConnections(), drainMs)
  await closed
  clearInterval(idle)
  clearTimeout(cut)
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
