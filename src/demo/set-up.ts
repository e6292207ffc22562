/** Sets a new broker up as an operator would, over its API. Sees the real token once, to hand it over. */
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { SimulatedRailway } from './railway/server.ts'
import { type Ask, anything, asking } from './wire.ts'

export type Broker = {
  agentUrl: string
  operatorUrl: string
  enrolmentCode: string
  stop(): Promise<void>
}

export const agent = 'cursor'

/** What an agent in staging needs every day, and what nobody should be given lightly. */
export const everyday = {
  name: 'staging-work',
  allow: [
    'railway:@read',
    'railway:Mutation.customDomainCreate',
    'railway:Mutation.deploymentRedeploy',
  ],
}
export const careless = {
  name: 'staging-volumes',
  allow: ['railway:Mutation.volumeDelete'],
  /** Staging is not protected, so the scope asks for it itself. */
  approve: ['railway:@destructive'],
}

export type SetUp = { ask: Ask; agentSecret: string }

export async function setUp(broker: Broker, railway: SimulatedRailway): Promise<SetUp> {
  const ask = asking(broker.operatorUrl, await enrol(broker))
  await ask('POST', '/admin/connections', anything, {
    name: 'railway',
    base_url: railway.url,
    allow_private: true,
    secret: railway.token,
  })
  for (const environment of ['staging', 'production']) await bind(ask, environment)
  await setScope(ask, everyday)
  const { secret } = await ask('POST', '/admin/agents', z.object({ secret: z.string() }), {
    name: agent,
    scopes: [everyday.name],
  })
  return { ask, agentSecret: secret }
}

async function enrol({ operatorUrl, enrolmentCode }: Broker): Promise<string> {
  const ask = asking(operatorUrl, null)
  const { token } = await ask('POST', '/admin/session', z.object({ token: z.string() }), {
    code: enrolmentCode,
    name: 'you',
    passphrase: randomBytes(24).toString('base64url'),
  })
  return token
}

async function bind(ask: Ask, environment: string): Promise<void> {
  await ask('POST', '/admin/environments', anything, {
    name: environment,
    protected: environment === 'production',
  })
  await ask('POST', `/admin/environments/${environment}/bindings`, anything, {
    connection: 'railway',
    own: [{ kind: 'environment', address: `acme-rentals/${environment}` }],
    see: [{ kind: 'project', address: 'acme-rentals' }],
  })
}

async function setScope(
  ask: Ask,
  { name, allow, approve = [] }: typeof everyday & { approve?: string[] },
): Promise<void> {
  await ask('PUT', `/admin/scopes/${name}`, anything, { environment: 'staging', allow, approve })
}

export async function grantCarelessly(ask: Ask): Promise<void> {
  await setScope(ask, careless)
  await ask('PUT', `/admin/agents/${agent}/grants/${careless.name}`, anything)
}
