/** A local fake of Neon's API, as far as its projects, branches and databases go: it keeps them, and remembers what was asked. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { closeLater } from './closing.ts'

export type Neon = {
  url: string
  token: string
  /** `METHOD /path?query`, in order. */
  asked: string[]
  /** By project, the names of the databases of each branch. */
  projects: Map<string, Map<string, Set<string>>>
  /** In place of all answers. */
  script:
    | ((path: string) => { status: number; body: unknown; headers?: Record<string, string> } | null)
    | null
}

export async function startNeon(token: string): Promise<Neon> {
  const asked: string[] = []
  const projects = new Map([
    [
      'proj-one',
      new Map([
        ['br-staging', new Set(['app', 'scratch'])],
        ['br-production', new Set(['app'])],
      ]),
    ],
    ['proj-two', new Map([['br-other', new Set(['app'])]])],
  ])
  const neon: Neon = { url: '', token, asked, projects, script: null }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const url = new URL(request.url ?? '', 'http://neon')
    const path = url.pathname.replace(/^\/api\/v2/, '')
    asked.push(`${request.method} ${path}${url.search}`)
    const give = (status: number, body: unknown, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers })
      response.end(JSON.stringify(body))
    }
    if (request.headers.authorization !== `Bearer ${token}`) {
      return give(401, { message: 'no', got: request.headers.authorization })
    }
    const scripted = neon.script?.(path)
    if (scripted) return give(scripted.status, scripted.body, scripted.headers)
    const [, first, project = '', second, branch = '', third, database = ''] = path.split('/')
    const branches = projects.get(project)
    if (first !== 'projects') return give(404, { message: 'not found' })
    if (project === '') {
      return give(200, { projects: [...projects.keys()].map((id) => ({ id, name: id })) })
    }
    if (branches === undefined) return give(404, { message: 'project not found' })
    if (second === undefined) return give(200, { project: { id: project, name: project } })
    const shown = (id: string) => ({ id, project_id: project, name: id.replace('br-', '') })
    if (second === 'branches' && branch === '') {
      return give(200, { branches: [...branches.keys()].map(shown) })
    }
    const databases = branches.get(branch)
    if (databases === undefined) return give(404, { message: 'branch not found' })
    if (third === undefined) {
      if (request.method === 'DELETE') branches.delete(branch)
      return give(200, { branch: shown(branch) })
    }
    if (third !== 'databases') return give(404, { message: 'not found' })
    if (database === '' && request.method === 'POST') {
      const { name } = JSON.parse(Buffer.concat(chunks).toString()).database
      databases.add(name)
      return give(201, { database: { branch_id: branch, name } })
    }
    if (database === '') {
      return give(200, { databases: [...databases].map((name) => ({ branch_id: branch, name })) })
    }
    if (!databases.has(database)) return give(404, { message: 'database not found' })
    if (request.method === 'DELETE') databases.delete(database)
    return give(200, { database: { branch_id: branch, name: database } })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  neon.url = `http://127.0.0.1:${address.port}/api/v2`
  closeLater(async () => {
    server.closeAllConnections()
    server.close()
  })
  return neon
}
