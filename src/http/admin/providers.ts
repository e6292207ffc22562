/** Admin routes about providers: what Valetkey knows of an API. They send nothing anywhere. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { effects } from '../../policy/operation.ts'
import { operationsOf } from '../../providers/graphql/catalogue.ts'
import { coverage } from '../../providers/graphql/coverage.ts'
import type { Provider } from '../../providers/provider.ts'
import { providerNamed, providers } from '../../providers/registry.ts'
import type { Snapshot } from '../../realm/realm.ts'
import { graphqlCatalogue, knownProvider } from './known-provider.ts'
import { gives, operatorApp, takes } from './operator.ts'

const ProviderShown = z
  .object({
    name: z.string(),
    engine: z.string(),
    base_url: z.string(),
    placements: z.array(z.string()).describe('Ways to place the credential, the default first.'),
    kinds: z.array(z.object({ kind: z.string(), bind: z.enum(['owns', 'sees']).nullable() })),
    described: z.boolean().describe('Whether operators described it; else it comes along.'),
  })
  .openapi('Provider')

const OperationShown = z
  .object({
    name: z.string(),
    effects: z.array(z.enum(effects)).nullable().describe('Null for what nobody has classified.'),
    harmless: z.boolean(),
    note: z.string().nullable(),
    resources: z.array(z.string()),
    route: z.string().nullable().describe('Where the API gives it by method and path.'),
    guessed: z
      .string()
      .nullable()
      .describe('Why its effects are what they are, where nobody decided.'),
  })
  .openapi('Operation')

const GapShown = z
  .object({
    coordinate: z.string(),
    gap: z.enum(['root', 'argument', 'type', 'field', 'scalar', 'stale']),
    reason: z.string(),
    consequence: z.string(),
  })
  .loose()
  .openapi('Gap')

const list = createRoute({
  method: 'get',
  path: '/admin/providers',
  responses: { 200: gives(z.object({ providers: z.array(ProviderShown) }), 'Every provider') },
})

const operations = createRoute({
  method: 'get',
  path: '/admin/providers/{name}/operations',
  request: {
    params: z.object({ name: z.string() }),
    query: z.strictObject({ connection: z.string().optional() }),
  },
  responses: {
    200: gives(
      z.object({ connection: z.string().nullable(), operations: z.array(OperationShown) }),
      "Every operation of a connection's schema",
    ),
  },
})

const cover = createRoute({
  method: 'post',
  path: '/admin/providers/{name}/coverage',
  request: {
    params: z.object({ name: z.string() }),
    body: takes(z.strictObject({ schema: z.string().min(1) })),
  },
  responses: {
    200: gives(z.object({ gaps: z.array(GapShown) }), 'What Valetkey does not know of a schema'),
  },
})

export function providerRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, (c) => {
      const all = [...providers.values(), ...ctx.realm.now().providers.values()]
      return c.json({ providers: all.map(shown) }, 200)
    })
    .openapi(operations, (c) => {
      const known = knownProvider(ctx, c.req.valid('param').name)
      const { name } = known
      if (known.operations !== undefined) {
        const offered = known.operations().map(({ effects: of, resources, ...one }) => ({
          ...{ ...one, effects: [...of], resources: [...resources], note: one.guessed },
        }))
        return c.json({ connection: null, operations: offered }, 200)
      }
      const policy = ctx.realm.now()
      const connection = connectionOf(policy, name, c.req.valid('query').connection)
      const catalogue = graphqlCatalogue(policy.catalogues.get(connection))
      const found = operationsOf(catalogue).map((one) => ({
        ...one,
        effects: one.effects === null ? null : [...one.effects],
        ...{ route: null, guessed: null },
      }))
      return c.json({ connection, operations: found }, 200)
    })
    .openapi(cover, (c) => {
      const provider = knownProvider(ctx, c.req.valid('param').name)
      if (provider.operations !== undefined) {
        throw new BrokerError('conflict', `${provider.name} is known by its description alone.`, {
          hint: `See what it takes for what: valetkey provider operations ${provider.name} --guessed`,
        })
      }
      const catalogue = graphqlCatalogue(provider.compile(c.req.valid('json').schema))
      return c.json({ gaps: coverage(catalogue.schema, catalogue.overlay) }, 200)
    })
}

function shown(provider: Provider): z.infer<typeof ProviderShown> {
  return {
    name: provider.name,
    engine: provider.engine,
    base_url: provider.baseUrl,
    placements: Object.keys(provider.placements),
    kinds: provider.kinds.map(({ kind, bind }) => ({ kind, bind })),
    described: providerNamed(provider.name) !== provider,
  }
}

/** The schema comes from a connection: the one that is named, or any of the provider. */
function connectionOf(policy: Snapshot, provider: string, asked: string | undefined): string {
  const names = [...policy.connections.values()]
    .filter((one) => one.provider === provider && policy.catalogues.has(one.name))
    .map((one) => one.name)
    .sort()
  const name = asked === undefined ? names[0] : names.find((one) => one === asked)
  if (name !== undefined) return name
  throw new BrokerError(
    'not-found',
    asked === undefined
      ? `No connection has learned the schema of ${provider} yet.`
      : `${asked} is no connection to ${provider} with a schema.`,
    { hint: `Add one with: valetkey connection add ${asked ?? provider}` },
  )
}
