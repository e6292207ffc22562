/** What a stolen session tries around a change: a name taken over, an invitation nobody can read, an address in disguise, two who confirm at once. */
import { eq } from 'drizzle-orm'
import { describe, expect, test } from 'vitest'
import { startBroker } from '../../src/broker.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { changes } from '../../src/store/schema.ts'
import { expectOk, type Front, field, front, send } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { changeIn, confirm, pageOf, passkey, seen } from '../support/passkey.ts'
import { freshDatabase } from '../support/stores.ts'

const diffOf = async (at: Front, id: string) => {
  const { json } = expectOk(await at.admin('GET', `/admin/changes/${id}`))
  // The route's own shape.
  return json['diff'] as { added: string[]; removed: string[] }
}

describe.each(['embedded', 'postgres'] as const)('on %s', (kind) => {
  test('an agent removed is not added anew with a secret of the thief', async () => {
    const at = await front(kind)
    await passkey(at)
    expect((await at.admin('DELETE', '/admin/agents/cursor')).status).toBe(204)
    changeIn(await at.admin('POST', '/admin/agents', { name: 'cursor', scopes: [] }))
    expect((await at.admin('GET', '/admin/agents/cursor')).status).toBe(404)
  })

  test('a scope that nobody holds is not prepared for the next grant', async () => {
    const at = await front(kind)
    await passkey(at)
    const body = { environment: 'production', allow: ['railway:Mutation.volumeDelete'] }
    changeIn(await at.admin('PUT', '/admin/scopes/harmless', body))
    expect((await at.admin('GET', '/admin/scopes/harmless')).status).toBe(404)
  })

  test('an invitation says what it would make, and is worth nothing before it is confirmed', async () => {
    const at = await front(kind)
    await passkey(at)
    const asked = await at.admin('POST', '/admin/operators/invitations', { role: 'admin' })
    const { added } = await diffOf(at, changeIn(asked))
    expect(added).toEqual([expect.stringContaining('admin')])
    const enrol = await pageOf(at, '')('POST', '/console/api/enrol/options', {
      code: field(asked, 'code'),
      name: 'eve',
    })
    expect(enrol.status).toBe(401)
  })

  test('a connection is shown with the address that it would really have', async () => {
    const at = await front(kind)
    await passkey(at)
    const { host } = new URL(at.railway.url)
    const asked = await at.admin('POST', '/admin/connections', {
      name: 'second',
      provider: 'railway',
      base_url: `http://backboard.railway.com@${host}`,
      allow_private: true,
      secret: at.railway.token,
    })
    if (asked.status === 202) {
      expect(JSON.stringify(await diffOf(at, changeIn(asked)))).not.toContain('backboard')
    } else expect(asked.status).toBe(400)
  })
})

test('two replicas that confirm one change at once carry it out once, and it stays as it was agreed to', async () => {
  const url = await freshDatabase()
  const [first, second] = await Promise.all([openPostgres(url), openPostgres(url)])
  closeLater(() => first.close())
  closeLater(() => second.close())
  const one = await front('postgres', { store: first })
  const key = await passkey(one)
  const { config, log, publicUrl, consoleUrl, db } = one.broker.ctx
  const two = await startBroker({ ...config, publicUrl, consoleUrl }, log, async () => ({
    ...second,
    close: async () => {},
  }))
  closeLater(() => two.stop())
  const pages = [pageOf(one, key.cookie), pageOf({ broker: two }, key.cookie)]
  for (let round = 0; round < 10; round += 1) {
    const body = {
      environment: 'staging',
      allow: ['railway:@read', `railway:Mutation.round${round}`],
    }
    const id = changeIn(await one.admin('PUT', '/admin/scopes/work', body))
    const shown = await diffOf(one, id)
    const signed = []
    for (const page of pages) {
      const options = expectOk(
        await page('POST', '/console/api/changes/options', await seen(one, [id])),
      )
      signed.push({ page, response: key.authenticator.get(options.json as never) })
    }
    const answers = await Promise.all(
      signed.map(({ page, response }) =>
        page('POST', '/console/api/changes/confirm', { ids: [id], response }),
      ),
    )
    const outcomes = answers.flatMap(({ json }) =>
      // The route's own shape.
      ((json['changes'] ?? []) as { outcome: string }[]).map(({ outcome }) => outcome),
    )
    expect(outcomes.filter((outcome) => outcome === 'confirmed')).toHaveLength(1)
    expect(outcomes).not.toContain('moved')
    expect(await diffOf(one, id)).toEqual(shown)
    const [row] = await db.select().from(changes).where(eq(changes.id, id))
    expect(row?.state).toBe('confirmed')
    const entries = await one.audit('&kind=change')
    expect(
      entries.filter(
        ({ facts }) =>
          (facts as Record<string, unknown>)['what'] === 'scope.set' &&
          (facts as Record<string, unknown>)['change'] === id,
      ),
    ).toHaveLength(1)
  }
}, 60_000)

test('who floods what waits crowds out nobody else, and all of it is rejected at once', async () => {
  const at = await front()
  const ada = await passkey(at)
  const invited = await at.admin('POST', '/admin/operators/invitations', { role: 'admin' })
  expectOk(await confirm(at, ada, [changeIn(invited)]))
  const signedUp = expectOk(
    await at.admin('POST', '/admin/session', {
      ...{ code: field(invited, 'code'), name: 'bob', passphrase: 'a passphrase of bob' },
    }),
  )
  for (let i = 0; i < 50; i += 1) {
    changeIn(await at.admin('POST', '/admin/environments', { name: `flood-${i}` }))
  }
  expect(await at.admin('POST', '/admin/environments', { name: 'more' })).toMatchObject({
    status: 429,
  })
  const bobs = await send(`${at.broker.operatorUrl}/admin/environments`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${field(signedUp, 'token')}`,
    },
    body: JSON.stringify({ name: 'of-bob' }),
  })
  const kept = changeIn(bobs)
  const page = await ada.request('GET', '/console/changes')
  expect(page.text).toContain('Reject all 50 that ada asked for')
  const token = /name="token" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
  const form = (fields: Record<string, string>) =>
    send(`${at.broker.operatorUrl}/console/changes/reject`, {
      method: 'POST',
      headers: { cookie: ada.cookie, origin: at.broker.ctx.consoleUrl },
      body: new URLSearchParams(fields),
      redirect: 'manual',
    })
  expect(await form({ by: 'ada' })).toMatchObject({ status: 403 })
  expect(await form({ by: 'ada', token })).toMatchObject({ status: 303 })
  const left = expectOk(await at.admin('GET', '/admin/changes'))
  expect(left.json['changes']).toMatchObject([{ id: kept }])
})
