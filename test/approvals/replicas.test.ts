/** One approval, tried by many at once on two replicas of one PostgreSQL, is executed once. */
import { expect, test } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, expectOk, send } from '../support/broker.ts'
import { passkey } from '../support/passkey.ts'
import { twins } from '../support/twins.ts'

const rounds = 40
const atOnce = 20
const query =
  'mutation($i: CustomDomainCreateInput!) { customDomainCreate(input: $i) { id domain } }'

test(`${rounds} rounds of ${atOnce} tries at once over two replicas execute one each`, async () => {
  const { one, two } = await twins()
  expectOk(
    await one.admin('PUT', '/admin/scopes/risky', {
      environment: 'staging',
      allow: ['railway:@read', 'railway:Mutation.customDomainCreate'],
      approve: ['railway:Mutation.customDomainCreate'],
    }),
  )
  expectOk(await one.admin('PUT', '/admin/agents/cursor/grants/risky'))
  const key = await passkey(one)
  const capability = await one.capability({ scope: 'risky' })
  const other = (i: unknown, id: string): Promise<Answer> =>
    send(`${two.agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${capability}`,
        'valetkey-approval': id,
      },
      body: JSON.stringify({ query, variables: { i } }),
    })
  for (let round = 0; round < rounds; round += 1) {
    const i = {
      domain: `round-${round}.example.com`,
      environmentId: ids.environments.staging,
      projectId: ids.projects.rentals,
      serviceId: ids.services.web,
    }
    const asked = await one.call(capability, query, { i })
    expect(asked.json).toMatchObject({ code: 'approval-required' })
    const { id } = asked.json['approval'] as { id: string }
    const path = `/console/api/approvals/${id}`
    expectOk(await key.touch(`${path}/options`, `${path}/approve`))
    const answers = await Promise.all(
      Array.from({ length: atOnce }, (_, n) =>
        n % 2 === 0
          ? one.call(capability, query, { i }, { 'valetkey-approval': id })
          : other(i, id),
      ),
    )
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    for (const { status, json } of answers) {
      if (status !== 200) expect(json).toMatchObject({ code: 'approval-used' })
    }
    expect(one.carriedOut()).toEqual(['Mutation.customDomainCreate'])
  }
}, 120_000)
