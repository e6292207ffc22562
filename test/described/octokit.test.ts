/** GitHub's own client, unmodified but for its address and token, against an API that was written down by hand. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { request } from '@octokit/request'
import { expect, inject, it } from 'vitest'
import { expectOk, front, send } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'

const secret = `ghp_${inject('marker')}_${randomUUID()}`
const asked: string[] = []
const server = createServer((incoming, response) => {
  asked.push(`${incoming.method} ${incoming.url}`)
  const [, , owner, name, ...rest] = (incoming.url ?? '').split('/')
  const give = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
    response.end(JSON.stringify(body))
  }
  if (incoming.headers.authorization !== `Bearer ${secret}`) return give(401, {})
  if (owner !== 'acme' || !['staging', 'production'].includes(name ?? '')) return give(404, {})
  give(
    200,
    rest.length === 0 ? { id: 1, name, owner: { login: owner } } : [{ title: `of ${name}` }],
  )
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
closeLater(async () => {
  server.closeAllConnections()
  server.close()
})

it('reads and writes in the repository of its environment, and sees nothing of another', async () => {
  const at = await front()
  const base_url = `http://127.0.0.1:${Object(server.address()).port}`
  const operations = [
    { name: 'repos/get', route: 'GET /repos/{owner}/{repo}', effects: ['read'] },
    { name: 'issues/list', route: 'GET /repos/{owner}/{repo}/issues', effects: ['read'] },
    { name: 'issues/create', route: 'POST /repos/{owner}/{repo}/issues', effects: ['write'] },
    { name: 'repos/delete', route: 'DELETE /repos/{owner}/{repo}', effects: ['destructive'] },
  ]
  expectOk(await at.admin('PUT', '/admin/providers/github', { base_url, operations }))
  expectOk(
    await at.admin('POST', '/admin/connections', {
      name: 'github',
      base_url,
      allow_private: true,
      secret,
    }),
  )
  const own = [{ kind: 'repo', address: 'acme/staging' }]
  expectOk(
    await at.admin('POST', '/admin/environments/staging/bindings', { connection: 'github', own }),
  )
  await at.scope('issues', ['github:@read', 'github:@write'])
  const octokit = request.defaults({
    baseUrl: `${at.broker.agentUrl}/x/github`,
    headers: { authorization: `token ${await at.capability({ scope: 'issues' })}` },
  })
  const staging = { owner: 'acme', repo: 'staging' }
  expect((await octokit('GET /repos/{owner}/{repo}', staging)).data.name).toBe('staging')
  const listed = await octokit('GET /repos/{owner}/{repo}/issues', { ...staging, per_page: 5 })
  expect(listed.data).toEqual([{ title: 'of staging' }])
  expect(
    (await octokit('POST /repos/{owner}/{repo}/issues', { ...staging, title: 'x' })).status,
  ).toBe(200)
  const refused = (repo: string) =>
    octokit('GET /repos/{owner}/{repo}/issues', { owner: 'acme', repo }).catch((error) => {
      // What it shows to whoever called.
      expect(error.message).toContain('another credential')
      return error.response.data.code
    })
  expect(await refused('production')).toBe('outside-environment')
  expect(await refused('Staging')).toBe('resource-unresolved')
  await expect(octokit('DELETE /repos/{owner}/{repo}', staging)).rejects.toMatchObject({
    status: 403,
  })
  const git = await send(
    `${at.broker.agentUrl}/x/github/acme/staging.git/info/refs?service=git-receive-pack`,
    {
      headers: { authorization: `Basic ${btoa(`x:${await at.capability({ scope: 'issues' })}`)}` },
    },
  )
  expect(git.json).toMatchObject({
    code: 'unknown-operation',
    hint: expect.stringContaining('valetkey lease create'),
  })
  expect(asked.filter((one) => /DELETE|production.issues/.test(one))).toEqual([])
})
