/** Getting capabilities at a shell and in a pipeline: by a secret, by a key, by a job's token, out of a wider one; and running a command that holds none. */

import { once } from 'node:events'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { delimiter, join } from 'node:path'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { expectOk, front } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { folder } from '../support/folder.ts'
import {
  buildkiteClaims,
  circleciClaims,
  githubClaims,
  gitlabClaims,
  startIssuer,
} from '../support/issuer.ts'
import { commanded, valetkey } from './valetkey.ts'

const config = await folder()
const at = await front()
const secret = await (async () => {
  const { json } = expectOk(
    await at.admin('POST', '/admin/agents', { name: 'shell', scopes: ['work'] }),
  )
  return String(json['secret'])
})()
/** Somebody who is signed in, so that `agent` and `trust` work. */
await mkdir(join(config, 'valetkey'), { recursive: true, mode: 0o700 })
const { body: invited } = {
  body: expectOk(await at.admin('POST', '/admin/operators/invitations', { role: 'admin' })),
}
const login = await commanded(
  ['login', '--url', at.broker.operatorUrl, '--enrol', '--name', 'grace', '--json'],
  {
    config,
    stdin: `${String(invited.json['code'])}\na passphrase long enough\n`,
  },
)

const url = { VALETKEY_URL: at.broker.agentUrl }
const run = (args: string[], env: Record<string, string> = {}, stdin = '') =>
  commanded(args, { config, env: { ...url, ...env }, stdin })
const read = `{ environment(id: "${ids.environments.staging}") { name } }`

async function printed(
  args: string[],
  env: Record<string, string> = {},
  stdin = '',
): Promise<string> {
  const ended = await run(args, env, stdin)
  expect(ended, ended.stderr).toMatchObject({ code: 0 })
  return ended.stdout.trim()
}

describe('token', () => {
  test('by a secret, in every form that a shell or a system takes', async () => {
    const args = ['token', '--client-id', 'shell', '--scope', 'work']
    const env = { VALETKEY_CLIENT_SECRET: secret }
    expect((await at.call(await printed(args, env), read)).status).toBe(200)
    expect(
      await printed([...args, '--format', 'env', '--variable', 'RAILWAY_API_TOKEN'], env),
    ).toMatch(/^export RAILWAY_API_TOKEN='ey[\w.-]+'$/)
    expect(await printed([...args, '--format', 'dotenv'], env)).toMatch(
      /^VALETKEY_TOKEN=ey[\w.-]+$/,
    )
    expect(await printed([...args, '--format', 'netrc'], env)).toMatch(
      /^machine localhost login valetkey password ey[\w.-]+$/,
    )
    expect(JSON.parse(await printed([...args, '--format', 'json'], env))).toMatchObject({
      scope: 'work',
    })
    const output = join(await folder(), 'output')
    const github = { ...env, GITHUB_OUTPUT: output, GITHUB_ACTIONS: 'true' }
    const ended = await run([...args, '--format', 'github-output'], github)
    expect(ended).toMatchObject({ code: 0, stdout: '' })
    const [, token] = /^token=(ey[\w.-]+)\n$/.exec(await readFile(output, 'utf8')) ?? []
    expect(ended.stderr).toContain(`::add-mask::${token}\n`)
  })

  test('by a key, whose private half is in a file of its owner alone and never leaves it', async () => {
    expect(login).toMatchObject({ code: 0 })
    const file = join(await folder(), 'builder.key')
    const added = await run(['agent', 'add', 'builder', '--scope', 'work', '--key', file, '--json'])
    expect(JSON.parse(added.stdout)).toMatchObject({ name: 'builder', key_file: file })
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    const { d } = JSON.parse(await readFile(file, 'utf8'))
    expect(added.stdout + added.stderr + at.logged.join('')).not.toContain(d)
    const args = ['token', '--client-id', 'builder', '--scope', 'work', '--key-file', file]
    expect((await at.call(await printed(args), read)).status).toBe(200)
    // Bound to a key, it is worth nothing as it is.
    const bound = await printed([...args, '--dpop-key', file])
    expect((await at.call(bound, read)).json).toMatchObject({ code: 'invalid-proof' })
    const again = await run(['agent', 'add', 'other', '--key', file])
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('is there already') })
    await chmod(file, 0o644)
    expect(await run(args)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('can be read by others'),
    })
  })

  test('out of a wider one, less of it', async () => {
    const wide = await printed(['token', '--client-id', 'shell', '--scope', 'work'], {
      VALETKEY_CLIENT_SECRET: secret,
    })
    const less = await printed(
      [
        'token',
        '--from',
        '-',
        '--actor',
        'tests',
        '--operation',
        'railway:@read',
        '--max-calls',
        '1',
        '--ttl',
        '5m',
      ],
      {},
      wide,
    )
    expect(decodeJwt(less)).toMatchObject({ act: { sub: 'tests' }, parent: [decodeJwt(wide).jti] })
    expect((await at.call(less, read)).status).toBe(200)
    expect((await at.call(less, read)).status).toBe(429)
    const tree = await run(['capability', 'list', '--tree', '--agent', 'shell'])
    expect(tree.stdout).toMatch(/\n└─ cap_\w+ +shell \(tests\)/)
  })

  test.each([
    [['token', '--scope', 'work'], /Nothing says who asks/],
    [['token', '--client-id', 'shell'], /at least one --scope/],
    [['token', '--oidc', 'github', '--from', 'x'], /one of --key-file/],
    [
      ['token', '--client-id', 'shell', '--scope', 'work', '--actor', 'tests'],
      /--actor goes with --from/,
    ],
    [['token', '--oidc', 'jenkins', '--scope', 'work'], /no CI system that is known/],
    [
      ['token', '--client-id', 'shell', '--scope', 'work', '--max-calls', '3'],
      /budget is for a connection/,
    ],
    [
      ['token', '--client-id', 'shell', '--scope', 'work', '--operation', 'x'],
      /CONNECTION:OPERATION/,
    ],
  ])('%j is a command line that cannot be used', async (args, why) => {
    expect(await run(args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(why),
    })
  })
})

