/** Finds the provider behind a name, a connection or a catalogue, for the admin routes. */
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import type { Catalogue } from '../../providers/graphql/catalogue.ts'
import type { Provider } from '../../providers/provider.ts'
import { providerOf, providers } from '../../providers/registry.ts'

export function knownProvider({ realm }: Pick<Context, 'realm'>, name: string): Provider {
  const policy = realm.now()
  const provider = providerOf(policy, name)
  if (provider !== undefined) return provider
  throw new BrokerError('not-found', `There is no provider ${name}.`, {
    hint: `There are: ${[...providers.keys(), ...policy.providers.keys()].join(', ')}. Another API is described with: valetkey provider import`,
  })
}

/** What the GraphQL engine compiles; the contract keeps it opaque. Throws `not-found` where nothing is relayed. */
export function graphqlCatalogue(catalogue: unknown): Catalogue {
  if (catalogue !== null && catalogue !== undefined) return catalogue as Catalogue
  throw new BrokerError('not-found', 'There is no schema: what it has is leased.', {
    hint: 'A scope names the operation lease, and says with --lease what it may do.',
  })
}
