/** Where Railway things are found, and that whatever cannot be known for certain is unknown. */
import { beforeEach, describe, expect, test } from 'vitest'
import type { Located, Place, Resource } from '../../../src/policy/operation.ts'
import { canonicalId, kinds } from '../../../src/providers/railway/kinds.ts'
import { locate } from '../../../src/providers/railway/locate.ts'
import { ids, type SmallRailway, smallRailway, uuid } from './small-railway.ts'

let railway: SmallRailway

beforeEach(() => {
  railway = smallRailway()
})

const project = { kind: 'project', id: ids.rentals }

function env(id: string, ...rest: Place): Place {
  const owner = id === ids.websiteProduction ? ids.website : ids.rentals
  return [{ kind: 'project', id: owner }, { kind: 'environment', id }, ...rest]
}

const known = { places: [env(ids.staging), [project]] }

function target(kind: string, id: string): Resource {
  return { kind, id, role: 'target', argument: 'id' }
}

function context(kind: string, id: string): Resource {
  return { kind, id, role: 'context', argument: 'input.other' }
}

function find(resource: Resource, pinned: readonly string[] = []): Promise<Located> {
  return locate(resource, pinned, railway.lookup, known)
}

function unknown(located: Located): string {
  if (located.known) throw new Error(`located in ${JSON.stringify(located.places)}`)
  return located.why
}

describe('a thing that belongs to one environment', () => {
  test.each([
    ['deployment', ids.deployment],
    ['volume-instance', ids.dataStaging],
    ['service-instance', ids.workerStaging],
    ['backup', ids.backup],
    ['custom-domain', ids.customDomain],
    ['service-domain', ids.serviceDomain],
    ['tcp-proxy', ids.tcpProxy],
    ['deployment-trigger', ids.trigger],
    ['private-network', ids.network],
    ['private-network-endpoint', ids.endpoint],
    ['environment-patch', ids.patch],
    ['sandbox', ids.sandbox],
    ['cloud-agent', ids.cloudAgent],
    ['dashboard', ids.dashboard],
    ['project-token', ids.token],
    ['notification-rule', ids.rule],
  ])('a %s is found in its environment', async (kind, id) => {
    const place = env(ids.staging, { kind, id })
    expect(await find(target(kind, id))).toEqual({ known: true, home: place, places: [place] })
  })

  test('one of an environment that is not bound is found in the others of the project', async () => {
    const place = env(ids.production, { kind: 'service-instance', id: ids.webProduction })
    expect(await find(target('service-instance', ids.webProduction))).toMatchObject({
      places: [place],
    })
  })

  test('one that no environment lists is unknown', async () => {
    expect(unknown(await find(target('service-domain', uuid('1', 1))))).toContain('no environment')
  })

  test('one is unknown, not absent, when an environment could not be searched', async () => {
    railway.hidden.add(ids.production)
    railway.refused.add('environment')
    expect(unknown(await find(target('service-domain', ids.serviceDomain)))).toContain('error')
  })

  test('a name that repeats is looked up in the environment that the call names', async () => {
    const place = env(ids.production, { kind: 'sandbox-checkpoint', id: 'base' })
    const found = await find(target('sandbox-checkpoint', 'base'), [ids.production])
    expect(found).toEqual({ known: true, home: place, places: [place] })
    expect(unknown(await find(target('sandbox-checkpoint', 'base')))).toContain(
      'names no environment',
    )
    expect(
      await find(target('sandbox-template-build', 'b7e23ec29af22b0b'), [ids.staging]),
    ).toMatchObject({
      known: true,
    })
    expect(await find(target('change-set', 'apply-1'), [ids.staging])).toMatchObject({
      known: true,
    })
    expect(await find(target('change-set', 'apply-1'), [ids.production])).toMatchObject({
      known: false,
    })
  })
})

describe('a thing that belongs to a project', () => {
  test.each([
    ['plugin', ids.plugin],
    ['integration', ids.integration],
    ['group', ids.group],
    ['notification-rule', ids.projectRule],
  ])('a %s is found in its project and in no environment', async (kind, id) => {
    const place = [project, { kind, id }]
    expect(await find(target(kind, id))).toEqual({ known: true, home: place, places: [place] })
  })

  test('a project is its own place', async () => {
    const found = await find(target('project', ids.rentals))
    expect(found).toEqual({ known: true, home: [project], places: [[project]] })
  })
})

