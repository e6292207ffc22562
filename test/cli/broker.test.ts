import { spawn } from 'node:child_process'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type SimulatedRailway, startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { ids } from '../../src/demo/railway/world.ts'
import { folder } from '../support/folder.ts'
import { surroundings } from '../support/surroundings.ts'
import { bin, commanded, type Served, serve, valetkey } from './valetkey.ts'

const config = await folder()
const passphrase = 'a passphrase long enough'
let railway: SimulatedRailway
let broker: Served

beforeAll(async () => {
  railway = await startSimulatedRailway()
  broker = await serve(config)
})
afterAll(() => railway.close())

type More = { stdin?: string; env?: Record<string, string>; config?: string }

/** As an operator at a shell, with --json; `config` is another person's. */
function run(args: string[], more: More = {}) {
  return commanded([...args, '--json'], { config, ...more })
}

/** The same, done; what it says is the one JSON value on stdout. */
async function done(args: string[], more: More = {}) {
  const ended = await run(args, more)
  expect(ended, `${args.join(' ')}: ${ended.stderr}`).toMatchObject({ code: 0 })
  return JSON.parse(ended.stdout)
}

/** The same, refused; what it says is the one JSON object on stderr. */
async function refused(args: string[], more: More = {}) {
  const ended = await run(args, more)
  expect(ended, args.join(' ')).toMatchObject({ code: 1, stdout: '' })
  return JSON.parse(ended.stderr)
}

describe('an operator', () => {
  test('is refused with a wrong code, enrols with the right one, and only once', async () => {
    const login = ['login', '--url', broker.operatorUrl, '--enrol', '--name', 'ada']
    const wrong = 'AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-0000-1111'
    await refused(login, { stdin: `${wrong}\n${passphrase}\n` })
    // In a process of its own, as at a shell.
    const stdin = `${broker.code}\n${passphrase}\n`
    const enrolled = await valetkey([...login, '--json'], { config, stdin })
    expect(JSON.parse(enrolled.stdout)).toMatchObject({
      operator: 'ada',
      role: 'admin',
      admin_url: broker.operatorUrl,
      url: broker.agentUrl,
    })
    const file = await stat(join(config, 'valetkey', 'session.json'))
    expect(file.mode & 0o777).toBe(0o600)
    await refused([...login.slice(0, -1), 'eve'], { stdin: `${broker.code}\n${passphrase}\n` })
  })

  test('signs in again with the passphrase, from anywhere, and is known', async () => {
    const elsewhere = await folder()
    const login = ['login', '--url', broker.operatorUrl, '--name', 'ada']
    await refused(login, { config: elsewhere, stdin: 'not the passphrase at all\n' })
    const session = await done(login, { config: elsewhere, stdin: `${passphrase}\n` })
    expect(session).not.toHaveProperty('token')
    expect(await done(['whoami'], { config: elsewhere })).toMatchObject({
      operator: 'ada',
      role: 'admin',
    })
    expect(await done(['logout'], { config: elsewhere })).toEqual({
      signed_out: true,
      ended_at_broker: true,
    })
    expect(await refused(['whoami'], { config: elsewhere })).toMatchObject({
      code: 'not-signed-in',
    })
  })

  test('sees an empty broker in set-up mode', async () => {
    expect(await done(['status'])).toMatchObject({
      set_up: true,
      store: 'embedded',
      public_url: broker.agentUrl,
      connections: [],
      freezes: [],
    })
    expect(await done(['connection', 'list'])).toEqual([])
    const words = await commanded(['connection', 'list'], { config })
    expect(words).toMatchObject({ code: 0, stdout: '' })
    expect(words.stderr).toContain('valetkey connection add railway')
  })
})

