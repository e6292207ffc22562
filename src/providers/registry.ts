/** The providers that this broker knows, by name. */
import { aws } from './aws/provider.ts'
import { github } from './github/provider.ts'
import { githubApp } from './github-app/provider.ts'
import { postgres } from './postgres/provider.ts'
import type { Placement, Provider } from './provider.ts'
import { railway } from './railway/provider.ts'
import { restPlacement } from './rest/provider.ts'

export const providers: ReadonlyMap<string, Provider> = new Map([
  ['railway', erase(railway)],
  ['postgres', erase(postgres)],
  ['github', erase(github)],
  ['github-app', erase(githubApp)],
  ['aws', erase(aws)],
])

export function providerNamed(name: string): Provider | undefined {
  return providers.get(name)
}

/** One that operators described, or that comes with the program: what was described under a name stays what it means. */
export function providerOf(
  policy: { providers: ReadonlyMap<string, Provider> },
  name: string,
): Provider | undefined {
  return policy.providers.get(name) ?? providers.get(name)
}

/**
 * Within which the ids of a connection's API mean something. What an operator described may count from one, and there may be an
 * account behind each key; the same GitHub is the same everywhere, and another host is another GitHub.
 */
export function spaceOf(
  { name, provider, baseUrl }: { name: string; provider: string; baseUrl: string },
  described: boolean,
): string {
  if (described) return `${provider} ${name}`
  return providers.get(provider)?.engine === 'rest'
    ? `${provider} ${new URL(baseUrl).origin}`
    : provider
}

/** Where a connection's credential goes, by what its row says. Undefined for what nobody knows. */
export function placementOf(connection: {
  provider: string
  placement: string
}): Placement | undefined {
  const known = providers.get(connection.provider)
  if (known !== undefined) return known.placements[connection.placement]
  return restPlacement(connection.placement)
}

/**
 * Hides the catalogue's type. Whoever holds a provider got the catalogue from the same provider's `compile`, by the
 * connection's name, so the cast cannot meet another provider's.
 */
function erase<Catalogue>(provider: Provider<Catalogue>): Provider {
  return {
    ...provider,
    read: (catalogue, call) => provider.read(catalogue as Catalogue, call),
  }
}
