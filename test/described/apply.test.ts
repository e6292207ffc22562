/** The configuration as a file: written, applied somewhere else, applied again, and never in part. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { commanded } from '../cli/valetkey.ts'
import { expectOk, type Front, front } from '../support/broker.ts'
import { folder } from '../support/folder.ts'
import { changeIn, confirm, passkey } from '../support/passkey.ts'
import { stores } from '../support/stores.ts'

async function shell(at: Front) {
  const config = await folder()
  const { json } = expectOk(
    await at.admin('POST', '/admin/operators/invitations', { role: 'admin' }),
  )
  await commanded(
    ['login', '--url', at.broker.operatorUrl, '--enrol', '--name', 'grace', '--json'],
    {
      config,
      stdin: `${String(json['code'])}\na passphrase long enough\n`,
    },
  )
  const run = (args: string[], stdin = '') => commanded(args, { config, stdin })
  const file = join(config, 'valetkey.yaml')
  return { run, file }
}

const notes = {
  base_url: 'https://notes.example',
  operations: [{ route: 'GET /a/{a_id}', effects: ['read'] }],
}

test.each(stores)(
  'what was written is applied again without changing anything (%s)',
  async (kind) => {
    const at = await front(kind)
    expectOk(await at.admin('PUT', '/admin/providers/notes', notes))
    expectOk(
      await at.admin('POST', '/admin/trusts', {
        ...{ name: 'deploy', system: 'github', scopes: ['work'] },
        claims: ['repository_id=1', 'ref=refs/heads/main'],
      }),
    )
    const { run, file } = await shell(at)
    expect(await run(['export', '--out', file])).toMatchObject({ code: 0 })
    const text = await readFile(file, 'utf8')
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\/valetkey\.schema\.json\n/)
    expect(text).not.toMatch(/vks_|secret_|argon2|eyJ/)
    const document = parse(text)
    expect(Object.keys(document)).toEqual([
      'version',
      'providers',
      'connections',
      'environments',
      'scopes',
      'agents',
      'trusts',
    ])
    const version = at.broker.ctx.realm.now().version
    for (let i = 0; i < 2; i += 1) {
      const again = await run(['apply', '-f', file])
      expect(again).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('Nothing is to be changed'),
      })
    }
    expect(at.broker.ctx.realm.now().version).toBe(version)
    const schema = JSON.parse((await run(['export', '--schema'])).stdout)
    expect(schema).toMatchObject({ type: 'object', properties: { scopes: expect.any(Object) } })
  },
)

test('a file is a plan first, and then one change: all of it or nothing', async () => {
  const at = await front()
  const { run, file } = await shell(at)
  await run(['export', '--out', file])
  const document = parse(await readFile(file, 'utf8'))
  const staging = document.environments.staging
  document.scopes.reading = { environment: 'staging', allow: ['railway:@read'] }
  document.agents.cursor.scopes.push('reading')
  document.agents.ci = { scopes: ['reading'] }
  document.environments.preview = { protected: false, owns: staging.owns.splice(0, 1) }
  document.providers = {
    notes: {
      placement: 'bearer',
      base_url: 'https://notes.example',
      operations: [
        {
          name: 'getA',
          method: 'GET',
          template: '/a/{a_id}',
          effects: ['read'],
          guessed: null,
          query: null,
          fields: null,
        },
      ],
    },
  }
  await writeFile(file, stringify(document))
  const checked = await run(['apply', '-f', file, '--check'])
  expect(checked.code).toBe(1)
  for (const words of [
    'describe provider notes',
    'add environment preview',
    'unbind from staging on railway',
    'bind to preview on railway',
    'add scope reading',
    'grant scope reading to agent cursor',
    'add agent ci',
    '+ Agent cursor may railway:@read in staging (scope reading)',
  ]) {
    expect(checked.stderr).toContain(words)
  }
  const before = at.broker.ctx.realm.now()
  expect(before.scopes.has('reading')).toBe(false)
  expect((await run(['apply', '-f', file])).code).not.toBe(0)
  expect(await run(['apply', '-f', file, '--yes'])).toMatchObject({ code: 0 })
  const after = at.broker.ctx.realm.now()
  expect(after.version).toBe(before.version + 1)
  expect([...after.agents.keys()]).toContain('ci')
  expect(after.bindings.some(({ environment }) => environment === 'preview')).toBe(true)
  expect((await run(['apply', '-f', file])).stderr).toContain('Nothing is to be changed')

  // The last step cannot be made, so none is.
  document.scopes.other = { environment: 'staging', allow: ['railway:@read'] }
  document.agents.lost = { scopes: ['no-such-scope'] }
  await writeFile(file, stringify(document))
  expect((await run(['apply', '-f', file, '--yes'])).code).toBe(1)
  expect(at.broker.ctx.realm.now().version).toBe(after.version)
  expect(at.broker.ctx.realm.now().scopes.has('other')).toBe(false)

  // And what is not in it goes.
  delete document.agents.lost
  delete document.scopes.other
  delete document.scopes.reading
  delete document.agents.ci
  document.agents.cursor.scopes = document.agents.cursor.scopes.filter(
    (one: string) => one !== 'reading',
  )
  await writeFile(file, stringify({ version: 1, scopes: document.scopes, agents: document.agents }))
  expect(await run(['apply', '-f', file, '--yes'])).toMatchObject({ code: 0 })
  const last = at.broker.ctx.realm.now()
  expect(last.scopes.has('reading')).toBe(false)
  expect(last.agents.has('ci')).toBe(false)
  expect(last.environments.has('preview')).toBe(true)
})

test('once there is a passkey a file waits for one touch, which shows all of it', async () => {
  const at = await front()
  const key = await passkey(at)
  const { json } = expectOk(await at.admin('GET', '/admin/configuration'))
  const document = json as {
    scopes: Record<string, unknown>
    agents: Record<string, { scopes: string[] }>
  }
  document.scopes['reading'] = { environment: 'staging', allow: ['railway:@read'] }
  document.agents['cursor']?.scopes.push('reading')
  const waits = await at.admin('PUT', '/admin/configuration', document)
  const change = changeIn(waits)
  expect(at.broker.ctx.realm.now().scopes.has('reading')).toBe(false)
  const shown = expectOk(await at.admin('GET', `/admin/changes/${change}`))
  expect(shown.text).toContain('Agent cursor may railway:@read in staging (scope reading)')
  expectOk(await confirm(at, key, [change]))
  expect(at.broker.ctx.realm.now().scopes.has('reading')).toBe(true)
})

test.each([
  [
    'a connection that is not there',
    {
      version: 1,
      connections: {
        x: { provider: 'railway', base_url: 'https://x.example', placement: 'bearer' },
      },
    },
    'connection add x',
  ],
  [
    'a connection that is another',
    {
      version: 1,
      connections: {
        railway: { provider: 'railway', base_url: 'https://x.example', placement: 'bearer' },
      },
    },
    'connection remove railway',
  ],
  ['a secret', { version: 1, agents: { a: { scopes: [], secret: 'x' } } }, 'secret'],
  ['another version', { version: 2 }, 'version'],
  [
    'a scope that moves',
    { version: 1, scopes: { work: { environment: 'production', allow: [] } } },
    'does not move',
  ],
  [
    'a trust that takes everybody',
    {
      version: 1,
      trusts: {
        a: {
          system: 'github',
          issuer: 'https://token.actions.githubusercontent.com',
          audience: 'x',
          claims: { ref: ['main'] },
        },
      },
    },
    'by id',
  ],
])('with %s it is refused whole', async (_, document, why) => {
  const at = await front()
  const { version } = at.broker.ctx.realm.now()
  const answer = await at.admin('PUT', '/admin/configuration', document)
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(answer.text).toContain(why)
  expect(at.broker.ctx.realm.now().version).toBe(version)
})
