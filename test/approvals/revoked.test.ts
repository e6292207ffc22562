/** What was asked for with a capability that was revoked is never carried out, however long it waits. */
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { expectOk, type Front, field } from '../support/broker.ts'
import { approve, ready, remove } from '../support/risky.ts'

describe.each([
  ['a capability that was revoked', false],
  ['one that grew from a revoked one', true],
])('an approval that %s asked for', (_, grown) => {
  test.each([
    ['before it expired', 0, true],
    ['after it expired', 3_000, true],
    ['before it expired, and is spent with a fresh one', 0, false],
  ])('is good for nothing: revoked %s', async (_when, lateMs, deferred) => {
    const { at, key, capability: other, volume } = await ready()
    const root = await at.capability({ scope: 'risky', ttl: 3 })
    const asked = grown ? await narrower(at, root) : root
    const headers = deferred ? { prefer: 'respond-async' } : {}
    const answer = await at.call(asked, remove, { v: volume }, headers)
    const { id } = answer.json['approval'] as { id: string }
    await wait(lateMs)
    const revoked = await at.admin('DELETE', `/admin/capabilities/${decodeJwt(root).jti}`)
    expect(revoked.status).toBeLessThan(300)
    await wait(3_000 - lateMs)
    // Whatever is edited after it has expired makes the policy anew.
    const own = new URLSearchParams({ token: other })
    expectOk(await at.agent('/oauth/revoke', { method: 'POST', body: own }))
    const approved = await approve(key, id)
    if (deferred) {
      const fresh = await at.capability({ scope: 'risky' })
      const headers = { authorization: `Bearer ${fresh}` }
      const shown = await at.agent(`/v1/approvals/${id}?wait=8`, { headers })
      expect(shown.json).toMatchObject({ state: 'void' })
    } else {
      expectOk(approved)
      const fresh = await at.capability({ scope: 'risky' })
      const spent = await at.call(fresh, remove, { v: volume }, { 'valetkey-approval': id })
      expect(spent.json).toMatchObject({ code: 'approval-void' })
    }
    expect(at.carriedOut()).toEqual([])
  })
})

async function narrower(at: Front, token: string): Promise<string> {
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  })
  return field(expectOk(await at.agent('/oauth/token', { method: 'POST', body })), 'access_token')
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
