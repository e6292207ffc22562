import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { promisify } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type SimulatedRailway, startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { ids } from '../../src/demo/railway/world.ts'

const run = promisify(execFile)
const { production, staging, pr42 } = ids.environments
const refusal = { message: 'Not Authorized', extensions: { code: 'INTERNAL_SERVER_ERROR' } }

let railway: SimulatedRailway

beforeAll(async () => {
  railway = await startSimulatedRailway()
})
beforeEach(() => railway.reset())
afterAll(() => railway.close())

type Reply = {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared whole or by path, whatever their shape.
  json: any
  headers: Headers
}

async function post(body: unknown, headers: Record<string, string>): Promise<Reply> {
  const response = await fetch(`${railway.url}/graphql/v2`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { status: response.status, json: await response.json(), headers: response.headers }
}

const bearer = () => ({ authorization: `Bearer ${railway.token}` })
const scoped = () => ({ 'project-access-token': railway.projectToken })
const ask = (query: string, variables: Record<string, unknown> = {}) =>
  post({ query, variables }, bearer())
const askScoped = (query: string) => post({ query }, scoped())
const here = <T extends { environmentId: string }>(rows: T[], id: string) =>
  rows.filter(({ environmentId }) => environmentId === id)

describe('the incident', () => {
  const query = `mutation { volumeDelete(volumeId: "${ids.volumes.postgresData}") }`

  test("curl's own request deletes the volume in both environments, its backups and nothing else", async () => {
    expect(railway.world.volumeInstances).toHaveLength(3)
    const { stdout } = await run('curl', [
      ...['-sS', '-X', 'POST', `${railway.url}/graphql/v2`],
      ...['-H', `Authorization: Bearer ${railway.token}`],
      ...['-d', JSON.stringify({ query })],
    ])
    expect(JSON.parse(stdout)).toEqual({ data: { volumeDelete: true } })
    expect(railway.world.volumes.map(({ name }) => name)).toEqual(['scratch'])
    expect(railway.world.volumeInstances.map(({ id }) => id)).toEqual([
      ids.volumeInstances.scratchStaging,
    ])
    expect(railway.world.backups).toEqual([])
    expect(railway.executed).toEqual([
      { coordinate: 'Mutation.volumeDelete', args: { volumeId: ids.volumes.postgresData } },
    ])
    const sent = new Map(railway.received[0]?.headers)
    expect(sent.get('Content-Type')).toBe('application/x-www-form-urlencoded')
  })

  test('a body without any content type is read as JSON too', async () => {
    const response = await raw(
      `POST /graphql/v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${railway.token}\r\n` +
        `Content-Length: ${JSON.stringify({ query }).length}\r\nConnection: close\r\n\r\n` +
        JSON.stringify({ query }),
    )
    expect(response).toContain('{"data":{"volumeDelete":true}}')
    expect(railway.world.volumes).toHaveLength(1)
  })

  test('a JSON array deletes as well as a single request does', async () => {
    const { json } = await post([{ query: '{ platformStatus { isStable } }' }, { query }], bearer())
    expect(json).toEqual([
      { data: { platformStatus: { isStable: true } } },
      { data: { volumeDelete: true } },
    ])
    expect(railway.world.volumes).toHaveLength(1)
  })

  test('of several operations in a document the named one runs', async () => {
    const several = `query harmless { platformStatus { isStable } } ${query.replace('mutation', 'mutation harm')}`
    await post({ query: several, operationName: 'harmless' }, bearer())
    expect(railway.world.volumes).toHaveLength(2)
    await post({ query: several, operationName: 'harm' }, bearer())
    expect(railway.world.volumes).toHaveLength(1)
  })

  test('without a token, or with a wrong one, nothing happens', async () => {
    for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
      const { status, json } = await post({ query }, headers)
      expect(status).toBe(200)
      expect(json).toMatchObject({ errors: [{ ...refusal, path: ['volumeDelete'] }], data: null })
      expect(json.errors[0].traceId).toMatch(/^\d+$/)
    }
    expect(railway.world.volumes).toHaveLength(2)
    expect(railway.executed).toEqual([])
  })

  test('with deletion scheduled the instances stay for 48 hours, marked', async () => {
    railway.world.deletion = 'scheduled'
    await ask(query)
    const marked = railway.world.volumeInstances.filter(
      ({ isPendingDeletion }) => isPendingDeletion,
    )
    expect(marked.map(({ volumeId }) => volumeId)).toEqual([
      ids.volumes.postgresData,
      ids.volumes.postgresData,
    ])
    expect(Date.parse(marked[0]?.deletedAt ?? '')).toBeGreaterThan(Date.now() + 47 * 3600_000)
    expect(railway.world.backups).toHaveLength(4)
  })
})

