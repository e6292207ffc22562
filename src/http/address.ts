/** Where a request comes from: the connection's other end. Never what a forwarding header says. */
import type { HttpBindings } from '@hono/node-server'

export function peerAddress(c: { env: unknown }): string {
  // The adapter's bindings; without a server, as in `app.request`, there are none.
  const bindings = c.env as Partial<HttpBindings> | undefined
  return bindings?.incoming?.socket.remoteAddress ?? 'unknown'
}
