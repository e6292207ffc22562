/** A request's headers and target as they came off the wire: names lower case, repeats kept. Never the joined ones. */
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Presenting } from '../tokens/presented.ts'

function rawHeaders(c: Context): [string, string][] {
  // The adapter's bindings; without a server, as in `app.request`, there are none.
  const { incoming } = (c.env ?? {}) as Partial<HttpBindings>
  if (incoming === undefined) return [...c.req.raw.headers]
  const pairs: [string, string][] = []
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
    pairs.push([(incoming.rawHeaders[i] ?? '').toLowerCase(), incoming.rawHeaders[i + 1] ?? ''])
  }
  return pairs
}

/** What a capability is looked for in, and what a proof of its key has to be for. */
export function presenting(c: Context): Presenting {
  const { incoming } = (c.env ?? {}) as Partial<HttpBindings>
  const { pathname, search } = new URL(c.req.raw.url)
  return {
    method: c.req.method,
    target: incoming?.url ?? pathname + search,
    headers: rawHeaders(c),
  }
}
