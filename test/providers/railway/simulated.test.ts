/** Locating and discovering over HTTP, against the simulated Railway that the demo plays. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { type SimulatedRailway, startSimulatedRailway } from '../../../src/demo/railway/server.ts'
import { ids } from '../../../src/demo/railway/world.ts'
import type { Place } from '../../../src/policy/operation.ts'
import type { Lookup } from '../../../src/providers/provider.ts'
import { discover } from '../../../src/providers/railway/discover.ts'
import { locate } from '../../../src/providers/railway/locate.ts'

let railway: SimulatedRailway

beforeAll(async () => {
  railway = await startSimulatedRailway()
})
beforeEach(() => railway.reset())
afterAll(() => railway.close())

const answered = z.object({ data: z.unknown().optional(), errors: z.array(z.unknown()).optional() })

async function post(headers: Record<string, string>, query: string, variables: object) {
  const response = await fetch(`${railway.url}/graphql/v2`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  })
  return answered.parse(await response.json())
}

function lookupWith(headers: () => Record<string, string>): Lookup {
  return async (document, variables) => {
    const { data, errors } = await post(headers(), document, variables)
    if (errors !== undefined) return { ok: false, why: 'the upstream answered with an error' }
    return { ok: true, data }
  }
}

const workspaceToken = () => ({ authorization: `Bearer ${railway.token}` })
const projectToken = () => ({ 'project-access-token': railway.projectToken })

const project = { kind: 'project', id: ids.projects.rentals }
const { production, staging, pr42 } = ids.environments

function env(id: string, ...rest: Place): Place {
  return [project, { kind: 'environment', id }, ...rest]
}

const known = { places: [env(staging)] }

function find(kind: string, id: string, headers: () => Record<string, string> = workspaceToken) {
  const resource = { kind, id, role: 'target' as const, argument: 'id' }
  return locate(resource, [], lookupWith(headers), known)
}

test('the volume that staging shares with production is found in both', async () => {
  const step = { kind: 'volume', id: ids.volumes.postgresData }
  expect(await find('volume', ids.volumes.postgresData)).toEqual({
    known: true,
    home: [project, step],
    places: [env(production, step), env(staging, step)],
  })
})

test('a volume of staging alone is found there and nowhere else', async () => {
  const places = [env(staging, { kind: 'volume', id: ids.volumes.scratch })]
  expect(await find('volume', ids.volumes.scratch)).toMatchObject({ known: true, places })
})

test('pages of one item hide nothing', async () => {
  railway.faults.pageSize = 1
  const places = [{ length: 3 }, { length: 3 }]
  expect(await find('volume', ids.volumes.postgresData)).toMatchObject({ known: true, places })
  const service = [{ length: 3 }, { length: 3 }, { length: 3 }]
  expect(await find('service', ids.services.postgres)).toMatchObject({
    known: true,
    places: service,
  })
})

test('a volume that is pending deletion lives on, one that is gone does not', async () => {
  const mutation = 'mutation ($id: String!) { volumeDelete(volumeId: $id) }'
  const variables = { id: ids.volumes.postgresData }
  railway.world.deletion = 'scheduled'
  expect(await post(workspaceToken(), mutation, variables)).toMatchObject({
    data: { volumeDelete: true },
  })
  const places = [{ length: 3 }, { length: 3 }]
  expect(await find('volume', variables.id)).toMatchObject({ known: true, places })

  railway.world.deletion = 'immediate'
  railway.reset()
  await post(workspaceToken(), mutation, variables)
  expect(await find('volume', variables.id)).toMatchObject({ known: false })
})

test('an environment that is hidden from the credential makes what may be in it unknown', async () => {
  for (const one of railway.world.environments) {
    if (one.id === production) one.hiddenFrom.push(railway.token)
  }
  expect(await find('volume', ids.volumes.scratch)).toMatchObject({ known: false })
  expect(await find('service', ids.services.web)).toMatchObject({ known: false })
  expect(await find('deployment', ids.deployments.webProduction)).toMatchObject({ known: false })
  expect(await find('deployment', ids.deployments.webStaging)).toMatchObject({ known: true })
})

test('an upstream that fails or answers null makes things unknown', async () => {
  railway.faults.failRoots = ['environment']
  expect(await find('volume', ids.volumes.scratch)).toMatchObject({ known: false })
  railway.faults.failRoots = ['project', 'projects']
  expect(await find('volume', ids.volumes.scratch)).toMatchObject({ known: false })
  railway.faults.failRoots = []
  railway.faults.nullRoots = ['environment', 'deployment', 'sandbox']
  expect(await find('volume', ids.volumes.scratch)).toMatchObject({ known: false })
  expect(await find('deployment', ids.deployments.webStaging)).toMatchObject({ known: false })
  expect(await find('sandbox', ids.sandboxes.staging)).toMatchObject({ known: false })
})

test.each([
  ['deployment', ids.deployments.webStaging, staging],
  ['deployment', ids.deployments.webProduction, production],
  ['volume-instance', ids.volumeInstances.postgresDataProduction, production],
  ['service-instance', ids.serviceInstances.webPr42, pr42],
  ['backup', ids.backups.staging, staging],
  ['backup', ids.backups.nightlyMonday, production],
  ['custom-domain', ids.customDomains.staging, staging],
  ['custom-domain', ids.customDomains.production, production],
  ['service-domain', ids.serviceDomains.production, production],
  ['tcp-proxy', ids.tcpProxies.production, production],
  ['environment-patch', ids.patches.staging, staging],
  ['sandbox', ids.sandboxes.staging, staging],
])('the %s %s is found where it is', async (kind, id, where) => {
  const place = env(where, { kind, id })
  expect(await find(kind, id)).toEqual({ known: true, home: place, places: [place] })
})

test('naming staging spreads to production, naming a pull request’s environment does not', async () => {
  const spread = (id: string) => ({
    kind: 'environment',
    id,
    role: 'target' as const,
    argument: 'input.environmentId',
    spread: true as const,
  })
  const lookup = lookupWith(workspaceToken)
  expect(await locate(spread(staging), [], lookup, known)).toMatchObject({
    places: [env(production), env(staging)],
  })
  expect(await locate(spread(pr42), [], lookup, known)).toMatchObject({ places: [env(pr42)] })
})

test('a project token pairs services with its environment, and cannot vouch for a volume', async () => {
  const resource = {
    kind: 'service',
    id: ids.services.web,
    role: 'context' as const,
    argument: 'input.serviceId',
  }
  const lookup = lookupWith(projectToken)
  expect(await locate(resource, [staging], lookup, known)).toMatchObject({ known: true })
  expect(await locate(resource, [production], lookup, known)).toMatchObject({ known: false })
  expect(await find('volume', ids.volumes.scratch, projectToken)).toMatchObject({ known: false })
})

test('discover offers what each token sees', async () => {
  const addresses = async (headers: () => Record<string, string>) =>
    (await discover(lookupWith(headers))).map((one) => one.address)
  expect(await addresses(workspaceToken)).toEqual([
    'acme-rentals',
    'acme-rentals/production',
    'acme-rentals/staging',
    'acme-rentals/pr-42',
    'acme-website',
    'acme-website/production',
  ])
  expect(await addresses(projectToken)).toEqual(['acme-rentals', 'acme-rentals/staging'])
})
