import { expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { expectOk, front, realToken } from '../support/broker.ts'

it('takes a secret that was replaced out of answers as well', async () => {
  const at = await front()
  const before = at.railway.token
  const after = realToken()
  at.railway.world.tokens.push({
    kind: 'workspace',
    id: ids.workspace,
    name: 'next',
    token: after,
    createdAt: '2026-01-01T00:00:00.000Z',
  })
  expectOk(await at.admin('POST', '/admin/connections/railway/rotate', { secret: after }))
  at.railway.world.projects = at.railway.world.projects.map((project) => ({
    ...project,
    description: `once used ${before}, now ${after}`,
  }))
  const answer = await at.call(
    await at.capability(),
    'query($id: String!) { project(id: $id) { description } }',
    { id: ids.projects.rentals },
  )
  expect(answer.json).toEqual({
    data: { project: { description: 'once used [redacted], now [redacted]' } },
  })
})
