import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { ids, volumeInstance } from '../../src/demo/railway/world.ts'
import { type Answer, type Front, front, keep } from '../support/broker.ts'
import { stores } from '../support/stores.ts'
import { everyPattern, hiring } from './hire.ts'

const { staging, production, pr42 } = ids.environments
const { postgresData, scratch } = ids.volumes
const { web, postgres } = ids.services
const { rentals } = ids.projects

const curlsDefault = 'application/x-www-form-urlencoded'
const json = 'application/json'

type Sent = { query: string; variables?: unknown; operationName?: string }

/** Bytes on the wire, so that nothing but what is written here is sent: no content type is none. */
function post(
  at: Front,
  token: string,
  body: unknown,
  { type = json, host }: { type?: string | null; host?: string } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sending = request(
      `${at.broker.agentUrl}/x/railway/graphql/v2`,
      {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          ...(type === null ? {} : { 'content-type': type }),
          ...(host === undefined ? {} : { host }),
        },
      },
      async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        const text = Buffer.concat(chunks).toString('utf8')
        keep(text)
        // Node gives the headers as a record of strings and lists.
        const headers = new Headers(Object.entries(response.headers).map(([k, v]) => [k, `${v}`]))
        resolve({ status: response.statusCode ?? 0, headers, text, json: JSON.parse(text) })
      },
    )
    sending.on('error', reject)
    sending.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}

/** What there is to lose, and what the simulation did: taken before a call, to be the same after it. */
function belongings({ railway }: Front) {
  const { volumes, volumeInstances, backups, services, variables, environments } = railway.world
  return structuredClone({ volumes, volumeInstances, backups, services, variables, environments })
}

type Refusal = { code: string; found?: string }

/** Sends it as a new agent that may do `allow`; asserts the refusal, what arrived, what is left and what was written down. */
async function expectRefused(
  at: Front,
  hire: ReturnType<typeof hiring>,
  body: unknown,
  { allow = everyPattern, ...refusal }: Refusal & { allow?: readonly string[] },
  form: Parameters<typeof post>[3] = {},
): Promise<Answer> {
  const { token, name } = await hire(allow)
  const before = belongings(at)
  const arrived = at.railway.received.length
  at.carriedOut()

  const answer = await post(at, token, body, form)

  expect(answer.json).toMatchObject({ ...refusal, environment: 'staging' })
  expect(answer.status).toBe(403)
  expect(answer.headers.get('valetkey-verdict')).toBe('deny')
  expect(at.carriedOut()).toEqual([])
  if (refusal.code === 'operation-not-allowed') {
    expect(at.railway.received.length, 'nothing may arrive').toBe(arrived)
  }
  expect(belongings(at)).toEqual(before)
  const written = await at.audit(`&request=${answer.json['request_id']}`)
  expect(written).toMatchObject([
    { kind: 'refusal', outcome: refusal.code, agent: name, environment: 'staging' },
  ])
  return answer
}

const deletion = `volumeDelete(volumeId: "${postgresData}")`
const theCurl = `{"query":"mutation { volumeDelete(volumeId: \\"${postgresData}\\") }"}`

describe.each(stores)('the nine-second call on %s', async (kind) => {
  const at = await front(kind)
  const hire = hiring(at)

  it.each([
    ['with the content type that curl sets', { type: curlsDefault }],
    ['with no content type', { type: null }],
    ['with the content type of JSON', { type: json }],
    ['with the Host of the legacy address', { type: curlsDefault, host: 'backboard.railway.app' }],
    ['with the Host of the address', { type: curlsDefault, host: 'backboard.railway.com' }],
  ])('is refused %s, and nothing arrives', async (_, form) => {
    await expectRefused(at, hire, theCurl, { code: 'operation-not-allowed' }, form)
  })

  it('is refused where the scope names it, with the name of the environment that it would have hit', async () => {
    const allow = ['railway:Mutation.volumeDelete']
    const form = { type: curlsDefault }
    const answer = await expectRefused(
      at,
      hire,
      theCurl,
      { code: 'outside-environment', found: 'production', allow },
      form,
    )
    expect(answer.json['refused']).toEqual([
      {
        operation: 'Mutation.volumeDelete',
        effect: 'destructive',
        resource: { kind: 'volume', id: postgresData },
        found: 'production',
      },
    ])
  })
})

const at = await front()
const hire = hiring(at)

