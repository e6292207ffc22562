import { beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { adminRoutes } from '../../../src/http/admin/admin.ts'
import { enrolmentCode } from '../../../src/identity/operators.ts'
import { stores } from '../../support/stores.ts'
import { broker } from '../../tokens/broker.ts'
import { operatorPlane, passphrase } from './signed-in.ts'

const SignedIn = z.strictObject({
  token: z.string().regex(/^vko_[A-Za-z0-9_-]{43}$/),
  operator: z.string(),
  role: z.string(),
  expires_at: z.iso.datetime(),
})

describe.each(stores)('/admin/session on %s', (kind) => {
  let plane: Awaited<ReturnType<typeof operatorPlane>>

  beforeAll(async () => {
    plane = await operatorPlane(kind)
  })

  it('enrols the first operator with a code, and nobody without one', async () => {
    const ctx = await broker(kind)
    const app = adminRoutes(ctx)
    const code = (await enrolmentCode(ctx))?.code.reveal()
    const enrolled = (body: object) =>
      app.request('/admin/session', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    const proof = { name: 'ada', passphrase }
    expect((await enrolled({ ...proof, code: '0000-0000' })).status).toBe(401)
    expect((await enrolled(proof)).status).toBe(401)
    const response = await enrolled({ ...proof, code })
    expect(response.status).toBe(201)
    expect(await plane.told(SignedIn, response)).toMatchObject({ operator: 'ada', role: 'admin' })
    expect((await enrolled({ name: 'eve', passphrase, code })).status).toBe(401)
  })

  it('signs in, says who is signed in, and signs out', async () => {
    const response = await plane.ask('POST', '/admin/session', { name: 'ada', passphrase })
    const { token, expires_at } = await plane.told(SignedIn, response)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('set-cookie')).toBeNull()
    const me = await plane.ask('GET', '/admin/session', undefined, token)
    expect(await me.json()).toEqual({ operator: 'ada', role: 'admin', expires_at })
    expect((await plane.ask('DELETE', '/admin/session', undefined, token)).status).toBe(204)
    const after = await plane.ask('GET', '/admin/session', undefined, token)
    expect(await plane.codeOf(after)).toBe('401 not-signed-in')
  })

  it('refuses a wrong passphrase, an unknown name, and what is no proof', async () => {
    const tried = async (body: unknown) =>
      plane.codeOf(await plane.ask('POST', '/admin/session', body))
    expect(await tried({ name: 'ada', passphrase: 'wrong' })).toBe('401 not-signed-in')
    expect(await tried({ name: 'eve', passphrase })).toBe('401 not-signed-in')
    for (const body of [
      {},
      [],
      { name: 'ada' },
      { name: 'ada', passphrase, admin: true },
      { name: {}, passphrase },
    ]) {
      expect(await tried(body)).toBe('400 malformed-request')
    }
  })

  it('never repeats a passphrase in a refusal or in the log', async () => {
    const body = { name: 'ADA', passphrase: 'hush hush hush', code: 7 }
    const response = await plane.ask('POST', '/admin/session', body)
    expect(await response.text()).not.toContain('hush')
    expect(JSON.stringify(plane.ctx.lines)).not.toContain('hush')
  })

  it('answers too many failed tries with 429 and when to come back', async () => {
    const own = await operatorPlane(kind)
    own.ctx.stop()
    for (let i = 0; i < 10; i++) {
      await own.ask('POST', '/admin/session', { name: 'ada', passphrase: `wrong ${i}` })
    }
    const response = await own.ask('POST', '/admin/session', { name: 'ada', passphrase })
    expect(response.status).toBe(429)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})
