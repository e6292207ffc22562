/** CI jobs without a secret: each system's tokens are taken where they fit, and each pitfall is refused with its own reason. */
import { decodeJwt, type JWTPayload, SignJWT } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, expectOk, type Front, field, front, send } from '../support/broker.ts'
import {
  buildkiteClaims,
  circleciClaims,
  githubClaims,
  gitlabClaims,
  type Issuer,
  now,
  startIssuer,
} from '../support/issuer.ts'
import { stores } from '../support/stores.ts'
import { twins } from '../support/twins.ts'

const grant = 'urn:ietf:params:oauth:grant-type:token-exchange'
const idToken = 'urn:ietf:params:oauth:token-type:id_token'

function exchange(base: string, token: string, more: Record<string, string> = {}): Promise<Answer> {
  const form = {
    grant_type: grant,
    subject_token: token,
    subject_token_type: idToken,
    scope: 'work',
    ...more,
  }
  return send(`${base}/oauth/token`, { method: 'POST', body: new URLSearchParams(form) })
}

async function trust(
  at: Front,
  name: string,
  issuer: Issuer,
  system: string,
  claims: string[],
  more: object = {},
): Promise<string[]> {
  const { url } = issuer
  const body = { name, system, issuer: url, claims, scopes: ['work'], allow_private: true, ...more }
  const { json } = expectOk(await at.admin('POST', '/admin/trusts', body))
  return json['warnings'] as string[]
}

const main = ['repository_id=123456', 'ref=refs/heads/main', 'environment=production']
const projectOf = 'oidc.circleci.com/project-id=0b5d8e0a-2f2c-4b5b-8f49-5f3e3d0c9a17'
const systems = [
  { system: 'github', path: '/_services/token', claims: githubClaims, wanted: main },
  {
    system: 'gitlab',
    path: '',
    claims: gitlabClaims,
    wanted: ['project_id=20', 'ref=main', 'ref_protected=true'],
  },
  {
    system: 'buildkite',
    path: '',
    claims: buildkiteClaims,
    wanted: ['pipeline_id=0184990a-477b-4fa8-9968-496074483cee', 'build_branch=main'],
  },
  {
    system: 'circleci',
    path: '/org/3f0f5d0e-9f8d-4a3e-9d83-6f43d9f3a2c1',
    claims: circleciClaims,
    wanted: [
      projectOf,
      'oidc.circleci.com/vcs-ref=refs/heads/main',
      'oidc.circleci.com/context-ids=c1f0a6d2-9b3e-4f4a-8e0f-2d8c7b6a5e44',
    ],
  },
]