const shapes: [string, Sent | Sent[]][] = [
  ['aliased as a read', { query: `mutation { project: ${deletion} }` }],
  [
    'in an operation named as something else',
    { query: `mutation customDomainCreate { ${deletion} }` },
  ],
  [
    'in a fragment',
    { query: `mutation { ...harmless } fragment harmless on Mutation { ${deletion} }` },
  ],
  [
    'in a fragment of a fragment',
    {
      query: `mutation { ...a } fragment a on Mutation { ...b } fragment b on Mutation { x: ${deletion} }`,
    },
  ],
  ['in an inline fragment', { query: `mutation { ... on Mutation { ${deletion} } }` }],
  ['in an inline fragment without a type', { query: `mutation { ... { ${deletion} } }` }],
  ['behind @skip', { query: `mutation { ${deletion} @skip(if: true) platform: __typename }` }],
  [
    'behind @include with a variable',
    {
      query: `mutation($now: Boolean!) { ${deletion} @include(if: $now) }`,
      variables: { now: false },
    },
  ],
  [
    'as the operation of several that is selected',
    {
      query: `query Look { platformStatus { isStable } } mutation Delete { ${deletion} }`,
      operationName: 'Delete',
    },
  ],
  [
    'as the operation of several that is not selected',
    {
      query: `query Look { platformStatus { isStable } } mutation Delete { ${deletion} }`,
      operationName: 'Look',
    },
  ],
  [
    'beside an operation of several, none selected',
    { query: `query Look { platformStatus { isStable } } mutation Delete { ${deletion} }` },
  ],
  ['in a batch of one', [{ query: `mutation { ${deletion} }` }]],
  [
    'in a batch behind a read',
    [{ query: '{ platformStatus { isStable } }' }, { query: `mutation { ${deletion} }` }],
  ],
  ['beside a mutation that is allowed', { query: `mutation { ${redeploy()} ${deletion} }` }],
  ['behind a comment and odd white space', { query: `#{\nmutation\t{,,${deletion},,}#}` }],
  [
    'with the id in a variable',
    {
      query: 'mutation($id: String!) { volumeDelete(volumeId: $id) }',
      variables: { id: postgresData },
    },
  ],
  [
    "with the id in a variable's default",
    { query: `mutation($id: String! = "${postgresData}") { volumeDelete(volumeId: $id) }` },
  ],
  [
    'with the id in a block string',
    { query: `mutation { volumeDelete(volumeId: """${postgresData}""") }` },
  ],
  [
    'with the id in escapes',
    { query: `mutation { volumeDelete(volumeId: "\\u0033${postgresData.slice(1)}") }` },
  ],
]

function redeploy(id: string = ids.deployments.webStaging): string {
  return `deploymentRedeploy(id: "${id}") { id }`
}

describe('volumeDelete in another shape', () => {
  it.each(shapes)('%s is not allowed by any pattern, and nothing arrives', async (_, body) => {
    const answer = await expectRefused(at, hire, body, { code: 'operation-not-allowed' })
    expect(answer.json['operation']).toBe('Mutation.volumeDelete')
  })

  const named = ['railway:Mutation.*', 'railway:Mutation.volumeDelete', 'railway:@read']
  it.each(shapes)('%s is outside the environment where it is named exactly', async (_, body) => {
    const where = { code: 'outside-environment', found: 'production', allow: named }
    await expectRefused(at, hire, body, where)
  })
})

const commit = (environmentId: string, patch: unknown): Sent => ({
  query:
    'mutation($environmentId: String!, $patch: EnvironmentConfig) { environmentPatchCommit(environmentId: $environmentId, patch: $patch) }',
  variables: { environmentId, patch },
})
const stage = (environmentId: string, input: unknown): Sent => ({
  query:
    'mutation($environmentId: String!, $input: EnvironmentConfig!) { environmentStageChanges(environmentId: $environmentId, input: $input) { id } }',
  variables: { environmentId, input },
})
const setState = (state: string, environmentId: string | null): Sent => ({
  query: `mutation { volumeInstanceUpdate(volumeId: "${postgresData}", ${environmentId === null ? '' : `environmentId: "${environmentId}", `}input: { state: ${state} }) }`,
})
const replaceVariables = (environmentId: string): Sent => ({
  query:
    'mutation($input: VariableCollectionUpsertInput!) { variableCollectionUpsert(input: $input) }',
  variables: {
    input: { projectId: rentals, environmentId, serviceId: web, variables: {}, replace: true },
  },
})
const gone = { volumes: { [postgresData]: { isDeleted: true } } }

