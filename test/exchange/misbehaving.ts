/** A simulated Railway behind a listener that can answer in its place, byte for byte: for what a GraphQL server would never send. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type SimulatedRailway, startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { realToken } from '../support/broker.ts'

/** Answers the requests whose body holds `marker`. */
export type Script = {
  marker: string
  answer: (req: IncomingMessage, res: ServerResponse) => void | Promise<void>
}

export type Misbehaving = SimulatedRailway & { script: Script | null }

export async function startMisbehaving(): Promise<Misbehaving> {
  const railway = await startSimulatedRailway({ token: realToken() })
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const { script } = misbehaving
    if (script !== null && body.includes(script.marker)) return script.answer(req, res)
    relay(railway.url, req, body, res)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  const misbehaving: Misbehaving = {
    ...railway,
    url: `http://127.0.0.1:${bound.port}`,
    script: null,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await railway.close()
    },
  }
  return misbehaving
}

function relay(url: string, req: IncomingMessage, body: Buffer, res: ServerResponse): void {
  const { method, headers } = req
  const onward = request(`${url}${req.url}`, { method, headers }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(res)
    answer.on('error', () => res.destroy())
  })
  onward.on('error', () => res.destroy())
  onward.end(body)
}
