/** Railway's own SDK through the broker, set up by the environment variables or options that it has for that. */
import { RailwayGraphQLError, Sandbox, SandboxNotFoundError } from 'railway'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { front, keep } from '../support/broker.ts'

const { staging, production } = ids.environments
const at = await front()
const endpoint = `${at.broker.agentUrl}/x/railway/graphql/v2`
const running = { id: ids.sandboxes.staging, environmentId: staging, status: 'RUNNING' }

afterEach(() => vi.unstubAllEnvs())

/** What the call fails with. */
async function failure(call: Promise<unknown>): Promise<Error & { status?: number }> {
  try {
    await call
  } catch (error) {
    if (!(error instanceof Error)) throw error
    keep(`${error.name}: ${error.message}`)
    return error
  }
  throw new Error('the call went well')
}

/** The last header of this name that reached the upstream with a query for sandboxes. */
function arrivedWith(name: string): string | undefined {
  const last = at.railway.received.findLast(({ body }) => body.includes('RailwaySandboxes'))
  return last?.headers.find(([key]) => key.toLowerCase() === name)?.[1]
}

describe('railway', () => {
  it.each(['bearer', 'project-token'] as const)(
    'lists the sandboxes of staging with its token as %s',
    async (authType) => {
      const token = await at.capability()
      const listed = await Sandbox.list({ token, endpoint, authType, environmentId: staging })
      expect(listed).toMatchObject([running])
      expect(arrivedWith('authorization')).toBe(`Bearer ${at.railway.token}`)
      expect(arrivedWith('project-access-token')).toBeUndefined()
    },
  )

  it.each(['RAILWAY_API_TOKEN', 'RAILWAY_TOKEN'])(
    'needs two variables and no change in code, with %s',
    async (name) => {
      vi.stubEnv('RAILWAY_API_TOKEN', '')
      vi.stubEnv(name, await at.capability())
      vi.stubEnv('RAILWAY_GRAPHQL_ENDPOINT', endpoint)
      vi.stubEnv('RAILWAY_ENVIRONMENT_ID', staging)
      expect(await Sandbox.list()).toMatchObject([running])
      expect(await Sandbox.connect(ids.sandboxes.staging)).toMatchObject({
        id: ids.sandboxes.staging,
      })
    },
  )

  it('tells its user where the environment lives when it is not the capability’s', async () => {
    const token = await at.capability()
    const error = await failure(Sandbox.list({ token, endpoint, environmentId: production }))
    expect(error).toBeInstanceOf(RailwayGraphQLError)
    expect(error).toMatchObject({
      status: 403,
      message:
        'The environment in environmentId lives in production, and this capability is for staging. Do not look for another credential; ask a human.',
    })
  })

  it('tells its user what the scope does not allow', async () => {
    await at.scope('deploys', ['railway:Mutation.deploymentRedeploy'])
    const token = await at.capability({ scope: 'deploys' })
    const error = await failure(Sandbox.list({ token, endpoint, environmentId: staging }))
    expect(error.message).toContain(
      'railway:Query.sandboxes is not allowed by scope deploys in staging',
    )
    expect(error.message).toContain('GET /v1/capability')
  })

  it('is told of a sandbox that cannot be located, and takes it for no answer of Railway', async () => {
    const token = await at.capability()
    const id = '00000000-0000-4000-8000-000000000000'
    const error = await failure(Sandbox.connect(id, { token, endpoint, environmentId: staging }))
    expect(error).not.toBeInstanceOf(SandboxNotFoundError)
    expect(error).toMatchObject({
      status: 403,
      message: expect.stringContaining('could not be located'),
    })
  })

  it('shows its user a refused token as the broker words it', async () => {
    const error = await failure(
      Sandbox.list({ token: 'rw_a-token-found-on-disk', endpoint, environmentId: staging }),
    )
    expect(error).toMatchObject({ status: 401, message: expect.stringMatching(/capability/) })
  })
})
