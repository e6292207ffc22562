import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { authenticateAgent } from '../../../src/identity/agents.ts'
import { stores } from '../../support/stores.ts'
import { addScope } from '../../tokens/broker.ts'
import { operatorPlane } from './signed-in.ts'

const SecretOnce = z.strictObject({ name: z.string(), secret: z.string() })
const Agent = z.strictObject({
  name: z.string(),
  scopes: z.array(z.string()),
  created_at: z.iso.datetime(),
  secrets: z.array(
    z.strictObject({ created_at: z.iso.datetime(), expires_at: z.iso.datetime().nullable() }),
  ),
  keys: z.array(
    z.strictObject({
      key: z.string(),
      created_at: z.iso.datetime(),
      expires_at: z.iso.datetime().nullable(),
    }),
  ),
})

describe.each(stores)('/admin/agents on %s', (kind) => {
  let plane: Awaited<ReturnType<typeof operatorPlane>>

  beforeAll(async () => {
    plane = await operatorPlane(kind)
    await addScope(plane.ctx, { name: 'reads' })
    await addScope(plane.ctx, { name: 'domains' })
  })

  async function add(name: string, scopes: string[]) {
    return plane.told(SecretOnce, await plane.admin('POST', '/admin/agents', { name, scopes }))
  }
  async function show(name: string) {
    return plane.told(Agent, await plane.admin('GET', `/admin/agents/${name}`))
  }
  const proves = (client: string, secret: string) =>
    authenticateAgent(plane.ctx, { client, secret, address: 'x' }).then(
      () => true,
      () => false,
    )

  it('shows a secret once, and it works', async () => {
    const { secret } = await add('cursor', ['reads'])
    expect(await proves('cursor', secret)).toBe(true)
    const shown = await show('cursor')
    expect(shown.scopes).toEqual(['reads'])
    const listed = await (await plane.admin('GET', '/admin/agents')).text()
    expect(z.object({ agents: z.array(Agent) }).parse(JSON.parse(listed)).agents).toEqual([shown])
    for (const text of [listed, JSON.stringify(shown)]) {
      expect(text).not.toContain(secret.slice(4))
      expect(text).not.toContain('argon2')
    }
  })

  it('grants and takes scopes', async () => {
    await add('grantee', [])
    expect((await plane.admin('PUT', '/admin/agents/grantee/grants/domains')).status).toBe(204)
    expect((await show('grantee')).scopes).toEqual(['domains'])
    expect((await plane.admin('DELETE', '/admin/agents/grantee/grants/domains')).status).toBe(204)
    expect((await show('grantee')).scopes).toEqual([])
    const unknown = await plane.admin('PUT', '/admin/agents/grantee/grants/nothing')
    expect(await plane.codeOf(unknown)).toBe('404 not-found')
  })

  it('rotates a secret, at once unless an overlap is asked for', async () => {
    const first = await add('rotating', [])
    const rotated = async (body: object) =>
      plane.told(SecretOnce, await plane.admin('POST', '/admin/agents/rotating/credentials', body))
    const second = await rotated({})
    expect(await proves('rotating', first.secret)).toBe(false)
    const third = await rotated({ overlap_seconds: 600 })
    expect(await proves('rotating', second.secret)).toBe(true)
    expect(await proves('rotating', third.secret)).toBe(true)
    const { secrets } = await show('rotating')
    expect(secrets.map((one) => one.expires_at === null)).toEqual([true, false])
    const forever = await plane.admin('POST', '/admin/agents/rotating/credentials', {
      overlap_seconds: 1e9,
    })
    expect(await plane.codeOf(forever)).toBe('400 malformed-request')
  })

  it('removes an agent, after which it is not found', async () => {
    const { secret } = await add('leaving', ['reads'])
    expect((await plane.admin('DELETE', '/admin/agents/leaving')).status).toBe(204)
    expect(await proves('leaving', secret)).toBe(false)
    for (const [method, path] of [
      ['GET', '/admin/agents/leaving'],
      ['DELETE', '/admin/agents/leaving'],
      ['POST', '/admin/agents/leaving/credentials'],
    ] as const) {
      const body = method === 'POST' ? {} : undefined
      expect(await plane.codeOf(await plane.admin(method, path, body))).toBe('404 not-found')
    }
  })

  it('refuses a name that is no name, one that is taken, and fields that it does not know', async () => {
    await add('taken', [])
    const tried = async (body: unknown) =>
      plane.codeOf(await plane.admin('POST', '/admin/agents', body))
    expect(await tried({ name: 'taken', scopes: [] })).toBe('409 conflict')
    for (const name of ['', 'Cursor', 'a b', '../x', `a${'b'.repeat(64)}`, 7]) {
      expect(await tried({ name, scopes: [] })).toBe('400 malformed-request')
    }
    expect(await tried({ name: 'x', scopes: [], secret: 'mine' })).toBe('400 malformed-request')
  })
})
