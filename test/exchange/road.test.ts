import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { front } from '../support/broker.ts'
import { stores } from '../support/stores.ts'

const { staging, production } = ids.environments

describe.each(stores)('the road on %s', async (kind) => {
  const at = await front(kind)
  const token = await at.capability()

  it('lets a read of staging pass and returns what the upstream said', async () => {
    const answer = await at.call(token, 'query($id: String!){ environment(id: $id) { name } }', {
      id: staging,
    })
    expect(answer.json).toEqual({ data: { environment: { name: 'staging' } } })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('valetkey-verdict')).toBe('allow')
  })

  it('lets a redeploy and a new custom domain in staging pass', async () => {
    const redeployed = await at.call(
      token,
      'mutation($id: String!){ deploymentRedeploy(id: $id) { id } }',
      {
        id: ids.deployments.webStaging,
      },
    )
    expect(redeployed.json).not.toHaveProperty('errors')
    const domain = await at.call(
      token,
      'mutation($input: CustomDomainCreateInput!){ customDomainCreate(input: $input) { id domain } }',
      {
        input: {
          domain: 'next.acme.example',
          environmentId: staging,
          projectId: ids.projects.rentals,
          serviceId: ids.services.web,
        },
      },
    )
    expect(domain.json).not.toHaveProperty('errors')
    expect(at.carriedOut()).toEqual(['Mutation.deploymentRedeploy', 'Mutation.customDomainCreate'])
  })

  it('refuses production, and says where the thing lives', async () => {
    const answer = await at.call(
      token,
      'mutation($id: String!){ deploymentRedeploy(id: $id) { id } }',
      {
        id: ids.deployments.webProduction,
      },
    )
    expect(answer.status).toBe(403)
    expect(answer.json).toMatchObject({ code: 'outside-environment', found: 'production' })
    expect(answer.headers.get('valetkey-verdict')).toBe('deny')
    const read = await at.call(token, 'query($id: String!){ environment(id: $id) { name } }', {
      id: production,
    })
    expect(read.json).toMatchObject({ code: 'outside-environment', found: 'production' })
    expect(at.carriedOut()).toEqual([])
  })

  it('refuses volumeDelete without looking anything up', async () => {
    const before = at.railway.received.length
    const answer = await at.agent('/x/railway/graphql/v2', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: JSON.stringify({
        query: `mutation { volumeDelete(volumeId: "${ids.volumes.postgresData}") }`,
      }),
    })
    expect(answer.json).toMatchObject({ code: 'operation-not-allowed' })
    expect(at.railway.received.length).toBe(before)
  })
})
