/** A Railway of its own on a local port: state, GraphQL, the upload route and scripted faults. Never calls out to anyone. */

import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Call, viewerOf } from './access.ts'
import {
  type Answer,
  type Engine,
  type Executed,
  engine,
  type Operation,
  type Prepared,
  type RootField,
  railwayError,
} from './execution.ts'
import { deliver, type Faults, intercepted, type Outcome, striking } from './faults.ts'
import { type Upload, upload, uploadOf } from './upload.ts'
import { seed, type World } from './world.ts'

export type { Executed } from './execution.ts'
export type { Faults } from './faults.ts'
export type { World } from './world.ts'

/** One request as it arrived. A body that is not text is given byte by byte, as latin1. */
export type Received = {
  method: string
  target: string
  headers: [string, string][]
  body: string
}

export type SimulatedRailway = {
  url: string
  token: string
  projectToken: string
  world: World
  received: Received[]
  executed: Executed[]
  faults: Faults
  reset(): void
  close(): Promise<void>
}

type Options = {
  token?: string
  port?: number
  world?: (world: World) => void
  recording?: boolean
}

/** What one request is worked on with. */
type Work = { engine: Engine; world: World; faults: Faults; record: (one: Executed) => void }
type Step = { prepared: Prepared; operation: Operation }
type Request =
  | { kind: 'graphql'; steps: Step[]; batch: boolean; roots: RootField[] }
  | { kind: 'upload'; upload: Upload; roots: RootField[] }
  | { kind: 'unreadable'; outcome: Outcome; roots: RootField[] }

const hourlyCalls = 1000

export async function startSimulatedRailway(options: Options = {}): Promise<SimulatedRailway> {
  const token = options.token ?? randomUUID()
  const projectToken = randomUUID()
  const recording = options.recording ?? true
  const fresh = () => {
    const world = seed(token, projectToken)
    options.world?.(world)
    return world
  }
  const world = fresh()
  const received: Received[] = []
  const executed: Executed[] = []
  const faults: Faults = {}
  const record = recording ? (one: Executed) => void executed.push(one) : undefined
  const work = { engine: engine(record), world, faults, record: record ?? (() => {}) }
  let remaining = hourlyCalls

  const server = createServer(async (req, res) => {
    const bytes = await bodyOf(req).catch(() => undefined)
    if (bytes === undefined) return
    if (recording) received.push(recordOf(req, bytes))
    remaining = Math.max(0, remaining - 1)
    await serve(work, { req, res }, bytes, remaining).catch((error) => {
      res.statusCode = 500
      res.end(String(error))
    })
  })
  const port = await listen(server, options.port ?? 0)

  return {
    url: `http://127.0.0.1:${port}`,
    token,
    projectToken,
    world,
    received,
    executed,
    faults,
    reset() {
      Object.assign(world, fresh())
      received.length = 0
      executed.length = 0
      for (const key of Object.keys(faults)) Reflect.deleteProperty(faults, key)
      remaining = hourlyCalls
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : port)
    })
  })
}

async function bodyOf(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk)
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)
}

function recordOf(req: IncomingMessage, bytes: Buffer): Received {
  const headers: [string, string][] = []
  for (let at = 0; at < req.rawHeaders.length; at += 2) {
    headers.push([req.rawHeaders[at] ?? '', req.rawHeaders[at + 1] ?? ''])
  }
  const packed = req.headers['content-type']?.includes('gzip') ?? false
  const body = bytes.toString(packed ? 'latin1' : 'utf8')
  return { method: req.method ?? '', target: req.url ?? '', headers, body }
}

async function serve(
  work: Work,
  exchange: { req: IncomingMessage; res: ServerResponse },
  bytes: Buffer,
  remaining: number,
): Promise<void> {
  const request = read(work.engine, exchange.req, bytes)
  const faults = striking(work.faults, request.roots)
  const { world } = work
  const viewer = viewerOf(world, exchange.req.headers)
  const call: Call = { world, viewer, pageSize: faults.pageSize }
  const outcome = intercepted(faults) ?? perform(work, request, call, faults)
  await deliver(exchange, outcome, faults, remaining)
}

/** The content type is not looked at: curl's default one carries JSON to Railway just as well. */
function read(engine: Engine, req: IncomingMessage, bytes: Buffer): Request {
  const { pathname, searchParams } = new URL(req.url ?? '/', 'http://localhost')
  const uploaded = uploadOf(pathname, searchParams, bytes.length)
  if (uploaded !== undefined && req.method === 'POST') {
    return { kind: 'upload', upload: uploaded, roots: [{ key: 'up', name: 'up' }] }
  }
  if (pathname !== '/graphql/v2') return unreadable(404, 'Not Found')
  if (req.method !== 'POST') return unreadable(405, 'Method Not Allowed')
  const json = jsonOf(bytes.toString())
  const operations = (Array.isArray(json) ? json : [json]).map(operationOf)
  const steps = operations.flatMap((one) =>
    one === undefined ? [] : [{ prepared: engine.prepare(one.query), operation: one }],
  )
  if (steps.length === 0 || steps.length < operations.length) {
    return unreadable(400, 'POST body is not a GraphQL request')
  }
  const roots = steps.flatMap(({ prepared }) => prepared.roots)
  return { kind: 'graphql', steps, batch: Array.isArray(json), roots }
}

function unreadable(status: number, message: string): Request {
  return { kind: 'unreadable', outcome: { status, body: { errors: [{ message }] } }, roots: [] }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function operationOf(json: unknown): Operation | undefined {
  if (typeof json !== 'object' || json === null || !('query' in json)) return undefined
  if (typeof json.query !== 'string') return undefined
  const operation: Operation = { query: json.query }
  if ('variables' in json && isVariables(json.variables)) operation.variables = json.variables
  if ('operationName' in json && typeof json.operationName === 'string') {
    operation.operationName = json.operationName
  }
  return operation
}

function isVariables(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function perform(work: Work, request: Request, call: Call, faults: Faults): Outcome {
  if (request.kind === 'unreadable') return request.outcome
  if (request.kind === 'upload') return uploadOutcome(work, request.upload, call, faults)
  const answers = request.steps.map((step) => answer(work.engine, step, call, faults))
  const [only] = answers
  if (!request.batch && only !== undefined) return only
  return { status: 200, body: answers.map(({ body }) => body) }
}

function uploadOutcome(work: Work, one: Upload, call: Call, faults: Faults): Outcome {
  if (faults.failRoots?.includes('up')) return { status: 500, body: { message: 'Upload failed' } }
  return upload(one, call, work.record)
}

function answer(engine: Engine, step: Step, call: Call, faults: Faults): Answer {
  const { roots } = step.prepared
  const failed = roots.find(({ name }) => faults.failRoots?.includes(name))
  if (failed !== undefined) {
    const error = railwayError({ message: 'Problem processing request', path: [failed.key] })
    return { status: 200, body: { errors: [error], data: null } }
  }
  const sound = engine.run(step.prepared, step.operation, call)
  const nulls = roots.filter(({ name }) => faults.nullRoots?.includes(name))
  if (nulls.length === 0) return sound
  const data = Object.fromEntries(nulls.map(({ key }) => [key, null]))
  return { status: 200, body: { data: { ...Object(sound.body.data), ...data } } }
}
