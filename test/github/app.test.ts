/** GitHub behind the broker with an App’s key: each call leaves with a token that is good for no more than that call. */
import { describe, expect, it } from 'vitest'
import { expectOk, front, keep, send } from '../support/broker.ts'
import { startGithub } from '../support/github.ts'

const github = await startGithub(true)
const { api } = github
if (api === undefined) throw new Error('there is no API')
const at = await front('embedded', { config: (config) => ({ ...config, freezeAfter: 0 }) })
const secret = JSON.stringify({
  ...{ app_id: '7', installation_id: '42', private_key: github.privateKey },
})
const connection = { name: 'github', provider: 'github', base_url: github.url, allow_private: true }

describe('a connection with an App’s key', async () => {
  const added = await at.admin('POST', '/admin/connections', { ...connection, secret })
  expectOk(added)
  for (const [environment, address] of [
    ['staging', 'acme/staging'],
    ['production', 'acme/production'],
  ]) {
    expectOk(
      await at.admin('POST', `/admin/environments/${environment}/bindings`, {
        ...{ connection: 'github', own: [{ kind: 'repository', address }] },
      }),
    )
  }
  await at.scope('working', ['github:@read', 'github:@write'])
  const headers = {
    authorization: `Bearer ${await at.capability({ scope: 'working' })}`,
    'content-type': 'application/json',
  }
  const call = (method: string, path: string, body?: object) =>
    send(`${at.broker.agentUrl}/x/github${path}`, {
      ...{ method, headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const last = () => github.alive.get(api.tokens.at(-1) ?? '')

  it('reads with a token that reads, in the repository of the call alone', async () => {
    expectOk(await call('GET', '/repos/acme/staging/issues'))
    expect(last()).toEqual({
      repositories: [101],
      permissions: { contents: 'read', issues: 'read', metadata: 'read' },
    })
  })

  it('writes with one that writes what such an operation changes', async () => {
    expectOk(await call('POST', '/repos/acme/staging/issues', { title: 'x' }))
    expect(last()).toEqual({
      repositories: [101],
      permissions: { contents: 'read', issues: 'write', metadata: 'read' },
    })
  })

  it('asks for a token once, and not for each call', async () => {
    const before = github.alive.size
    await Promise.all(
      Array.from({ length: 10 }, async () =>
        expectOk(await call('GET', '/repos/acme/staging/issues')),
      ),
    )
    expect(github.alive.size).toBe(before)
  })

  it('makes another one where GitHub has ended it, or what the App may was changed', async () => {
    github.alive.clear()
    expectOk(
      await call('POST', '/repos/acme/staging/issues', { title: 'x' }).then(async (first) =>
        // The look-up took a new one at once; what writes is never repeated by itself.
        first.status === 502 ? call('POST', '/repos/acme/staging/issues', { title: 'x' }) : first,
      ),
    )
    github.granted['contents'] = 'read'
    expectOk(await call('GET', '/repos/acme/staging/git/matching-refs/heads/main'))
    github.granted['contents'] = 'write'
  })

  it('takes no token that is for more than was asked for', async () => {
    github.faults.wider = true
    const answer = await call('POST', '/repos/acme/staging/commits/abc/comments', { body: 'x' })
    github.faults.wider = false
    expect(answer.json).toMatchObject({ code: 'conflict' })
    expect(api.asked.filter((one) => one.includes('comments'))).toEqual([])
  })

  it('never reaches another environment’s repository, and makes no token for that', async () => {
    expect((await call('GET', '/repos/acme/production/issues')).json).toMatchObject({
      code: 'outside-environment',
      found: 'production',
    })
    const [whole] = [...github.alive.values()].filter(
      ({ repositories }) => `${repositories}` === '102',
    )
    expect(whole).toBeUndefined()
    expect(api.asked.filter((one) => one.includes('production/issues'))).toEqual([])
  })

  it('shows neither the key nor a token to anybody', async () => {
    const shown = JSON.stringify([added.json, (await at.admin('GET', '/admin/connections')).json])
    for (const token of github.alive.keys()) {
      keep(shown)
      expect(shown + at.logged.join('')).not.toContain(token)
    }
    expect(shown).not.toContain('PRIVATE KEY')
  })

  it('is refused with a key that GitHub refuses, or that is none', async () => {
    const other = await startGithub()
    const wrong = JSON.stringify({ ...JSON.parse(secret), private_key: other.privateKey })
    const name = 'second'
    const refused = await at.admin('POST', '/admin/connections', {
      ...{ ...connection, name, secret: wrong },
    })
    expect(refused.json).toMatchObject({ code: 'upstream-credential-rejected' })
    const none = await at.admin('POST', '/admin/connections', {
      ...{ ...connection, name, secret: '{"app_id":"7"}' },
    })
    expect(none.json).toMatchObject({ code: 'malformed-request' })
  })
})
