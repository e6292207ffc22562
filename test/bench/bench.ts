/** `npm run bench`: what the broker costs beside other ways to the same upstream, all measured in one run on loopback. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster } from '../support/cluster.ts'
import { startBareProxy } from './bare-proxy.ts'
import {
  type Agent,
  auditLength,
  capability,
  commandMs,
  type Home,
  homeIn,
  logIn,
  type Serving,
  serve,
  setUp,
  signIn,
  tokenRequest,
} from './broker.ts'
import { type Child, killAll } from './children.ts'
import { freezeClaims } from './freeze.ts'
import { startHaproxy } from './haproxy.ts'
import { leaseClaims } from './leases.ts'
import { connections, load, type Request } from './load.ts'
import { mintClaims } from './mints.ts'
import { readingClaims } from './reading.ts'
import { firstWarmUpSeconds, measure, type Row, rate, type Way } from './rows.ts'
import { type Claim, claims, table, whole } from './table.ts'
import { startUpstream, type Upstream } from './upstream.ts'

const path = '/graphql/v2'
const document = 'query($id:String!){ environment(id:$id){ id name } }'

const folder = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
const stopping: (() => Promise<unknown>)[] = []

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await end()
    process.exit(130)
  })
}
process.once('exit', killAll)

async function end(): Promise<void> {
  // What does not stop is killed at the exit.
  for (const stop of stopping.splice(0).reverse()) await stop().catch(() => {})
  await rm(folder, { recursive: true, force: true })
}

function kept<T extends Pick<Child, 'stop'>>(child: T): T {
  stopping.push(child.stop)
  return child
}

async function bench(): Promise<void> {
  say('Starting the upstream, the proxies, PostgreSQL and two brokers …')
  const upstream = kept(await startUpstream())
  const bare = kept(await startBareProxy(upstream.said))
  const haproxy = await startHaproxy(folder, upstream.said)
  if (haproxy !== null) kept(haproxy)
  const cluster = kept(await startCluster(join(folder, 'cluster')))
  await cluster.createDatabase('bench')
  const embedded = await startBroker('embedded', null, upstream.said)
  const postgres = await startBroker('postgres', `${cluster.url}/bench`, upstream.said)
  const commands = await commandClaims(embedded)

  say(`Measuring, ${connections} connections each, after ${firstWarmUpSeconds} s of warming up …\n`)
  const { url, token } = upstream.said
  const ask = (credential: string) => asked(upstream.said, credential)
  const ways: Way[] = [
    { name: 'direct', process: upstream, url: url + path, requests: [ask(token)] },
    { name: 'Hono + undici, bare', process: bare, url: bare.url + path, requests: [ask('none')] },
    ...(haproxy === null
      ? []
      : [
          {
            name: `HAProxy ${haproxy.version}`,
            process: haproxy,
            url: haproxy.url + path,
            requests: [ask(haproxy.token)],
          },
        ]),
    {
      name: 'Valetkey on PostgreSQL',
      process: postgres.serving,
      database: cluster,
      url: `${postgres.serving.agentUrl}/x/railway${path}`,
      requests: (await capabilities(postgres)).map(ask),
    },
    {
      name: 'Valetkey on PGlite',
      process: embedded.serving,
      url: `${embedded.serving.agentUrl}/x/railway${path}`,
      requests: (await capabilities(embedded)).map(ask),
    },
  ]
  const rows = await measure(ways, await rightAnswer(url + path, ask(token)))
  say(table(rows))
  say(
    '\nCPU is that of the row’s own process for each request; direct has none but the upstream’s.',
  )
  if (haproxy === null) say('HAProxy is not installed here, so there is no row for it.')

  const [onPglite, onPostgres] = [rows.at(-1), rows.at(-2)]
  if (onPglite === undefined || onPostgres === undefined) throw new Error('rows are missing')
  const reference = haproxy === null ? null : (rows[2] ?? null)
  say('')
  say(
    claims([
      ...roadClaims('on PostgreSQL', onPostgres, reference),
      ...roadClaims('on PGlite', onPglite, reference),
      await auditClaim('on PostgreSQL', postgres, onPostgres),
      await auditClaim('on PGlite', embedded, onPglite),
      await mintClaim('on PostgreSQL', postgres),
      await mintClaim('on PGlite', embedded),
      ...(await mintClaims('on PostgreSQL', postgres)),
      ...(await mintClaims('on PGlite', embedded)),
      ...startClaims('on PostgreSQL', postgres),
      ...startClaims('on PGlite', embedded),
      ...commands,
      memoryClaim(onPostgres),
      ...(await freezeClaims(folder, cluster)),
      ...(await leaseClaims(folder, cluster, upstream.said)),
      ...readingClaims(),
    ]),
  )
}

type Broker = {
  home: Home
  serving: Serving
  session: string
  agents: readonly Agent[]
  firstStartMs: number
}

/** Set up in its first life, measured in its second. */
async function startBroker(
  name: string,
  databaseUrl: string | null,
  upstream: Upstream,
): Promise<Broker> {
  const home = await homeIn(join(folder, name), databaseUrl)
  const first = await serve(home)
  const agents = await setUp(first, upstream)
  await first.stop()
  const serving = kept(await serve(home))
  const session = await signIn(serving)
  return { home, serving, session, agents, firstStartMs: first.startMs }
}

