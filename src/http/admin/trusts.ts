/** Admin routes about trusts: whose CI jobs are which agent. A token that is tried here is compared, never kept and never spent. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { examineJob } from '../../identity/job-tokens.ts'
import { listTrusts, readTrust, type TrustShown } from '../../identity/trusts.ts'
import { Name } from '../../ids.ts'
import { ciSystemNamed, testsOf, warnings } from '../../policy/ci-systems.ts'
import { editor, gives, operatorApp, takes } from './operator.ts'

const Trust = z
  .object({
    name: z.string().describe('Of the trust, and of the agent that its jobs are.'),
    system: z.string(),
    issuer: z.string(),
    audience: z.string().describe('What the job has to request its token for.'),
    claims: z
      .array(z.object({ claim: z.string(), wanted: z.string() }))
      .describe('Each has to fit. Some are there because the CI system makes them prudent.'),
    scopes: z.array(z.string()),
    warnings: z.array(z.string()),
    created_at: z.iso.datetime(),
  })
  .openapi('Trust')

const list = createRoute({
  method: 'get',
  path: '/admin/trusts',
  responses: { 200: gives(z.object({ trusts: z.array(Trust) }), 'Every trust') },
})

const add = createRoute({
  method: 'post',
  path: '/admin/trusts',
  request: {
    body: takes(
      z.strictObject({
        name: Name,
        system: z
          .enum(['github', 'gitlab', 'buildkite', 'circleci', 'oidc'])
          .optional()
          .describe('Else told from the issuer.'),
        issuer: z.string().max(500).optional().describe('Else the usual one of the system.'),
        audience: z
          .string()
          .min(1)
          .max(500)
          .regex(/^\P{Cc}+$/u)
          .optional()
          .describe("Else the broker's own address."),
        claims: z.array(z.string().max(700)).max(50),
        scopes: z.array(Name).max(100).default([]),
        allow_private: z
          .boolean()
          .default(false)
          .describe('The issuer may be at a private address, and plain http there.'),
      }),
    ),
  },
  responses: {
    201: gives(
      z.object({ name: z.string(), warnings: z.array(z.string()) }),
      'Trusted; the warnings are worth a look',
    ),
  },
})

const params = z.object({ name: z.string() })

const show = createRoute({
  method: 'get',
  path: '/admin/trusts/{name}',
  request: { params },
  responses: { 200: gives(Trust, 'One trust') },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/trusts/{name}',
  request: { params },
  responses: { 204: { description: 'Removed with its agent; what its jobs hold is void' } },
})

const Examined = z
  .object({
    accepted: z.boolean(),
    problem: z.string().nullable().describe('Why the token is none that anybody takes.'),
    claims: z.array(
      z.object({
        claim: z.string(),
        wanted: z.string(),
        found: z.string().nullable(),
        fits: z.boolean(),
      }),
    ),
    others: z.array(z.string()).describe('Other trusts that take this job too.'),
  })
  .openapi('TrustExamined')

const examine = createRoute({
  method: 'post',
  path: '/admin/trusts/{name}/examination',
  request: { params, body: takes(z.strictObject({ token: z.string().min(1).max(16_384) })) },
  responses: { 200: gives(Examined, 'Claim by claim; the token is not spent') },
})

export function trustRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => c.json({ trusts: (await listTrusts(ctx)).map(shown) }, 200))
    .openapi(add, async (c) => {
      const {
        allow_private: allowPrivate,
        audience = ctx.publicUrl,
        ...asked
      } = c.req.valid('json')
      const { read, ...setting } = readTrust({ ...asked, audience, allowPrivate })
      await make(ctx, editor(c), 'trust.add', setting)
      const said = warnings(read, setting.conditions, audience)
      return c.json({ name: setting.name, warnings: said }, 201)
    })
    .openapi(show, async (c) => {
      const { name } = c.req.valid('param')
      const found = (await listTrusts(ctx)).find(({ agent }) => agent === name)
      if (found === undefined) {
        throw new BrokerError('not-found', `There is no trust ${name}.`, {
          hint: 'See which there are with: valetkey trust list',
        })
      }
      return c.json(shown(found), 200)
    })
    .openapi(remove, async (c) => {
      await make(ctx, editor(c), 'trust.remove', c.req.valid('param'))
      return c.body(null, 204)
    })
    .openapi(examine, async (c) => {
      const { problem, findings, others } = await examineJob(
        ctx,
        c.req.valid('json').token,
        c.req.valid('param').name,
      )
      const fits = findings.length > 0 && findings.every((one) => one.fits)
      const accepted = problem === null && fits && others.length === 0
      return c.json({ accepted, problem, claims: findings, others }, 200)
    })
}

function shown(trust: TrustShown): z.infer<typeof Trust> {
  const { agent, system: name, issuer, audience, conditions, scopes, createdAt } = trust
  const system = ciSystemNamed(name)
  return {
    name: agent,
    ...{ system: name, issuer, audience, scopes },
    claims:
      system === undefined
        ? []
        : testsOf(system, conditions).map(({ claim, wanted }) => ({ claim, wanted })),
    warnings: system === undefined ? [] : warnings(system, conditions, audience),
    created_at: createdAt.toISOString(),
  }
}
