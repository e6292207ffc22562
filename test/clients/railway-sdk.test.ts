/** The community's Railway SDK through the broker, with another endpoint and token and nothing else. */
import { createRailway } from '@crisog/railway-sdk'
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { front, keep } from '../support/broker.ts'

const { staging, production } = ids.environments
const at = await front()
const endpoint = `${at.broker.agentUrl}/x/railway/graphql/v2`
const place = {
  environmentId: staging,
  projectId: ids.projects.rentals,
  serviceId: ids.services.web,
}

/** `project` puts the token where project tokens travel. */
const client = async (tokenType?: 'project') =>
  createRailway({
    token: await at.capability(),
    endpoint,
    ...(tokenType === undefined ? {} : { tokenType }),
  })

/** The part of the SDK's result that all calls have in common. */
type Answered<T> = {
  match(well: (value: T) => null, badly: (error: Error) => string): Promise<string | null>
}

/** The text that its user reads, or null when the call went well. */
async function said<T>(call: Answered<T>): Promise<string | null> {
  const text = await call.match(
    () => null,
    (error) => String(error),
  )
  if (text !== null) keep(text)
  return text
}

describe('@crisog/railway-sdk', () => {
  it('reads staging as it does without a broker', async () => {
    const railway = await client()
    const read = await railway.environments.get({ variables: { id: staging } })
    expect(read._unsafeUnwrap()).toMatchObject({ environment: { id: staging, name: 'staging' } })
    const listed = await railway.deployments.list({
      variables: { input: { environmentId: staging } },
    })
    const deployed = listed._unsafeUnwrap().deployments.map(({ id }) => id)
    expect([...deployed].sort()).toEqual(
      [ids.deployments.postgresStaging, ids.deployments.webStaging].sort(),
    )
    expect((await railway.misc.platformStatus({}))._unsafeUnwrap()).toMatchObject({
      platformStatus: { isStable: true },
    })
    expect(await said(railway.domains.list({ variables: place }))).toBeNull()
  })

  it('changes staging where the scope allows it, with the token in either header', async () => {
    const redeployed = await (await client()).deployments.redeploy({
      variables: { id: ids.deployments.webStaging },
    })
    expect(redeployed._unsafeUnwrap()).toMatchObject({
      deploymentRedeploy: { environmentId: staging },
    })
    const created = await (await client('project')).domains.custom.create({
      variables: { input: { ...place, domain: 'sdk.acme.example' } },
    })
    expect(created._unsafeUnwrap()).toMatchObject({
      customDomainCreate: { domain: 'sdk.acme.example' },
    })
    expect(at.carriedOut()).toEqual(['Mutation.deploymentRedeploy', 'Mutation.customDomainCreate'])
  })

  it('tells its user why volumes.delete was refused and what not to do next, and nothing is sent', async () => {
    for (const tokenType of [undefined, 'project'] as const) {
      const railway = await client(tokenType)
      const arrived = at.railway.received.length
      const text = await said(
        railway.volumes.delete({ variables: { volumeId: ids.volumes.postgresData } }),
      )
      expect(text).toMatch(
        /^PermissionError: railway:Mutation\.volumeDelete is not allowed by scope work in staging: it is destructive, /,
      )
      expect(text).toContain('Do not look for another credential; ask a human.')
      expect(at.railway.received).toHaveLength(arrived)
    }
    expect(at.railway.world.volumes.map(({ id }) => id)).toContain(ids.volumes.postgresData)
  })

  it('tells its user where the thing lives, and which field reveals', async () => {
    const railway = await client()
    expect(await said(railway.environments.get({ variables: { id: production } }))).toContain(
      'lives in production, and this capability is for staging',
    )
    expect(
      await said(
        railway.deployments.redeploy({ variables: { id: ids.deployments.webProduction } }),
      ),
    ).toContain('lives in production')
    expect(
      await said(
        railway.services.instances.get({
          variables: { environmentId: staging, serviceId: ids.services.web },
        }),
      ),
    ).toMatch(/ServiceInstance\.nixpacksPlan would reveal .* Leave the field out\./)
    expect(at.carriedOut()).toEqual([])
  })

  it('tells its user of a token that was never filled in', async () => {
    for (const token of ['${' + 'RAILWAY_API_TOKEN}', 'rw_a-token-found-on-disk']) {
      const railway = createRailway({ token, endpoint })
      const text = await said(railway.misc.platformStatus({}))
      expect(text).toMatch(/^PermissionError: /)
      if (token.startsWith('$')) expect(text).toContain('RAILWAY_API_TOKEN')
    }
  })
})