describe('another door to the same room', () => {
  it.each<[string, Sent]>([
    ['environmentPatchCommit', commit(staging, gone)],
    ['environmentPatchCommit with an empty patch', commit(staging, {})],
    [
      'environmentPatchCommitStaged',
      { query: `mutation { environmentPatchCommitStaged(environmentId: "${staging}") }` },
    ],
    ['environmentStageChanges', stage(staging, gone)],
    ['volumeInstanceUpdate to DELETED', setState('DELETED', staging)],
    ['volumeInstanceUpdate to DELETING', setState('DELETING', staging)],
    ['volumeInstanceUpdate to READY', setState('READY', staging)],
    ['volumeInstanceUpdate without an environment', setState('DELETED', null)],
    ['variableCollectionUpsert with replace', replaceVariables(staging)],
    ['environmentDelete', { query: `mutation { environmentDelete(id: "${staging}") }` }],
    ['projectDelete', { query: `mutation { projectDelete(id: "${rentals}") }` }],
    [
      'serviceDelete',
      { query: `mutation { serviceDelete(id: "${web}", environmentId: "${staging}") }` },
    ],
    ['loginSessionAuth', { query: 'mutation { loginSessionAuth(input: { code: "abc" }) }' }],
    ['webhookTest', { query: 'mutation { webhookTest(payload: "{}", url: "https://a.example") }' }],
  ])('%s is allowed by no pattern', async (_, body) => {
    await expectRefused(at, hire, body, { code: 'operation-not-allowed' })
  })

  it.each<[string, string, Sent]>([
    ['environmentPatchCommit', 'environmentPatchCommit', commit(production, gone)],
    ['environmentStageChanges', 'environmentStageChanges', stage(production, gone)],
    [
      'volumeInstanceUpdate to DELETED in production',
      'volumeInstanceUpdate',
      setState('DELETED', production),
    ],
    [
      'volumeInstanceUpdate to DELETED in staging',
      'volumeInstanceUpdate',
      setState('DELETED', staging),
    ],
    [
      'variableCollectionUpsert with replace',
      'variableCollectionUpsert',
      replaceVariables(production),
    ],
    [
      'serviceDelete with the environment of staging',
      'serviceDelete',
      { query: `mutation { serviceDelete(id: "${web}", environmentId: "${staging}") }` },
    ],
    [
      'serviceCreate with the environment of staging',
      'serviceCreate',
      {
        query: `mutation { serviceCreate(input: { name: "x", projectId: "${rentals}", environmentId: "${staging}" }) { id } }`,
      },
    ],
    [
      'serviceInstanceUpdate with the environment of staging',
      'serviceInstanceUpdate',
      {
        query: `mutation { serviceInstanceUpdate(serviceId: "${web}", environmentId: "${staging}", input: { startCommand: "true" }) }`,
      },
    ],
    [
      'volumeInstanceBackupRestore with production in its list',
      'volumeInstanceBackupRestore',
      {
        query:
          'mutation($wiped: String!) { volumeInstanceBackupRestore(volumeInstanceId: "INSTANCE", volumeInstanceBackupId: "BACKUP", wipeServiceIds: [$wiped]) { workflowId } }'
            .replace('INSTANCE', ids.volumeInstances.postgresDataStaging)
            .replace('BACKUP', ids.backups.staging),
        variables: { wiped: postgres },
      },
    ],
    [
      'a backup of production, given with the instance of staging',
      'volumeInstanceBackupDelete',
      {
        query: `mutation { volumeInstanceBackupDelete(volumeInstanceId: "${ids.volumeInstances.postgresDataProduction}", volumeInstanceBackupId: "${ids.backups.staging}") { workflowId } }`,
      },
    ],
  ])('%s, named exactly, would reach production', async (_, name, body) => {
    await expectRefused(at, hire, body, {
      code: 'outside-environment',
      found: 'production',
      allow: [`railway:Mutation.${name}`],
    })
  })

  it.each<[string, string, Sent]>([
    [
      'serviceDelete without an environment',
      'Mutation.serviceDelete',
      { query: `mutation { serviceDelete(id: "${web}") }` },
    ],
    [
      'serviceDelete with null for its environment',
      'Mutation.serviceDelete',
      {
        query: 'mutation($id: String!, $at: String) { serviceDelete(id: $id, environmentId: $at) }',
        variables: { id: web, at: null },
      },
    ],
    [
      'volumeInstanceUpdate without an environment',
      'Mutation.volumeInstanceUpdate',
      setState('DELETED', null),
    ],
    [
      'loginSessionAuth',
      'Mutation.loginSessionAuth',
      { query: 'mutation { loginSessionAuth(input: { code: "abc" }) }' },
    ],
    [
      'webhookTest',
      'Mutation.webhookTest',
      { query: 'mutation { webhookTest(payload: "{}", url: "https://a.example") }' },
    ],
    [
      'apiTokenCreate',
      'Mutation.apiTokenCreate',
      { query: 'mutation { apiTokenCreate(input: { name: "mine" }) }' },
    ],
    [
      'me, through workspaces and projects',
      'Query.me',
      { query: '{ me { workspaces { projects { edges { node { name } } } } } }' },
    ],
    ['projects', 'Query.projects', { query: '{ projects { edges { node { name } } } }' }],
  ])(
    '%s, named exactly, acts on more than the environment, and nothing arrives',
    async (_, name, body) => {
      const arrived = at.railway.received.length
      await expectRefused(at, hire, body, {
        code: 'outside-environment',
        allow: [`railway:${name}`],
      })
      expect(at.railway.received.length).toBe(arrived)
    },
  )

  it('me, through workspaces and projects, is outside the environment for a pattern too', async () => {
    const query = '{ me { workspaces { projects { edges { node { name } } } } } }'
    await expectRefused(at, hire, { query }, { code: 'outside-environment' })
  })

  it.each([
    ['a pattern', everyPattern, 'operation-not-allowed'],
    ['its exact name', ['railway:Mutation.projectMemberAdd'], 'outside-environment'],
  ])('projectMemberAdd is refused with %s', async (_, allow, code) => {
    const query = `mutation { projectMemberAdd(input: { projectId: "${rentals}", role: ADMIN, userId: "${ids.user}" }) { id } }`
    await expectRefused(at, hire, { query }, { code, allow })
  })
})

