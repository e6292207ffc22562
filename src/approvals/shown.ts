/** What an approver sees: facts that were looked up, and never the agent's own words for them. */
import type { Capability } from '../policy/capability.ts'
import { whose } from '../policy/environment.ts'
import type { Operation, Site } from '../policy/operation.ts'
import type { CanonicalRequest, Lookup, Provider } from '../providers/provider.ts'
import type { ConnectionPolicy, Snapshot } from '../realm/realm.ts'

export type ShownResource = {
  kind: string
  id: string
  argument: string
  /** Valetkey environments that it lives in, or `elsewhere`. */
  lives: string[]
  /** Named facts from the upstream: name, size, age. */
  facts: [string, string][]
  /** What hangs on it, and what would go with it. */
  hangs: string[]
  /** Why facts are missing. */
  unread?: string
}

export type Shown = {
  protected: boolean
  operations: { name: string; effects: string[] }[]
  resources: ShownResource[]
  request: { method: string; path: string; query: string; body: string | null }
  scopes: string[]
}

const mostText = 20_000

export async function shownTo({
  capability,
  policy,
  connection,
  provider,
  reading,
  sites,
  lookup,
}: {
  capability: Capability
  policy: Snapshot
  connection: Pick<ConnectionPolicy, 'space'>
  provider: Provider
  reading: { operations: readonly Operation[]; request: CanonicalRequest }
  sites: readonly (readonly Site[])[]
  lookup: Lookup
}): Promise<Shown> {
  const all = unique(sites.flat())
  return {
    protected: policy.environments.get(capability.environment)?.protected ?? true,
    operations: reading.operations.map(({ name, effects }) => ({ name, effects: [...effects] })),
    resources: await Promise.all(
      all
        .slice(0, mostResources)
        .map((site) =>
          described(provider, { bindings: policy.bindings, space: connection.space }, site, lookup),
        ),
    ),
    request: readable(reading.request),
    scopes: [...capability.scopes],
  }
}

const mostResources = 20

function unique(sites: readonly Site[]): Site[] {
  return [
    ...new Map(sites.map((site) => [`${site.resource.kind} ${site.resource.id}`, site])).values(),
  ]
}

async function described(
  provider: Provider,
  { bindings, space }: Pick<Snapshot, 'bindings'> & Pick<ConnectionPolicy, 'space'>,
  { resource: { kind, id, argument }, located }: Site,
  lookup: Lookup,
): Promise<ShownResource> {
  if (!located.known) {
    return { kind, id, argument, lives: [], facts: [], hangs: [], unread: located.why }
  }
  const lives = [...new Set(located.places.map((one) => whose(bindings, space, one)))]
  const about = { kind, id, argument, lives }
  try {
    const { facts, hangs } = await provider.describe({ kind, id }, located.home, lookup)
    return { ...about, facts, hangs }
  } catch (error) {
    const unread = error instanceof Error ? error.message : 'it could not be read'
    return { ...about, facts: [], hangs: [], unread }
  }
}

function readable({ method, path, query, body }: CanonicalRequest): Shown['request'] {
  return {
    ...{ method, path, query },
    body: body === null ? null : Buffer.from(body).toString('utf8').slice(0, mostText),
  }
}