describe('a volume', () => {
  const volume = (id: string) => find(target('volume', id))

  test('lives in every environment that has an instance of it', async () => {
    const step = { kind: 'volume', id: ids.data }
    expect(await volume(ids.data)).toEqual({
      known: true,
      home: [project, step],
      places: [env(ids.production, step), env(ids.staging, step)],
    })
  })

  test('lives in one environment when only one has it', async () => {
    const places = [env(ids.staging, { kind: 'volume', id: ids.scratch })]
    expect(await volume(ids.scratch)).toMatchObject({ known: true, places })
  })

  test('lives on while it is pending deletion', async () => {
    const rows = railway.volumeInstances.filter((one) => one.id === ids.dataProduction)
    for (const row of rows) {
      row.isPendingDeletion = true
      row.deletedAt = '2026-04-26T10:00:00.000Z'
    }
    const places = [{ length: 3 }, { length: 3 }]
    expect(await volume(ids.data)).toMatchObject({ known: true, places })
  })

  test('is found page by page', async () => {
    railway.pageSize = 1
    const places = [{ length: 3 }, { length: 3 }]
    expect(await volume(ids.data)).toMatchObject({ known: true, places })
  })

  test('is unknown when an environment of its project may not be read', async () => {
    railway.hidden.add(ids.production)
    expect(unknown(await volume(ids.scratch))).toContain('may not read every environment')
  })

  test('is unknown when an environment is left out of the list', async () => {
    railway.environments = railway.environments.filter((one) => one.id !== ids.production)
    expect(unknown(await volume(ids.scratch))).toContain('may not read every environment')
  })

  test('is unknown when an environment that is bound does not show', async () => {
    const places = [...known.places, env(uuid('b', 9))]
    const found = await locate(target('volume', ids.scratch), [], railway.lookup, { places })
    expect(unknown(found)).toContain('that is bound does not show')
  })

  test('of a project that is not bound is found in the projects that the credential lists', async () => {
    const places = [env(ids.websiteProduction, { kind: 'volume', id: ids.siteData })]
    expect(await volume(ids.siteData)).toMatchObject({ known: true, places })
  })

  test('that no project has is unknown', async () => {
    expect(unknown(await volume(uuid('d', 99)))).toContain('no project')
  })

  test('is unknown when a later page fails', async () => {
    railway.pageSize = 1
    const { lookup } = railway
    const failing: SmallRailway['lookup'] = async (document, variables) => {
      const late = document.includes('volumeInstances') && variables['after'] !== undefined
      return late ? { ok: false, why: 'the upstream took too long' } : lookup(document, variables)
    }
    expect(unknown(await locate(target('volume', ids.scratch), [], failing, known))).toBe(
      'the upstream took too long',
    )
  })

  test('is unknown when pages never end', async () => {
    railway.tamper = (data) => data.replaceAll('"hasNextPage":false', '"hasNextPage":true')
    expect(unknown(await volume(ids.data))).toContain('could not be read to its end')
  })

  test('is unknown when a list says that it goes on and not where', async () => {
    railway.tamper = (data) =>
      data.replace(/"hasNextPage":false,"endCursor":"\d+"/g, '"hasNextPage":true,"endCursor":null')
    expect(unknown(await volume(ids.data))).toContain('could not be read to its end')
  })
})

describe('a service and a bucket', () => {
  test('a service lives in every environment that has an instance of it', async () => {
    const step = { kind: 'service', id: ids.web }
    expect(await find(target('service', ids.web))).toEqual({
      known: true,
      home: [project, step],
      places: [ids.production, ids.staging, ids.preview].map((id) => env(id, step)),
    })
  })

  test('a service of another project is found there', async () => {
    const places = [env(ids.websiteProduction, { kind: 'service', id: ids.site })]
    expect(await find(target('service', ids.site))).toMatchObject({ known: true, places })
  })

  test('a service is found in its project by a token that may not ask for it by id', async () => {
    railway.refused.add('service')
    const step = { kind: 'service', id: ids.worker }
    const places = [env(ids.staging, step)]
    expect(await find(target('service', ids.worker))).toMatchObject({ known: true, places })
    expect(await find(target('service', ids.site))).toMatchObject({ known: false })
  })

  test('a service is unknown when an environment of its project may not be read', async () => {
    railway.hidden.add(ids.production)
    expect(unknown(await find(target('service', ids.worker)))).toContain('may not read')
  })

  test('a bucket lives in every environment that has details of it', async () => {
    const step = { kind: 'bucket', id: ids.bucket }
    expect(await find(target('bucket', ids.bucket))).toEqual({
      known: true,
      home: [project, step],
      places: [env(ids.production, step), env(ids.staging, step)],
    })
  })
})