describe('other doors to deletion', () => {
  test('a configuration patch deletes in its environment alone', async () => {
    await ask(
      'mutation ($id: String!, $patch: EnvironmentConfig) { environmentPatchCommit(environmentId: $id, patch: $patch) }',
      { id: production, patch: { volumes: { [ids.volumes.postgresData]: { isDeleted: true } } } },
    )
    expect(railway.world.volumeInstances.map(({ id }) => id)).toEqual([
      ids.volumeInstances.postgresDataStaging,
      ids.volumeInstances.scratchStaging,
    ])
    expect(railway.world.backups.map(({ name }) => name)).toEqual(['staging-snapshot'])
  })

  test('a state of DELETED deletes everywhere without an environment, and in one with it', async () => {
    const update = (at: string) =>
      `mutation { volumeInstanceUpdate(volumeId: "${ids.volumes.postgresData}", ${at} input: { state: DELETED }) }`
    await ask(update(`environmentId: "${staging}",`))
    expect(here(railway.world.volumeInstances, production)).toHaveLength(1)
    await ask(update(''))
    expect(here(railway.world.volumeInstances, production)).toEqual([])
    expect(railway.world.volumes.map(({ name }) => name)).toEqual(['scratch'])
  })

  test('what was staged is committed, whoever staged it', async () => {
    await ask(
      'mutation ($id: String!, $input: EnvironmentConfig!) { environmentStageChanges(environmentId: $id, input: $input, merge: true) { id } }',
      { id: staging, input: { services: { [ids.services.web]: { isDeleted: true } } } },
    )
    expect(here(railway.world.serviceInstances, staging)).toHaveLength(2)
    await ask(`mutation { environmentPatchCommitStaged(environmentId: "${staging}") }`)
    expect(here(railway.world.serviceInstances, staging)).toHaveLength(1)
    const level = here(railway.world.variables, staging).find(({ name }) => name === 'LOG_LEVEL')
    expect(level?.value).toBe('trace')
  })

  test('replacing a collection of variables deletes those not listed', async () => {
    const upsert = (replace: boolean) =>
      ask(
        'mutation ($input: VariableCollectionUpsertInput!) { variableCollectionUpsert(input: $input) }',
        {
          input: {
            projectId: ids.projects.rentals,
            environmentId: staging,
            serviceId: ids.services.web,
            variables: { SESSION_SECRET: 'new' },
            replace,
          },
        },
      )
    const names = () =>
      here(railway.world.variables, staging)
        .filter(({ serviceId }) => serviceId === ids.services.web)
        .map(({ name, value }) => (name === 'SESSION_SECRET' ? value : name))
    await upsert(false)
    expect(names().toSorted()).toEqual(['DATABASE_URL', 'STRIPE_API_KEY', 'new'])
    await upsert(true)
    expect(names()).toEqual(['new'])
  })

  test('an environment takes all that is in it along', async () => {
    await ask(`mutation { environmentDelete(id: "${staging}") }`)
    const { world } = railway
    for (const rows of [world.volumeInstances, world.variables, world.customDomains]) {
      expect(here<{ environmentId: string }>(rows, staging)).toEqual([])
      expect(here<{ environmentId: string }>(rows, production)).not.toEqual([])
    }
    expect(world.volumes.map(({ name }) => name)).toEqual(['postgres-data'])
  })

  test('restoring a backup drops the newer ones and brings its rows back', async () => {
    await ask(
      `mutation { volumeInstanceBackupRestore(volumeInstanceId: "${ids.volumeInstances.postgresDataProduction}", volumeInstanceBackupId: "${ids.backups.nightlyMonday}") { workflowId } }`,
    )
    const instance = railway.world.volumeInstances[0]
    expect(instance?.bookings).toBe(47_690)
    expect(railway.world.backups.map(({ name }) => name)).toEqual([
      'nightly-2026-04-20',
      'staging-snapshot',
    ])
  })
})

