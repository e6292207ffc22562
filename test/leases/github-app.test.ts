/** Installation tokens of a GitHub App, against a fake that checks as GitHub does: narrowed, ended early, and never more than was asked for. */
import { createAppAuth } from '@octokit/auth-app'
import { describe, expect, it } from 'vitest'
import { type Answer, expectOk, front, send } from '../support/broker.ts'
import { startGithub } from '../support/github.ts'
import { changeIn, confirm, passkey } from '../support/passkey.ts'

const template = { repositories: [101], permissions: { contents: 'read' } }

describe('a lease of a GitHub App', async () => {
  const github = await startGithub()
  const at = await front()
  const secret = JSON.stringify({
    app_id: '7',
    installation_id: '42',
    private_key: github.privateKey,
  })
  const connection = {
    name: 'gh',
    provider: 'github-app',
    base_url: github.url,
    allow_private: true,
  }
  expectOk(await at.admin('POST', '/admin/connections', { ...connection, secret }))
  for (const name of ['staging', 'production']) {
    const own = [{ kind: 'repository', address: `acme/${name}` }]
    const path = `/admin/environments/${name}/bindings`
    expectOk(await at.admin('POST', path, { connection: 'gh', own }))
  }
  expectOk(await at.admin('PATCH', '/admin/environments/staging', { protected: false }))
  const set = (leases: object) =>
    at.admin('PUT', '/admin/scopes/leasing', {
      environment: 'staging',
      allow: ['gh:lease'],
      leases: { gh: leases },
    })
  expectOk(await set(template))
  expectOk(await at.admin('PUT', '/admin/agents/cursor/grants/leasing'))
  const key = await passkey(at)
  const token = await at.capability({ scope: 'leasing', ttl: 600 })
  const ask = (body: object = {}): Promise<Answer> =>
    send(`${at.broker.agentUrl}/v1/leases`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ connection: 'gh', ...body }),
    })
  const leased = async () =>
    expectOk(await ask()).json as unknown as {
      id: string
      expires_at: string
      credential: { token: string }
    }
  const repository = (given: string, name: string) =>
    fetch(`${github.url}/repos/acme/${name}`, { headers: { authorization: `Bearer ${given}` } })
  const giveUp = (id: string) =>
    at.agent(`/v1/leases/${id}`, {
      method: 'DELETE',
      headers: { authorization: `Bearer ${token}` },
    })

  it('is faked as the client that GitHub recommends expects it', async () => {
    const { request } = await import('@octokit/request')
    const auth = createAppAuth({
      appId: 7,
      privateKey: github.privateKey,
      installationId: 42,
      request: request.defaults({ baseUrl: github.url }),
    })
    const { token: given } = await auth({ type: 'installation', repositoryIds: [101] })
    expect((await repository(given, 'staging')).status).toBe(200)
    expect((await repository(given, 'production')).status).toBe(404)
    github.alive.delete(given)
  })

  it('is a token for the listed repositories and permissions, and ends early', async () => {
    const lease = await leased()
    const given = lease.credential.token
    expect(github.alive.get(given)).toEqual({
      repositories: [101],
      permissions: { contents: 'read', metadata: 'read' },
    })
    expect((await repository(given, 'staging')).status).toBe(200)
    expect((await repository(given, 'production')).status).toBe(404)
    expect(Date.parse(lease.expires_at)).toBeLessThan(Date.now() + 601_000)
    expect((await giveUp(lease.id)).json).toMatchObject({ state: 'ended' })
    expect((await repository(given, 'staging')).status).toBe(401)
    expect(github.alive.size).toBe(0)
    const written = JSON.stringify(await at.audit()) + at.logged.join('')
    expect(written).not.toContain(given)
  })

  it('is ended on a freeze, and again until GitHub has heard of it', async () => {
    const lease = await leased()
    github.faults.deletes = 1
    expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' }))
    for (let left = 100; left > 0 && github.alive.size > 0; left -= 1) {
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    expect(github.alive.size).toBe(0)
    expect((await repository(lease.credential.token, 'staging')).status).toBe(401)
    const { json } = expectOk(await at.admin('GET', '/admin/freezes'))
    const [freeze] = json['freezes'] as { id: string }[]
    expectOk(
      await confirm(at, key, [changeIn(await at.admin('DELETE', `/admin/freezes/${freeze?.id}`))]),
    )
  })

  it('is refused, and ended, where more came back than was asked for', async () => {
    github.faults.wider = true
    expect((await ask()).json).toMatchObject({ code: 'conflict' })
    github.faults.wider = false
    expect(github.alive.size).toBe(0)
  })

  it('cannot be renewed', async () => {
    const lease = await leased()
    expect((await ask({ renew: lease.id })).json).toMatchObject({ code: 'conflict' })
    await giveUp(lease.id)
  })

  it.each([
    [
      'another environment’s repository',
      { ...template, repositories: [101, 102] },
      'outside-environment',
    ],
    ['a repository that is not there', { ...template, repositories: [999] }, 'resource-unresolved'],
    [
      'a permission that the App lacks',
      { ...template, permissions: { administration: 'write' } },
      'conflict',
    ],
  ])('is refused for %s', async (_, wider, code) => {
    expectOk(await confirm(at, key, [changeIn(await set(wider))]))
    const before = github.alive.size
    expect((await ask()).json).toMatchObject({ code })
    expect(github.alive.size).toBe(before)
    const narrower = await set(template)
    if (narrower.status === 202) expectOk(await confirm(at, key, [changeIn(narrower)]))
  })

  it.each([
    ['no JSON', 'ghp_something'],
    ['no key', JSON.stringify({ app_id: '7', installation_id: '42' })],
  ])('needs a secret that is not %s, and does not repeat it', async (_, wrong) => {
    const answer = await at.admin('POST', '/admin/connections', {
      ...connection,
      name: 'gh2',
      secret: wrong,
    })
    expect(answer.json).toMatchObject({
      code: 'malformed-request',
      hint: expect.stringContaining('app_id'),
    })
    expect(answer.text).not.toContain(wrong)
  })
})
