/** The providers that this broker knows, by name. */
import { aws } from './aws/provider.ts'
import { githubApp } from './github-app/provider.ts'
import { postgres } from './postgres/provider.ts'
import type { Provider } from './provider.ts'
import { railway } from './railway/provider.ts'

export const providers: ReadonlyMap<string, Provider> = new Map([
  ['railway', erase(railway)],
  ['postgres', erase(postgres)],
  ['github-app', erase(githubApp)],
  ['aws', erase(aws)],
])

export function providerNamed(name: string): Provider | undefined {
  return providers.get(name)
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