describe('a CI job', () => {
  const aud = at.broker.agentUrl
  const trusted = async (name: string, system: string, issuer: string, claims: string[]) => {
    const flags = claims.flatMap((one) => ['--claim', one])
    const ended = await run([
      'trust',
      'add',
      name,
      '--system',
      system,
      '--issuer',
      issuer,
      '--audience',
      aud,
      '--allow-private',
      ...flags,
      '--scope',
      'work',
    ])
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    return ended
  }

  test('of GitHub requests its token, gets a capability, and hides it from the log', async () => {
    const issuer = await startIssuer('/_services/token')
    const added = await trusted('deploy', 'github', issuer.url, [
      'repository_id=123456',
      'ref=refs/heads/main',
    ])
    expect(added.stderr).toContain('self-hosted')
    const asked: string[] = []
    const server = createServer(async (request, response) => {
      asked.push(`${request.headers.authorization} ${request.url}`)
      response.end(JSON.stringify({ value: await issuer.sign(githubClaims({ aud })) }))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closeLater(async () => void server.close())
    const { port } = Object(server.address())
    const env = {
      GITHUB_ACTIONS: 'true',
      ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api-version=2.0`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'runner',
    }
    const ended = await run(['token', '--oidc', 'github', '--scope', 'work'], env)
    expect(ended).toMatchObject({ code: 0 })
    expect(ended.stderr).toBe(`::add-mask::${ended.stdout}`)
    expect(asked).toEqual([
      `Bearer runner /token?api-version=2.0&audience=${encodeURIComponent(aud)}`,
    ])
    expect((await at.call(ended.stdout.trim(), read)).status).toBe(200)
    const without = await run(['token', '--oidc', 'github', '--scope', 'work'])
    expect(without).toMatchObject({ code: 1, stderr: expect.stringContaining('id-token: write') })
  })

  test('of GitLab has its token in a variable; any other in one that is named', async () => {
    const issuer = await startIssuer()
    await trusted('lab', 'gitlab', issuer.url, ['project_id=20', 'ref=main', 'ref_protected=true'])
    const token = () => issuer.sign(gitlabClaims({ aud }))
    const first = await printed(['token', '--oidc', 'gitlab', '--scope', 'work'], {
      VALETKEY_ID_TOKEN: await token(),
    })
    const second = await printed(['token', '--oidc', 'env:JOB', '--scope', 'work'], {
      JOB: await token(),
    })
    for (const one of [first, second]) expect(decodeJwt(one).sub).toBe('lab')
  })

  test.each([
    [
      'buildkite',
      'buildkite-agent',
      buildkiteClaims,
      'pipeline_id=0184990a-477b-4fa8-9968-496074483cee',
      `oidc request-token --audience ${aud} --claim organization_id,pipeline_id`,
    ],
    [
      'circleci',
      'circleci',
      circleciClaims,
      'oidc.circleci.com/project-id=0b5d8e0a-2f2c-4b5b-8f49-5f3e3d0c9a17',
      `run oidc get --claims {"aud":"${aud}"}`,
    ],
  ])('of %s asks the tool that it has', async (system, tool, claims, id, asked) => {
    const issuer = await startIssuer()
    await trusted(system, system, issuer.url, [id])
    const tools = await folder()
    const token = await issuer.sign(claims({ aud }))
    await writeFile(
      join(tools, tool),
      `#!/bin/sh\necho "$@" >> '${tools}/asked'\necho '${token}'\n`,
      { mode: 0o755 },
    )
    const env = { PATH: tools + delimiter + process.env['PATH'] }
    const ended = await valetkey(['token', '--oidc', system, '--scope', 'work'], {
      config,
      env: { ...url, ...env },
    })
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    expect(decodeJwt(ended.stdout.trim()).sub).toBe(system)
    expect(await readFile(join(tools, 'asked'), 'utf8')).toBe(`${asked}\n`)
  })

  test('is explained claim by claim, without spending its token', async () => {
    const issuer = await startIssuer('/_services/token')
    await trusted('explained', 'github', issuer.url, [
      'repository_id=123456',
      'ref=refs/heads/main',
    ])
    const file = join(await folder(), 'job.jwt')
    await writeFile(file, await issuer.sign(githubClaims({ aud, ref: 'refs/heads/other' })))
    const refused = await run(['trust', 'test', 'explained', '--token-file', file])
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.stdout).toMatch(/NO +ref +refs\/heads\/main +refs\/heads\/other/)
    expect(refused.stdout).toMatch(/fits +repository_id +123456 +123456/)
    const token = await issuer.sign(githubClaims({ aud }))
    const taken = await run(['trust', 'test', 'explained'], {}, token)
    expect(taken).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('This job is the agent explained'),
    })
    expect(
      await printed(['token', '--oidc', 'env:JOB', '--scope', 'work'], { JOB: token }),
    ).toMatch(/^ey/)
    const shown = await run(['trust', 'show', 'explained'])
    expect(shown.stdout).toMatch(/event_name +push or workflow_dispatch/)
    expect((await run(['trust', 'list'])).stdout).toContain('explained')
    expect(await run(['trust', 'remove', 'explained', '--yes'])).toMatchObject({ code: 0 })
  })
})

