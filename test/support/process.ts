/** `valetkey serve` in processes of its own, with a home and an environment that are nobody's, and what speaks to them over HTTP. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SimulatedRailway } from '../../src/demo/railway/server.ts'
import { type Answer, expectOk, field, keep, send, setUp } from './broker.ts'
import { closeLater } from './closing.ts'
import { folder } from './folder.ts'
import { copyImage } from './image.ts'
import { freshDatabase, type StoreKind } from './stores.ts'
import { surroundings } from './surroundings.ts'

export type Env = Readonly<Record<string, string>>

export type Ended = {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export type Served = {
  agentUrl: string
  operatorUrl: string
  pid: number
  /** Where the one-time code of the first operator lies, if there is none yet. */
  codeFile: string | null
  stdout(): string
  stderr(): string
  signal(name: NodeJS.Signals): void
  /** Signals and waits for the end. */
  stop(name?: NodeJS.Signals): Promise<Ended>
  ended: Promise<Ended>
}

/**
 * What a broker of one's own needs: its home, its database, migrated unless it is to be new, a master key, free ports, and
 * an issuer that outlives them.
 */
export async function place(
  kind: StoreKind,
  state: 'migrated' | 'new' = 'migrated',
): Promise<Record<string, string>> {
  const home = await folder()
  const data = join(home, 'data')
  if (kind === 'embedded' && state === 'migrated') await copyImage(data)
  return {
    HOME: home,
    VALETKEY_MASTER_KEY: randomBytes(32).toString('base64'),
    VALETKEY_AGENT_PORT: '0',
    VALETKEY_OPERATOR_PORT: '0',
    VALETKEY_PUBLIC_URL: 'http://broker.test',
    ...(kind === 'embedded'
      ? { VALETKEY_DATA: data }
      : { DATABASE_URL: await freshDatabase(state === 'new' ? 'template0' : state) }),
  }
}

const bin = fileURLToPath(new URL('../../src/bin.js', import.meta.url))

type Running = { child: ChildProcess; said: Ended; ended: Promise<Ended> }

function run(env: Env, nodeFlags: readonly string[] = []): Running {
  const child = spawn(process.execPath, [...nodeFlags, bin, 'serve'], {
    env: surroundings(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said: Ended = { code: null, signal: null, stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text
    })
  }
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      keep(said.stdout + said.stderr)
      resolve({ ...said, code, signal })
    })
  })
  closeLater(() => {
    child.kill('SIGKILL')
    return ended
  })
  return { child, said, ended }
}

/** Resolves when it says that it is ready. */
export async function serve(env: Env, nodeFlags: readonly string[] = []): Promise<Served> {
  const { child, said, ended } = run(env, nodeFlags)
  await new Promise<void>((resolve, reject) => {
    // The last line of either greeting.
    child.stdout?.on('data', () => /Sign in with:|Set-up mode/.test(said.stdout) && resolve())
    void ended.then(({ code, stderr }) => reject(new Error(`serve ended with ${code}: ${stderr}`)))
  })
  const signal = (name: NodeJS.Signals) => void child.kill(name)
  return {
    agentUrl: found(said.stdout, /agents +(\S+)/),
    operatorUrl: found(said.stdout, /operators +(\S+)/),
    pid: child.pid ?? 0,
    codeFile: /\(in the file (.+)\)/.exec(said.stdout)?.[1] ?? null,
    stdout: () => said.stdout,
    stderr: () => said.stderr,
    signal,
    stop: (name = 'SIGTERM') => {
      signal(name)
      return ended
    },
    ended,
  }
}

/** A start that is expected to fail. */
export function failedStart(env: Env): Promise<Ended> {
  return run(env).ended
}

function found(text: string, pattern: RegExp): string {
  const [, match] = pattern.exec(text) ?? []
  if (match === undefined) throw new Error(`serve did not say ${pattern}: ${text}`)
  return match
}

/** The operators' API of any replica, for a session that all of them know. */
export type Admin = (method: string, path: string, body?: unknown) => Promise<Answer>

export function adminOf({ operatorUrl }: Served, session: string): Admin {
  return (method, path, body) =>
    send(operatorUrl + path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${session}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
}

export async function codeOf({ codeFile }: Served): Promise<string> {
  if (codeFile === null) throw new Error('there is no code for a first operator')
  return (await readFile(codeFile, 'utf8')).trim()
}

export function enrol(served: Served, code: string, name = 'ada'): Promise<Answer> {
  return adminOf(served, '')('POST', '/admin/session', {
    code,
    name,
    passphrase: 'correct horse battery staple',
  })
}

/** Two environments, one connection, and an agent `cursor` that may read and write in staging. */
export async function furnish(
  served: Served,
  railway: SimulatedRailway,
): Promise<{ session: string; secret: string }> {
  const session = field(expectOk(await enrol(served, await codeOf(served))), 'token')
  return { session, secret: await setUp(adminOf(served, session), railway) }
}

export function token(
  { agentUrl }: Served,
  client: { name: string; secret: string },
  scope = 'work',
): Promise<Answer> {
  return send(`${agentUrl}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${client.name}:${client.secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  })
}

export function graphql(
  { agentUrl }: Served,
  capability: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Answer> {
  return send(`${agentUrl}/x/railway/graphql/v2`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${capability}` },
    body: JSON.stringify({ query, variables }),
  })
}

export type Logged = { kind: string; seq: number } & Record<string, unknown>

/** Every entry of the audit log, oldest first. */
export async function entriesOf(admin: Admin): Promise<Logged[]> {
  const { text } = expectOk(await admin('GET', '/admin/audit/export'))
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'entry')
    .map(({ body }) => JSON.parse(body))
}
