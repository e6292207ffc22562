/** Admin routes about environments and their bindings. What is bound is first found upstream. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { Name } from '../../ids.ts'
import {
  type BindingRow,
  findNamed,
  listBindings,
  type Named,
  type Wanted,
} from '../../realm/bindings.ts'
import { type EnvironmentRow, listEnvironments, showEnvironment } from '../../realm/environments.ts'
import { listScopes } from '../../realm/scopes.ts'
import { operatorLookup, showConnection } from '../../vault/vault.ts'
import { knownProvider } from './known-provider.ts'
import { editor, gives, operatorApp, takes } from './operator.ts'

const BindingShown = z
  .object({
    id: z.string(),
    connection: z.string(),
    provider: z.string(),
    mode: z.enum(['owns', 'sees']),
    kind: z.string(),
    resource: z.string(),
    label: z.string(),
    place: z.array(z.object({ kind: z.string(), id: z.string() })),
  })
  .openapi('Binding')

const EnvironmentShown = z
  .object({
    name: z.string(),
    protected: z.boolean(),
    created_at: z.iso.datetime(),
    bindings: z.array(BindingShown),
    scopes: z.array(z.string()),
  })
  .openapi('Environment')

const NamedGiven = z.strictObject({
  kind: z.string().min(1).max(64),
  address: z.string().min(1).max(300).describe('A name such as acme/staging, or an id.'),
})

const params = z.object({ name: z.string() })

const list = createRoute({
  method: 'get',
  path: '/admin/environments',
  responses: {
    200: gives(z.object({ environments: z.array(EnvironmentShown) }), 'Every environment'),
  },
})

const add = createRoute({
  method: 'post',
  path: '/admin/environments',
  request: {
    body: takes(z.strictObject({ name: Name, protected: z.boolean().default(true) })),
  },
  responses: { 201: gives(EnvironmentShown, 'The environment, which owns nothing yet') },
})

const show = createRoute({
  method: 'get',
  path: '/admin/environments/{name}',
  request: { params },
  responses: { 200: gives(EnvironmentShown, 'One environment') },
})

const set = createRoute({
  method: 'patch',
  path: '/admin/environments/{name}',
  request: { params, body: takes(z.strictObject({ protected: z.boolean() })) },
  responses: { 200: gives(EnvironmentShown, 'The environment as it is') },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/environments/{name}',
  request: { params },
  responses: {
    200: gives(
      z.object({ name: z.string(), bindings: z.array(z.string()), scopes: z.array(z.string()) }),
      'What went with it',
    ),
  },
})

const addBindings = createRoute({
  method: 'post',
  path: '/admin/environments/{name}/bindings',
  request: {
    params,
    body: takes(
      z
        .strictObject({
          connection: Name,
          own: z.array(NamedGiven).max(100).default([]),
          see: z.array(NamedGiven).max(100).default([]),
        })
        .refine(({ own, see }) => own.length + see.length > 0, 'name something to own or to see'),
    ),
  },
  responses: {
    201: gives(z.object({ bindings: z.array(BindingShown) }), 'What is bound, all or nothing'),
  },
})

const removeBinding = createRoute({
  method: 'delete',
  path: '/admin/environments/{name}/bindings/{id}',
  request: { params: z.object({ name: z.string(), id: z.string() }) },
  responses: { 200: gives(z.object({ id: z.string() }), 'It is bound no more') },
})

export function environmentRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const rows = await listEnvironments(ctx)
      return c.json({ environments: await Promise.all(rows.map((row) => shown(ctx, row))) }, 200)
    })
    .openapi(add, async (c) => {
      const row = await make(ctx, editor(c), 'environment.add', c.req.valid('json'))
      return c.json(await shown(ctx, row), 201)
    })
    .openapi(show, async (c) =>
      c.json(await shown(ctx, await showEnvironment(ctx.db, c.req.valid('param').name)), 200),
    )
    .openapi(set, async (c) => {
      const environment = { ...c.req.valid('param'), ...c.req.valid('json') }
      return c.json(
        await shown(ctx, await make(ctx, editor(c), 'environment.set', environment)),
        200,
      )
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      return c.json({ name, ...(await make(ctx, editor(c), 'environment.remove', { name })) }, 200)
    })
    .openapi(addBindings, async (c) => {
      const { connection, own, see } = c.req.valid('json')
      const environment = c.req.valid('param').name
      const by = editor(c)
      await showEnvironment(ctx.db, environment)
      const wanted = await resolveNamed(ctx, connection, { own, see })
      const rows = await make(ctx, by, 'environment.bind', { environment, connection, wanted })
      return c.json({ bindings: rows.map(shownBinding) }, 201)
    })
    .openapi(removeBinding, async (c) => {
      const { name, id } = c.req.valid('param')
      await make(ctx, editor(c), 'environment.unbind', { environment: name, id })
      return c.json({ id }, 200)
    })
}

async function shown(ctx: Context, row: EnvironmentRow): Promise<z.infer<typeof EnvironmentShown>> {
  const bound = await listBindings(ctx, row.name)
  const scopes = (await listScopes(ctx)).filter((scope) => scope.environment === row.name)
  return {
    name: row.name,
    protected: row.protected,
    created_at: row.createdAt.toISOString(),
    bindings: bound.map(shownBinding),
    scopes: scopes.map((scope) => scope.name),
  }
}

function shownBinding(row: BindingRow): z.infer<typeof BindingShown> {
  return {
    id: row.id,
    connection: row.connection,
    provider: row.provider,
    mode: row.mode,
    kind: row.kind,
    resource: row.resource,
    label: row.label,
    place: [...row.place],
  }
}

/** Only what the connection really sees can be bound, so a mistyped id binds nothing. */
export async function resolveNamed(
  ctx: Context,
  connectionName: string,
  named: { own: readonly Named[]; see: readonly Named[] },
): Promise<Wanted[]> {
  const connection = await showConnection(ctx.db, connectionName)
  const provider = knownProvider(ctx, connection.provider)
  const lookup = await operatorLookup(ctx, provider, connection)
  const asked = [...named.own, ...named.see]
  const byId = await Promise.all(
    asked.map(({ kind, address }) => provider.find?.(kind, address, lookup) ?? null),
  )
  const there = byId.flatMap((one) => one ?? [])
  const seen =
    there.length === asked.length ? there : [...there, ...(await provider.discover(lookup))]
  const found = [
    ...named.own.map((one) => findNamed('owns', one, provider.kinds, seen)),
    ...named.see.map((one) => findNamed('sees', one, provider.kinds, seen)),
  ]
  demandOnce(found)
  return found
}

function demandOnce(found: readonly Wanted[]): void {
  const twice = found.find((one, i) =>
    found.slice(0, i).some((other) => other.kind === one.kind && other.resource === one.resource),
  )
  if (twice === undefined) return
  throw new BrokerError('malformed-request', `${twice.kind} ${twice.label} is named twice.`)
}
