/** Admin routes about APIs that operators describe. They read what they are given, and fetch nothing. */
import { createHash } from 'node:crypto'
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { Name } from '../../ids.ts'
import type { Offered, Provider } from '../../providers/provider.ts'
import { providerNamed } from '../../providers/registry.ts'
import { describeByHand, Written } from '../../providers/rest/by-hand.ts'
import { type Description, Overrides } from '../../providers/rest/description.ts'
import { type Imported, importOpenApi } from '../../providers/rest/openapi.ts'
import { restPlacement, restProvider } from '../../providers/rest/provider.ts'
import { type DescribedProvider, showDescribed } from '../../realm/providers.ts'
import { editor, gives, operatorApp, requireRole, takes } from './operator.ts'

const shared = {
  base_url: z.url().max(2_000).optional().describe('Else the one that the document names.'),
  placement: z
    .string()
    .max(100)
    .optional()
    .describe('bearer, token, authorization or header:NAME.'),
  source: z.string().max(300).default('').describe('Where it came from, for people.'),
  overrides: Overrides.optional().describe('In place of those that there are.'),
}

const Given = z
  .union([
    z.strictObject({ ...shared, openapi: z.union([z.string().min(1), z.looseObject({})]) }),
    z.strictObject({ ...shared, operations: z.array(Written).min(1).max(2_000) }),
  ])
  .openapi('NewDescription')

const Difference = z
  .object({
    name: z.string(),
    operations: z.int(),
    added: z.array(z.string()),
    removed: z.array(z.string()),
    changed: z.array(z.string()).describe('Of which effects, path or fields are others.'),
    left: z
      .array(z.object({ operation: z.string(), why: z.string() }))
      .describe('What the document has and the broker cannot name: it is refused.'),
    warnings: z.array(z.string()),
  })
  .openapi('DescriptionRead')

const params = z.object({ name: Name })

const put = createRoute({
  method: 'put',
  path: '/admin/providers/{name}',
  request: {
    params,
    query: z.strictObject({
      check: z.enum(['true', 'false']).optional().describe('Only say what it would change.'),
    }),
    body: takes(Given),
  },
  responses: { 200: gives(Difference, 'What it changes, or changed') },
})

const overrides = createRoute({
  method: 'get',
  path: '/admin/providers/{name}/overrides',
  request: { params },
  responses: { 200: gives(Overrides, 'What operators decided over what was described') },
})

const override = createRoute({
  method: 'put',
  path: '/admin/providers/{name}/overrides',
  request: { params, body: takes(Overrides) },
  responses: { 200: gives(Difference, 'What it changed') },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/providers/{name}',
  request: { params },
  responses: { 200: gives(z.object({ name: z.string() }), 'Removed') },
})

export function describedRoutes(ctx: Context) {
  return operatorApp()
    .openapi(put, async (c) => {
      requireRole(c, 'admin')
      const { name } = c.req.valid('param')
      const before = await showDescribed(ctx.db, name)
      const given = c.req.valid('json')
      const { description, left } = read(given)
      const after: DescribedProvider = {
        name,
        source: given.source,
        description,
        overrides: given.overrides ?? before?.overrides ?? {},
      }
      demandDescribed(name, description, after.overrides)
      const difference = compared(before, after, left)
      if (c.req.valid('query').check !== 'true') {
        await make(ctx, editor(c), 'provider.set', after)
      }
      return c.json(difference, 200)
    })
    .openapi(overrides, async (c) => {
      const { name } = c.req.valid('param')
      return c.json((await known(ctx, name)).overrides, 200)
    })
    .openapi(override, async (c) => {
      requireRole(c, 'admin')
      const before = await known(ctx, c.req.valid('param').name)
      const after = { ...before, overrides: c.req.valid('json') }
      const difference = compared(before, after, [])
      await make(ctx, editor(c), 'provider.set', after)
      return c.json(difference, 200)
    })
    .openapi(remove, async (c) => {
      const { name } = c.req.valid('param')
      demandOwnName(name)
      await make(ctx, editor(c), 'provider.remove', { name })
      return c.json({ name }, 200)
    })
}

function demandOwnName(name: string): void {
  if (providerNamed(name) === undefined) return
  throw new BrokerError('conflict', `${name} comes with the program.`, {
    hint: 'Give the API another name.',
  })
}

async function known(ctx: Context, name: string): Promise<DescribedProvider> {
  const found = await showDescribed(ctx.db, name)
  if (found !== null) return found
  throw new BrokerError('not-found', `Nobody has described a provider ${name}.`, {
    hint: 'See which there are with: valetkey provider list',
  })
}

function read(given: z.infer<typeof Given>): Imported {
  const { description, left } =
    'openapi' in given
      ? importOpenApi(given.openapi)
      : { description: describeByHand(given.operations), left: [] }
  const whole: Description = {
    ...description,
    base_url: given.base_url ?? description.base_url,
    placement: given.placement ?? description.placement,
  }
  return { description: whole, left }
}

/** Throws what is wrong with a description, so that none is kept that offers nothing. */
export function demandDescribed(name: string, description: Description, decided: Overrides): void {
  demandOwnName(name)
  if (restPlacement(description.placement) === undefined) {
    throw new BrokerError('malformed-request', `${description.placement} is no placement.`, {
      hint: 'There are bearer, token, authorization, and header:NAME in small letters.',
    })
  }
  restProvider(name, description, decided)
}

/** Reads both whole, so that what cannot be taken changes nothing. */
function compared(
  before: DescribedProvider | null,
  after: DescribedProvider,
  left: Imported['left'],
): z.infer<typeof Difference> {
  const was = before === null ? new Map<string, string>() : spelled(offered(before), before)
  const provider = offered(after)
  const is = spelled(provider, after)
  const names = new Set(is.keys())
  const stray = Object.keys(after.overrides.operations ?? {}).filter((one) => !names.has(one))
  const parameters = new Set(provider.flatMap(({ resources }) => resources))
  const aimless = Object.entries(after.overrides.resources ?? {}).filter(
    ([, parameter]) => !parameters.has(parameter),
  )
  const strangers = (after.overrides.confined ?? []).filter((one) => !parameters.has(one))
  return {
    name: after.name,
    operations: is.size,
    added: [...is.keys()].filter((one) => !was.has(one)),
    removed: [...was.keys()].filter((one) => !is.has(one)),
    changed: [...is].flatMap(([one, words]) =>
      was.has(one) && was.get(one) !== words ? [`${one}: ${words}`] : [],
    ),
    left,
    warnings: [
      ...stray.map((one) => `There is no operation ${one}, so its override changes nothing.`),
      ...strangers.map((one) => `There is no parameter ${one}, so nothing of it is confined.`),
      ...aimless.map(([field, one]) => `There is no parameter ${one}, so ${field} names nothing.`),
    ],
  }
}

function offered({ name, description, overrides: decided }: DescribedProvider): readonly Offered[] {
  const provider: Provider<null> = restProvider(name, description, decided)
  return provider.operations?.() ?? []
}

function spelled(all: readonly Offered[], { description }: DescribedProvider): Map<string, string> {
  const described = new Map(description.operations.map((one) => [one.name, one]))
  return new Map(
    all.map(({ name, route, effects, harmless }) => {
      const { query, fields } = described.get(name) ?? {}
      const takes = createHash('sha256')
        .update(JSON.stringify([query, fields]))
        .digest('hex')
      const words = `${route} is ${effects.join(', ')}${harmless ? ', of no environment' : ''}`
      return [name, `${words} [${takes.slice(0, 32)}]`]
    }),
  )
}
