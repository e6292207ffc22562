/** Finds the provider behind a name, a connection or a catalogue, for the admin routes. */
import { BrokerError } from '../../errors.ts'
import type { Catalogue } from '../../providers/graphql/catalogue.ts'
import type { Provider } from '../../providers/provider.ts'
import { providerNamed, providers } from '../../providers/registry.ts'

export function knownProvider(name: string): Provider {
  const provider = providerNamed(name)
  if (provider !== undefined) return provider
  throw new BrokerError('not-found', `There is no provider ${name}.`, {
    hint: `There are: ${[...providers.keys()].join(', ')}.`,
  })
}

/** Every provider's engine is GraphQL, and this is what that engine compiles; the contract keeps it opaque. */
export function graphqlCatalogue(catalogue: unknown): Catalogue {
  return catalogue as Catalogue
}