describe('a connection', () => {
  const add = () => ['connection', 'add', 'railway', '--base-url', railway.url]

  test('is refused at a private address, and with a token that the provider refuses', async () => {
    await refused(add(), { stdin: `${railway.token}\n` })
    const problem = await refused([...add(), '--allow-private'], { stdin: 'not-the-token\n' })
    expect(JSON.stringify(problem)).not.toContain('not-the-token')
    expect(await done(['connection', 'list'])).toEqual([])
  })

  test('is added with a token from stdin, and nothing ever shows the token', async () => {
    const ended = await run([...add(), '--allow-private'], { stdin: `${railway.token}\n` })
    expect(ended.code).toBe(0)
    expect(JSON.parse(ended.stdout)).toMatchObject({ name: 'railway', provider: 'railway' })
    const shown = [
      ended,
      await run(['connection', 'show', 'railway']),
      await run(['connection', 'list']),
      await run(['connection', 'test', 'railway']),
      await run(['audit', 'search']),
    ]
    for (const { code, stdout, stderr } of shown) {
      expect(code).toBe(0)
      expect(stdout + stderr).not.toContain(railway.token)
    }
    expect(broker.said()).not.toContain(railway.token)
  })

  test('gets a new token from a file', async () => {
    const path = join(config, 'new-token.txt')
    await writeFile(path, `${railway.token}\n`, { mode: 0o600 })
    expect(await done(['connection', 'rotate', 'railway', '--secret-file', path])).toMatchObject({
      secret_version: 2,
    })
    const missing = await run(['connection', 'rotate', 'railway', '--secret-file', `${path}.gone`])
    expect(missing).toMatchObject({ code: 2, stdout: '' })
  })

  test('says what the provider offers', async () => {
    const operations = await done(['provider', 'operations', 'railway', '--effect', 'destructive'])
    expect(operations).toContainEqual(expect.objectContaining({ name: 'Mutation.volumeDelete' }))
    expect(operations).not.toContainEqual(expect.objectContaining({ name: 'Query.project' }))
    const found = await done(['provider', 'operations', 'railway', '--search', 'customdomain'])
    expect(found.length).toBeGreaterThan(0)
    expect(await done(['provider', 'refresh', 'railway'])).toMatchObject({ changed: false })
  })
})