describe('a volume named exactly', () => {
  const hire = hiring(at, 'spared')
  const { world, token: credential } = at.railway
  const seeded = structuredClone(world)
  afterEach(() => {
    const { volumeInstances, environments } = structuredClone(seeded)
    Object.assign(world, { volumeInstances, environments })
  })
  const allow = ['railway:Mutation.volumeDelete', 'railway:Mutation.volumeUpdate', 'railway:@read']
  const query = `mutation { volumeDelete(volumeId: "${scratch}") }`
  const elsewhere = (environmentId: string, rest: object) =>
    volumeInstance('0d4c1f6e-2a9b-4c83-9e57-b6f0a1d2c3e4', environmentId, {
      volumeId: scratch,
      ...rest,
    })

  it('waits for a human when all of it is in staging, and is not sent', async () => {
    const { token } = await hire(allow)
    const answer = await post(at, token, { query })
    expect(answer.json).toMatchObject({
      code: 'approval-required',
      retry: 'after-approval',
      operation: 'Mutation.volumeDelete',
    })
    expect(at.carriedOut()).toEqual([])
  })

  it('is outside the environment when an instance in production is only pending deletion', async () => {
    world.volumeInstances.push(
      elsewhere(production, { isPendingDeletion: true, deletedAt: new Date().toISOString() }),
    )
    await expectRefused(
      at,
      hire,
      { query },
      {
        code: 'outside-environment',
        found: 'production',
        allow,
      },
    )
  })

  it('is unresolved when an environment of its project may not be read', async () => {
    const hidden = world.environments.find(({ id }) => id === pr42)
    hidden?.hiddenFrom.push(credential)
    world.volumeInstances.push(elsewhere(pr42, {}))
    await expectRefused(at, hire, { query }, { code: 'resource-unresolved', allow })
  })

  it('is elsewhere when it has an instance in an environment that nobody has bound', async () => {
    world.volumeInstances.push(elsewhere(pr42, {}))
    const answer = await expectRefused(
      at,
      hire,
      { query },
      {
        code: 'outside-environment',
        found: 'elsewhere',
        allow,
      },
    )
    expect(answer.text).not.toContain('pr-42')
  })

  it('is not renamed either while production shares it', async () => {
    const rename = `mutation { volumeUpdate(volumeId: "${postgresData}", input: { name: "x" }) { id } }`
    await expectRefused(
      at,
      hire,
      { query: rename },
      {
        code: 'outside-environment',
        found: 'production',
        allow,
      },
    )
  })
})

