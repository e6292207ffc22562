import { expect, test } from 'vitest'
import { folder } from '../support/folder.ts'
import { commanded, valetkey } from './valetkey.ts'

const config = await folder()
const run = (...args: string[]) => commanded(args, { config })

/** The help of every command, by the words that lead to it, found by following help from the root down. */
async function helpOfAll(path: readonly string[] = []): Promise<Map<string, string>> {
  const { code, stdout } = await run(...path, '--help')
  expect(code).toBe(0)
  const listed = /\nCommands:\n([\s\S]*?)\n(\n|$)/.exec(stdout)?.[1] ?? ''
  const names = [...listed.matchAll(/^ {2}([a-z]+)/gm)].flatMap(([, name]) => name ?? [])
  const verbs = names.filter((name) => name !== 'help')
  if (verbs.length === 0) return new Map([[path.join(' '), stdout]])
  const below = await Promise.all(verbs.map((verb) => helpOfAll([...path, verb])))
  return new Map(below.flatMap((one) => [...one]))
}

test('valetkey alone shows its help on stdout', async () => {
  const ended = await valetkey([], { config })
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(ended.stdout).toMatch(/^Usage: valetkey /)
})

test('every command has help that ends with an example of itself', async () => {
  const helps = await helpOfAll()
  const verbs = (noun: string, ...names: string[]) => names.map((name) => `${noun} ${name}`)
  expect([...helps.keys()].sort()).toEqual(
    [
      ...[
        'serve',
        'demo',
        'status',
        'login',
        'logout',
        'whoami',
        'completion',
        'token',
        'explain',
        'export',
        'apply',
        'run',
      ],
      ...verbs('provider', 'list', 'show', 'operations', 'coverage', 'refresh'),
      ...verbs('provider', 'import', 'add', 'override', 'remove'),
      ...verbs('connection', 'add', 'list', 'show', 'test', 'rotate', 'remove'),
      ...verbs('environment', 'add', 'set', 'list', 'show', 'discover', 'bind', 'unbind', 'remove'),
      ...verbs('scope', 'set', 'list', 'show', 'remove'),
      ...verbs('agent', 'add', 'list', 'show', 'grant', 'revoke', 'rotate', 'remove'),
      ...verbs('trust', 'add', 'list', 'show', 'test', 'remove'),
      ...verbs('lease', 'create', 'renew', 'list', 'revoke'),
      ...verbs('capability', 'list', 'revoke'),
      ...verbs('approval', 'list', 'show', 'deny'),
      ...verbs('change', 'list', 'show', 'reject'),
      ...verbs('freeze', 'add', 'list', 'lift'),
      ...verbs('operator', 'invite', 'list', 'remove'),
      ...verbs('audit', 'tail', 'search', 'export', 'verify'),
      ...verbs('key', 'list', 'rotate'),
    ].sort(),
  )
  for (const [command, help] of helps) {
    expect(help.split('\nExample:\n')[1], command).toContain(`valetkey ${command}`)
  }
})

test('a command line that cannot be used ends with 2 and says why on stderr alone', async () => {
  const cases: [string[], RegExp][] = [
    [['agnt'], /unknown command 'agnt' \(Did you mean agent\?\)/],
    [['scope', 'lits'], /unknown command 'lits' \(Did you mean list\?\)/],
    [['agent'], /^Usage: valetkey agent /],
    [['agent', 'add'], /missing required argument 'name'/],
    [['agent', 'add', 'cursor', 'stray'], /too many arguments/],
    [['agent', 'add', '../scopes'], /A name is lower-case letters/],
    [['capability', 'revoke', 'a/b'], /An id is letters/],
    [['freeze', 'add'], /Nothing is named to freeze/],
    [['freeze', 'add', '--agent', 'a', '--all'], /A freeze is of one thing/],
    [['scope', 'set', 'a', '--environment', 'b'], /required option '--allow/],
    [
      ['scope', 'set', 'a', '--environment', 'b', '--allow', 'c:d', '--ttl', 'soon'],
      /90s, 15m or 1h/,
    ],
    [['scope', 'set', 'a', '--environment', 'b', '--allow', 'c:d', '--limit', '60'], /60\/m/],
    [['environment', 'set', 'staging'], /--protected or --unprotected/],
    [['environment', 'set', 'staging', '--protected', '--unprotected'], /cannot be used with/],
    [['environment', 'bind', 'staging', 'railway'], /--own KIND=ADDRESS/],
    [
      ['environment', 'bind', 'staging', 'railway', '--own', 'acme'],
      /not of the form KIND=ADDRESS/,
    ],
    [['agent', 'remove', 'cursor'], /--yes/],
    [
      ['token', '--client-id', 'cursor', '--scope', 's', '--operation', 'project'],
      /CONNECTION:OPERATION/,
    ],
    [
      ['explain', 'railway', '--query', '{a}', '--variables', '[1]'],
      /--variables is no JSON object/,
    ],
    [['operator', 'invite', '--role', 'king'], /Allowed choices are admin, approver, auditor/],
    [['login', '--url', 'localhost:8421'], /no address of a broker/],
    [['login', '--url', 'http://localhost:8421/admin'], /without path/],
    [['login'], /needs --name NAME/],
    [['completion', 'tcsh'], /Allowed choices are bash, zsh, fish/],
  ]
  await Promise.all(
    cases.map(async ([args, why]) => {
      const ended = await run(...args)
      expect(ended, args.join(' ')).toMatchObject({ code: 2, stdout: '' })
      expect(ended.stderr, args.join(' ')).toMatch(why)
    }),
  )
})

test('a secret as an argument is refused before anything is done, and is not repeated', async () => {
  const cases = [
    ['connection', 'add', 'railway', '--secret', 'hunter2'],
    ['connection', 'rotate', 'railway', '--token=hunter2'],
    ['token', '--client-id', 'cursor', '--scope', 's', '--client-secret', 'hunter2'],
    ['explain', 'railway', '--query', '{a}', '--token', 'hunter2'],
    ['login', '--name', 'ada', '--passphrase', 'hunter2'],
    ['login', '--name', 'ada', '--code=hunter2'],
  ]
  await Promise.all(
    cases.map(async (args) => {
      const ended = await run(...args)
      expect(ended, args.join(' ')).toMatchObject({ code: 2, stdout: '' })
      expect(ended.stderr).toContain('is not taken')
      expect(ended.stderr).toContain('--secret-file FILE')
      expect(ended.stderr).not.toContain('hunter2')
    }),
  )
})

test('with --json an error is one JSON object on stderr, with a code and what to do', async () => {
  const unknown = await run('agnt', '--json')
  expect(unknown).toMatchObject({ code: 2, stdout: '' })
  expect(JSON.parse(unknown.stderr)).toEqual({
    type: 'urn:valetkey:problem:usage',
    code: 'usage',
    detail: "unknown command 'agnt' (Did you mean agent?)",
  })
  const stranger = await run('--json', 'status')
  expect(stranger).toMatchObject({ code: 1, stdout: '' })
  expect(JSON.parse(stranger.stderr)).toMatchObject({
    code: 'not-signed-in',
    hint: 'Sign in with: valetkey login',
  })
})

test('words are plain where no terminal shows colour', async () => {
  const { stdout, stderr } = await run('status')
  expect(stdout).toBe('')
  expect(stderr).toBe(
    'error: Nobody is signed in on this machine.\nSign in with: valetkey login\n(not-signed-in)\n',
  )
})