describe('run', () => {
  const script = `
    const body = JSON.stringify({ query: process.argv[1] })
    const headers = { 'content-type': 'application/json', authorization: 'Bearer ' + process.env.RAILWAY_API_TOKEN }
    const answers = []
    for (let i = 0; i < 3; i++) {
      const response = await fetch(process.env.RAILWAY_GRAPHQL_ENDPOINT, { method: 'POST', headers, body })
      answers.push(await response.json())
    }
    const { origin } = new URL(process.env.RAILWAY_GRAPHQL_ENDPOINT)
    const stranger = await fetch(origin + '/x/railway/graphql/v2', { method: 'POST', headers, body })
    console.log(JSON.stringify({ answers, stranger: stranger.status, env: process.env }))
    process.exitCode = 7`
  const command = (query: string) => [
    '--',
    process.execPath,
    '--input-type=module',
    '-e',
    script,
    query,
  ]

  const revoked = async () => {
    const { json } = expectOk(await at.admin('GET', '/admin/capabilities?agent=shell&all=true'))
    return (json['capabilities'] as { revoked: boolean }[]).filter((one) => one.revoked).length
  }

  test('gives a command the broker and no token, ends as it ends, and gives the capability up', async () => {
    const before = await revoked()
    const ended = await valetkey(
      ['run', '--client-id', 'shell', '--scope', 'work', ...command(read)],
      {
        config,
        env: { ...url, VALETKEY_CLIENT_SECRET: secret },
      },
    )
    expect(ended, ended.stderr).toMatchObject({ code: 7 })
    const { answers, stranger, env } = JSON.parse(ended.stdout)
    expect(answers).toEqual(Array(3).fill({ data: { environment: { name: 'staging' } } }))
    expect(stranger).toBe(404)
    expect(env).toMatchObject({ RAILWAY_API_TOKEN: 'valetkey-run' })
    expect(JSON.stringify(env)).not.toMatch(/vks_|eyJ/)
    expect(await revoked()).toBe(before + 1)
  })

  test('shows the command what the broker refuses', async () => {
    const outside = `{ environment(id: "${ids.environments.production}") { name } }`
    const ended = await valetkey(
      ['run', '--client-id', 'shell', '--scope', 'work', ...command(outside)],
      {
        config,
        env: { ...url, VALETKEY_CLIENT_SECRET: secret },
      },
    )
    expect(JSON.parse(ended.stdout).answers[0]).toMatchObject({ code: 'outside-environment' })
  })

  test('shows the command a refusal that comes before its whole body has gone, and ends a call with it', async () => {
    const script = `
      const { request } = await import('node:http')
      const url = process.env.RAILWAY_GRAPHQL_ENDPOINT
      const headers = { 'content-type': 'application/json' }
      const statuses = []
      for (let i = 0; i < 5; i++) {
        const body = Buffer.alloc(24_000_000, 32)
        const response = await fetch(url, { method: 'POST', headers, body })
        statuses.push(response.status + ' ' + (await response.json()).code)
      }
      const gone = request(url, { method: 'POST', headers })
      gone.on('error', () => {})
      gone.end(JSON.stringify({ query: process.argv[1] }))
      setTimeout(() => gone.destroy(), 700)
      setTimeout(() => console.log(JSON.stringify({ statuses, left: Date.now() })), 2_500)`
    Object.assign(at.railway.faults, { delayMs: 10_000, onlyRoots: ['deploymentRedeploy'] })
    const redeploy = `mutation { deploymentRedeploy(id: "${ids.deployments.webStaging}") { id } }`
    const ended = await valetkey(
      [
        ...['run', '--client-id', 'shell', '--scope', 'work', '--', process.execPath],
        ...['--input-type=module', '-e', script, redeploy],
      ],
      { config, env: { ...url, VALETKEY_CLIENT_SECRET: secret } },
    )
    Reflect.deleteProperty(at.railway.faults, 'delayMs')
    expect(ended, ended.stderr).toMatchObject({ code: 0 })
    const { statuses, left } = JSON.parse(ended.stdout)
    expect(statuses).toEqual(Array(5).fill('413 payload-too-large'))
    const [outcome] = (await at.audit('&agent=shell')).filter(({ kind }) => kind === 'outcome')
    expect(outcome).toMatchObject({
      outcome: 'unknown',
      operation: 'Mutation.deploymentRedeploy',
    })
    expect(Date.parse(String(outcome?.['at']))).toBeLessThan(left - 1_000)
  })

  test('leaves the command nothing to get a capability with, and no proxy on the way to the listener', async () => {
    const issuer = await startIssuer()
    const claims = [
      '--claim',
      'project_id=20',
      '--claim',
      'ref=main',
      '--claim',
      'ref_protected=true',
    ]
    const where = ['--issuer', issuer.url, '--audience', at.broker.agentUrl, '--allow-private']
    const added = await run([
      'trust',
      'add',
      'named',
      '--system',
      'gitlab',
      ...where,
      ...claims,
      '--scope',
      'work',
    ])
    expect(added, added.stderr).toMatchObject({ code: 0 })
    const ended = await valetkey(
      [
        ...['run', '--oidc', 'env:MY_JOB', '--client-id', 'named', '--scope', 'work'],
        ...command(read),
      ],
      {
        config,
        env: {
          ...url,
          MY_JOB: await issuer.sign(gitlabClaims({ aud: at.broker.agentUrl })),
          ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'runner',
          HTTP_PROXY: 'http://127.0.0.1:9',
          NO_PROXY: 'internal.example',
        },
      },
    )
    expect(ended, ended.stderr).toMatchObject({ code: 7 })
    const { env } = JSON.parse(ended.stdout)
    expect(JSON.stringify(env)).not.toMatch(/eyJ|runner/)
    expect(env).toMatchObject({
      NO_PROXY: 'internal.example,127.0.0.1,localhost',
      no_proxy: '127.0.0.1,localhost',
    })
  })

  test('says what is wrong before it starts anything', async () => {
    const env = { VALETKEY_CLIENT_SECRET: secret }
    const none = await run(
      ['run', '--client-id', 'shell', '--scope', 'work', '--', 'no-such-command'],
      env,
    )
    expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('cannot be started') })
    const wrong = await run(['run', '--client-id', 'shell', '--scope', 'work', '--', 'true'], {
      VALETKEY_CLIENT_SECRET: 'vks_x',
    })
    expect(wrong).toMatchObject({ code: 1, stdout: '' })
  })
})