describe('an environment', () => {
  test('is added, bound by the addresses that discover lists, and shown', async () => {
    const found = await done(['environment', 'discover', 'railway'])
    expect(found).toContainEqual(
      expect.objectContaining({
        kind: 'environment',
        address: 'acme-rentals/staging',
        bind: 'owns',
      }),
    )
    expect(await done(['environment', 'add', 'staging'])).toMatchObject({ protected: true })
    const bound = await done([
      ...['environment', 'bind', 'staging', 'railway'],
      ...['--own', 'environment=acme-rentals/staging', '--see', 'project=acme-rentals'],
    ])
    expect(bound.bindings).toHaveLength(2)
    const shown = await done(['environment', 'show', 'staging'])
    expect(shown.bindings).toContainEqual(
      expect.objectContaining({ mode: 'owns', resource: ids.environments.staging }),
    )
  })

  test('cannot own what is not there, or what another one owns', async () => {
    await done(['environment', 'add', 'production', '--unprotected'])
    const bind = ['environment', 'bind', 'production', 'railway', '--own']
    await refused([...bind, 'environment=acme-rentals/nowhere'])
    await refused([...bind, 'environment=acme-rentals/staging'])
    await done([...bind, 'environment=acme-rentals/production'])
  })

  test('is protected, unprotected, unbound and removed', async () => {
    expect(await done(['environment', 'set', 'production', '--protected'])).toMatchObject({
      protected: true,
    })
    await done(['environment', 'add', 'scratch'])
    const bound = await done([
      ...['environment', 'bind', 'scratch', 'railway', '--see', 'project=acme-website'],
    ])
    await done(['environment', 'unbind', 'scratch', bound.bindings[0].id])
    expect(await done(['environment', 'show', 'scratch'])).toMatchObject({ bindings: [] })
    await done(['environment', 'remove', 'scratch', '--yes'])
    expect(await refused(['environment', 'show', 'scratch'])).toMatchObject({ code: 'not-found' })
  })

  test('is listed in columns, and in blocks where the terminal is too narrow', async () => {
    const wide = await commanded(['environment', 'list'], { config })
    expect(wide.stdout).toMatch(/^ENVIRONMENT +PROTECTED +BINDINGS +SCOPES\n/)
    expect(wide.stdout).toMatch(/\nstaging +yes +2 +-\n/)
    const narrow = await commanded(['environment', 'list'], { config, env: { COLUMNS: '30' } })
    expect(narrow.stdout).toMatch(/^ENVIRONMENT {2}\w+\nPROTECTED {4}yes\n/)
    for (const line of narrow.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(30)
  })
})

describe('an agent', () => {
  let secret: string
  let capability: string
  const token = ['token', '--client-id', 'cursor', '--scope', 'domains']
  const readStaging = `{ environment(id: "${ids.environments.staging}") { name } }`
  const deleteVolume = `mutation { volumeDelete(volumeId: "${ids.volumes.postgresData}") }`

  test('is granted scopes, and its secret is shown once', async () => {
    const scope = ['scope', 'set', 'domains', '--environment', 'staging', '--ttl', '10m']
    const set = await done([
      ...scope,
      ...['--allow', 'railway:Query.*', '--allow', 'railway:Mutation.volumeDelete'],
      ...['--limit', '600/m'],
    ])
    expect(set).toMatchObject({ max_ttl: 600, calls_per_minute: 600, warnings: [] })
    const asking = ['--approve', 'railway:Mutation.volumeDelete', '--approvers', '2']
    const again = ['--allow', 'railway:Query.*', '--allow', 'railway:Mutation.volumeDelete']
    await done([...scope, ...again, ...asking, '--limit', '600/m'])
    const shown = await commanded(['scope', 'show', 'domains'], { config })
    expect(shown.stdout).toMatch(/asks +railway:Mutation\.volumeDelete\napprovers +2\n/)
    const unknown = await run([...scope.with(2, 'typo'), '--allow', 'railway:Query.projet'])
    expect(unknown.code).toBe(0)
    expect(unknown.stderr).toContain('Query.projet')
    const made = await done(['agent', 'add', 'cursor', '--scope', 'domains'])
    secret = made.secret
    expect(secret).toMatch(/^vks_/)
    const agent = await run(['agent', 'show', 'cursor'])
    expect(JSON.parse(agent.stdout)).toMatchObject({ name: 'cursor', scopes: ['domains'] })
    expect(agent.stdout).not.toContain(secret)
    await done(['agent', 'grant', 'cursor', 'typo'])
    await done(['agent', 'revoke', 'cursor', 'typo'])
    expect(await done(['agent', 'list'])).toEqual([
      expect.objectContaining({ name: 'cursor', scopes: ['domains'] }),
    ])
  })

  test('gets a capability and nothing else on stdout, the secret coming from stdin, a variable or a file', async () => {
    const path = join(config, 'client-secret')
    await writeFile(path, secret, { mode: 0o600 })
    const given: [string[], More][] = [
      [[], { stdin: `${secret}\n` }],
      [[], { env: { VALETKEY_CLIENT_SECRET: secret } }],
      [['--secret-file', path], { env: { VALETKEY_CLIENT_SECRET: 'vks_not-this-one' } }],
    ]
    for (const [args, more] of given) {
      const ended = await commanded([...token, ...args], { config, ...more })
      expect(ended).toMatchObject({ code: 0, stderr: '' })
      expect(ended.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)
      capability = ended.stdout.trim()
    }
  })

  test('is refused with a wrong secret or none, and stdout stays empty', async () => {
    const wrong = await refused(token, { stdin: 'vks_not-the-secret\n' })
    expect(wrong).toMatchObject({ code: 'invalid_client' })
    expect(JSON.stringify(wrong)).not.toContain('vks_not-the-secret')
    expect(await run(token)).toMatchObject({ code: 2, stdout: '' })
    expect(await refused(token.with(4, 'typo'), { stdin: secret })).toMatchObject({
      code: 'invalid_scope',
    })
  })

  test('asks for less than its scope allows', async () => {
    const minted = await done(
      [
        ...token,
        '--ttl',
        '60s',
        '--operation',
        'railway:Query.environment',
        '--reason',
        'one look',
      ],
      { stdin: secret },
    )
    expect(minted).toMatchObject({
      expires_in: 60,
      authorization_details: [{ connection: 'railway', operations: ['Query.environment'] }],
    })
    const env = { VALETKEY_TOKEN: minted.access_token }
    expect(await done(['explain', 'railway', '--query', readStaging], { env })).toMatchObject({
      verdict: 'allow',
    })
    const query = `{ project(id: "${ids.projects.rentals}") { name } }`
    const ended = await run(['explain', 'railway', '--query', query], { env })
    expect(ended.code).toBe(1)
    expect(JSON.parse(ended.stdout)).toMatchObject({ code: 'operation-not-allowed' })
  })

  test('reaches the provider through the broker with what token printed', async () => {
    const response = await fetch(`${broker.agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: { authorization: `Bearer ${capability}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query: readStaging }),
    })
    expect(await response.json()).toEqual({ data: { environment: { name: 'staging' } } })
  })

  test('learns where a volume lives and that it may not be touched, and nothing is sent to delete it', async () => {
    const ended = await run(['explain', 'railway', '--query', deleteVolume], { stdin: capability })
    expect(ended.code).toBe(1)
    const verdict = JSON.parse(ended.stdout)
    expect(verdict).toMatchObject({ verdict: 'deny', code: 'outside-environment' })
    expect(verdict.operations[0].resources[0].found).toContain('production')
    const words = await commanded(['explain', 'railway', '--query', deleteVolume], {
      config,
      env: { VALETKEY_TOKEN: capability },
    })
    expect(words.code).toBe(1)
    expect(words.stdout).toMatch(/^verdict +deny$/m)
    expect(words.stdout).toMatch(/^volumeId +volume +\S+ +.*production/m)
    const sent = railway.received.filter(({ body }) => body.includes('volumeDelete'))
    expect(sent).toEqual([])
  })

  test('loses a capability that an operator revokes, and everything when it is removed', async () => {
    const out = await done(['capability', 'list', '--agent', 'cursor'])
    const { jti } = JSON.parse(Buffer.from(capability.split('.')[1] ?? '', 'base64url').toString())
    expect(out).toContainEqual(expect.objectContaining({ jti, environment: 'staging' }))
    await done(['capability', 'revoke', jti])
    const env = { VALETKEY_TOKEN: capability }
    expect(await refused(['explain', 'railway', '--query', readStaging], { env })).toMatchObject({
      code: 'capability-revoked',
    })
    const renewed = await done(['agent', 'rotate', 'cursor'])
    expect(await refused(token, { stdin: secret })).toMatchObject({ code: 'invalid_client' })
    await done(token, { stdin: renewed.secret })
    await done(['agent', 'remove', 'cursor', '--yes'])
    expect(await refused(token, { stdin: renewed.secret })).toMatchObject({
      code: 'invalid_client',
    })
  })
})

