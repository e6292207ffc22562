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

/** What the GraphQL engine compiles; the contract keeps it opaque. Throws `not-found` where nothing is relayed. */
export function graphqlCatalogue(catalogue: unknown): Catalogue {
  if (catalogue !== null && catalogue !== undefined) return catalogue as Catalogue
  throw new BrokerError('not-found', 'There is no schema: what it has is leased.', {
    hint: 'A scope names the operation lease, and says with --lease what it may do.',
  })
}
