/** The token endpoints (RFC 6749, 7009, 7662, 8414). What they say of themselves comes from the configured URL, never from a request. */
import { Hono, type Context as HonoContext } from 'hono'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { demandLeft } from '../exchange/limits.ts'
import { assertionAlgorithms } from '../identity/assertions.ts'
import { newRequestId } from '../ids.ts'
import type { Capability } from '../policy/capability.ts'
import { writeDetails, writeLineage } from '../tokens/claims.ts'
import { proofAlgorithms } from '../tokens/dpop.ts'
import { OauthError } from '../tokens/oauth-error.ts'
import { revocable, revokeOwn } from '../tokens/revoke.ts'
import { stands, verifyCapability } from '../tokens/verify.ts'
import { peerAddress } from './address.ts'
import { type Asking, authenticated, claimed } from './client.ts'
import { type Form, readForm } from './form.ts'
import { granted, grantTypes } from './grants.ts'
import { requestIdHeader } from './problem.ts'
import { presenting } from './raw-headers.ts'

/** Several times what the largest capability could ask for. */
const maxBody = 32_768
const methods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']

type OauthEnv = { Variables: { requestId: string } }

export function oauthRoutes(ctx: Context) {
  const app = new Hono<OauthEnv>()

  app.use('/oauth/*', async (c, next) => {
    c.set('requestId', newRequestId())
    await next()
    c.header(requestIdHeader, c.get('requestId'))
    c.header('Cache-Control', 'no-store')
    c.header('Pragma', 'no-cache')
    c.header('X-Content-Type-Options', 'nosniff')
  })

  app.post('/oauth/token', async (c) => {
    const form = await readForm(c.req.raw, maxBody)
    const { issued, ...minted } = await granted(ctx, form, asking(c))
    return c.json({
      access_token: minted.token,
      token_type: minted.bound ? 'DPoP' : 'Bearer',
      expires_in: minted.expiresIn,
      scope: minted.scopes.join(' '),
      authorization_details: minted.details,
      ...(issued === undefined ? {} : { issued_token_type: issued }),
    })
  })

  app.post('/oauth/revoke', async (c) => {
    const form = await readForm(c.req.raw, maxBody)
    const agent = await claimed(ctx, form, asking(c))
    const capability = await ownCapability(ctx, agent, tokenIn(form))
    if (capability !== null && revocable(ctx, capability)) {
      demandLeft(ctx, ...revoking(ctx, capability))
      await revokeOwn(ctx, capability, c.get('requestId'))
    }
    return c.body(null, 200)
  })

  app.post('/oauth/introspect', async (c) => {
    const form = await readForm(c.req.raw, maxBody)
    const { name } = await authenticated(ctx, form, asking(c))
    const capability = await ownCapability(ctx, name, tokenIn(form))
    const alive = capability !== null && stands(ctx, capability)
    return c.json(alive ? described(ctx, capability) : { active: false })
  })

  app.all('/oauth/*', (c) => {
    const known = ['/oauth/token', '/oauth/revoke', '/oauth/introspect'].includes(c.req.path)
    if (known) c.header('Allow', 'POST')
    const say = known
      ? 'This endpoint takes POST.'
      : 'There is no such endpoint; see /.well-known/oauth-authorization-server.'
    return c.json({ error: 'invalid_request', error_description: say }, known ? 405 : 404)
  })

  app.get('/.well-known/oauth-authorization-server', (c) => {
    c.header('Cache-Control', 'public, max-age=300')
    return c.json(metadata(ctx.publicUrl))
  })

  app.get('/.well-known/jwks.json', async (c) => {
    c.header('Cache-Control', 'public, max-age=60')
    return c.json(await ctx.signing.jwks())
  })

  app.onError((error, c) => {
    const requestId = c.get('requestId') ?? newRequestId()
    return answer(oauthRefusal(error, requestId, ctx), requestId)
  })

  return app
}

/**
 * Each makes every replica read the policy anew, so they are counted: by how far from the client a capability is, since a sub-agent
 * can only revoke what it was given and what grew from that, and must not use up what whoever began it has.
 */
function revoking(
  ctx: Context,
  { agent, parents = [] }: Capability,
): [subject: string, what: string, limit: number] {
  const where = parents.length === 0 ? agent : `${agent} (${parents.length} below it)`
  return [where, 'revocations', ctx.config.limits.revocationsPerMinute]
}

