import { expect, it } from 'vitest'
import { front } from '../support/broker.ts'

it('audits as failed what Railway answers with errors, although HTTP calls it a success', async () => {
  const at = await front()
  at.railway.faults.failRoots = ['platformStatus']
  const answer = await at.call(await at.capability(), '{ platformStatus { isStable } }')
  expect(answer.status).toBe(200)
  const request = answer.headers.get('valetkey-request-id')
  await expect
    .poll(() => at.audit(`&request=${request}`))
    .toEqual([
      expect.objectContaining({ kind: 'outcome', outcome: 'failed' }),
      expect.objectContaining({ kind: 'call', outcome: 'allow' }),
    ])
})