describe('two mutations in one document', () => {
  const moving = `a: volumeInstanceUpdate(volumeId: "${scratch}", environmentId: "${staging}", input: { serviceId: "${postgres}" })`
  const destroying = `b: volumeDelete(volumeId: "${scratch}")`
  const query = `mutation { ${moving} ${destroying} }`

  it('of which the first moves what the second destroys are allowed by no pattern', async () => {
    await expectRefused(at, hire, { query }, { code: 'operation-not-allowed' })
  })

  it('are not sent even where the scope names both and all of it is in staging', async () => {
    const { token } = await hire([
      'railway:Mutation.volumeDelete',
      'railway:Mutation.volumeInstanceUpdate',
    ])
    const answer = await post(at, token, { query })
    expect(answer.json).toMatchObject({ code: 'ambiguous-request' })
    expect(at.carriedOut()).toEqual([])
  })

  it('that are both allowed alone are not sent together', async () => {
    const { token } = await hire()
    const answer = await post(at, token, {
      query: `mutation { a: ${redeploy()} b: ${redeploy()} }`,
    })
    expect(answer.json).toMatchObject({ code: 'ambiguous-request' })
    expect(at.carriedOut()).toEqual([])
  })
})

describe('an id of production where a write takes it', () => {
  const domain = (environmentId: string) => ({
    domain: 'next.acme.example',
    environmentId,
    projectId: rentals,
    serviceId: web,
  })
  const create = 'customDomainCreate(input: $input) { id }'
  it.each<[string, Sent]>([
    ['as a literal', { query: `mutation { ${redeploy(ids.deployments.webProduction)} }` }],
    [
      'in a variable',
      {
        query: 'mutation($id: String!) { deploymentRedeploy(id: $id) { id } }',
        variables: { id: ids.deployments.webProduction },
      },
    ],
    [
      'in the default of a variable that is not given',
      {
        query: `mutation($id: String! = "${ids.deployments.webProduction}") { deploymentRedeploy(id: $id) { id } }`,
        variables: {},
      },
    ],
    [
      'in an input object',
      {
        query: `mutation($input: CustomDomainCreateInput!) { ${create} }`,
        variables: { input: domain(production) },
      },
    ],
    [
      'in a variable inside an input object',
      {
        query: `mutation($at: String!) { customDomainCreate(input: { domain: "a.example", environmentId: $at, projectId: "${rentals}", serviceId: "${web}" }) { id } }`,
        variables: { at: production },
      },
    ],
    [
      'in the default of a whole input object',
      {
        query: `mutation($input: CustomDomainCreateInput! = { domain: "a.example", environmentId: "${production}", projectId: "${rentals}", serviceId: "${web}" }) { ${create} }`,
      },
    ],
  ])('%s is outside the environment', async (_, body) => {
    await expectRefused(at, hire, body, { code: 'outside-environment', found: 'production' })
  })
})

const page = (fields: string) => `{ edges { node { ${fields} } } }`

