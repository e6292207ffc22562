/** What happened lately, as the overview draws it: the numbers are those of what happened, for whoever sees them and whoever does not. */
import { expect, test } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { expectOk, front } from '../support/broker.ts'
import { pageOf, passkey } from '../support/passkey.ts'

const read = 'query($id: String!) { environment(id: $id) { name } }'

test('tells what passed and what was refused by environment, agent and operation', async () => {
  const at = await front()
  const token = await at.capability()
  for (let i = 0; i < 3; i += 1) {
    expectOk(await at.call(token, read, { id: ids.environments.staging }))
  }
  await at.call(token, read, { id: ids.environments.production })
  await at.call(token, 'mutation { volumeDelete(volumeId: "x") }')
  const { cookie } = await passkey(at)
  for (const [span, words] of [
    ['1h', 'The last hour'],
    ['7d', 'The last seven days'],
  ]) {
    const { text } = expectOk(await pageOf(at, cookie)('GET', `/console?span=${span}`))
    const labels = [...text.matchAll(/aria-label="([^"]*) since/g)].map(([, label]) => label)
    expect(labels.slice(0, 1)).toEqual([`${words}: 3 passed and 2 refused`])
    expect(labels).toContain('staging: 3 passed and 2 refused')
    expect(labels).toContain('cursor: 3 passed and 2 refused')
    expect(labels).toContain('Query.environment: 3 passed and 1 refused')
    expect(labels).toContain('Mutation.volumeDelete: 0 passed and 1 refused')
  }
  for (const [path, label] of [
    ['/console/agents', 'cursor: 3 passed and 2 refused'],
    ['/console/environments', 'staging: 3 passed and 2 refused'],
  ]) {
    const page = expectOk(await pageOf(at, cookie)('GET', path ?? ''))
    expect(page.text).toContain(label)
  }
  const odd = expectOk(await pageOf(at, cookie)('GET', '/console?span=__proto__'))
  expect(odd.text).toContain('The last six hours')
})
