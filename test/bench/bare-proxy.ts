/** The least that a proxy on our parts can do: Hono takes the request, undici sends it on with one header set. It checks nothing. */
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { Pool } from 'undici'
import { type Child, given, say, startScript } from './children.ts'
import type { Upstream } from './upstream.ts'

export async function startBareProxy(upstream: Upstream): Promise<Child & { url: string }> {
  const { said, ...child } = await startScript<string>('bare-proxy.ts', upstream)
  return { ...child, url: said }
}

if (import.meta.main) {
  const { url, token } = await given<Upstream>()
  const pool = new Pool(url, { connections: 128, pipelining: 1 })
  const app = new Hono().post('/*', async (c) => {
    const { statusCode, headers, body } = await pool.request({
      method: 'POST',
      path: c.req.path,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: Buffer.from(await c.req.arrayBuffer()),
    })
    const type = String(headers['content-type'])
    return c.body(await body.arrayBuffer(), 200, { 'content-type': type, status: `${statusCode}` })
  })
  serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }: AddressInfo) =>
    say(`http://127.0.0.1:${port}`),
  )
}