describe('an environment', () => {
  const spread = (id: string): Resource => ({ ...target('environment', id), spread: true })

  test('is its own place', async () => {
    const place = env(ids.staging)
    expect(await find(target('environment', ids.staging))).toEqual({
      known: true,
      home: place,
      places: [place],
    })
  })

  test('that is not bound is found by its id alone', async () => {
    const places = [env(ids.websiteProduction)]
    expect(await find(target('environment', ids.websiteProduction))).toMatchObject({ places })
  })

  test('spreads to every environment that is not a fork', async () => {
    expect(await find(spread(ids.staging))).toEqual({
      known: true,
      home: env(ids.staging),
      places: [env(ids.production), env(ids.staging)],
    })
  })

  test('does not spread from a fork', async () => {
    expect(await find(spread(ids.preview))).toMatchObject({ places: [env(ids.preview)] })
  })

  test('spreads from a lasting copy too, which may be no fork', async () => {
    for (const row of railway.environments) {
      if (row.id === ids.staging) row.source = ids.production
    }
    const places = [env(ids.production), env(ids.staging)]
    expect(await find(spread(ids.staging))).toMatchObject({ places })
    expect(await find(spread(ids.production))).toMatchObject({ places })
  })

  test('that spreads is unknown when one of the others may not be read', async () => {
    railway.hidden.add(ids.production)
    expect(unknown(await find(spread(ids.staging)))).toContain('may not read')
  })
})

describe('a context', () => {
  test('is unknown when the call pins no environment', async () => {
    for (const [kind, id] of [
      ['project', ids.rentals],
      ['service', ids.web],
      ['bucket', ids.bucket],
      ['environment', ids.staging],
    ] as const) {
      expect(unknown(await find(context(kind, id)))).toContain('names no environment')
    }
    expect(railway.sent).toEqual([])
  })

  test('a project is paired with an environment of its own', async () => {
    const found = await find(context('project', ids.rentals), [ids.staging])
    expect(found).toEqual({ known: true, home: [project], places: [env(ids.staging)] })
    const other = await find(context('project', ids.website), [ids.staging])
    expect(other.known).toBe(false)
  })

  test('a service is paired where it has an instance', async () => {
    const step = { kind: 'service', id: ids.worker }
    expect(await find(context('service', ids.worker), [ids.staging])).toEqual({
      known: true,
      home: [project, step],
      places: [env(ids.staging, step)],
    })
    expect(await find(context('service', ids.worker), [ids.production])).toMatchObject({
      known: false,
    })
    expect(await find(context('service', ids.worker), [ids.staging, ids.production])).toMatchObject(
      {
        known: false,
      },
    )
  })

  test('every pinned environment counts', async () => {
    const step = { kind: 'service', id: ids.web }
    const found = await find(context('service', ids.web), [
      ids.staging,
      ids.production,
      ids.staging,
    ])
    expect(found).toMatchObject({ places: [env(ids.staging, step), env(ids.production, step)] })
  })

  test('a bucket is paired where it has details', async () => {
    const step = { kind: 'bucket', id: ids.bucket }
    expect(await find(context('bucket', ids.bucket), [ids.staging])).toMatchObject({
      places: [env(ids.staging, step)],
    })
    expect(await find(context('bucket', ids.bucket), [ids.preview])).toMatchObject({ known: false })
    expect(await find(context('bucket', uuid('e', 99)), [ids.staging])).toMatchObject({
      known: false,
    })
  })

  test.each([
    ['deployment', ids.deployment],
    ['volume-instance', ids.dataStaging],
    ['custom-domain', ids.customDomain],
    ['service-domain', ids.serviceDomain],
    ['private-network', ids.network],
    ['sandbox', ids.sandbox],
  ])('a %s is paired with its own environment and no other', async (kind, id) => {
    const place = env(ids.staging, { kind, id })
    expect(await find(context(kind, id), [ids.staging])).toMatchObject({ places: [place] })
    const other = await find(context(kind, id), [ids.production])
    expect(unknown(other)).toBe('it is not in the environment that the call names')
  })

  test('a volume never is one, nor what a whole project shares', async () => {
    for (const [kind, id] of [
      ['volume', ids.scratch],
      ['plugin', ids.plugin],
      ['integration', ids.integration],
      ['notification-rule', ids.projectRule],
    ] as const) {
      expect(await find(context(kind, id), [ids.staging])).toMatchObject({ known: false })
    }
  })
})