describe('reading by nesting', () => {
  it.each([
    [
      'project → environments → deployments',
      `{ project(id: "${rentals}") { environments ${page(`deployments ${page('url')}`)} } }`,
    ],
    [
      'project → environments → variables',
      `{ project(id: "${rentals}") { environments ${page(`variables ${page('name')}`)} } }`,
    ],
    [
      'project → deployments',
      `{ project(id: "${rentals}") { deployments ${page('url status')} } }`,
    ],
    [
      'project → services → serviceInstances',
      `{ project(id: "${rentals}") { services ${page(`serviceInstances ${page('startCommand')}`)} } }`,
    ],
    [
      'project → volumes → volumeInstances',
      `{ project(id: "${rentals}") { volumes ${page(`volumeInstances ${page('mountPath')}`)} } }`,
    ],
    ['project → workspace', `{ project(id: "${rentals}") { workspace { members { email } } } }`],
    ['project → members', `{ project(id: "${rentals}") { members { email } } }`],
    [
      'environment → sourceEnvironment → deployments',
      `{ environment(id: "${staging}") { sourceEnvironment { deployments ${page('url')} } } }`,
    ],
    [
      'environment → sourceEnvironment → serviceInstances',
      `{ environment(id: "${staging}") { sourceEnvironment { serviceInstances ${page('startCommand')} } } }`,
    ],
    [
      'volumeInstance → volume → volumeInstances',
      `{ volumeInstance(id: "${ids.volumeInstances.postgresDataStaging}") { volume { volumeInstances ${page('mountPath state')} } } }`,
    ],
    [
      'deployment → service → deployments',
      `{ deployment(id: "${ids.deployments.webStaging}") { service { deployments ${page('url')} } } }`,
    ],
    ['service → deployments', `{ service(id: "${web}") { deployments ${page('url status')} } }`],
    [
      'service → serviceInstances → latestDeployment, aliased and in fragments',
      `{ s: service(id: "${web}") { ...S } } fragment S on Service { i: serviceInstances { edges { node { ... on ServiceInstance { d: latestDeployment { url } } } } } }`,
    ],
    [
      'environments of a project, their metadata',
      `{ environments(projectId: "${rentals}") ${page('meta { branch }')} }`,
    ],
  ])('%s leads to production and is refused before anything is asked', async (_, query) => {
    const arrived = at.railway.received.length
    await expectRefused(at, hire, { query }, { code: 'outside-environment' })
    expect(at.railway.received.length).toBe(arrived)
  })

  it.each([
    [
      'environments of the project',
      `{ project(id: "${rentals}") { name environments ${page('id name isEphemeral')} } }`,
    ],
    [
      'instances of its volumes',
      `{ project(id: "${rentals}") { volumes ${page(`id name volumeInstances ${page('id environmentId')}`)} } }`,
    ],
    [
      'deployments of a service',
      `{ service(id: "${web}") { name deployments ${page('id environmentId')} } }`,
    ],
    [
      'the environment that this one was made from',
      `{ environment(id: "${staging}") { sourceEnvironment { id name } } }`,
    ],
  ])('the names and ids of the %s pass', async (_, query) => {
    const { token } = await hire()
    const answer = await post(at, token, { query })
    expect(answer.json).not.toHaveProperty('errors')
    expect(answer.json).toHaveProperty('data')
    expect(answer.headers.get('valetkey-verdict')).toBe('allow')
  })

  it('what belongs to staging passes at any depth', async () => {
    const { token } = await hire()
    const query = `{ environment(id: "${staging}") { deployments ${page('url status')} volumeInstances ${page('mountPath volume { name }')} } }`
    const answer = await post(at, token, { query })
    expect(answer.json).not.toHaveProperty('errors')
    expect(answer.headers.get('valetkey-verdict')).toBe('allow')
  })
})

describe('a field that reveals', () => {
  const config = `{ environment(id: "${staging}") { config(decryptVariables: true) } }`

  it('is refused for what it is unless the scope names it, and nothing arrives', async () => {
    const arrived = at.railway.received.length
    await expectRefused(at, hire, { query: config }, { code: 'secret-reveal' })
    expect(at.railway.received.length).toBe(arrived)
  })

  it('waits for a human where the scope names it', async () => {
    const { token } = await hire(['railway:@read', 'railway:Environment.config'])
    const answer = await post(at, token, { query: config })
    expect(answer.json).toMatchObject({ code: 'approval-required' })
    expect(answer.text).not.toContain('STRIPE')
  })

  it('is still outside the environment where the scope names it and it is reached from the project', async () => {
    const query = `{ project(id: "${rentals}") { environments ${page('config')} } }`
    const allow = ['railway:@read', 'railway:Environment.config']
    await expectRefused(at, hire, { query }, { code: 'outside-environment', allow })
  })

  it('hides in no fragment and under no alias', async () => {
    const query = `{ environment(id: "${staging}") { ...E } } fragment E on Environment { name: config }`
    await expectRefused(at, hire, { query }, { code: 'secret-reveal' })
  })

  it.each([
    [
      'variables',
      `{ variables(environmentId: "${staging}", projectId: "${rentals}", serviceId: "${web}") }`,
    ],
    [
      'deploymentLogs',
      `{ deploymentLogs(deploymentId: "${ids.deployments.webStaging}") { message } }`,
    ],
  ])('%s as a root is allowed by no pattern', async (_, query) => {
    await expectRefused(at, hire, { query }, { code: 'operation-not-allowed' })
  })
})
