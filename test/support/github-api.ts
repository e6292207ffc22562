/** A local fake of the part of GitHub's REST API that repositories, branches and deployments need. It keeps them, and what was asked. */
import type { IncomingMessage, ServerResponse } from 'node:http'

export type Repo = {
  id: number
  full_name: string
  branches: Map<string, string>
  tags: Set<string>
  pulls: Map<number, { base: string; head: string; from?: number }>
  deployments: Map<number, string>
  /** Merging deletes what was merged. */
  deletes?: boolean
}

function repo(id: number, full_name: string): Repo {
  return {
    ...{ id, full_name },
    branches: new Map([
      ['main', 'one'],
      ['staging', 'two'],
    ]),
    tags: new Set(['v1']),
    pulls: new Map([
      [7, { base: 'staging', head: 'main' }],
      [8, { base: 'main', head: 'staging' }],
      [9, { base: 'staging', head: 'fix', from: 999 }],
    ]),
    deployments: new Map([
      [31, 'Staging'],
      [32, 'production'],
    ]),
  }
}

export type Api = ReturnType<typeof githubApi>

/** `sees` says which repositories a token sees, by id; null for a token that is none. */
export function githubApi(sees: (token: string) => number[] | null) {
  const repos = [repo(101, 'acme/Staging'), repo(102, 'acme/production'), repo(103, 'acme/app')]
  /** `METHOD /path` with the body, in order. */
  const asked: string[] = []
  const tokens: string[] = []
  const full = (one: Repo, more: object = {}) => ({
    ...{ id: one.id, full_name: one.full_name, name: one.full_name.split('/')[1] },
    ...{ delete_branch_on_merge: one.deletes === true },
    ...{ default_branch: 'main', private: true, owner: { id: 1, login: 'acme' }, ...more },
  })

  /** Undefined where this is no route of it. */
  function answer(
    route: string,
    query: URLSearchParams,
    body: Record<string, string>,
    mine: readonly Repo[],
  ): [number, unknown] | undefined {
    const [method, path = ''] = route.split(' ')
    if (route === 'GET /user/repos') return [200, mine.map((one) => full(one))]
    if (route === 'GET /users/acme') return [200, { id: 1, login: 'acme', type: 'Organization' }]
    const [, repos, owner, name, what, ...rest] = path.split('/').map(decodeURIComponent)
    if (repos !== 'repos') return undefined
    const found = mine.find(
      (one) => one.full_name.toLowerCase() === `${owner}/${name}`.toLowerCase(),
    )
    if (found === undefined) return [404, { message: 'Not Found' }]
    const { branches, tags, pulls, deployments } = found
    if (what === undefined && method === 'GET')
      return [200, full(found, { temp_clone_token: 'CLONE' })]
    if (what === 'issues')
      return [method === 'POST' ? 201 : 200, [{ title: `of ${name}`, query: `${query}` }]]
    if (what === 'git' && rest[0] === 'matching-refs') {
      const all = rest[1] === 'tags' ? [...tags] : [...branches.keys()]
      const start = rest.slice(2).join('/')
      return [
        200,
        all
          .filter((one) => one.startsWith(start))
          .map((one) => ({ ref: `refs/${rest[1]}/${one}` })),
      ]
    }
    if (what === 'git' && rest[0] === 'refs') {
      const ref = rest.length > 1 ? `refs/${rest.slice(1).join('/')}` : (body['ref'] ?? '')
      const branch = ref.replace('refs/heads/', '')
      if (method === 'DELETE') return [branches.delete(branch) ? 204 : 422, null]
      branches.set(branch, body['sha'] ?? '')
      return [200, { ref }]
    }
    if (what === 'contents' && method === 'PUT') {
      branches.set(body['branch'] ?? 'main', body['content'] ?? '')
      return [200, { content: { path: rest.join('/') } }]
    }
    if (what === 'pulls') {
      const pull = pulls.get(Number(rest[0]))
      if (pull === undefined) return [404, { message: 'Not Found' }]
      const side = (ref: string, id: number) => ({ ref, repo: { id } })
      if (method === 'GET')
        return [
          200,
          {
            number: Number(rest[0]),
            base: side(pull.base, found.id),
            head: side(pull.head, pull.from ?? found.id),
          },
        ]
      return [200, { merged: true }]
    }
    if (what === 'deployments') {
      const environment = deployments.get(Number(rest[0]))
      if (method === 'GET' && environment !== undefined)
        return [200, { id: Number(rest[0]), environment }]
      return [201, { id: 33 }]
    }
    if (method === 'DELETE' && what === undefined) return [204, null]
    if (what === 'merges' || what === 'actions' || what === 'environments') return [204, null]
    return [404, { message: 'Not Found' }]
  }

  async function serve(
    request: IncomingMessage,
    response: ServerResponse,
    text: string,
  ): Promise<boolean> {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x')
    const token = /^(?:bearer|token) (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const ids = sees(token)
    if (ids === null) return false
    const mine = repos.filter(({ id }) => ids.includes(id))
    const body = text === '' ? {} : JSON.parse(text)
    const given = answer(`${request.method} ${pathname}`, searchParams, body, mine)
    if (given === undefined) return false
    asked.push(`${request.method} ${pathname}${text === '' ? '' : ` ${text}`}`)
    tokens.push(token)
    const [status, json] = given
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
    response.end(json === null ? '' : JSON.stringify(json))
    return true
  }
  return { repos, asked, tokens, serve }
}
