/** An API that the broker knows by its description alone: Neon, with its own client, from the import to the call that is refused. */

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createApiClient } from '@neondatabase/api-client'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import { type Answer, expectOk, type Front, front, send } from '../support/broker.ts'
import { type Neon, startNeon } from '../support/neon.ts'
import { changeIn, confirm, type Key, passkey } from '../support/passkey.ts'
import { stores } from '../support/stores.ts'

const file = join(
  createRequire(import.meta.url).resolve('@neondatabase/api-client/package.json'),
  '../public-v2-for-users.gen.yaml',
)
const openapi = await readFile(file, 'utf8')

const own = [{ kind: 'branch', address: 'proj-one/br-staging' }]
const see = [{ kind: 'project', address: 'proj-one' }]

async function ready(kind: (typeof stores)[number] = 'embedded') {
  const at = await front(kind)
  const neon = await startNeon(`neon_${inject('marker')}_${randomUUID()}`)
  expectOk(await at.admin('PUT', '/admin/providers/neon', { openapi, base_url: neon.url }))
  expectOk(
    await at.admin('POST', '/admin/connections', {
      ...{ name: 'neon', allow_private: true, secret: neon.token },
      base_url: neon.url,
    }),
  )
  const bindings = '/admin/environments/staging/bindings'
  expectOk(await at.admin('POST', bindings, { connection: 'neon', own, see }))
  expectOk(
    await at.admin('POST', '/admin/environments/production/bindings', {
      connection: 'neon',
      own: [{ kind: 'branch', address: 'proj-one/br-production' }],
    }),
  )
  expectOk(await at.admin('PATCH', '/admin/environments/staging', { protected: false }))
  await at.scope('databases', ['neon:@read', 'neon:@write', 'neon:deleteProjectBranchDatabase'])
  const key = await passkey(at)
  const token = await at.capability({ scope: 'databases', ttl: 600 })
  const client = (apiKey = token) =>
    createApiClient({ apiKey, baseURL: `${at.broker.agentUrl}/x/neon` })
  neon.asked.length = 0
  return { at, neon, key, token, client }
}

/** What an axios client threw. */
const refusal = (call: Promise<unknown>) =>
  call.then(
    () => 'it passed',
    (error) => error.response?.data as Record<string, unknown>,
  )

