/** A local fake of the part of GitHub that gives installation tokens: it checks the App's JWT as GitHub does, and remembers what is alive. */
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { jwtVerify } from 'jose'
import { closeLater } from './closing.ts'
import { type Api, githubApi } from './github-api.ts'

export type Github = {
  url: string
  /** The App's private key as GitHub hands it out: PKCS #1. */
  privateKey: string
  /** What each token that is alive may do. */
  alive: Map<string, { repositories: number[]; permissions: Record<string, string> }>
  api: Api | undefined
  /** Makes it answer otherwise. */
  faults: { wider?: boolean; deletes?: number }
  /** What the installation may. */
  granted: Record<string, string>
}

export const repositories = [
  { id: 101, full_name: 'acme/staging', name: 'staging' },
  { id: 102, full_name: 'acme/production', name: 'production' },
]
const installation = '42'
const levels = ['read', 'write', 'admin']

/** With the rest of its API behind the same tokens, where that is asked for. */
export async function startGithub(whole = false): Promise<Github> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const publicKey = createPublicKey(privateKey)
  const alive: Github['alive'] = new Map()
  const faults: Github['faults'] = {}
  const granted: Github['granted'] = { contents: 'write', issues: 'write', metadata: 'read' }
  const bearer = (request: IncomingMessage) =>
    /^(?:bearer|token) (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''

  const api = whole ? githubApi((token) => alive.get(token)?.repositories ?? null) : undefined
  const server = createServer(async (request, response) => {
    const answer = (status: number, body?: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(body === undefined ? '' : JSON.stringify(body))
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    const route = `${request.method} ${pathname}`
    if (route === `POST /app/installations/${installation}/access_tokens`) {
      if (!(await isApp(bearer(request))))
        return answer(401, { message: 'A JSON web token could not be decoded' })
      return answer(...mint(text === '' ? {} : JSON.parse(text)))
    }
    if (route === `GET /app/installations/${installation}`) {
      if (!(await isApp(bearer(request)))) return answer(401, { message: 'no' })
      return answer(200, { id: Number(installation), permissions: granted })
    }
    if (api !== undefined && (await api.serve(request, response, text))) return
    const held = alive.get(bearer(request))
    if (held === undefined) return answer(401, { message: 'Bad credentials' })
    if (route === 'GET /installation/repositories') {
      const page = Number(searchParams.get('page') ?? 1)
      const mine = page > 1 ? [] : repositories.filter(({ id }) => held.repositories.includes(id))
      return answer(200, { total_count: mine.length, repositories: mine })
    }
    if (route === 'DELETE /installation/token') {
      if ((faults.deletes ?? 0) > 0) {
        faults.deletes = (faults.deletes ?? 0) - 1
        return answer(502)
      }
      alive.delete(bearer(request))
      return answer(204)
    }
    const found = repositories.find(({ full_name }) => `GET /repos/${full_name}` === route)
    if (found === undefined || !held.repositories.includes(found.id))
      return answer(404, { message: 'Not Found' })
    return answer(200, found)
  })

  async function isApp(jwt: string): Promise<boolean> {
    try {
      const { payload } = await jwtVerify(jwt, publicKey, { algorithms: ['RS256'] })
      // Clients send it as a number too.
      if (String(payload.iss) !== '7') return false
      return (
        (payload.exp ?? Infinity) - Date.now() / 1000 <= 600 &&
        (payload.iat ?? Infinity) <= Date.now() / 1000
      )
    } catch {
      return false
    }
  }

  function mint(asked: {
    repository_ids?: number[]
    permissions?: Record<string, string>
  }): [number, unknown] {
    const ids = asked.repository_ids ?? repositories.map(({ id }) => id)
    const permissions: Record<string, string> = {
      ...(asked.permissions ?? granted),
      metadata: 'read',
    }
    const may = Object.entries(permissions).every(
      ([name, level]) => levels.indexOf(level) <= levels.indexOf(granted[name] ?? ''),
    )
    if (!may || !ids.every((id) => repositories.some((one) => one.id === id))) {
      return [422, { message: 'The permissions requested are not granted to this installation.' }]
    }
    const token = `ghs_${randomBytes(18).toString('hex')}`
    const given = faults.wider === true ? repositories.map(({ id }) => id) : ids
    alive.set(token, { repositories: given, permissions })
    return [
      201,
      {
        token,
        expires_at: new Date(Date.now() + 3_600_000).toISOString(),
        permissions,
        repository_selection: asked.repository_ids === undefined ? 'all' : 'selected',
        repositories: repositories.filter(({ id }) => given.includes(id)),
      },
    ]
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  closeLater(async () => {
    server.closeAllConnections()
    server.close()
  })
  const pem = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  return { url: `http://127.0.0.1:${address.port}`, privateKey: pem, alive, api, faults, granted }
}
