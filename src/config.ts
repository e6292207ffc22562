/** The environment, read once into a checked Config. Nothing else reads the environment. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const Port = z.coerce.number().int().min(0).max(65535)

const Url = z
  .url({ protocol: /^https?$/ })
  .refine((value) => new URL(value).pathname === '/', 'must be an origin, without a path')
  .transform((value) => new URL(value).origin)

/** `stripe=8431,notes=8432`, each name and each port once. */
function readPorts(text: string, context: z.RefinementCtx): ReadonlyMap<string, number> {
  const pairs = text.split(',').map((pair) => {
    const [, name, port] = /^([a-z][a-z0-9-]{0,62})=(\d{1,5})$/.exec(pair.trim()) ?? []
    return [name ?? '', Number(port)] as const
  })
  const ports = new Map(pairs)
  const bound = [...ports.values()].filter((port) => port !== 0)
  const clear = pairs.every(([name, port]) => name !== '' && port <= 65_535)
  if (!clear || ports.size < pairs.length || new Set(bound).size < bound.length) {
    context.addIssue({ code: 'custom', message: 'must be such as stripe=8431,notes=8432' })
  }
  return ports
}

const Environment = z.object({
  VALETKEY_DATA: z.string().optional(),
  VALETKEY_HOST: z.string().default('localhost'),
  VALETKEY_AGENT_PORT: Port.default(8420),
  VALETKEY_OPERATOR_PORT: Port.default(8421),
  VALETKEY_PUBLIC_URL: Url.optional(),
  VALETKEY_CONSOLE_URL: Url.optional(),
  VALETKEY_MASTER_KEY: z.string().optional(),
  VALETKEY_MASTER_KEY_FILE: z.string().optional(),
  VALETKEY_TLS_CERT: z.string().optional(),
  VALETKEY_TLS_KEY: z.string().optional(),
  VALETKEY_LISTEN_PLAIN: z.enum(['yes', 'no']).default('no'),
  VALETKEY_LOG: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  VALETKEY_APPROVAL_MINUTES: z.coerce.number().int().min(1).max(1_440).default(30),
  VALETKEY_CONNECTION_PORTS: z.string().transform(readPorts).default(new Map()),
  VALETKEY_FREEZE_AFTER: z.coerce.number().int().min(0).max(10_000).default(20),
  DATABASE_URL: z.string().optional(),
})

export type Config = {
  /** The embedded database's directory, or the PostgreSQL to use. */
  store: { kind: 'embedded'; directory: string } | { kind: 'postgres'; url: string }
  masterKey: { kind: 'value'; value: string } | { kind: 'file'; path: string; create: boolean }
  host: string
  agentPort: number
  operatorPort: number
  /** Listeners for one connection each, for clients that take a host and a port and no path. */
  connectionPorts: ReadonlyMap<string, number>
  /** The issuer of capabilities; null means `http://localhost:PORT`, known only once the port is bound. */
  publicUrl: string | null
  consoleUrl: string | null
  tls: { cert: string; key: string } | null
  logLevel: z.infer<typeof Environment>['VALETKEY_LOG']
  /** How long a request may wait for a human, and an approval to be used. */
  approvalMs: number
  /** Calls for another environment within a minute that freeze the agent; 0 for never. */
  freezeAfter: number
  limits: Limits
}

/** Bounds that come before parsers. Bytes, counts, milliseconds; none may be infinite. */
export type Limits = {
  bodyBytes: number
  /** Of all bodies that are held at once. */
  heldBytes: number
  targetBytes: number
  headerCount: number
  headerBytes: number
  capabilityBytes: number
  /** A sender that has not delivered its body by then is cut. */
  requestMs: number
  upstreamMs: number
  /** Largest answer that is relayed. */
  answerBytes: number
  locateMs: number
  lookupsPerCall: number
  lookupsPerMinute: number
  callsPerMinute: number
  mintsPerMinute: number
  /** Each is an edit of policy, which every replica reads anew. */
  revocationsPerMinute: number
  concurrentPerAgent: number
  drainMs: number
}

