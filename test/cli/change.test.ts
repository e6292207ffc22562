/** The command line once edits wait for a passkey: it says what waits and where, ends well, and neither pretends nor confirms. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { saveSession } from '../../src/cli/session.ts'
import { expectOk, type Front, field, front, send } from '../support/broker.ts'
import { folder } from '../support/folder.ts'
import { confirm, type Key, passkey } from '../support/passkey.ts'
import { commanded } from './valetkey.ts'

/** Signed in as `valetkey login` does it once there is a passkey. */
async function signedIn(at: Front, key: Key) {
  const config = await folder()
  const post = (path: string, body?: unknown) =>
    send(`${at.broker.operatorUrl}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  const asked = expectOk(await post('/admin/sign-ins'))
  expectOk(await key.post(`/console/api/cli/${field(asked, 'user_code')}`, { confirm: true }))
  const session = expectOk(await post('/admin/sign-ins/poll', { id: field(asked, 'id') }))
  await saveSession(join(config, 'valetkey'), {
    adminUrl: at.broker.operatorUrl,
    url: at.broker.agentUrl,
    operator: 'ada',
    role: 'admin',
    expiresAt: field(session, 'expires_at'),
    token: field(session, 'token'),
  })
  return (...args: string[]) => commanded(args, { config })
}

const grants = ({ broker }: Front) =>
  [...(broker.ctx.realm.now().agents.get('cursor')?.scopes ?? [])].toSorted()

async function ready() {
  const at = await front()
  await at.scope('one', ['railway:@read'])
  await at.scope('two', ['railway:Query.*'])
  for (const scope of ['one', 'two']) {
    expectOk(await at.admin('DELETE', `/admin/agents/cursor/grants/${scope}`))
  }
  const key = await passkey(at)
  return { at, key, run: await signedIn(at, key) }
}

test('what waits is said with its difference and its address, and the command ends well', async () => {
  const { at, key, run } = await ready()
  const words = await run('agent', 'grant', 'cursor', 'one')
  expect(words).toMatchObject({ code: 0, stdout: expect.stringMatching(/^chg_[0-9a-f]{32}\n$/) })
  const id = words.stdout.trim()
  expect(words.stderr).toContain('+ Agent cursor may railway:@read in staging (scope one)')
  expect(words.stderr).toContain(`${at.broker.ctx.consoleUrl}/console/changes/${id}`)
  expect(words.stderr).not.toContain('cursor has one')
  expect(grants(at)).toEqual(['work'])

  const shown = await run('change', 'show', id)
  expect(shown.stdout).toContain('+ Agent cursor may railway:@read in staging (scope one)')
  expect((await run('change', 'list')).stdout).toContain(id)
  expectOk(await confirm(at, key, [id]))
  expect(grants(at)).toEqual(['one', 'work'])
  expect((await run('change', 'list')).stdout).not.toContain(id)
})

test('of several grants each is asked for, and machines get them all as one value', async () => {
  const { at, key, run } = await ready()
  const ended = await run('agent', 'grant', 'cursor', 'one', 'two', '--json')
  expect(ended.code).toBe(0)
  const { changes } = JSON.parse(ended.stdout)
  expect(changes).toHaveLength(2)
  const ids = changes.map(({ change }: { change: string }) => change)
  expect(grants(at)).toEqual(['work'])
  expect(expectOk(await confirm(at, key, ids)).json).toEqual({
    changes: ids.map((id: string) => ({ id, outcome: 'confirmed' })),
  })
  expect(grants(at)).toEqual(['one', 'two', 'work'])
})

test('a secret that was made is shown at once, and one that was rejected is never good', async () => {
  const { at, run } = await ready()
  const { stdout, stderr, code } = await run('agent', 'add', 'eve', '--scope', 'work', '--json')
  expect({ code, stderr: stderr.includes('vks_') }).toEqual({ code: 0, stderr: false })
  const { secret, change } = JSON.parse(stdout)
  const rejected = await run('change', 'reject', change, '--reason', 'who is eve')
  expect(rejected.code).toBe(0)
  expect(await run('change', 'reject', change)).toMatchObject({ code: 1, stdout: '' })
  const minted = await at.agent('/oauth/token', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`eve:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'work' }),
  })
  expect(minted.status).toBe(401)
  expect(at.broker.ctx.realm.now().agents.has('eve')).toBe(false)
})

test('what only takes away is done, and said as done', async () => {
  const { at, run } = await ready()
  const { code, stderr } = await run('agent', 'revoke', 'cursor', 'work')
  expect(code).toBe(0)
  expect(stderr).toContain('cursor no longer has work')
  expect(grants(at)).toEqual([])
})