function capabilities({ serving, agents }: Broker): Promise<string[]> {
  return Promise.all(agents.map((agent) => capability(serving, agent)))
}

/** The call as an agent makes it, with whatever credential this way takes. */
function asked({ environment }: Upstream, credential: string): Request {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${credential}` },
    body: JSON.stringify({ query: document, variables: { id: environment } }),
  }
}

async function rightAnswer(url: string, { method, headers, body }: Request): Promise<string> {
  const text = await (await fetch(url, { method, headers: { ...headers }, body })).text()
  if (!text.includes('"staging"')) throw new Error(`the upstream answered ${text}`)
  return text
}

function roadClaims(where: string, own: Row, reference: Row | null): Claim[] {
  if (reference === null) return []
  const share = rate(own) / rate(reference)
  const dearer =
    own.cpu === null || reference.cpu === null
      ? null
      : own.cpu / own.requests / (reference.cpu / reference.requests)
  return [
    {
      what: `throughput ${where}`,
      value: `${share.toFixed(2)} × HAProxy`,
      goal: { words: 'at least half of HAProxy’s', met: share >= 0.5 },
    },
    ...(dearer === null
      ? []
      : [{ what: `CPU ${where}`, value: `${dearer.toFixed(2)} × HAProxy`, goal: null }]),
  ]
}

/** Every call was written down twice, once before it left and once after. */
async function auditClaim(where: string, broker: Broker, row: Row): Promise<Claim> {
  const entries = await auditLength(broker.serving, broker.session)
  return {
    what: `audit entries ${where}`,
    value: whole(entries),
    goal: { words: 'two for each call, or more', met: entries >= 2 * row.requests },
  }
}

async function mintClaim(where: string, { serving, agents }: Broker): Promise<Claim> {
  const url = `${serving.agentUrl}/oauth/token`
  const requests = agents.map(tokenRequest)
  await load({ url, requests, seconds: firstWarmUpSeconds })
  const minted = rate(await load({ url, requests, seconds: 4 }))
  return {
    what: `capabilities minted ${where}`,
    value: `${whole(minted)}/s`,
    goal: { words: 'at least 2,000/s', met: minted >= 2_000 },
  }
}

function startClaims(where: string, { firstStartMs, serving }: Broker): Claim[] {
  return [
    within(`first start ${where}`, firstStartMs, 5_000),
    within(`later start ${where}`, serving.startMs, 1_500),
  ]
}

async function commandClaims({ home, serving }: Broker): Promise<Claim[]> {
  await logIn(home, serving)
  return [
    within('valetkey --help', await commandMs(home, ['--help']), 300),
    within('valetkey status', await commandMs(home, ['status']), 300),
  ]
}

function within(what: string, ms: number, most: number): Claim {
  const goal = { words: `at most ${whole(most)} ms`, met: ms <= most }
  return { what, value: `${whole(ms)} ms`, goal }
}

function memoryClaim({ peak }: Row): Claim {
  const what = 'peak memory on PostgreSQL'
  if (peak === null) return { what, value: 'not known here', goal: null }
  const goal = { words: 'at most 250 MB', met: peak <= 250_000_000 }
  return { what, value: `${whole(peak / 1_000_000)} MB`, goal }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

try {
  await bench()
} finally {
  await end()
}
