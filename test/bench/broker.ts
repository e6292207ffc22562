/** A real `valetkey serve` for the bench, set up through its admin API as an operator would. */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Child, start } from './children.ts'
import type { Upstream } from './upstream.ts'

export const bin = fileURLToPath(new URL('../../src/bin.js', import.meta.url))
/** As `npm start` gives them. */
const nodeFlags = ['--max-semi-space-size=16', '--max-old-space-size=1024']

export type Serving = Child & {
  agentUrl: string
  operatorUrl: string
  /** From the start of the process to its first answer. */
  startMs: number
  said: string
}

export type Agent = { name: string; secret: string }

export type Operator = { session: string; agents: readonly Agent[] }

export type Home = { folder: string; env: Readonly<Record<string, string>> }

/** A place for one broker: on PostgreSQL if there is a URL, else embedded in the folder. */
export async function homeIn(folder: string, databaseUrl: string | null): Promise<Home> {
  await mkdir(folder)
  return {
    folder,
    env: {
      HOME: folder,
      XDG_CONFIG_HOME: folder,
      VALETKEY_DATA: join(folder, 'data'),
      VALETKEY_MASTER_KEY: randomBytes(32).toString('base64'),
      VALETKEY_AGENT_PORT: '0',
      VALETKEY_OPERATOR_PORT: '0',
      ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
    },
  }
}

export async function serve({ env }: Home): Promise<Serving> {
  const began = performance.now()
  const ready = Promise.withResolvers<void>()
  const lines: string[] = []
  const child = start({
    program: process.execPath,
    args: [...nodeFlags, ...profiling(), bin, 'serve'],
    env: { ...env, VALETKEY_LOG: 'warn' },
    line: (line) => {
      lines.push(line)
      if (/Sign in with|Set-up mode/.test(line)) ready.resolve()
    },
  })
  await Promise.race([ready.promise, child.ended])
  const said = lines.join('\n')
  const agentUrl = found(said, /agents +(\S+)/)
  await (await fetch(`${agentUrl}/healthz`)).text()
  const startMs = performance.now() - began
  const operatorUrl = found(said, /operators +(\S+)/)
  return { pid: child.pid, stop: child.stop, agentUrl, operatorUrl, startMs, said }
}

/** With BENCH_PROFILE set to a folder, each broker leaves its CPU profile there. */
function profiling(): string[] {
  const folder = process.env['BENCH_PROFILE']
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`]
}

function found(text: string, pattern: RegExp): string {
  const [, value] = pattern.exec(text) ?? []
  if (value === undefined) throw new Error(`serve did not say ${pattern}: ${text}`)
  return value
}

const operator = { name: 'ada', passphrase: randomBytes(16).toString('hex') }

/** Several agents, since one alone may make a thousand calls a second and no more. */
const agentNames = Array.from({ length: 16 }, (_, index) => `agent-${index + 1}`)

export async function setUp(serving: Serving, upstream: Upstream): Promise<readonly Agent[]> {
  const code = await readFile(found(serving.said, /\(in the file (.+)\)/), 'utf8')
  const session = await signIn(serving, { code: code.trim() })
  const admin = asOperator(serving, session)
  await admin('POST', '/admin/connections', {
    name: 'railway',
    base_url: upstream.url,
    allow_private: true,
    secret: upstream.token,
  })
  await admin('POST', '/admin/environments', { name: 'staging', protected: false })
  await admin('POST', '/admin/environments/staging/bindings', {
    connection: 'railway',
    own: [{ kind: 'environment', address: 'acme-rentals/staging' }],
    see: [{ kind: 'project', address: 'acme-rentals' }],
  })
  await admin('PUT', '/admin/scopes/work', {
    environment: 'staging',
    allow: ['railway:@read', 'railway:@write'],
  })
  const agents: Agent[] = []
  for (const name of agentNames) {
    const { secret } = await admin('POST', '/admin/agents', { name, scopes: ['work'] })
    agents.push({ name, secret: String(secret) })
  }
  return agents
}

export async function signIn(serving: Serving, proof: { code?: string } = {}): Promise<string> {
  const body = { ...operator, ...proof }
  const { token } = await send(`${serving.operatorUrl}/admin/session`, '', 'POST', body)
  return String(token)
}

/** The operator's view of the audit log: how many entries it holds. */
export async function auditLength(serving: Serving, session: string): Promise<number> {
  const { audit } = await send(`${serving.operatorUrl}/admin/status`, session, 'GET')
  // The route's own shape.
  return (audit as { seq: number }).seq
}

/** The operators' API of a broker. */
export function asOperator({ operatorUrl }: Serving, session: string) {
  return (method: string, path: string, body?: unknown) =>
    send(operatorUrl + path, session, method, body)
}

async function send(
  url: string,
  session: string,
  method: string,
  body?: unknown,
): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${session}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return text === '' ? {} : JSON.parse(text)
}

/** What an agent sends for a capability. */
export function tokenRequest({ name, secret }: Agent) {
  return {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials&scope=work',
  }
}

export async function capability(serving: Serving, agent: Agent): Promise<string> {
  const response = await fetch(`${serving.agentUrl}/oauth/token`, tokenRequest(agent))
  const text = await response.text()
  if (!response.ok) throw new Error(`no capability: ${response.status} ${text}`)
  return JSON.parse(text).access_token
}

/** How long a command of the CLI takes, in milliseconds: the middle of five. */
export async function commandMs(home: Home, args: readonly string[]): Promise<number> {
  const took: number[] = []
  for (let run = 0; run < 5; run += 1) {
    const began = performance.now()
    await command(home, args)
    took.push(performance.now() - began)
  }
  return took.toSorted((a, b) => a - b)[2] ?? 0
}

export function logIn(home: Home, serving: Serving): Promise<void> {
  const args = ['login', '--url', serving.operatorUrl, '--name', operator.name]
  return command(home, args, `${operator.passphrase}\n`)
}

async function command({ env }: Home, args: readonly string[], input = ''): Promise<void> {
  const child = start({ program: process.execPath, args: [bin, ...args], env })
  child.input.end(input)
  await child.ended
}