describe('reach', () => {
  const at = (rows: { serviceId: string | null; environmentId: string }[], id: string) =>
    rows.filter(({ serviceId }) => serviceId === id).map(({ environmentId }) => environmentId)

  test('deleting a service in staging deletes it in production, and leaves the fork alone', async () => {
    await ask(`mutation { serviceDelete(id: "${ids.services.web}", environmentId: "${staging}") }`)
    expect(at(railway.world.serviceInstances, ids.services.web)).toEqual([pr42])
  })

  test('deleting a service in a fork stays in the fork', async () => {
    await ask(`mutation { serviceDelete(id: "${ids.services.web}", environmentId: "${pr42}") }`)
    expect(at(railway.world.serviceInstances, ids.services.web)).toEqual([production, staging])
  })

  test('creating a service in staging creates it in production', async () => {
    const { json } = await ask(
      `mutation { serviceCreate(input: { projectId: "${ids.projects.rentals}", environmentId: "${staging}", name: "cron" }) { id name } }`,
    )
    expect(json.data.serviceCreate.name).toBe('cron')
    expect(at(railway.world.serviceInstances, json.data.serviceCreate.id)).toEqual([
      production,
      staging,
    ])
  })

  test('updating an instance in staging updates production, in a fork only the fork', async () => {
    const update = (environmentId: string, command: string) =>
      ask(
        `mutation { serviceInstanceUpdate(serviceId: "${ids.services.web}", environmentId: "${environmentId}", input: { startCommand: "${command}" }) }`,
      )
    const commands = () =>
      railway.world.serviceInstances
        .filter(({ serviceId }) => serviceId === ids.services.web)
        .map(({ startCommand }) => startCommand)
    await update(staging, 'env')
    expect(commands()).toEqual(['env', 'env', 'node server.js'])
    await update(pr42, 'id')
    expect(commands()).toEqual(['env', 'env', 'id'])
  })

  test('a volume is created in every environment when none is named', async () => {
    const create = (rest: string) =>
      ask(
        `mutation { volumeCreate(input: { projectId: "${ids.projects.rentals}", mountPath: "/x" ${rest} }) { id } }`,
      )
    const everywhere = (await create('')).json.data.volumeCreate.id
    const nowhere = (await create('environmentId: null')).json.data.volumeCreate.id
    const places = (id: string) =>
      railway.world.volumeInstances
        .filter(({ volumeId }) => volumeId === id)
        .map(({ environmentId }) => environmentId)
    expect(places(everywhere)).toEqual([production, staging, pr42])
    expect(places(nowhere)).toEqual([])
  })
})

describe('paging', () => {
  const query = `query ($id: String!, $first: Int, $after: String, $last: Int, $before: String) {
    environment(id: $id) { volumeInstances(first: $first, after: $after, last: $last, before: $before) {
      edges { cursor node { id volume { name } } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`
  const page = async (variables: Record<string, unknown>) =>
    (await ask(query, { id: staging, ...variables })).json.data.environment.volumeInstances

  test('a whole environment fits on a page, and pageInfo says so', async () => {
    const { edges, pageInfo } = await page({})
    expect(edges.map((one: { node: unknown }) => one.node)).toEqual([
      { id: ids.volumeInstances.postgresDataStaging, volume: { name: 'postgres-data' } },
      { id: ids.volumeInstances.scratchStaging, volume: { name: 'scratch' } },
    ])
    expect(pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: false })
  })

  test('a small page size holds whatever first asks for, and cursors lead through', async () => {
    railway.faults.pageSize = 1
    const first = await page({ first: 100 })
    expect(first.edges).toHaveLength(1)
    expect(first.pageInfo.hasNextPage).toBe(true)
    const second = await page({ after: first.pageInfo.endCursor })
    expect(second.edges[0].node.id).toBe(ids.volumeInstances.scratchStaging)
    expect(second.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true })
    const back = await page({ last: 1, before: second.pageInfo.startCursor })
    expect(back.edges[0].node.id).toBe(ids.volumeInstances.postgresDataStaging)
  })

  test('a cursor nobody gave out is an error', async () => {
    const { json } = await ask(query, { id: staging, after: 'bm9uc2Vuc2U=' })
    expect(json.errors[0].message).toBe('Invalid cursor')
  })
})

