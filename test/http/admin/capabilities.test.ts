import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { mint } from '../../../src/tokens/mint.ts'
import { stores } from '../../support/stores.ts'
import { addScope, agentNamed, auditLog, newAgent } from '../../tokens/broker.ts'
import { operatorPlane } from './signed-in.ts'

const Listed = z.strictObject({
  capabilities: z.array(
    z.strictObject({
      jti: z.string(),
      agent: z.string(),
      environment: z.string(),
      scopes: z.array(z.string()),
      reason: z.string().nullable(),
      parent: z.string().nullable(),
      actor: z.string().nullable(),
      issued_at: z.iso.datetime(),
      expires_at: z.iso.datetime(),
      revoked: z.boolean(),
    }),
  ),
})

describe.each(stores)('/admin/capabilities on %s', (kind) => {
  let plane: Awaited<ReturnType<typeof operatorPlane>>

  beforeAll(async () => {
    plane = await operatorPlane(kind)
    await addScope(plane.ctx, { name: 'reads' })
    for (const name of ['cursor', 'other']) await newAgent(plane.ctx, name, ['reads'])
  })

  const minted = (agent: string, ttl = 900, reason?: string) =>
    mint(plane.ctx, {
      agent: agentNamed(plane.ctx, agent),
      scopes: ['reads'],
      ttl,
      ...(reason === undefined ? {} : { reason }),
    })
  async function list(query = '') {
    const response = await plane.admin('GET', `/admin/capabilities${query}`)
    return (await plane.told(Listed, response)).capabilities
  }

  it('lists those that are alive, of one agent or all, and never a token', async () => {
    const one = await minted('cursor', 900, 'to try it')
    const two = await minted('other')
    const all = await list()
    expect(all.map((row) => row.jti).toSorted()).toEqual([one.jti, two.jti].toSorted())
    const [only] = await list('?agent=cursor')
    expect(only).toMatchObject({
      jti: one.jti,
      agent: 'cursor',
      environment: 'staging',
      scopes: ['reads'],
      reason: 'to try it',
      revoked: false,
    })
    const text = await (await plane.admin('GET', '/admin/capabilities?all=true')).text()
    expect(text).not.toContain(one.token.split('.')[2])
  })

  it('revokes one, which is then listed only among all', async () => {
    const { jti } = await minted('cursor')
    expect((await plane.admin('DELETE', `/admin/capabilities/${jti}`)).status).toBe(204)
    expect((await plane.admin('DELETE', `/admin/capabilities/${jti}`)).status).toBe(204)
    expect((await list()).map((row) => row.jti)).not.toContain(jti)
    expect((await list('?all=true')).find((row) => row.jti === jti)?.revoked).toBe(true)
    expect(plane.ctx.realm.now().revoked.has(jti)).toBe(true)
    const entries = (await auditLog(plane.ctx)).filter((entry) => entry['kind'] === 'revoke')
    expect(entries).toHaveLength(1)
    expect(entries[0]).toMatchObject({ operator: 'ada', agent: 'cursor', facts: { jti } })
  })

  it('lists expired ones only among all', async () => {
    const { jti } = await minted('cursor', 1)
    plane.ctx.pass(2)
    expect((await list()).map((row) => row.jti)).not.toContain(jti)
    expect((await list('?all=true')).map((row) => row.jti)).toContain(jti)
  })

  it('knows no other, and refuses a query that it does not know', async () => {
    const unknown = await plane.admin('DELETE', '/admin/capabilities/cap_none')
    expect(await plane.codeOf(unknown)).toBe('404 not-found')
    for (const query of ['?agnet=cursor', '?all=maybe']) {
      const response = await plane.admin('GET', `/admin/capabilities${query}`)
      expect(await plane.codeOf(response)).toBe('400 malformed-request')
    }
  })
})