describe('a freeze', () => {
  test('is added with a reason, stands in the status, and is lifted', async () => {
    const frozen = ['freeze', 'add', '--environment', 'staging', '--reason', 'to look']
    const { still_out: stillOut, ...made } = await done(frozen)
    expect(stillOut).toEqual([])
    expect(made).toMatchObject({ subject: 'environment:staging', reason: 'to look', by: 'ada' })
    expect(await done(['freeze', 'list'])).toEqual([made])
    expect((await done(['status'])).freezes).toEqual([made])
    const words = await commanded(['status'], { config })
    expect(words.stdout).toMatch(/FROZEN +BY +SINCE/)
    expect(words.stdout).toContain('environment staging')
    expect(await refused(['freeze', 'add', '--agent', 'nobody'])).toMatchObject({
      detail: 'There is no agent nobody, so nothing was frozen.',
    })
    expect(await done(['freeze', 'lift', made.id])).toMatchObject({ id: made.id })
    expect(await done(['freeze', 'list'])).toEqual([])
    expect(await done(['freeze', 'list', '--all'])).toMatchObject([{ id: made.id }])
  })

  test('of everything is told in words that say how it ends', async () => {
    const { stderr } = await commanded(['freeze', 'add', '--all'], { config })
    const [, id = ''] =
      /Everything is frozen\. Lift it with: valetkey freeze lift (\S+)/.exec(stderr) ?? []
    await done(['freeze', 'lift', id])
  })
})

