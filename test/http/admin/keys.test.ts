import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { mint } from '../../../src/tokens/mint.ts'
import { verifyCapability } from '../../../src/tokens/verify.ts'
import { stores } from '../../support/stores.ts'
import { addScope, agentNamed, auditLog, brokerOn, newAgent } from '../../tokens/broker.ts'
import { operatorPlane } from './signed-in.ts'

const Key = z.strictObject({
  kid: z.string(),
  purpose: z.enum(['capability', 'audit', 'master']),
  created_at: z.iso.datetime().nullable(),
  retired_at: z.iso.datetime().nullable(),
})

describe.each(stores)('/admin/keys on %s', (kind) => {
  let plane: Awaited<ReturnType<typeof operatorPlane>>

  beforeAll(async () => {
    plane = await operatorPlane(kind)
    await addScope(plane.ctx, { name: 'reads' })
    await newAgent(plane.ctx, 'cursor', ['reads'])
  })

  async function list() {
    const response = await plane.admin('GET', '/admin/keys')
    return (await plane.told(z.object({ keys: z.array(Key) }), response)).keys
  }

  it('lists every key by its id, and shows none', async () => {
    const keys = await list()
    expect(keys.map((key) => key.purpose).toSorted()).toEqual(['audit', 'capability', 'master'])
    const text = await (await plane.admin('GET', '/admin/keys')).text()
    expect(text).not.toContain(Buffer.from(plane.ctx.masterKey).toString('base64url'))
  })

  it('rotates the signing key: new capabilities carry it, and earlier ones stay valid', async () => {
    const agent = agentNamed(plane.ctx, 'cursor')
    const before = await mint(plane.ctx, { agent, scopes: ['reads'] })
    const response = await plane.admin('POST', '/admin/keys/rotate', { which: 'signing' })
    const { kid } = await plane.told(
      z.object({ which: z.literal('signing'), kid: z.string() }),
      response,
    )
    const after = await mint(plane.ctx, { agent, scopes: ['reads'] })
    expect(
      JSON.parse(Buffer.from(after.token.split('.')[0] ?? '', 'base64url').toString()).kid,
    ).toBe(kid)
    expect((await verifyCapability(plane.ctx, before.token)).jti).toBe(before.jti)
    expect((await verifyCapability(plane.ctx, after.token)).jti).toBe(after.jti)

    const retired = (await list()).filter((key) => key.retired_at !== null)
    expect(retired.map((key) => key.purpose)).toEqual(['capability'])
    const entries = await auditLog(plane.ctx)
    expect(entries.find((entry) => JSON.stringify(entry).includes(kid))).toMatchObject({
      kind: 'change',
      operator: 'ada',
      facts: { what: 'key.rotate', which: 'signing', kid },
    })
  })

  it('rotates the key of the audit log apart from it', async () => {
    const response = await plane.admin('POST', '/admin/keys/rotate', { which: 'audit' })
    expect(response.status).toBe(200)
    expect((await list()).filter((key) => key.purpose === 'audit')).toHaveLength(2)
  })

  it('rotates the master key in its own file: every value moves, and the old key goes', async () => {
    const own = await operatorPlane(kind)
    const folder = await mkdtemp(join(tmpdir(), 'valetkey-'))
    const path = join(folder, 'master.key')
    const old = Buffer.from(own.ctx.masterKey).toString('base64')
    await writeFile(path, old, { mode: 0o600 })
    own.ctx.config.masterKey = { kind: 'file', path, create: false }
    own.ctx.config.store = { kind: 'embedded', directory: folder }
    const [before] = own.ctx.keyring.kids

    const response = await own.admin('POST', '/admin/keys/rotate', { which: 'master' })
    const { kid, resealed } = await own.told(
      z.object({ kid: z.string(), resealed: z.int() }),
      response,
    )
    expect(resealed).toBe(2)
    expect(kid).not.toBe(before)
    expect(own.ctx.keyring.kids).toEqual([kid])
    const file = await readFile(path, 'utf8')
    await rm(folder, { recursive: true })
    expect(file).not.toContain(old)

    const replica = await brokerOn(own.ctx.store, Buffer.from(file.trim(), 'base64'))
    for (const ctx of [own.ctx, replica]) await ctx.signing.current('audit')
  })

  it('moves nothing when the master key is shared and no new one was given', async () => {
    const config = plane.ctx.config
    config.masterKey = { kind: 'value', value: 'the tests gave it to the keyring' }
    const response = await plane.admin('POST', '/admin/keys/rotate', { which: 'master' })
    expect(await plane.codeOf(response)).toBe('409 conflict')
    plane.ctx.keyring.replace([randomBytes(32), plane.ctx.masterKey])
    const again = await plane.admin('POST', '/admin/keys/rotate', { which: 'master' })
    expect(again.status).toBe(200)
  })

  it('refuses to rotate what it does not know', async () => {
    const response = await plane.admin('POST', '/admin/keys/rotate', { which: 'everything' })
    expect(await plane.codeOf(response)).toBe('400 malformed-request')
  })
})
