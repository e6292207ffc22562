/** Admin routes about agents. A secret is shown once, when it is made. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import {
  type AgentShown,
  type Credential,
  listAgents,
  longestOverlap,
  newAgentSecret,
  showAgent,
} from '../../identity/agents.ts'
import { readPublicKey } from '../../identity/public-key.ts'
import { Name } from '../../ids.ts'
import type { Secret } from '../../seal/secret.ts'
import { readBaseUrl } from '../../vault/origin.ts'
import { editor, gives, operatorApp, shownAnyway, takes } from './operator.ts'

const Agent = z
  .object({
    name: z.string(),
    scopes: z.array(z.string()),
    created_at: z.iso.datetime(),
    secrets: z.array(
      z.object({ created_at: z.iso.datetime(), expires_at: z.iso.datetime().nullable() }),
    ),
    keys: z.array(
      z.object({
        key: z.string().describe('Its thumbprint (RFC 7638), or where the keys are published.'),
        created_at: z.iso.datetime(),
        expires_at: z.iso.datetime().nullable(),
      }),
    ),
  })
  .openapi('Agent')

const Once = z.object({
  name: z.string(),
  secret: z.string().optional().describe('Where one was made. Shown once.'),
  key: z.string().optional().describe('The thumbprint of the key, or where the keys are.'),
})

/** With neither a secret is made. */
const proof = {
  key: z
    .record(z.string(), z.unknown())
    .optional()
    .describe('The public JWK of the key that it signs assertions with (RFC 7523).'),
  jwks_url: z
    .string()
    .max(2_000)
    .optional()
    .describe('Where it publishes the keys that it signs assertions with.'),
  allow_private: z
    .boolean()
    .default(false)
    .describe('The jwks_url may be at a private address, and plain http there.'),
}

const params = z.object({ name: z.string() })

const list = createRoute({
  method: 'get',
  path: '/admin/agents',
  responses: { 200: gives(z.object({ agents: z.array(Agent) }), 'Every agent') },
})

const add = createRoute({
  method: 'post',
  path: '/admin/agents',
  request: {
    body: takes(
      z.strictObject({ name: Name, scopes: z.array(Name).max(100).default([]), ...proof }),
    ),
  },
  responses: { 201: gives(Once, 'Its client id, and its secret where one was made') },
})

const show = createRoute({
  method: 'get',
  path: '/admin/agents/{name}',
  request: { params },
  responses: { 200: gives(Agent, 'One agent') },
})

const remove = createRoute({
  method: 'delete',
  path: '/admin/agents/{name}',
  request: { params },
  responses: { 204: { description: 'Removed; its capabilities are void' } },
})

const grantParams = z.object({ name: z.string(), scope: z.string() })

const grant = createRoute({
  method: 'put',
  path: '/admin/agents/{name}/grants/{scope}',
  request: { params: grantParams },
  responses: { 204: { description: 'Granted' } },
})

const revoke = createRoute({
  method: 'delete',
  path: '/admin/agents/{name}/grants/{scope}',
  request: { params: grantParams },
  responses: { 204: { description: 'No longer granted' } },
})

const rotate = createRoute({
  method: 'post',
  path: '/admin/agents/{name}/credentials',
  request: {
    params,
    body: takes(
      z.strictObject({
        overlap_seconds: z
          .int()
          .min(0)
          .max(longestOverlap)
          .default(0)
          .describe('How long the earlier secret or key still works.'),
        ...proof,
      }),
    ),
  },
  responses: { 201: gives(Once, 'The new secret, or the key') },
})

export function agentRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => c.json({ agents: (await listAgents(ctx)).map(shown) }, 200))
    .openapi(add, async (c) => {
      const { name, scopes, ...given } = c.req.valid('json')
      const { credential, once } = await credentialOf(given)
      await make(ctx, editor(c), 'agent.add', { name, scopes, credential }).catch(
        shownAnyway({ name, ...once }),
      )
      return c.json(onceShown(name, once), 201)
    })
    .openapi(show, async (c) => c.json(shown(await showAgent(ctx, c.req.valid('param').name)), 200))
    .openapi(remove, async (c) => {
      await make(ctx, editor(c), 'agent.remove', c.req.valid('param'))
      return c.body(null, 204)
    })
    .openapi(grant, async (c) => {
      const { name, scope } = c.req.valid('param')
      await make(ctx, editor(c), 'agent.grant', { name, scope })
      return c.body(null, 204)
    })
    .openapi(revoke, async (c) => {
      const { name, scope } = c.req.valid('param')
      await make(ctx, editor(c), 'agent.revoke', { name, scope })
      return c.body(null, 204)
    })
    .openapi(rotate, async (c) => {
      const { name } = c.req.valid('param')
      const { overlap_seconds: overlapSeconds, ...given } = c.req.valid('json')
      const { credential, once } = await credentialOf(given)
      await make(ctx, editor(c), 'agent.rotate', { name, credential, overlapSeconds }).catch(
        shownAnyway({ name, ...once }),
      )
      return c.json(onceShown(name, once), 201)
    })
}

type Shown = { secret?: Secret; key?: string }

async function credentialOf(given: {
  key?: Record<string, unknown> | undefined
  jwks_url?: string | undefined
  allow_private: boolean
}): Promise<{ credential: Credential; once: Shown }> {
  const { key, jwks_url: jwksUrl, allow_private: allowPrivate } = given
  if (key !== undefined && jwksUrl !== undefined) {
    throw new BrokerError('malformed-request', 'There is a key and an address of keys.', {
      hint: 'Give one of the two.',
    })
  }
  if (key !== undefined) {
    const { jwk, thumbprint } = await readPublicKey(key)
    return { credential: { jwk }, once: { key: thumbprint } }
  }
  if (jwksUrl !== undefined) {
    const url = readBaseUrl(jwksUrl, allowPrivate)
    return { credential: { jwksUrl: url, allowPrivate }, once: { key: url } }
  }
  const { secret, hash } = await newAgentSecret()
  return { credential: { hash }, once: { secret } }
}

function onceShown(name: string, { secret, key }: Shown): z.infer<typeof Once> {
  return {
    name,
    ...(secret === undefined ? {} : { secret: secret.reveal() }),
    ...(key === undefined ? {} : { key }),
  }
}

function shown(agent: AgentShown): z.infer<typeof Agent> {
  return {
    name: agent.name,
    scopes: agent.scopes,
    created_at: agent.createdAt.toISOString(),
    secrets: agent.secrets.map((one) => ({
      created_at: one.createdAt.toISOString(),
      expires_at: one.expiresAt?.toISOString() ?? null,
    })),
    keys: agent.keys.map((one) => ({
      key: one.key,
      created_at: one.createdAt.toISOString(),
      expires_at: one.expiresAt?.toISOString() ?? null,
    })),
  }
}