function metadata(publicUrl: string) {
  return {
    issuer: publicUrl,
    token_endpoint: `${publicUrl}/oauth/token`,
    revocation_endpoint: `${publicUrl}/oauth/revoke`,
    introspection_endpoint: `${publicUrl}/oauth/introspect`,
    jwks_uri: `${publicUrl}/.well-known/jwks.json`,
    response_types_supported: [],
    grant_types_supported: grantTypes,
    token_endpoint_auth_methods_supported: [...methods, 'none'],
    token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    revocation_endpoint_auth_methods_supported: [...methods, 'none'],
    revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
    authorization_details_types_supported: ['valetkey'],
    dpop_signing_alg_values_supported: proofAlgorithms,
  }
}

function asking(c: HonoContext<OauthEnv>): Asking {
  const { headers, method, target } = presenting(c)
  return {
    authorization: c.req.raw.headers.get('authorization'),
    proof: {
      proofs: headers.flatMap(([name, value]) => (name === 'dpop' ? [value] : [])),
      method,
      target,
    },
    address: peerAddress(c),
    request: c.get('requestId'),
  }
}

/**
 * Null for what is no capability, no longer one, or another agent's: all three read the same to the caller. Without an agent
 * whoever has the token may give it up.
 */
async function ownCapability(
  ctx: Context,
  agent: string | null,
  token: string,
): Promise<Capability | null> {
  try {
    const capability = await verifyCapability(ctx, token)
    return agent === null || capability.agent === agent ? capability : null
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    if (error.code !== 'invalid-capability' && error.code !== 'capability-expired') throw error
    return null
  }
}

function described(ctx: Context, capability: Capability) {
  return {
    active: true,
    iss: ctx.publicUrl,
    aud: ctx.publicUrl,
    sub: capability.agent,
    client_id: capability.agent,
    token_type: capability.key === undefined ? 'Bearer' : 'DPoP',
    jti: capability.jti,
    iat: capability.issuedAt,
    exp: capability.expiresAt,
    environment: capability.environment,
    scope: capability.scopes.join(' '),
    authorization_details: writeDetails(capability.environment, capability.details),
    ...writeLineage(capability),
  }
}

function tokenIn(form: Form): string {
  const token = form.get('token')
  if (token === undefined)
    throw new OauthError('invalid_request', 'Send the token in the parameter token.')
  return token
}

type Refusal = { status: number; error: string; description: string; retryAfter?: number }

function oauthRefusal(error: unknown, requestId: string, ctx: Context): Refusal {
  if (error instanceof OauthError) {
    return { status: error.status, error: error.code, description: error.message }
  }
  if (error instanceof BrokerError && error.code !== 'internal') return brokerRefusal(error)
  ctx.log.error({ err: error, request: requestId }, 'a token endpoint failed')
  return {
    status: 500,
    error: 'server_error',
    description: `Something went wrong inside the broker. Ask whoever runs it to look for ${requestId} in its log.`,
  }
}

function brokerRefusal(error: BrokerError): Refusal {
  const description = [error.message, error.facts.hint].filter(Boolean).join(' ')
  if (error.code === 'invalid-client') return { status: 401, error: 'invalid_client', description }
  const { challenge } = error.facts
  if (challenge !== undefined) return { status: 400, error: challenge, description }
  const status = error.code === 'limit-exceeded' ? 429 : 503
  const retryAfter = error.facts.retryAfter ?? 1
  return { status, error: 'temporarily_unavailable', description, retryAfter }
}

function answer(refusal: Refusal, requestId: string): Response {
  const { status, error, description, retryAfter } = refusal
  return new Response(JSON.stringify({ error, error_description: description }), {
    status,
    headers: {
      'Content-Type': 'application/json',
      'Cache-Control': 'no-store',
      Pragma: 'no-cache',
      'X-Content-Type-Options': 'nosniff',
      [requestIdHeader]: requestId,
      ...(status === 401 ? { 'WWW-Authenticate': 'Basic realm="valetkey", charset="UTF-8"' } : {}),
      ...(retryAfter === undefined ? {} : { 'Retry-After': String(retryAfter) }),
    },
  })
}