describe('tokens', () => {
  test('a project token reads and changes its own environment', async () => {
    const { json } = await askScoped(
      `{ projectToken { environmentId } variables(projectId: "${ids.projects.rentals}", environmentId: "${staging}", serviceId: "${ids.services.web}") }`,
    )
    expect(json.data.projectToken).toEqual({ environmentId: staging })
    expect(json.data.variables.DATABASE_URL).toContain('staging')
    await askScoped(`mutation { customDomainDelete(id: "${ids.customDomains.staging}") }`)
    expect(railway.world.customDomains.map(({ environmentId }) => environmentId)).toEqual([
      production,
    ])
  })

  test.each([
    ['another environment', `{ environment(id: "${production}") { name } }`],
    [
      'its variables',
      `{ variables(projectId: "${ids.projects.rentals}", environmentId: "${production}") }`,
    ],
    [
      'an instance there',
      `{ volumeInstance(id: "${ids.volumeInstances.postgresDataProduction}") { id } }`,
    ],
    ['another project', `{ project(id: "${ids.projects.website}") { name } }`],
    ['the account', '{ me { email } }'],
    [
      'a volume of two environments',
      `mutation { volumeDelete(volumeId: "${ids.volumes.postgresData}") }`,
    ],
    [
      'a service in production by way of staging',
      `mutation { serviceDelete(id: "${ids.services.web}", environmentId: "${staging}") }`,
    ],
    [
      'a domain in production',
      `mutation { customDomainDelete(id: "${ids.customDomains.production}") }`,
    ],
    ['new tokens', 'mutation { apiTokenCreate(input: { name: "more" }) }'],
  ])('a project token is refused %s', async (_, query) => {
    const before = structuredClone(railway.world)
    const { status, json } = await askScoped(query)
    expect(status).toBe(200)
    expect(json).toMatchObject({ errors: [refusal], data: null })
    expect(railway.world).toEqual(before)
  })

  test('a project token does not get from its project to the workspace', async () => {
    const { json } = await askScoped(
      `{ project(id: "${ids.projects.rentals}") { workspace { projects { edges { node { id } } } } } }`,
    )
    expect(json).toMatchObject({ errors: [refusal], data: { project: { workspace: null } } })
  })

  test('a project token sees its environment alone in lists', async () => {
    const { json } = await askScoped(
      `{ project(id: "${ids.projects.rentals}") { environments { edges { node { name } } } volumes { edges { node { name volumeInstances { edges { node { environmentId } } } } } } } }`,
    )
    const { environments, volumes } = json.data.project
    expect(environments.edges).toEqual([{ node: { name: 'staging' } }])
    expect(JSON.stringify(volumes)).not.toContain(production)
    expect(JSON.stringify(volumes)).toContain(staging)
  })

  test('an environment hidden from a token is listed and stays shut', async () => {
    const hidden = railway.world.environments.find(({ id }) => id === production)
    hidden?.hiddenFrom.push(railway.token)
    const listed = await ask(
      `{ project(id: "${ids.projects.rentals}") { environments { edges { node { name canAccess } } } } }`,
    )
    expect(listed.json.data.project.environments.edges).toEqual([
      { node: { name: 'production', canAccess: false } },
      { node: { name: 'staging', canAccess: true } },
      { node: { name: 'pr-42', canAccess: true } },
    ])
    for (const query of [
      `{ environment(id: "${production}") { id } }`,
      `{ volumeInstance(id: "${ids.volumeInstances.postgresDataProduction}") { id } }`,
      `{ project(id: "${ids.projects.rentals}") { environments { edges { node { volumeInstances { edges { node { id } } } } } } } }`,
    ]) {
      expect((await ask(query)).json).toMatchObject({ errors: [refusal], data: null })
    }
  })

  test('a minted token works', async () => {
    const { json } = await ask('mutation { apiTokenCreate(input: { name: "more" }) }')
    const minted = { authorization: `Bearer ${json.data.apiTokenCreate}` }
    expect((await post({ query: '{ me { email } }' }, minted)).json.data.me.email).toContain('@')
  })

  test('introspection needs no token', async () => {
    const { json } = await post({ query: '{ __schema { mutationType { name } } }' }, {})
    expect(json).toEqual({ data: { __schema: { mutationType: { name: 'Mutation' } } } })
  })
})

