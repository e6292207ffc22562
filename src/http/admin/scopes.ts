/** Admin routes about scopes. Setting one replaces it whole. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { Name } from '../../ids.ts'
import { hasField } from '../../providers/graphql/coordinates.ts'
import { leaseOperation } from '../../providers/leased.ts'
import { providerNamed, providerOf } from '../../providers/registry.ts'
import type { Snapshot } from '../../realm/realm.ts'
import { listScopes, readAllow, type ScopeRow, showScope } from '../../realm/scopes.ts'
import { graphqlCatalogue } from './known-provider.ts'
import { editor, gives, operatorApp, takes } from './operator.ts'

const ScopeShown = z
  .object({
    name: z.string(),
    environment: z.string(),
    version: z.int(),
    allow: z.array(z.string()),
    max_ttl: z.int().describe('The longest life of a capability, in seconds.'),
    calls_per_minute: z.int().nullable(),
    approve: z.array(z.string()).describe('What needs an approval wherever it happens.'),
    approvers: z.int().describe('How many operators have to approve what needs it.'),
    leases: z
      .record(z.string(), z.record(z.string(), z.unknown()))
      .describe('By connection, what a lease under it may do.'),
    bound: z.boolean().describe('Only for capabilities that are bound to a key (RFC 9449).'),
    updated_at: z.iso.datetime(),
  })
  .openapi('Scope')

export const ScopeGiven = z
  .strictObject({
    environment: Name,
    allow: z.array(z.string().max(264)).max(500),
    max_ttl: z.int().min(60).max(3_600).default(900),
    calls_per_minute: z.int().min(1).max(1_000_000).nullable().default(null),
    approve: z.array(z.string().max(264)).max(500).default([]),
    approvers: z.int().min(1).max(5).default(1),
    bound: z.boolean().default(false),
    leases: z.record(Name, z.record(z.string(), z.unknown())).default({}),
  })
  .openapi('ScopeSetting')

const params = z.object({ name: z.string() })

const list = createRoute({
  method: 'get',
  path: '/admin/scopes',
  responses: { 200: gives(z.object({ scopes: z.array(ScopeShown) }), 'Every scope') },
})

const show = createRoute({
  method: 'get',
  path: '/admin/scopes/{name}',
  request: { params },
  responses: { 200: gives(ScopeShown, 'One scope') },
})

const set = createRoute({
  method: 'put',
  path: '/admin/scopes/{name}',
  request: { params: z.object({ name: Name }), body: takes(ScopeGiven) },
  responses: {
    200: gives(
      ScopeShown.extend({
        warnings: z.array(z.string()).describe('Names that the connection does not offer.'),
      }),
      'The scope as it is',
    ),
  },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/scopes/{name}',
  request: { params },
  responses: {
    200: gives(
      z.object({ name: z.string(), agents: z.array(z.string()) }),
      'The agents that lost it; capabilities that carry it are void',
    ),
  },
})

export function scopeRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => c.json({ scopes: (await listScopes(ctx)).map(shown) }, 200))
    .openapi(show, async (c) =>
      c.json(shown(await showScope(ctx.db, c.req.valid('param').name)), 200),
    )
    .openapi(set, async (c) => {
      const given = c.req.valid('json')
      const row = await make(ctx, editor(c), 'scope.set', {
        name: c.req.valid('param').name,
        environment: given.environment,
        allow: given.allow,
        maxTtl: given.max_ttl,
        callsPerMinute: given.calls_per_minute,
        approve: given.approve,
        approvers: given.approvers,
        bound: given.bound,
        leases: readLeases(ctx, given.leases),
      })
      return c.json({ ...shown(row), warnings: warningsOf(ctx.realm.now(), row.allow) }, 200)
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      return c.json({ name, agents: await make(ctx, editor(c), 'scope.remove', { name }) }, 200)
    })
}

/** Each as its provider reads it, with what goes without saying: the stored template is the one that is shown and judged. */
export function readLeases(
  ctx: Context,
  given: Readonly<Record<string, Record<string, unknown>>>,
): Record<string, Record<string, unknown>> {
  const { connections } = ctx.realm.now()
  return Object.fromEntries(
    Object.entries(given).map(([name, template]) => {
      const provider = providerNamed(connections.get(name)?.provider ?? '')
      if (provider === undefined || provider.template === null) {
        throw new BrokerError('malformed-request', `${name} is no connection that gives leases.`, {
          hint: 'See which connections there are with: valetkey connection list',
        })
      }
      const read = provider.template(template)
      if ('problem' in read) {
        throw new BrokerError('malformed-request', `The lease of ${name}: ${read.problem}.`)
      }
      return [name, { ...read }]
    }),
  )
}

function shown(row: ScopeRow): z.infer<typeof ScopeShown> {
  return {
    name: row.name,
    environment: row.environment,
    version: row.version,
    allow: row.allow,
    max_ttl: row.maxTtl,
    calls_per_minute: row.callsPerMinute,
    approve: row.approve,
    approvers: row.approvers,
    bound: row.bound,
    leases: row.leases,
    updated_at: row.updatedAt.toISOString(),
  }
}

/** A mistyped name is no danger, since it allows nothing, but whoever wrote it meant something else. */
function warningsOf(policy: Snapshot, sources: readonly string[]): string[] {
  return readAllow(sources).flatMap(({ connection, pattern }) => {
    const catalogue = policy.catalogues.get(connection)
    if (pattern.form !== 'exact' || catalogue === undefined) return []
    const described = providerOf(policy, policy.connections.get(connection)?.provider ?? '')
    const offered = described?.operations?.()
    const there =
      offered !== undefined
        ? offered.some(({ name }) => pattern.name === name || pattern.name.startsWith(`${name}.`))
        : catalogue === null
          ? pattern.name === leaseOperation
          : hasField(graphqlCatalogue(catalogue), pattern.name)
    return there ? [] : [`${connection} offers no ${pattern.name}, so that allows nothing`]
  })
}