describe('the audit log', () => {
  test('is shown newest last by tail, one entry on each line, and newest first by search', async () => {
    const { stdout } = await run(['audit', 'tail', '--lines', '3'])
    const tail = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).seq)
    expect(tail).toHaveLength(3)
    expect(tail).toEqual(tail.toSorted((a, b) => a - b))
    const found = await done(['audit', 'search', '--kind', 'mint', '--since', '1h'])
    expect(found.length).toBeGreaterThan(2)
    expect(found[0].seq).toBeGreaterThan(found[1].seq)
    expect(await done(['audit', 'search', '--until', '2020-01-01T00:00:00Z'])).toEqual([])
    expect(await done(['audit', 'search', '--agent', 'nobody'])).toEqual([])
  })

  test('is followed as it grows', async () => {
    const child = spawn(
      process.execPath,
      [bin, 'audit', 'tail', '--follow', '--lines', '1', '--kind', 'change', '--json'],
      {
        env: surroundings({ XDG_CONFIG_HOME: config }),
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    try {
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
      await lines.next()
      await done(['environment', 'add', 'followed'])
      const { value } = await lines.next()
      expect(JSON.parse(String(value))).toMatchObject({ kind: 'change', environment: 'followed' })
    } finally {
      child.kill()
    }
  })

  test('verifies in the broker, and as a file with keys that were kept elsewhere', async () => {
    expect(await done(['audit', 'verify'])).toMatchObject({ ok: true, problems: [] })
    const path = join(config, 'audit.ndjson')
    const { lines } = await done(['audit', 'export', '--out', path])
    const text = await readFile(path, 'utf8')
    expect(text.trimEnd().split('\n')).toHaveLength(lines)
    const again = await run(['audit', 'export', '--out', path])
    expect(again).toMatchObject({ code: 2, stdout: '' })

    const keys = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === 'key')
    const key = join(config, 'audit-keys.json')
    await writeFile(key, JSON.stringify({ keys: keys.map((line) => line.key) }))
    const offline = { config: await folder() }
    expect(await done(['audit', 'verify', path], offline)).toMatchObject({ keys: { from: 'file' } })
    expect(await done(['audit', 'verify', path, '--key', key], offline)).toMatchObject({
      ok: true,
      keys: { from: 'given' },
    })
    expect(await done(['audit', 'verify', '--key', key])).toMatchObject({ ok: true })
  })

  test('that was edited or cut does not verify', async () => {
    const text = await readFile(join(config, 'audit.ndjson'), 'utf8')
    const lines = text.trimEnd().split('\n')
    const forgeries = {
      edited: text.replace('cursor', 'claude'),
      cut: `${lines.slice(0, -1).join('\n')}\n`,
      thinned: `${lines.filter((line) => !line.includes('"seq":5,')).join('\n')}\n`,
    }
    for (const [name, forged] of Object.entries(forgeries)) {
      expect(forged, name).not.toBe(text)
      const path = join(config, `${name}.ndjson`)
      await writeFile(path, forged)
      const ended = await run(['audit', 'verify', path])
      expect(ended.code, name).toBe(1)
      expect(JSON.parse(ended.stdout), name).toMatchObject({ ok: false })
      const words = await commanded(['audit', 'verify', path], { config })
      expect(words.stdout, name).toMatch(/^log +NOT whole$/m)
    }
  })
})

describe('operators and keys', () => {
  test('an invited auditor reads and is refused every edit', async () => {
    const invited = await done(['operator', 'invite', '--role', 'auditor'])
    const grace = await folder()
    await done(['login', '--url', broker.operatorUrl, '--enrol', '--name', 'grace'], {
      config: grace,
      stdin: `${invited.code}\n${passphrase}\n`,
    })
    await done(['environment', 'list'], { config: grace })
    const problem = await refused(['environment', 'add', 'mine'], { config: grace })
    expect(problem).toMatchObject({ code: 'forbidden' })
    const words = await commanded(['environment', 'add', 'mine'], { config: grace })
    expect(words.stderr).toBe(`error: ${problem.detail}\n${problem.hint}\n(forbidden)\n`)
    await done(['operator', 'remove', 'grace', '--yes'])
    expect(await refused(['whoami'], { config: grace })).toMatchObject({ code: 'not-signed-in' })
  })

  test('signing keys rotate and are listed by their ids', async () => {
    const { kid } = await done(['key', 'rotate', 'signing'])
    const keys = await done(['key', 'list'])
    expect(keys).toContainEqual(expect.objectContaining({ kid, purpose: 'capability' }))
    expect(JSON.stringify(keys)).not.toContain('"d"')
  })

  test('the port of a broker that runs cannot be taken by another, which says so', async () => {
    const { port } = new URL(broker.agentUrl)
    const data = join(await folder(), 'data')
    const ended = await valetkey(['serve', '--data', data, '--agent-port', port, '--json'], {
      config,
    })
    expect(ended.code).toBe(1)
    expect(JSON.parse(ended.stderr)).toMatchObject({
      code: 'start-failed',
      detail: expect.stringContaining(`Port ${port}`),
    })
  })

  test('serve stops on a signal and ends with 0', async () => {
    expect(await broker.stop()).toBe(0)
  })
})