describe('what counts as unknown', () => {
  test('kinds that Railway does not place', async () => {
    for (const kind of [
      'workspace',
      'workflow',
      'template',
      'user',
      'customer',
      'account',
      'egress-gateway',
    ]) {
      expect(unknown(await find(target(kind, uuid('1', 1))))).toContain(kind)
    }
    expect(railway.sent).toEqual([])
  })

  test('a kind that is not Railway’s', async () => {
    expect(unknown(await find(target('repository', uuid('1', 1))))).toContain('repository')
    expect(railway.sent).toEqual([])
  })

  test('ids in another spelling, before anything is asked', async () => {
    const respelled = (id: string) => [
      id.toUpperCase(),
      `{${id}}`,
      id.replaceAll('-', ''),
      ` ${id}`,
      `${id}\n`,
      id.slice(0, -1),
      '',
    ]
    for (const id of respelled(uuid('d', 1))) {
      for (const kind of ['volume', 'environment', 'service', 'deployment', 'private-network']) {
        expect(unknown(await find(target(kind, id)))).toContain('not spelled')
      }
    }
    for (const id of respelled(ids.staging)) {
      expect(unknown(await find(context('service', ids.web), [id]))).toContain('not spelled')
    }
    expect(railway.sent).toEqual([])
  })

  test.each([
    ['deployment', ids.deployment],
    ['volume-instance', ids.dataStaging],
    ['environment', ids.staging],
    ['project', ids.rentals],
    ['service', ids.web],
    ['plugin', ids.plugin],
    ['environment-patch', ids.patch],
    ['custom-domain', ids.customDomain],
    ['sandbox', ids.sandbox],
  ])('an answer about another %s', async (kind, id) => {
    railway.tamper = (data) => data.replaceAll(id, uuid('7', 7))
    expect(await find(target(kind, id))).toMatchObject({ known: false })
  })

  test('an environment that answers as part of another project', async () => {
    railway.tamper = (data) => data.replaceAll(ids.rentals, ids.website)
    expect(await find(target('environment', ids.staging))).toMatchObject({ known: false })
    expect(await find(target('volume', ids.data))).toMatchObject({ known: false })
  })

  test.each([null, 7, [], {}, { deployment: null }, { deployment: { id: ids.deployment } }])(
    'the answer %j',
    async (data) => {
      const answer = async () => ({ ok: true as const, data })
      const kindsAndIds = [
        ['deployment', ids.deployment],
        ['volume', ids.data],
        ['service-domain', ids.serviceDomain],
        ['project-token', ids.token],
      ] as const
      for (const [kind, id] of kindsAndIds) {
        expect(await locate(target(kind, id), [], answer, known)).toMatchObject({ known: false })
      }
    },
  )

  test('a place whose ids are not spelled as ids', async () => {
    railway.tamper = (data) => data.replaceAll(ids.staging, ids.staging.toUpperCase())
    expect(await find(target('deployment', ids.deployment))).toMatchObject({ known: false })
  })

  test('nothing that an upstream calls an environment is repeated', async () => {
    railway.refused.add('environment')
    const why = unknown(await find(target('volume', ids.data)))
    expect(why).not.toMatch(/production|pr-42|website/)
  })
})

describe('look-ups', () => {
  test('one by id takes one', async () => {
    await find(target('deployment', ids.deployment))
    await find(target('environment', ids.staging))
    expect(railway.sent).toHaveLength(2)
  })

  test('a thing of a bound environment takes one list', async () => {
    await find(target('service-domain', ids.serviceDomain))
    expect(railway.sent).toHaveLength(1)
  })

  test('a volume takes its project and one for each environment', async () => {
    await find(target('volume', ids.data))
    expect(railway.sent).toHaveLength(1 + 3)
  })

  test('a project with many environments ends in unknown and not in more look-ups', async () => {
    const many = Array.from({ length: 300 }, (_, n) => ({
      id: uuid('5', n),
      projectId: ids.rentals,
      name: `pr-${n}`,
      source: ids.staging,
    }))
    railway.environments.push(...many)
    expect(unknown(await find(target('volume', ids.data)))).toContain('more look-ups')
    expect(unknown(await find(target('service-domain', uuid('1', 1))))).toContain('more look-ups')
    expect(railway.sent.length).toBeLessThanOrEqual(200)
  })
})

describe('kinds', () => {
  test('what several environments share can be seen and not owned', () => {
    const owned = kinds.filter((one) => one.bind === 'owns').map((one) => one.kind)
    const seen = kinds.filter((one) => one.bind === 'sees').map((one) => one.kind)
    expect({ owned, seen }).toEqual({ owned: ['environment'], seen: ['project'] })
  })

  test('each ends its own path', () => {
    for (const { kind, path } of kinds) expect(path.at(-1)).toBe(kind)
    expect(new Set(kinds.map((one) => one.kind)).size).toBe(kinds.length)
  })

  test('a name or a hash is an id where Railway has such ids, and a respelled UUID never is', () => {
    expect(canonicalId('sandbox-checkpoint', 'after-migrations')).toBe(true)
    expect(canonicalId('sandbox-checkpoint', 'after migrations')).toBe(false)
    expect(canonicalId('sandbox', uuid('a', 1).toUpperCase())).toBe(false)
    expect(canonicalId('volume', 'after-migrations')).toBe(false)
  })
})
