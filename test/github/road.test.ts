/** GitHub behind the broker, by its own client, unmodified but for its address and token. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { request } from '@octokit/request'
import { beforeEach, describe, expect, inject, it } from 'vitest'
import { expectOk, front, send } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { githubApi } from '../support/github-api.ts'
import { passkey } from '../support/passkey.ts'

const secret = `ghp_${inject('marker')}_${randomUUID()}`
const api = githubApi((token) => (token === secret ? [101, 102, 103] : null))
const server = createServer(async (incoming, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of incoming) chunks.push(chunk)
  if (await api.serve(incoming, response, Buffer.concat(chunks).toString())) return
  response.writeHead(401).end('{}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
closeLater(async () => {
  server.closeAllConnections()
  server.close()
})

// It is refused more often in a minute than an agent may be.
const at = await front('embedded', { config: (config) => ({ ...config, freezeAfter: 0 }) })
const base_url = `http://127.0.0.1:${Object(server.address()).port}`
expectOk(
  await at.admin('POST', '/admin/connections', {
    ...{ name: 'github', provider: 'github', base_url, allow_private: true, secret },
  }),
)
expectOk(await at.admin('PATCH', '/admin/environments/staging', { protected: false }))
const bind = (environment: string, own: object[], see: object[] = []) =>
  at.admin('POST', `/admin/environments/${environment}/bindings`, {
    connection: 'github',
    own,
    see,
  })

expectOk(await bind('staging', [{ kind: 'repository', address: 'acme/Staging' }]))
const shared = [{ kind: 'repository', address: 'acme/app' }]
expectOk(
  await bind(
    'staging',
    [
      { kind: 'ref', address: 'acme/app@staging' },
      { kind: 'deployment-environment', address: 'acme/app:staging' },
    ],
    shared,
  ),
)
expectOk(await bind('production', [{ kind: 'ref', address: 'acme/app@refs/heads/main' }], shared))
const pushing = [
  ...['github:@read', 'github:repos/create-or-update-file-contents', 'github:git/update-ref'],
  ...['github:git/delete-ref', 'github:git/create-ref', 'github:pulls/merge', 'github:repos/merge'],
  ...['github:actions/create-workflow-dispatch', 'github:repos/create-deployment'],
  ...[
    'github:repos/create-deployment-status',
    'github:issues/create',
    'github:pulls/update-branch',
  ],
  ...['github:actions/create-or-update-environment-secret', 'github:repos/delete'],
]
await at.scope('plain', ['github:@read', 'github:@write', 'github:issues/add-sub-issue'])
await at.scope('pushing', pushing)
await at.scope('destroying', ['github:repos/delete'])
// Until there is one, nothing passes but what reads and writes.
await passkey(at)

async function octokit(scope: 'plain' | 'pushing' | 'destroying') {
  const call = request.defaults({
    baseUrl: `${at.broker.agentUrl}/x/github`,
    headers: { authorization: `token ${await at.capability({ scope })}` },
  })
  return (route: string, given: object = {}) =>
    call(route, { owner: 'acme', ...given }).then(
      ({ status, data }) => ({
        status,
        data: data as Record<string, unknown>,
        code: null,
        detail: '',
      }),
      (error) => ({
        status: Number(error.status),
        data: {} as Record<string, unknown>,
        code: String(error.response?.data?.code),
        detail: String(error.response?.data?.detail),
      }),
    )
}

beforeEach(() => {
  api.asked.length = 0
})
const changed = () => api.asked.filter((one) => !one.startsWith('GET '))

describe('an environment that owns a repository', async () => {
  it('reads and writes there, however its name is written, and sees nothing of another', async () => {
    const call = await octokit('plain')
    for (const repo of ['Staging', 'staging', 'STAGING']) {
      expect((await call('GET /repos/{owner}/{repo}', { repo })).data['full_name']).toBe(
        'acme/Staging',
      )
    }
    const listed = await call('GET /repos/{owner}/{repo}/issues', { repo: 'staging', per_page: 5 })
    expect(listed.data).toEqual([{ title: 'of staging', query: 'per_page=5' }])
    const labels = { repo: 'staging', title: 'x', labels: ['bug'], assignees: ['a'], milestone: 3 }
    expect((await call('POST /repos/{owner}/{repo}/issues', labels)).status).toBe(201)
    expect(changed()).toHaveLength(1)
    for (const [route, repo, code] of [
      ['GET /repos/{owner}/{repo}/issues', 'production', 'outside-environment'],
      ['GET /repos/{owner}/{repo}/issues', 'nowhere', 'resource-unresolved'],
      ['GET /orgs/{owner}/repos', '', 'operation-not-allowed'],
      ['GET /user', '', 'operation-not-allowed'],
      ['GET /search/code', '', 'operation-not-allowed'],
      ['GET /repositories/102/issues', '', 'unknown-operation'],
      ['DELETE /repos/{owner}/{repo}', 'staging', 'operation-not-allowed'],
      ['POST /graphql', '', 'unknown-operation'],
    ]) {
      expect([route, (await call(route ?? '', { repo })).code]).toEqual([route, code])
    }
    expect(changed()).toHaveLength(1)
    expect(api.asked.filter((one) => /production.|search|orgs/.test(one))).toEqual([])
  })

  it('is told no token with which it could clone', async () => {
    const call = await octokit('plain')
    const { data } = await call('GET /repos/{owner}/{repo}', { repo: 'staging' })
    expect(data['temp_clone_token']).toBeNull()
  })

  it('has whatever could name another repository named by its scope, or refused', async () => {
    const call = await octokit('plain')
    const sub = { repo: 'staging', issue_number: 1, sub_issue_id: 5 }
    expect(
      await call('POST /repos/{owner}/{repo}/issues/{issue_number}/sub_issues', sub),
    ).toMatchObject({
      code: 'operation-not-allowed',
    })
    const from = { repo: 'staging', head: 'x', base: 'main', title: 'x', head_repo: 'other' }
    expect(await call('POST /repos/{owner}/{repo}/pulls', from)).toMatchObject({
      code: 'operation-not-allowed',
    })
    const hidden = { repo: 'staging', title: 'x', more: { repository_id: 102 } }
    expect(await call('POST /repos/{owner}/{repo}/issues', hidden)).toMatchObject({
      code: 'operation-not-allowed',
    })
    expect(changed()).toEqual([])
  })

  it.each<[string, object]>([
    ['POST /repos/{owner}/{repo}/pulls', { title: 'x', head: 'mallory:evil', base: 'main' }],
    [
      'POST /repos/{owner}/{repo}/pulls',
      { title: 'x', head: 'x', base: 'main', maintainer_can_modify: true },
    ],
    ['POST /repos/{owner}/{repo}/issues', { title: 'x', assignees: ['copilot-swe-agent[bot]'] }],
    ['PATCH /repos/{owner}/{repo}/issues/1', { state: 'closed', duplicate_issue_id: 102_000 }],
    ['DELETE /repos/{owner}/{repo}/issues/1/dependencies/blocked_by/999', {}],
    ['GET /repos/{owner}/{repo}/compare/{basehead}', { basehead: 'main...acme:production:main' }],
    ['GET /repos/{owner}/{repo}/code-scanning/codeql/variant-analyses/5/repos/acme/production', {}],
    ['GET /repos/{owner}/{repo}/forks', {}],
    ['GET /repos/{owner}/{repo}/issues/1/parent', {}],
  ])('leads nowhere else by %s %j', async (route, given) => {
    const call = await octokit('plain')
    expect(await call(route, { repo: 'staging', ...given })).toMatchObject({
      code: 'operation-not-allowed',
    })
    expect(api.asked.filter((one) => !/^GET \/repos\/acme\/staging$/i.test(one))).toEqual([])
  })

  it('takes no form', async () => {
    const answer = await send(`${at.broker.agentUrl}/x/github/repos/acme/staging/issues`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await at.capability({ scope: 'plain' })}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: 'title=x',
    })
    expect(answer.json).toMatchObject({ code: 'malformed-request' })
    expect(changed()).toEqual([])
  })

  it('tells git where to go instead', async () => {
    const token = await at.capability({ scope: 'plain' })
    const git = await send(
      `${at.broker.agentUrl}/x/github/acme/staging.git/info/refs?service=git-receive-pack`,
      { headers: { authorization: `Basic ${btoa(`x:${token}`)}` } },
    )
    expect(git.json).toMatchObject({
      code: 'unknown-operation',
      hint: expect.stringContaining('valetkey lease create'),
    })
  })
})

describe('an environment that owns a branch and a deployment environment of a repository that it shares', async () => {
  const contents = 'PUT /repos/{owner}/{repo}/contents/{path}'
  const file = { path: 'a/b.ts', message: 'x', content: 'eA==' }
  const ref = '/repos/{owner}/{repo}/git/refs/{ref}'
  const merge = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/merge'
  const update = 'PUT /repos/{owner}/{repo}/pulls/{pull_number}/update-branch'
  const dispatch = 'POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches'
  const deploy = 'POST /repos/{owner}/{repo}/deployments'
  const status = 'POST /repos/{owner}/{repo}/deployments/{deployment_id}/statuses'
  const put = 'PUT /repos/{owner}/{repo}/environments/{environment_name}/secrets/{secret_name}'
  const sealed = { secret_name: 'A', encrypted_value: 'x', key_id: '1' }

  it.each<[string, object]>([
    [contents, { ...file, branch: 'staging' }],
    [`PATCH ${ref}`, { ref: 'heads/staging', sha: 'x' }],
    [merge, { pull_number: 7 }],
    [update, { pull_number: 8 }],
    ['POST /repos/{owner}/{repo}/merges', { base: 'staging', head: 'main' }],
    [dispatch, { workflow_id: 'ci.yml', ref: 'staging' }],
    [dispatch, { workflow_id: 'ci.yml', ref: 'refs/heads/staging' }],
    [deploy, { ref: 'staging', environment: 'STAGING' }],
    [status, { deployment_id: 31, state: 'success' }],
    [put, { environment_name: 'Staging', ...sealed }],
    [`DELETE ${ref}`, { ref: 'heads/staging' }],
    ['POST /repos/{owner}/{repo}/git/refs', { ref: 'refs/heads/staging', sha: 'x' }],
  ])('may %s with %j', async (route, given) => {
    const call = await octokit('pushing')
    expect(await call(route, { repo: 'app', ...given })).toMatchObject({ code: null })
    expect(changed()).toHaveLength(1)
  })

  it.each<[string, object, string]>([
    [contents, file, 'outside-environment'],
    [contents, { ...file, branch: 'main' }, 'outside-environment'],
    [contents, { ...file, branch: 'refs/heads/staging' }, 'resource-unresolved'],
    [contents, { ...file, branch: 'heads/staging' }, 'resource-unresolved'],
    [contents, { ...file, branch: ['staging', 'main'] }, 'outside-environment'],
    [contents, { ...file, branch: { name: 'staging' } }, 'operation-not-allowed'],
    [contents, { ...file, '': { branch: 'staging' } }, 'ambiguous-request'],
    [contents, { ...file, branch: null, '': { '': { branch: 'staging' } } }, 'ambiguous-request'],
    [deploy, { ref: 'staging', '': { environment: 'staging' } }, 'ambiguous-request'],
    [contents, { ...file, branch: '' }, 'resource-unresolved'],
    [contents, { ...file, branch: 'staging/../main' }, 'resource-unresolved'],
    [contents, { ...file, branch: null }, 'outside-environment'],
    [`PATCH ${ref}`, { ref: 'heads/main', sha: 'x' }, 'outside-environment'],
    [`PATCH ${ref}`, { ref: 'tags/staging', sha: 'x' }, 'outside-environment'],
    [`PATCH ${ref}`, { ref: 'heads/staging-2', sha: 'x' }, 'outside-environment'],
    [`DELETE ${ref}`, { ref: 'heads/main' }, 'outside-environment'],
    [
      'POST /repos/{owner}/{repo}/git/refs',
      { ref: 'refs/heads/new', sha: 'x' },
      'outside-environment',
    ],
    ['POST /repos/{owner}/{repo}/git/refs', { sha: 'x' }, 'outside-environment'],
    [merge, { pull_number: 8 }, 'outside-environment'],
    [update, { pull_number: 7 }, 'outside-environment'],
    [update, { pull_number: 9 }, 'resource-unresolved'],
    ['POST /repos/{owner}/{repo}/merges', { base: 'main', head: 'staging' }, 'outside-environment'],
    [dispatch, { workflow_id: 'ci.yml', ref: 'main' }, 'outside-environment'],
    [dispatch, { workflow_id: 'ci.yml', ref: 'v1' }, 'outside-environment'],
    [dispatch, { workflow_id: 'ci.yml', ref: 'deadbeef' }, 'resource-unresolved'],
    [deploy, { ref: 'staging' }, 'outside-environment'],
    [deploy, { ref: 'staging', environment: 'production' }, 'outside-environment'],
    [deploy, { ref: 'main', environment: 'staging' }, 'outside-environment'],
    [status, { deployment_id: 32, state: 'success' }, 'outside-environment'],
    [
      status,
      { deployment_id: 31, state: 'success', environment: 'production' },
      'outside-environment',
    ],
    [put, { environment_name: 'production', ...sealed }, 'outside-environment'],
    ['POST /repos/{owner}/{repo}/issues', { title: 'x' }, 'outside-environment'],
    ['DELETE /repos/{owner}/{repo}', {}, 'outside-environment'],
  ])('may not %s with %j', async (route, given, code) => {
    const call = await octokit('pushing')
    const answer = await call(route, { repo: 'app', ...given })
    expect([answer.code, answer.detail]).toEqual([code, answer.detail])
    expect(changed()).toEqual([])
  })

  it('reads what the two share', async () => {
    const call = await octokit('pushing')
    expect(
      await call('GET /repos/{owner}/{repo}/pulls/{pull_number}', { repo: 'app', pull_number: 8 }),
    ).toMatchObject({ status: 200 })
  })

  it('merges nothing where that would delete a branch of another', async () => {
    const [, , app] = api.repos
    if (app === undefined) throw new Error('there is none')
    app.deletes = true
    const call = await octokit('pushing')
    expect(await call(merge, { repo: 'app', pull_number: 7 })).toMatchObject({
      code: 'outside-environment',
    })
    app.deletes = false
    expect(changed()).toEqual([])
  })

  it('takes no branch that is a tag too for either', async () => {
    api.repos[2]?.tags.add('staging')
    const call = await octokit('pushing')
    expect(
      await call(dispatch, { repo: 'app', workflow_id: 'ci.yml', ref: 'staging' }),
    ).toMatchObject({
      code: 'resource-unresolved',
      detail: expect.stringContaining('there is a branch and a tag of that name'),
    })
    api.repos[2]?.tags.delete('staging')
  })

  it('loses the branch to nobody: what one environment owns no other can', async () => {
    const taken = await bind('production', [{ kind: 'ref', address: 'acme/app@staging' }])
    expect(taken.json).toMatchObject({ code: 'conflict' })
    const around = await bind('production', [{ kind: 'repository', address: 'acme/app' }])
    expect(around.json).toMatchObject({ code: 'conflict' })
  })
})

it('knows a repository by its number: one that has its name now is another', async () => {
  const destroy = await octokit('destroying')
  const [staging] = api.repos
  if (staging === undefined) throw new Error('there is none')
  staging.id = 102
  expect(await destroy('DELETE /repos/{owner}/{repo}', { repo: 'staging' })).toMatchObject({
    code: 'outside-environment',
  })
  expect(changed()).toEqual([])
  staging.id = 101
  expect((await destroy('DELETE /repos/{owner}/{repo}', { repo: 'staging' })).code).toBeNull()
})