export const limits: Limits = {
  bodyBytes: 1_000_000,
  heldBytes: 256_000_000,
  targetBytes: 8_192,
  headerCount: 100,
  headerBytes: 32_768,
  capabilityBytes: 4_096,
  requestMs: 15_000,
  upstreamMs: 60_000,
  answerBytes: 64_000_000,
  locateMs: 8_000,
  lookupsPerCall: 64,
  lookupsPerMinute: 600,
  callsPerMinute: 60_000,
  mintsPerMinute: 20_000,
  revocationsPerMinute: 600,
  concurrentPerAgent: 128,
  drainMs: 10_000,
}

/** Throws one sentence that names the variable and what it should be. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const parsed = Environment.safeParse(dropEmpty(env))
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw new Error(`${issue?.path.join('.')}: ${issue?.message}`)
  }
  const value = parsed.data
  if ((value.VALETKEY_TLS_CERT === undefined) !== (value.VALETKEY_TLS_KEY === undefined)) {
    throw new Error('VALETKEY_TLS_CERT and VALETKEY_TLS_KEY go together: give both, or neither')
  }
  const tls =
    value.VALETKEY_TLS_CERT !== undefined && value.VALETKEY_TLS_KEY !== undefined
      ? { cert: value.VALETKEY_TLS_CERT, key: value.VALETKEY_TLS_KEY }
      : null
  if (tls === null && !isLoopback(value.VALETKEY_HOST) && value.VALETKEY_LISTEN_PLAIN !== 'yes') {
    throw new Error(
      `VALETKEY_HOST is ${value.VALETKEY_HOST}, which others can reach, and there is no TLS: set VALETKEY_TLS_CERT and VALETKEY_TLS_KEY, or VALETKEY_LISTEN_PLAIN=yes if a proxy in front does TLS`,
    )
  }
  return {
    ...places(value),
    host: value.VALETKEY_HOST,
    agentPort: value.VALETKEY_AGENT_PORT,
    operatorPort: value.VALETKEY_OPERATOR_PORT,
    connectionPorts: value.VALETKEY_CONNECTION_PORTS,
    publicUrl: value.VALETKEY_PUBLIC_URL ?? null,
    consoleUrl: value.VALETKEY_CONSOLE_URL ?? null,
    tls,
    logLevel: value.VALETKEY_LOG,
    approvalMs: value.VALETKEY_APPROVAL_MINUTES * 60_000,
    freezeAfter: value.VALETKEY_FREEZE_AFTER,
    limits,
  }
}

/** Where data and the master key lie. The key is never made beside a database that is shared. */
function places(value: z.infer<typeof Environment>): Pick<Config, 'store' | 'masterKey'> {
  const directory = value.VALETKEY_DATA ?? join(homedir(), '.valetkey', 'data')
  const store: Config['store'] =
    value.DATABASE_URL === undefined
      ? { kind: 'embedded', directory }
      : { kind: 'postgres', url: value.DATABASE_URL }
  if (value.VALETKEY_MASTER_KEY !== undefined) {
    return { store, masterKey: { kind: 'value', value: value.VALETKEY_MASTER_KEY } }
  }
  if (value.VALETKEY_MASTER_KEY_FILE !== undefined) {
    const create = store.kind === 'embedded'
    return { store, masterKey: { kind: 'file', path: value.VALETKEY_MASTER_KEY_FILE, create } }
  }
  if (store.kind === 'postgres') {
    throw new Error(
      'DATABASE_URL is set, so the master key must be given: set VALETKEY_MASTER_KEY (make one with: openssl rand -base64 32) or VALETKEY_MASTER_KEY_FILE',
    )
  }
  return { store, masterKey: { kind: 'file', path: `${directory}.key`, create: true } }
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function dropEmpty(env: Readonly<Record<string, string | undefined>>) {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
}