describe.each(stores)('Neon, imported, on %s', (kind) => {
  let at: Front
  let neon: Neon
  let key: Key
  let client: () => ReturnType<typeof createApiClient>
  let token: string

  beforeAll(async () => {
    ;({ at, neon, key, client, token } = await ready(kind))
  })

  const done = async (answer: Answer) => expectOk(await confirm(at, key, [changeIn(answer)]))

  it('serves its own client in the branch that the environment owns', async () => {
    const neonClient = client()
    const { data } = await neonClient.listProjectBranchDatabases('proj-one', 'br-staging')
    expect(data.databases.map(({ name }) => name)).toEqual(['app', 'scratch'])
    await neonClient.createProjectBranchDatabase('proj-one', 'br-staging', {
      database: { name: 'fresh', owner_name: 'me' },
    })
    await neonClient.deleteProjectBranchDatabase('proj-one', 'br-staging', 'scratch')
    expect([...(neon.projects.get('proj-one')?.get('br-staging') ?? [])]).toEqual(['app', 'fresh'])
    const project = await neonClient.getProject('proj-one')
    expect(project.data.project.id).toBe('proj-one')
  })

  it.each([
    [
      'another environment’s branch',
      (it: Client) => it.listProjectBranchDatabases('proj-one', 'br-production'),
      'outside-environment',
      'production',
    ],
    [
      'a write there',
      (it: Client) => it.deleteProjectBranchDatabase('proj-one', 'br-production', 'app'),
      'outside-environment',
      'production',
    ],
    [
      'what lies in a project that is only seen',
      (it: Client) => it.listProjectBranches({ projectId: 'proj-one' }),
      'outside-environment',
      undefined,
    ],
    [
      'another project',
      (it: Client) => it.getProject('proj-two'),
      'outside-environment',
      undefined,
    ],
    [
      'a branch under a project that it is not in',
      (it: Client) => it.getProjectBranch('proj-two', 'br-staging'),
      'resource-unresolved',
      undefined,
    ],
    [
      'a branch that is not there',
      (it: Client) => it.getProjectBranch('proj-one', 'br-none'),
      'resource-unresolved',
      undefined,
    ],
    ['what names nothing', (it: Client) => it.listProjects({}), 'outside-environment', undefined],
    [
      'what destroys and is not named',
      (it: Client) => it.deleteProjectBranch({ projectId: 'proj-one', branchId: 'br-staging' }),
      'operation-not-allowed',
      undefined,
    ],
    [
      'what reveals and is not named',
      (it: Client) => it.getProjectBranchRolePassword('proj-one', 'br-staging', 'me'),
      'operation-not-allowed',
      undefined,
    ],
  ])('refuses %s', async (_, call, code, found) => {
    const before = neon.asked.filter((one) => !one.startsWith('GET'))
    const said = await refusal(call(client()))
    expect(said).toMatchObject({ code, ...(found === undefined ? {} : { found }) })
    expect(neon.asked.filter((one) => !one.startsWith('GET'))).toEqual(before)
  })

  it('judges ids wherever they stand, and what it does not know has to be named', async () => {
    const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
      send(`${at.broker.agentUrl}/x/neon${path}`, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    const databases = '/projects/proj-one/branches/br-staging/databases'
    const before = neon.asked.filter((one) => one.startsWith('POST')).length
    const elsewhere = await call('POST', databases, {
      database: { name: 'x', owner_name: 'me', branch_id: 'br-production' },
    })
    expect(elsewhere.json).toMatchObject({
      code: 'operation-not-allowed',
      detail: expect.stringContaining('createProjectBranchDatabase.branch_id'),
    })
    const pointing = await call('POST', databases, {
      database: { name: 'x', owner_name: 'me', template_id: 'y' },
    })
    expect(pointing.json).toMatchObject({
      code: 'operation-not-allowed',
      detail: expect.stringContaining('createProjectBranchDatabase.template_id'),
    })
    const undeclared = await call('GET', `${databases}?force=true`)
    expect(undeclared.json).toMatchObject({ detail: expect.stringContaining('.force') })
    for (const path of [
      '/projects/proj-one/branches/br-staging%2Fdatabases',
      '/projects/proj-one//branches',
      '/projects/proj-one/branches/br-staging;x/databases',
    ]) {
      expect([path, (await call('GET', path)).json['code']]).toEqual([path, 'ambiguous-request'])
    }
    expect((await call('OPTIONS', databases)).json).toMatchObject({ code: 'unknown-operation' })
    expect((await call('GET', '/projects/proj-one/branches/BR-STAGING')).json).toMatchObject({
      code: 'resource-unresolved',
    })
    expect((await call('GET', `${databases}?api_key=x`)).json).toMatchObject({
      code: 'ambiguous-request',
    })
    expect(neon.asked.filter((one) => one.startsWith('POST')).length).toBe(before)
  })

  it('gives nothing that answers under another id than the one that was asked for', async () => {
    neon.script = (path) =>
      path.endsWith('/branches/br-fork')
        ? { status: 200, body: { branch: { id: 'br-production', project_id: 'proj-one' } } }
        : null
    const said = await refusal(client().getProjectBranch('proj-one', 'br-fork'))
    neon.script = null
    expect(said).toMatchObject({ code: 'resource-unresolved' })
  })

  it('follows no redirect: one within the API is asked for anew, of any other the host is told', async () => {
    const databases = (branch: string) => `/projects/proj-one/branches/${branch}/databases`
    const redirects = (location: string) => {
      neon.script = (path) =>
        path.endsWith('/schema') ? { status: 307, body: {}, headers: { location } } : null
    }
    const call = (redirect: 'manual' | 'follow') =>
      fetch(`${at.broker.agentUrl}/x/neon/projects/proj-one/branches/br-staging/schema`, {
        headers: { authorization: `Bearer ${token}` },
        redirect,
      })
    redirects(`${new URL(neon.url).pathname}${databases('br-staging')}?limit=1`)
    const shown = await call('manual')
    expect([shown.status, shown.headers.get('location')]).toEqual([
      307,
      `/x/neon${databases('br-staging')}?limit=1`,
    ])
    redirects(`${new URL(neon.url).pathname}${databases('br-staging')}`)
    expect(await (await call('follow')).json()).toHaveProperty('databases')
    redirects(neon.url + databases('br-production'))
    expect(await (await call('follow')).json()).toMatchObject({ code: 'outside-environment' })
    const arrived = neon.asked.length
    for (const location of [
      `https://elsewhere.example/?signed=${neon.token}`,
      `${new URL(neon.url).origin}/admin`,
      `//${neon.token}@${new URL(neon.url).host}/api/v2/x`,
      'http://[',
    ]) {
      redirects(location)
      const refused = await call('manual')
      const text = await refused.text()
      expect([location, refused.status, text.includes(neon.token)]).toEqual([location, 502, false])
      if (location.includes('elsewhere')) expect(text).toContain('to elsewhere.example')
    }
    neon.script = null
    // Each time the call itself and its look-up, and nothing else.
    expect(neon.asked.slice(arrived).every((one) => one.includes('br-staging'))).toBe(true)
  })

  it('keeps its key out of every answer', async () => {
    neon.script = (path) =>
      path.endsWith('/databases')
        ? {
            status: 500,
            body: { error: `token ${neon.token} was bad` },
            headers: { 'x-key': neon.token },
          }
        : null
    const answer = await send(
      `${at.broker.agentUrl}/x/neon/projects/proj-one/branches/br-staging/databases`,
      { headers: { authorization: `Bearer ${token}` } },
    )
    neon.script = null
    expect(answer.status).toBe(500)
    expect(answer.text + JSON.stringify([...answer.headers])).not.toContain(neon.token)
  })

  it('is explained, and shown to whoever holds a capability', async () => {
    const explained = await send(
      `${at.broker.agentUrl}/explain/neon/projects/proj-one/branches/br-production`,
      { headers: { authorization: `Bearer ${token}` } },
    )
    expect(explained.json).toMatchObject({ verdict: 'deny' })
    expect(explained.text).toContain('getProjectBranch')
    expect(
      (await at.audit()).some((one) => one['operation'] === 'deleteProjectBranchDatabase'),
    ).toBe(true)
  })

  it('asks a human before it destroys, shows what that is about, and is carried out once', async () => {
    neon.projects.get('proj-one')?.get('br-staging')?.add('old')
    await done(
      await at.admin('PUT', '/admin/scopes/careful', {
        ...{ environment: 'staging', allow: ['neon:deleteProjectBranchDatabase'] },
        approve: ['neon:@destructive'],
      }),
    )
    await done(await at.admin('PUT', '/admin/agents/cursor/grants/careful'))
    const careful = await at.capability({ scope: 'careful' })
    const path = '/x/neon/projects/proj-one/branches/br-staging/databases/old'
    const call = (headers = {}) =>
      send(at.broker.agentUrl + path, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${careful}`, ...headers },
      })
    const asked = await call()
    expect(asked.json).toMatchObject({ code: 'approval-required' })
    const { id } = asked.json['approval'] as { id: string }
    const shown = expectOk(await at.admin('GET', `/admin/approvals/${id}`))
    expect(shown.text).toContain('proj-one/br-staging/old')
    const approval = `/console/api/approvals/${id}`
    expectOk(await key.touch(`${approval}/options`, `${approval}/approve`, { how: {} }))
    const spent = await Promise.all([1, 2, 3].map(() => call({ 'valetkey-approval': id })))
    expect(spent.map(({ status }) => status).toSorted()).toEqual([200, 403, 403])
    expect(
      neon.asked.filter((one) => one.startsWith('DELETE') && one.endsWith('/old')),
    ).toHaveLength(1)
  })

  it('takes a newer description only with a touch that shows what it changes', async () => {
    const newer = openapi.replace(
      '/projects/{project_id}/branches/{branch_id}/databases/{database_name}:',
      '/projects/{project_id}/branches/{branch_id}/dbs/{database_name}:',
    )
    const check = expectOk(
      await at.admin('PUT', '/admin/providers/neon?check=true', { openapi: newer }),
    )
    expect(check.json).toMatchObject({ added: [], removed: [] })
    expect(JSON.stringify(check.json['changed'])).toContain('/dbs/{db_database_name}')
    const waits = await at.admin('PUT', '/admin/providers/neon', { openapi: newer })
    const change = changeIn(waits)
    expect(JSON.stringify(waits.json)).toContain('deleteProjectBranchDatabase')
    expect(
      await refusal(client().deleteProjectBranchDatabase('proj-one', 'br-staging', 'none')),
    ).toMatchObject({ code: 'resource-unresolved' })
    expectOk(await confirm(at, key, [change]))
    expect(
      await refusal(client().deleteProjectBranchDatabase('proj-one', 'br-staging', 'app')),
    ).toMatchObject({ code: 'unknown-operation' })
    const back = changeIn(await at.admin('PUT', '/admin/providers/neon', { openapi }))
    expectOk(await confirm(at, key, [back]))
  })

  it('is decided on by operators: an effect, what is harmless, which field names what', async () => {
    const overrides = {
      operations: {
        listProjects: { harmless: true },
        deleteProjectBranchDatabase: { effects: ['write'] },
      },
      resources: { template_id: 'branch_id' },
    }
    const change = changeIn(await at.admin('PUT', '/admin/providers/neon/overrides', overrides))
    expectOk(await confirm(at, key, [change]))
    expect((await client().listProjects({})).status).toBe(200)
    const answer = await send(
      `${at.broker.agentUrl}/x/neon/projects/proj-one/branches/br-staging/databases`,
      {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          database: { name: 'x', owner_name: 'me', template_id: 'br-production' },
        }),
      },
    )
    expect(answer.json).toMatchObject({ code: 'outside-environment', found: 'production' })
    const { json } = expectOk(await at.admin('GET', '/admin/providers/neon/operations'))
    const one = (json['operations'] as { name: string; guessed: unknown; effects: unknown }[]).find(
      ({ name }) => name === 'deleteProjectBranchDatabase',
    )
    expect(one).toMatchObject({ guessed: null, effects: ['write'] })
  })
})

type Client = ReturnType<typeof createApiClient>
