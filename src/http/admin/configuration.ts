/** The whole configuration as one document, and one document as the configuration. No secret is in it, and none can be given by it. */
import { createRoute, z } from '@hono/zod-openapi'
import { make, previewed } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { listAgents } from '../../identity/agents.ts'
import { listTrusts } from '../../identity/trusts.ts'
import { Name } from '../../ids.ts'
import { Description, Overrides } from '../../providers/rest/description.ts'
import { listBindings } from '../../realm/bindings.ts'
import { listEnvironments } from '../../realm/environments.ts'
import { listDescribed } from '../../realm/providers.ts'
import { listScopes } from '../../realm/scopes.ts'
import { listConnections } from '../../vault/vault.ts'
import { editor, gives, operatorApp, requireRole, takes } from './operator.ts'
import { planned } from './plan.ts'
import { ScopeGiven } from './scopes.ts'

const BoundShape = z.strictObject({
  connection: Name,
  kind: z.string().min(1).max(64),
  id: z.string().min(1).max(300).describe('Its id, or a name such as acme/staging.'),
  label: z.string().max(300).optional().describe('For people; nothing is read from it.'),
})

export type Bound = z.infer<typeof BoundShape>

const Trusted = z.strictObject({
  system: z.enum(['github', 'gitlab', 'buildkite', 'circleci', 'oidc']),
  issuer: z.string().max(500),
  audience: z.string().min(1).max(500),
  allow_private: z.boolean().default(false),
  claims: z.record(z.string(), z.array(z.string().max(500)).min(1)),
  scopes: z.array(Name).max(100).default([]),
})

export const Configuration = z
  .strictObject({
    version: z.literal(1),
    providers: z
      .record(
        Name,
        z.strictObject({
          source: z.string().max(300).default(''),
          ...Description.shape,
          overrides: Overrides.default({}),
        }),
      )
      .optional()
      .describe('APIs that were described. What comes with the program is not among them.'),
    connections: z
      .record(
        Name,
        z.strictObject({
          provider: z.string().max(63),
          base_url: z.string().max(2_000),
          placement: z.string().max(100),
          allow_private: z.boolean().default(false),
        }),
      )
      .optional()
      .describe('They hold secrets, so they are only compared: valetkey connection add makes one.'),
    environments: z
      .record(
        Name,
        z.strictObject({
          protected: z.boolean().default(true),
          owns: z.array(BoundShape).max(500).default([]),
          sees: z.array(BoundShape).max(500).default([]),
        }),
      )
      .optional(),
    scopes: z.record(Name, ScopeGiven).optional(),
    agents: z
      .record(Name, z.strictObject({ scopes: z.array(Name).max(100).default([]) }))
      .optional()
      .describe('Without what they sign in with: valetkey agent rotate gives a secret.'),
    trusts: z.record(Name, Trusted).optional(),
  })
  .openapi('Configuration')
export type Configuration = z.infer<typeof Configuration>

const Plan = z
  .object({
    steps: z.array(z.string()).describe('In the order in which they are made, all or none.'),
    added: z.array(z.string()).describe('What would newly be possible.'),
    removed: z.array(z.string()).describe('What would be possible no longer.'),
  })
  .openapi('Plan')

const show = createRoute({
  method: 'get',
  path: '/admin/configuration',
  responses: { 200: gives(Configuration, 'Everything but secrets') },
})

const schema = createRoute({
  method: 'get',
  path: '/admin/configuration/schema',
  responses: { 200: gives(z.record(z.string(), z.unknown()), 'A JSON Schema, for editors') },
})

const apply = createRoute({
  method: 'put',
  path: '/admin/configuration',
  request: {
    query: z.strictObject({
      check: z.enum(['true', 'false']).optional().describe('Only say what it would change.'),
    }),
    body: takes(Configuration),
  },
  responses: { 200: gives(Plan, 'What it changes, or changed') },
})

export function configurationRoutes(ctx: Context) {
  return operatorApp()
    .openapi(show, async (c) => c.json(await current(ctx), 200))
    .openapi(schema, (c) => c.json({ ...z.toJSONSchema(Configuration, { io: 'input' }) }, 200))
    .openapi(apply, async (c) => {
      requireRole(c, 'admin')
      const by = editor(c)
      const steps = await planned(ctx, await current(ctx), c.req.valid('json'))
      const edits = steps.map(({ edit }) => edit)
      const words = steps.map((one) => one.words)
      const none = { added: [], removed: [] }
      const diff = steps.length === 0 ? none : await previewed(ctx, by, edits)
      const check = c.req.valid('query').check === 'true'
      if (!check && steps.length > 0) await make(ctx, by, 'together', { edits })
      return c.json({ steps: words, ...diff }, 200)
    })
}

async function current(ctx: Context): Promise<Configuration> {
  const trusts = await listTrusts(ctx)
  const trusted = new Set(trusts.map(({ agent }) => agent))
  const environments = await listEnvironments(ctx)
  return {
    version: 1,
    providers: Object.fromEntries(
      (await listDescribed(ctx)).map(({ name, source, description, overrides }) => [
        name,
        { source, ...description, overrides },
      ]),
    ),
    connections: Object.fromEntries(
      (await listConnections(ctx)).map((row) => [
        row.name,
        {
          ...{ provider: row.provider, base_url: row.baseUrl },
          ...{ placement: row.placement, allow_private: row.allowPrivate },
        },
      ]),
    ),
    environments: Object.fromEntries(
      await Promise.all(
        environments.map(async (row) => {
          const bound = await boundIn(ctx, row.name)
          return [row.name, { protected: row.protected, ...bound }] as const
        }),
      ),
    ),
    scopes: Object.fromEntries(
      (await listScopes(ctx)).map((row) => [
        row.name,
        {
          ...{ environment: row.environment, allow: row.allow, max_ttl: row.maxTtl },
          ...{ calls_per_minute: row.callsPerMinute, approve: row.approve },
          ...{ approvers: row.approvers, bound: row.bound, leases: row.leases },
        },
      ]),
    ),
    agents: Object.fromEntries(
      (await listAgents(ctx))
        .filter(({ name }) => !trusted.has(name))
        .map(({ name, scopes }) => [name, { scopes }]),
    ),
    trusts: Object.fromEntries(
      trusts.map((row) => [
        row.agent,
        {
          // What is not known any more could not be given back.
          system: Trusted.shape.system.parse(row.system),
          ...{ issuer: row.issuer, audience: row.audience, allow_private: row.allowPrivate },
          claims: Object.fromEntries(
            Object.entries(row.conditions).map(([claim, values]) => [claim, [...values]]),
          ),
          scopes: row.scopes,
        },
      ]),
    ),
  }
}

async function boundIn(
  ctx: Context,
  environment: string,
): Promise<{ owns: Bound[]; sees: Bound[] }> {
  const rows = await listBindings(ctx, environment)
  const of = (mode: 'owns' | 'sees') =>
    rows
      .filter((row) => row.mode === mode)
      .map(({ connection, kind, resource: id, label }) => ({ connection, kind, id, label }))
  return { owns: of('owns'), sees: of('sees') }
}
