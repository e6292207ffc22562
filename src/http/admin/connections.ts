/** Admin routes about connections. A secret goes in and never comes out. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { Name } from '../../ids.ts'
import { whose } from '../../policy/environment.ts'
import { operationsOf } from '../../providers/graphql/catalogue.ts'
import { isHealthy } from '../../vault/health.ts'
import {
  type ConnectionRow,
  listConnections,
  operatorLookup,
  showConnection,
  testConnection,
} from '../../vault/vault.ts'
import { graphqlCatalogue, knownProvider } from './known-provider.ts'
import { editor, gives, operatorApp, requireRole, takes } from './operator.ts'

const ConnectionShown = z
  .object({
    name: z.string(),
    provider: z.string(),
    base_url: z.string(),
    placement: z.string(),
    allow_private: z.boolean(),
    secret_version: z.int(),
    schema: z.string().describe('SHA-256 of the schema that was learned.'),
    healthy: z
      .boolean()
      .describe('False once the upstream has refused the secret three times in a row.'),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
  })
  .openapi('Connection')

const SecretText = z.string().min(1).max(8_192)

const ConnectionGiven = z
  .strictObject({
    name: Name,
    provider: z.string().optional().describe('The name of the connection, if that is a provider.'),
    base_url: z.string().max(2_000).optional(),
    placement: z.string().optional(),
    allow_private: z.boolean().default(false),
    secret: SecretText,
  })
  .openapi('NewConnection')

const FoundShown = z
  .object({
    kind: z.string(),
    id: z.string(),
    address: z.string(),
    bind: z.enum(['owns', 'sees']).nullable(),
    owner: z.string().nullable().describe('The environment that owns it.'),
    note: z.string().nullable(),
  })
  .openapi('Discovered')

const params = z.object({ name: z.string() })

const list = createRoute({
  method: 'get',
  path: '/admin/connections',
  responses: {
    200: gives(z.object({ connections: z.array(ConnectionShown) }), 'Every connection'),
  },
})

const add = createRoute({
  method: 'post',
  path: '/admin/connections',
  request: { body: takes(ConnectionGiven) },
  responses: { 201: gives(ConnectionShown, 'The connection; its secret works and is sealed') },
})

const show = createRoute({
  method: 'get',
  path: '/admin/connections/{name}',
  request: { params },
  responses: { 200: gives(ConnectionShown, 'One connection') },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/connections/{name}',
  request: {
    params,
    query: z.strictObject({
      confirm: z.string().optional().describe('The name again: the secret cannot be brought back.'),
    }),
  },
  responses: {
    200: gives(
      z.object({ name: z.string(), bindings: z.array(z.string()), scopes: z.array(z.string()) }),
      'What went with it',
    ),
  },
})

const test = createRoute({
  method: 'post',
  path: '/admin/connections/{name}/test',
  request: { params },
  responses: {
    200: gives(
      z.object({ name: z.string(), sees: z.record(z.string(), z.int()) }),
      'The secret works, and how many things of each kind it was seen to see',
    ),
  },
})

const rotate = createRoute({
  method: 'post',
  path: '/admin/connections/{name}/rotate',
  request: { params, body: takes(z.strictObject({ secret: SecretText })) },
  responses: { 200: gives(ConnectionShown, 'The connection; the new secret works and is sealed') },
})

const refresh = createRoute({
  method: 'post',
  path: '/admin/connections/{name}/refresh',
  request: { params },
  responses: {
    200: gives(
      z.object({
        name: z.string(),
        changed: z.boolean(),
        added: z.array(z.string()).describe('Operations that the schema has gained.'),
        removed: z.array(z.string()),
      }),
      'The schema was learned anew',
    ),
  },
})

const discover = createRoute({
  method: 'get',
  path: '/admin/connections/{name}/discover',
  request: { params },
  responses: {
    200: gives(z.object({ name: z.string(), found: z.array(FoundShown) }), 'What can be bound'),
  },
})

export function connectionRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const rows = await listConnections(ctx)
      return c.json({ connections: rows.map((row) => shown(ctx, row)) }, 200)
    })
    .openapi(add, async (c) => {
      const given = c.req.valid('json')
      const provider = knownProvider(ctx, given.provider ?? given.name)
      const setting = {
        name: given.name,
        provider: provider.name,
        baseUrl: given.base_url,
        placement: given.placement,
        allowPrivate: given.allow_private,
        secret: given.secret,
      }
      const row = await make(ctx, editor(c), 'connection.add', setting, (one) =>
        knownProvider(ctx, one),
      )
      return c.json(shown(ctx, row), 201)
    })
    .openapi(show, async (c) =>
      c.json(shown(ctx, await showConnection(ctx.db, c.req.valid('param').name)), 200),
    )
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      const lost = await make(ctx, editor(c), 'connection.remove', {
        name,
        confirm: c.req.valid('query').confirm,
      })
      return c.json({ name, ...lost }, 200)
    })
    .openapi(test, async (c) => {
      const { name } = c.req.valid('param')
      const { provider } = await showConnection(ctx.db, name)
      return c.json(
        { name, sees: await testConnection(ctx, knownProvider(ctx, provider), name) },
        200,
      )
    })
    .openapi(rotate, async (c) => {
      const { name } = c.req.valid('param')
      const { provider } = await showConnection(ctx.db, name)
      const rotation = { name, provider, secret: c.req.valid('json').secret }
      const row = await make(ctx, editor(c), 'connection.rotate', rotation, (one) =>
        knownProvider(ctx, one),
      )
      return c.json(shown(ctx, row), 200)
    })
    .openapi(refresh, async (c) => {
      const { name } = c.req.valid('param')
      const { provider } = await showConnection(ctx.db, name)
      const before = operationNames(ctx, name)
      const changed = await make(ctx, editor(c), 'connection.refresh', { name, provider }, (one) =>
        knownProvider(ctx, one),
      )
      const after = operationNames(ctx, name)
      return c.json(
        {
          name,
          changed,
          added: after.filter((one) => !before.includes(one)),
          removed: before.filter((one) => !after.includes(one)),
        },
        200,
      )
    })
    .openapi(discover, async (c) => {
      // It reads the upstream with the stored credential, which is more than looking at policy.
      requireRole(c, 'admin')
      const { name } = c.req.valid('param')
      return c.json({ name, found: await discovered(ctx, name) }, 200)
    })
}

function shown(ctx: Context, row: ConnectionRow): z.infer<typeof ConnectionShown> {
  return {
    name: row.name,
    provider: row.provider,
    base_url: row.baseUrl,
    placement: row.placement,
    allow_private: row.allowPrivate,
    secret_version: row.secretVersion,
    schema: row.schema,
    healthy: isHealthy(ctx, row.name),
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  }
}

function operationNames(ctx: Context, connection: string): string[] {
  const catalogue = ctx.realm.now().catalogues.get(connection)
  if (catalogue == null) return []
  return operationsOf(graphqlCatalogue(catalogue)).map((one) => one.name)
}

async function discovered(ctx: Context, name: string): Promise<z.infer<typeof FoundShown>[]> {
  const connection = await showConnection(ctx.db, name)
  const provider = knownProvider(ctx, connection.provider)
  const found = await provider.discover(await operatorLookup(ctx, provider, connection))
  const { bindings, connections } = ctx.realm.now()
  const space = connections.get(name)?.space ?? ''
  return found.map((one) => {
    const owner = whose(bindings, space, one.place)
    return {
      kind: one.kind,
      id: one.place.at(-1)?.id ?? '',
      address: one.address,
      bind: provider.kinds.find(({ kind }) => kind === one.kind)?.bind ?? null,
      owner: owner === 'elsewhere' ? null : owner,
      note: one.note ?? null,
    }
  })
}
