/** HAProxy, where it is installed, doing what it can of our work: it verifies an ES256 JWT and sets the credential. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { exportSPKI, generateKeyPair, SignJWT } from 'jose'
import { type Child, start } from './children.ts'
import type { Upstream } from './upstream.ts'

export type Haproxy = Child & { url: string; version: string; token: string }

/** Null when there is none on this machine. */
export async function startHaproxy(folder: string, upstream: Upstream): Promise<Haproxy | null> {
  const version = await installed()
  if (version === null) return null
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const key = join(folder, 'haproxy.pem')
  await writeFile(key, await exportSPKI(publicKey))
  const token = await new SignJWT({ scope: 'work' })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
    .setIssuer('bench')
    .setExpirationTime('1h')
    .sign(privateKey)
  const port = await freePort()
  const file = join(folder, 'haproxy.cfg')
  await writeFile(file, configuration(port, key, upstream), { mode: 0o600 })
  const child = start({ program: 'haproxy', args: ['-q', '-db', '-f', file] })
  await Promise.race([listening(port), child.ended])
  return { pid: child.pid, stop: child.stop, url: `http://127.0.0.1:${port}`, version, token }
}

async function installed(): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('haproxy', ['-v'])
    return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown'
  } catch {
    // Not installed, which the bench says.
    return null
  }
}

/** Its number of threads is its own default. */
function configuration(port: number, key: string, { url, token }: Upstream): string {
  return `
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  http-reuse always
frontend agents
  bind 127.0.0.1:${port}
  http-request set-var(txn.token) http_auth_bearer
  http-request deny deny_status 401 unless { var(txn.token),jwt_header_query('$.alg') -m str ES256 }
  http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.iss') -m str bench }
  http-request deny deny_status 401 unless { var(txn.token),jwt_verify(ES256,"${key}") -m int 1 }
  http-request set-var(txn.now) date()
  http-request deny deny_status 401 if { var(txn.token),jwt_payload_query('$.exp','int'),sub(txn.now) -m int lt 0 }
  http-request set-header Authorization "Bearer ${token}"
  default_backend railway
backend railway
  server railway ${new URL(url).host}
`
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

async function listening(port: number): Promise<void> {
  for (let tries = 100; tries > 0; tries -= 1) {
    const socket = connect(port, '127.0.0.1')
    try {
      await once(socket, 'connect')
      return
    } catch {
      // Not yet.
      await delay(20)
    } finally {
      socket.destroy()
    }
  }
  throw new Error('HAProxy does not listen')
}
