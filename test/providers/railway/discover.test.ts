/** What `discover` offers to bind, for each kind of token. */
import { beforeEach, expect, test } from 'vitest'
import { discover } from '../../../src/providers/railway/discover.ts'
import { ids, type SmallRailway, smallRailway, uuid } from './small-railway.ts'

let railway: SmallRailway

beforeEach(() => {
  railway = smallRailway()
})

const rentals = { kind: 'project', id: ids.rentals }

async function offered() {
  const found = await discover(railway.lookup)
  return found.map(({ address, note }) => (note === undefined ? address : `${address} (${note})`))
}

const ofRentals = [
  'acme-rentals',
  'acme-rentals/production',
  'acme-rentals/staging',
  'acme-rentals/pr-42 (fork of staging, ephemeral)',
]

test('projects and their environments are offered by name, with their places', async () => {
  const found = await discover(railway.lookup)
  expect(found.slice(0, 2)).toEqual([
    { kind: 'project', address: 'acme-rentals', place: [rentals] },
    {
      kind: 'environment',
      address: 'acme-rentals/production',
      place: [rentals, { kind: 'environment', id: ids.production }],
    },
  ])
})

test('projects of every workspace of the token are offered once', async () => {
  expect(await offered()).toEqual([...ofRentals, 'acme-website', 'acme-website/production'])
})

test('a workspace token that may not ask which workspaces it has is offered what it lists', async () => {
  railway.refused.add('apiToken')
  expect(await offered()).toEqual(ofRentals)
})

test('a project token is offered its own project', async () => {
  railway.refused.add('apiToken').add('projects')
  expect(await offered()).toEqual(ofRentals)
})

test('a token that sees no project is told so', async () => {
  railway.refused.add('apiToken').add('projects').add('projectToken')
  await expect(discover(railway.lookup)).rejects.toMatchObject({ code: 'not-found' })
})

test('everything is offered page by page', async () => {
  railway.pageSize = 1
  expect(await offered()).toEqual([...ofRentals, 'acme-website', 'acme-website/production'])
})

test('a lasting copy is told from a fork', async () => {
  for (const row of railway.environments) {
    if (row.id === ids.staging) row.source = ids.production
  }
  expect(await offered()).toContain('acme-rentals/staging (copy of production)')
})

test('an environment that may not be read is offered with that note', async () => {
  railway.hidden.add(ids.staging)
  expect(await offered()).toContain('acme-rentals/staging (the connection may not read it)')
})

test('a project whose environments cannot be read is still offered', async () => {
  const { lookup } = railway
  railway.lookup = async (document, variables) =>
    document.includes('environments') && variables['projectId'] === ids.website
      ? { ok: false, why: 'the upstream answered with an error' }
      : lookup(document, variables)
  expect(await offered()).toEqual([...ofRentals, 'acme-website (its environments cannot be read)'])
})

test('names that repeat are offered as they are', async () => {
  const again = { id: uuid('b', 8), projectId: ids.rentals, name: 'staging', source: null }
  railway.environments.push(again)
  const found = await discover(railway.lookup)
  const staging = found.filter((one) => one.address === 'acme-rentals/staging')
  expect(staging.map((one) => one.place.at(-1)?.id)).toEqual([ids.staging, again.id])
})