describe.each(stores)('a job on %s', async (kind) => {
  const at = await front(kind)
  const aud = at.broker.ctx.publicUrl

  it.each(systems)(
    'of $system calls with nothing but its token, once',
    async ({ system, path, claims, wanted }) => {
      const issuer = await startIssuer(path)
      await trust(at, system, issuer, system, wanted)
      const token = await issuer.sign(claims({ aud }))
      const answer = expectOk(await exchange(at.broker.agentUrl, token, { ttl: '200' }))
      const capability = field(answer, 'access_token')
      expect(decodeJwt(capability)).toMatchObject({ sub: system, environment: 'staging' })
      const read = `{ environment(id: "${ids.environments.staging}") { name } }`
      expect((await at.call(capability, read)).status).toBe(200)
      const again = await exchange(at.broker.agentUrl, token)
      expect(again.json).toMatchObject({
        error: 'invalid_grant',
        error_description: expect.stringContaining('exchanged before'),
      })
      const [entry] = await at.audit(`&agent=${system}&kind=mint`)
      expect(entry).toMatchObject({ facts: { trust: system, job: { iss: issuer.url } } })
      expect(JSON.stringify(await at.audit())).not.toContain(token)
      expect(at.logged.join('')).not.toContain(token)
    },
  )

  it.each([
    ['buildkite', buildkiteClaims, 'pipeline_id=0184990a-477b-4fa8-9968-496074483cee'],
    ['circleci', circleciClaims, projectOf],
  ] as const)('of %s has no jti, and is spent in every spelling', async (system, claims, id) => {
    const issuer = await startIssuer()
    await trust(at, `once-${system}`, issuer, system, [id])
    const token = await issuer.sign(claims({ aud }))
    expect((await exchange(at.broker.agentUrl, token)).status).toBe(200)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(token.at(-1) ?? '')
    // The last character of an RS256 signature carries two bits, and four that nobody reads.
    const spellings = Array.from(
      { length: 16 },
      (_, i) => token.slice(0, -1) + alphabet[(last & 48) | i],
    )
    const signature = (one: string) =>
      Buffer.from(one.split('.')[2] ?? '', 'base64url').toString('hex')
    expect(new Set(spellings.map(signature)).size).toBe(1)
    for (const one of spellings) {
      expect((await exchange(at.broker.agentUrl, one)).json).toMatchObject({
        error: 'invalid_grant',
      })
    }
  })

  it('of GitHub is known by its claims, whichever form its sub has', async () => {
    const issuer = await startIssuer('/_services/token')
    await trust(at, 'subs', issuer, 'github', main)
    for (const oldSub of [true, false]) {
      const token = await issuer.sign(githubClaims({ aud }, { oldSub }))
      expect((await exchange(at.broker.agentUrl, token)).status).toBe(200)
    }
  })

  it('gets no longer a life than its own token has', async () => {
    const issuer = await startIssuer('/_services/token')
    await trust(at, 'short', issuer, 'github', main)
    const exp = now() + 60
    const answer = expectOk(
      await exchange(at.broker.agentUrl, await issuer.sign(githubClaims({ aud, exp }))),
    )
    expect(decodeJwt(field(answer, 'access_token')).exp).toBeLessThanOrEqual(exp)
    const longer = await exchange(
      at.broker.agentUrl,
      await issuer.sign(githubClaims({ aud, exp })),
      { ttl: '600' },
    )
    expect(longer.json).toMatchObject({ error: 'invalid_request' })
  })

  describe('is refused', async () => {
    const issuer = await startIssuer('/_services/token')
    const pinned = [
      ...main,
      'job_workflow_ref=acme/rentals/.github/workflows/deploy.yml@refs/heads/main',
    ]
    await trust(at, 'strict', issuer, 'github', [...pinned, 'runner_environment=github-hosted'])
    const why = async (token: string, more: Record<string, string> = {}) => {
      const before = issuer.asked.length
      const answer = await exchange(at.broker.agentUrl, token, more)
      expect(answer.status).toBe(400)
      return { says: String(answer.json['error_description']), asked: issuer.asked.length - before }
    }
    const job = (over: JWTPayload, options = {}) =>
      issuer.sign(githubClaims({ aud, ...over }), options)
    const claimRefused = async (claim: string, over: JWTPayload) => {
      const token = await job(over)
      expect((await why(token)).says).toContain('none that is trusted')
      const { json } = expectOk(
        await at.admin('POST', '/admin/trusts/strict/examination', { token }),
      )
      const wrong = (json['claims'] as { claim: string; fits: boolean }[]).filter(
        ({ fits }) => !fits,
      )
      expect(wrong.map((one) => one.claim)).toEqual([claim])
      expect(json).toMatchObject({ accepted: false, problem: null })
    }

    it.each([
      ['a repository of the same name', 'repository_id', { repository_id: '999999' }],
      ['another branch', 'ref', { ref: 'refs/heads/feature' }],
      ['a tag named like the branch', 'ref', { ref: 'refs/tags/main', ref_type: 'tag' }],
      ['a branch whose name begins the same', 'ref', { ref: 'refs/heads/main-2' }],
      ['another environment', 'environment', { environment: 'Production' }],
      ['no environment', 'environment', { environment: undefined }],
      [
        'pull_request_target, whose ref says main',
        'event_name',
        { event_name: 'pull_request_target' },
      ],
      ['a closed pull request, whose ref says main', 'event_name', { event_name: 'pull_request' }],
      ['workflow_run', 'event_name', { event_name: 'workflow_run' }],
      ['a comment', 'event_name', { event_name: 'issue_comment' }],
      [
        'another reusable workflow',
        'job_workflow_ref',
        { job_workflow_ref: 'evil/x/.github/workflows/deploy.yml@refs/heads/main' },
      ],
      ['a self-hosted runner', 'runner_environment', { runner_environment: 'self-hosted' }],
      ['an id that is a list', 'repository_id', { repository_id: ['123456'] }],
      ['an id that is an object', 'repository_id', { repository_id: { is: '123456' } }],
    ] as [string, string, JWTPayload][])('for %s', async (_, claim, over) => {
      await claimRefused(claim, over)
    })

    it.each([
      ['the audience that all services share', { aud: 'https://github.com/acme' }, /aud has to be/],
      ['more audiences than ours', { aud: ['https://other.example', 'ours'] }, /aud has to be/],
      ['no audience', { aud: undefined }, /aud has to be/],
      ['what has expired', { iat: now() - 900, exp: now() - 60 }, /expired/],
      ['what has no end', { exp: undefined }, /exp/],
      ['what has no beginning', { iat: undefined }, /iat/],
      [
        'what was issued in the future',
        { iat: now() + 300, nbf: undefined, exp: now() + 600 },
        /future|iat/,
      ],
      ['what is not good yet', { nbf: now() + 300 }, /nbf/],
      ['what lives longer than any job', { exp: now() + 3 * 86_400 }, /longer than any job/],
    ] as [string, JWTPayload, RegExp][])('for %s', async (_, over, reason) => {
      const given = {
        ...over,
        ...(Array.isArray(over.aud) ? { aud: ['https://other.example', aud] } : {}),
      }
      expect((await why(await job(given))).says).toMatch(reason)
    })

    it('without asking anybody, where nobody configured the issuer', async () => {
      const stranger = await startIssuer('/_services/token')
      expect((await why(await stranger.sign(githubClaims({ aud })))).says).toContain(
        'No trust here names the issuer',
      )
      expect(stranger.asked).toEqual([])
      const slash = await issuer.sign(githubClaims({ aud, iss: `${issuer.url}/` }))
      expect(await why(slash)).toMatchObject({
        says: expect.stringContaining('No trust'),
        asked: 0,
      })
    })

    it('for a signature of another key, with another algorithm, or none', async () => {
      const other = await startIssuer('/_services/token')
      const kid = JSON.parse(
        Buffer.from((await job({})).split('.')[0] ?? '', 'base64url').toString(),
      ).kid
      const forged = await other.sign(githubClaims({ aud, iss: issuer.url }), { kid })
      expect((await why(forged)).says).toContain('not signed with a key')
      const parts = (await job({})).split('.')
      const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${parts[1]}.`
      expect((await why(unsigned)).says).toContain('not signed')
      const symmetric = await new SignJWT({ iss: issuer.url, ...githubClaims({ aud }) })
        .setProtectedHeader({ alg: 'HS256', kid })
        .sign(Buffer.from('anything that has thirty-two bytes.'))
      expect((await why(symmetric)).says).toContain('not signed with a key')
      const mixed = [
        parts[0],
        Buffer.from(JSON.stringify({ ...decodeJwt(parts.join('.')), ref: 'x' })).toString(
          'base64url',
        ),
        parts[2],
      ]
      expect((await why(mixed.join('.'))).says).toContain('not signed with a key')
      expect((await why('no token')).says).toContain('no JWT')
      expect((await why(`a.${'b'.repeat(20_000)}.c`)).says).toContain('too long')
    })

    it('with a secret beside its token, or for a scope that it was not given', async () => {
      const both = await exchange(at.broker.agentUrl, await job({}), {
        client_id: 'strict',
        client_secret: 'x',
      })
      expect(both.json).toMatchObject({ error: 'invalid_request' })
      const wide = await exchange(at.broker.agentUrl, await job({}), { scope: 'other' })
      expect(wide.json).toMatchObject({ error: 'invalid_scope' })
    })

    it('where it would be two agents, until it names one', async () => {
      const shared = await startIssuer('/_services/token')
      await trust(at, 'first', shared, 'github', ['repository_id=123456', 'ref=refs/heads/main'])
      await trust(at, 'second', shared, 'github', [
        'repository_id=123456',
        'environment=production',
      ])
      const token = () => shared.sign(githubClaims({ aud }))
      expect((await exchange(at.broker.agentUrl, await token())).json).toMatchObject({
        error_description: expect.stringContaining('More than one trust'),
      })
      const named = expectOk(
        await exchange(at.broker.agentUrl, await token(), { client_id: 'second' }),
      )
      expect(decodeJwt(field(named, 'access_token')).sub).toBe('second')
    })
  })

  it.each([
    ['gitlab', gitlabClaims, ['project_id=20', 'ref=main'], { ref_type: 'tag' }],
    ['gitlab', gitlabClaims, ['project_id=20', 'ref_protected=true'], { ref_protected: 'false' }],
    ['gitlab', gitlabClaims, ['namespace_id=72', 'ref=main'], { namespace_id: '73' }],
    [
      'buildkite',
      buildkiteClaims,
      ['organization_id=7ad7c1a4-6f10-4b9a-8d8d-3a6f1c0b2e11', 'build_branch=main'],
      { organization_id: undefined },
    ],
    ['circleci', circleciClaims, [projectOf], { 'oidc.circleci.com/ssh-rerun': true }],
    [
      'circleci',
      circleciClaims,
      [projectOf, 'oidc.circleci.com/vcs-origin=github.com/acme/rentals'],
      { 'oidc.circleci.com/vcs-origin': 'github.com/evil/rentals' },
    ],
    [
      'circleci',
      circleciClaims,
      [projectOf, 'oidc.circleci.com/context-ids=c1f0a6d2-9b3e-4f4a-8e0f-2d8c7b6a5e44'],
      { 'oidc.circleci.com/context-ids': [] },
    ],
  ] as [string, (over: JWTPayload) => JWTPayload, string[], JWTPayload][])(
    'of %s is refused for its own trap (%#)',
    async (system, claims, wanted, over) => {
      const issuer = await startIssuer()
      const name = `trap-${system}-${Object.keys(over).join('').length}-${wanted.length}`
      await trust(at, name, issuer, system, wanted)
      expect((await exchange(at.broker.agentUrl, await issuer.sign(claims({ aud })))).status).toBe(
        200,
      )
      expect(
        (await exchange(at.broker.agentUrl, await issuer.sign(claims({ aud, ...over })))).status,
      ).toBe(400)
    },
  )

  it('goes on through rotated keys, and through an outage for a bounded time', async () => {
    const issuer = await startIssuer()
    await trust(at, 'lasting', issuer, 'oidc', ['sub=builder'])
    const job = (jti: string) =>
      issuer.sign({ aud, sub: 'builder', jti, iat: now(), exp: now() + 300 })
    const status = async (jti: string) =>
      (await exchange(at.broker.agentUrl, await job(jti))).status
    expect(await status('one')).toBe(200)
    const asked = issuer.asked.length
    expect(await status('two')).toBe(200)
    expect(issuer.asked.length).toBe(asked)
    issuer.up(false)
    expect(await status('three')).toBe(200)
    issuer.up(true)
    await issuer.rotate()
    // The cool-down since the keys were fetched is not over; asked again at once it is refused without a request.
    const early = issuer.asked.length
    expect(await status('four')).toBe(400)
    expect(issuer.asked.length).toBe(early)
  })
})

describe('a trust', async () => {
  const at = await front()
  const refused = async (body: object) => {
    const answer = await at.admin('POST', '/admin/trusts', { name: 'x', scopes: [], ...body })
    expect(answer.status).toBe(400)
    return String(answer.json['detail'])
  }

  it.each([
    ['no claim', { system: 'oidc', issuer: 'https://id.example' }, /names no claim/],
    ['no id', { system: 'github', claims: ['repository=acme/rentals'] }, /by id: repository_id/],
    ['an id with a star', { system: 'gitlab', claims: ['project_id=2*'] }, /\*/],
    [
      'a star in the first segment',
      { system: 'github', claims: ['repository_id=1', 'sub=*'] },
      /first segment/,
    ],
    [
      'a star in a part of a segment',
      { system: 'github', claims: ['repository_id=1', 'ref=refs/heads/rel*'] },
      /one whole segment/,
    ],
    [
      'an issuer that is not the system’s',
      { system: 'buildkite', issuer: 'https://buildkite.example', claims: ['pipeline_id=1'] },
      /no issuer of Buildkite/,
    ],
    ['no organisation', { system: 'circleci', claims: ['sub=x'] }, /for each organisation/],
    [
      'an issuer in the clear',
      { system: 'oidc', issuer: 'http://id.example', claims: ['sub=x'] },
      /https/,
    ],
    ['what is no condition', { system: 'github', claims: ['repository_id'] }, /claim=value/],
    ['nothing to go by', { claims: ['sub=x'] }, /Name the issuer/],
  ] as [string, object, RegExp][])('is refused for %s', async (_, body, reason) => {
    expect(await refused({ claims: [], ...body })).toMatch(reason)
  })

  it('warns of names, wildcards, shared audiences and pull_request_target', async () => {
    const body = {
      name: 'loose',
      issuer: 'https://token.actions.githubusercontent.com',
      audience: 'https://github.com/acme',
      claims: [
        'repository_owner_id=1001',
        'repository=acme/rentals',
        'ref=refs/heads/*',
        'event_name=pull_request_target',
      ],
    }
    const { json } = expectOk(await at.admin('POST', '/admin/trusts', body))
    const all = (json['warnings'] as string[]).join('\n')
    expect(all).toMatch(/repository is a name/)
    expect(all).toMatch(/ref=refs\/heads\/\* takes many/)
    expect(all).toMatch(/shared with every other service/)
    expect(all).toMatch(/pull_request_target runs with the rights/)
    expect(expectOk(await at.admin('GET', '/admin/trusts/loose')).json).toMatchObject({
      system: 'github',
    })
  })

  it('has an agent with no other way in, which goes with it', async () => {
    const issuer = await startIssuer()
    await trust(at, 'gone', issuer, 'oidc', ['sub=builder'])
    expect((await at.admin('POST', '/admin/agents/gone/credentials', {})).json).toMatchObject({
      code: 'conflict',
    })
    const aud = at.broker.ctx.publicUrl
    const token = (jti: string) =>
      issuer.sign({ aud, sub: 'builder', jti, iat: now(), exp: now() + 300 })
    const answer = expectOk(await exchange(at.broker.agentUrl, await token('a')))
    expectOk(await at.admin('DELETE', '/admin/trusts/gone'))
    const read = `{ environment(id: "${ids.environments.staging}") { name } }`
    expect((await at.call(field(answer, 'access_token'), read)).json).toMatchObject({
      code: 'capability-revoked',
    })
    expect((await exchange(at.broker.agentUrl, await token('b'))).status).toBe(400)
  })

  it('asks only the issuer that it names, and nothing in a private network unless told so', async () => {
    const issuer = await startIssuer()
    const other = await startIssuer()
    issuer.says({ issuer: other.url })
    await trust(at, 'liar', issuer, 'oidc', ['sub=builder'])
    const aud = at.broker.ctx.publicUrl
    const token = await issuer.sign({ aud, sub: 'builder', jti: 'a', iat: now(), exp: now() + 300 })
    expect((await exchange(at.broker.agentUrl, token)).json).toMatchObject({
      error: 'temporarily_unavailable',
    })
    expect(other.asked).toEqual([])
  })
})

it('a job’s token is spent on every replica at once', async () => {
  const { one, two } = await twins()
  const issuer = await startIssuer('/_services/token')
  await trust(one, 'deploy', issuer, 'github', main)
  await two.ctx.realm.refresh()
  const token = await issuer.sign(githubClaims({ aud: one.broker.ctx.publicUrl }))
  const urls = [one.broker.agentUrl, two.agentUrl, one.broker.agentUrl, two.agentUrl]
  const answers = await Promise.all(urls.map((url) => exchange(url, token)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400])
})

it('strict clients that others wrote exchange a job’s token', async () => {
  const at = await front()
  const issuer = await startIssuer('/_services/token')
  await trust(at, 'deploy', issuer, 'github', main)
  const url = new URL(at.broker.ctx.publicUrl)
  const insecure = { [oauth.allowInsecureRequests]: true }
  const found = await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
  const server = await oauth.processDiscoveryResponse(url, found)
  const asked = async () => ({
    subject_token: await issuer.sign(githubClaims({ aud: url.origin })),
    subject_token_type: idToken,
    scope: 'work',
  })
  const named = { client_id: 'deploy' }
  const response = await oauth.genericTokenEndpointRequest(
    server,
    named,
    oauth.None(),
    grant,
    await asked(),
    insecure,
  )
  const { access_token } = await oauth.processGenericTokenEndpointResponse(server, named, response)
  expect(decodeJwt(access_token).sub).toBe('deploy')
  const config = await client.discovery(url, 'deploy', undefined, client.None(), {
    algorithm: 'oauth2',
    execute: [client.allowInsecureRequests],
  })
  const second = await client.genericGrantRequest(config, grant, await asked())
  expect(decodeJwt(second.access_token).sub).toBe('deploy')
})