describe('the account by nesting', () => {
  test('leads from me to the secrets of production', async () => {
    const query = (clear: boolean) =>
      `{ me { workspaces { projects { edges { node { environments { edges { node { config(decryptVariables: ${clear}) } } } } } } } } }`
    expect(JSON.stringify((await ask(query(true))).json)).toContain('prod-9fK2vQx7LmT4')
    expect(JSON.stringify((await ask(query(false))).json)).not.toContain('prod-9fK2vQx7LmT4')
  })

  test('a field that is not in the schema is refused before anything runs', async () => {
    const { status, json } = await ask('{ volume(id: "x") { id } }')
    expect(status).toBe(400)
    expect(json.errors[0].message).toBe('Cannot query field "volume" on type "Query".')
    expect(railway.executed).toEqual([])
  })

  test('a subscription is not served over HTTP', async () => {
    const { status, json } = await ask(
      `subscription { deploymentLogs(deploymentId: "${ids.deployments.webStaging}") { message } }`,
    )
    expect([status, json.data]).toEqual([400, undefined])
  })
})

describe('records', () => {
  test('headers are kept in order and as they were spelled, repeated ones too', async () => {
    const body = JSON.stringify({ query: '{ platformStatus { isStable } }' })
    await raw(
      `POST /graphql/v2?a=1 HTTP/1.1\r\nHost: railway\r\nX-b: 2\r\nx-A: 1\r\nX-b: 3\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    )
    expect(railway.received).toEqual([
      {
        method: 'POST',
        target: '/graphql/v2?a=1',
        headers: [
          ['Host', 'railway'],
          ['X-b', '2'],
          ['x-A', '1'],
          ['X-b', '3'],
          ['Content-Length', String(body.length)],
          ['Connection', 'close'],
        ],
        body,
      },
    ])
    expect(railway.executed.map(({ coordinate }) => coordinate)).toEqual([
      'Query.platformStatus',
      'PlatformStatus.isStable',
    ])
  })

  test('aliases do not hide what ran', async () => {
    await ask(`mutation { harmless: volumeDelete(volumeId: "${ids.volumes.scratch}") }`)
    expect(railway.executed.map(({ coordinate }) => coordinate)).toEqual(['Mutation.volumeDelete'])
  })

  test('recording can be off', async () => {
    const silent = await startSimulatedRailway({ recording: false, token: 'known-token-4711' })
    try {
      const response = await fetch(`${silent.url}/graphql/v2`, {
        method: 'POST',
        headers: { authorization: 'Bearer known-token-4711' },
        body: JSON.stringify({ query: `{ environment(id: "${staging}") { name } }` }),
      })
      expect(await response.json()).toEqual({ data: { environment: { name: 'staging' } } })
      expect([silent.received, silent.executed]).toEqual([[], []])
    } finally {
      await silent.close()
    }
  })
})

describe('uploads', () => {
  const up = (environmentId: string, headers: Record<string, string>) =>
    fetch(
      `${railway.url}/project/${ids.projects.rentals}/environment/${environmentId}/up?serviceId=${ids.services.web}`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/gzip', ...headers },
        body: gzipSync('source'),
      },
    )

  test('create a deployment in the environment of the path', async () => {
    const response = await up(staging, bearer())
    const { deploymentId } = Object(await response.json())
    const made = railway.world.deployments.find(({ id }) => id === deploymentId)
    expect(made).toMatchObject({ environmentId: staging, serviceId: ids.services.web })
    const body = Buffer.from(railway.received[0]?.body ?? '', 'latin1')
    expect(gunzipSync(body).toString()).toBe('source')
  })

  test('are refused outside the scope of the token', async () => {
    expect((await up(production, scoped())).status).toBe(403)
    expect((await up(staging, {})).status).toBe(401)
    expect(railway.world.uploads).toEqual([])
  })
})

describe('faults', () => {
  const query = '{ platformStatus { isStable } }'

  test('every answer states the rate limit', async () => {
    const first = (await ask(query)).headers
    expect(first.get('x-ratelimit-limit')).toBe('1000')
    expect(first.get('x-ratelimit-remaining')).toBe('999')
    railway.faults.rateRemaining = 3
    expect((await ask(query)).headers.get('x-ratelimit-remaining')).toBe('3')
  })

  test('named roots fail or answer null without others being touched', async () => {
    railway.faults.failRoots = ['volumeDelete']
    const deletion = `mutation { x: volumeDelete(volumeId: "${ids.volumes.scratch}") }`
    expect((await ask(deletion)).json).toMatchObject({ errors: [{ path: ['x'] }], data: null })
    expect(railway.world.volumes).toHaveLength(2)
    railway.faults.nullRoots = ['platformStatus']
    expect(
      (await ask(`{ a: platformStatus { isStable } regions { id } }`)).json.data,
    ).toMatchObject({ a: null, regions: [{ id: 'ams' }, { id: 'sfo' }] })
  })

  test('status and redirect answer instead of the service', async () => {
    const deletion = `mutation { volumeDelete(volumeId: "${ids.volumes.scratch}") }`
    railway.faults.status = 429
    const limited = await ask(deletion)
    expect([limited.status, limited.headers.get('retry-after')]).toEqual([429, '1'])
    railway.faults.redirect = 'https://elsewhere.example/'
    const response = await fetch(`${railway.url}/graphql/v2`, {
      method: 'POST',
      headers: bearer(),
      body: JSON.stringify({ query: deletion }),
      redirect: 'manual',
    })
    await response.body?.cancel()
    expect([response.status, response.headers.get('location')]).toEqual([
      307,
      'https://elsewhere.example/',
    ])
    expect(railway.world.volumes).toHaveLength(2)
  })

  test('the echo holds the credential plain, in base64 and in hex', async () => {
    railway.faults.echoHeaders = true
    const { json, headers } = await ask(query)
    const text = JSON.stringify(json)
    expect(text).toContain(railway.token)
    expect(text).toContain(Buffer.from(railway.token).toString('base64'))
    expect(text).toContain(Buffer.from(railway.token).toString('hex'))
    expect(headers.get('x-echo')).toBe(railway.token)
    expect(json.data).toEqual({ platformStatus: { isStable: true } })
  })

  test('compressed, garbled and dripped answers are what they say', async () => {
    railway.faults.encoding = 'gzip'
    railway.faults.dripMs = 1
    const { json, headers } = await ask(query)
    expect(headers.get('content-encoding')).toBe('gzip')
    expect(json.data.platformStatus.isStable).toBe(true)
    railway.reset()
    railway.faults.garbage = true
    await expect(ask(query)).rejects.toThrow(SyntaxError)
  })

  test('a hanging and a broken answer come after the work was done', async () => {
    const deletion = `mutation { volumeDelete(volumeId: "${ids.volumes.scratch}") }`
    railway.faults.closeEarly = true
    await expect(ask(deletion)).rejects.toThrow()
    expect(railway.world.volumes).toHaveLength(1)
    railway.reset()
    railway.faults.hang = true
    const hanging = fetch(`${railway.url}/graphql/v2`, {
      method: 'POST',
      headers: bearer(),
      body: JSON.stringify({ query: deletion }),
      signal: AbortSignal.timeout(150),
    })
    await expect(hanging).rejects.toThrow('timeout')
    expect(railway.world.volumes).toHaveLength(1)
  })

  test('can be kept to some roots', async () => {
    railway.faults.onlyRoots = ['regions']
    railway.faults.status = 500
    expect((await ask(query)).status).toBe(200)
    expect((await ask('{ ...x } fragment x on Query { regions { id } }')).status).toBe(500)
  })
})

/** Bytes as they are, so that nothing adds or orders a header. */
function raw(request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(railway.url)
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.write(request))
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('end', () => resolve(answer))
    socket.on('error', reject)
  })
}
