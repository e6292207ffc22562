/** What a holder, or an unlucky moment, could do to outlive a lease or to be more than one. */
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { openPostgres } from '../../src/store/postgres.ts'
import { expectOk, front } from '../support/broker.ts'
import { closeLater } from '../support/closing.ts'
import { ask, leased, ready, roles, until } from '../support/leased.ts'
import { changeIn, confirm } from '../support/passkey.ts'
import { freshDatabase } from '../support/stores.ts'

const soon = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Whatever asks for a lease stands still just before its row is written. */
async function heldRows(url: string) {
  const sql = postgres(url, { max: 1, onnotice: () => {} })
  const held = await sql.reserve()
  await held`begin`
  await held`lock table leases in share row exclusive mode`
  return {
    release: async () => {
      await held`commit`
      held.release()
      await sql.end()
    },
  }
}

describe('between the judgement of a lease and its row', async () => {
  const url = await freshDatabase()
  const store = await openPostgres(url)
  closeLater(() => store.close())
  const { at, key } = await ready('postgres', await front('postgres', { store }))
  const capability = () => at.capability({ scope: 'leasing', ttl: 600 })
  const out = async () =>
    (await at.admin('GET', '/admin/leases')).json['leases'] as { id: string }[]

  it('a freeze finds the lease, and so it ends', async () => {
    const token = await capability()
    const rows = await heldRows(url)
    const asked = ask(at, token)
    await soon(500)
    const freezing = at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' })
    await Promise.race([freezing, soon(2_000)])
    await rows.release()
    const [answer, frozen] = await Promise.all([asked, freezing])
    expectOk(frozen)
    const user = (answer.json['credential'] as { user: string } | undefined)?.user ?? 'none'
    await until(async () => (await out()).length === 0)
    expect(await roles(user)).toBe(0)
    const lifted = await at.admin('DELETE', `/admin/freezes/${frozen.json['id']}`)
    expectOk(await confirm(at, key, [changeIn(lifted)]))
  })

  it('a connection does not go while a lease of it comes', async () => {
    const token = await capability()
    const removal = changeIn(await at.admin('DELETE', '/admin/connections/pg?confirm=pg'))
    const rows = await heldRows(url)
    const asked = ask(at, token)
    await soon(500)
    const removing = confirm(at, key, [removal])
    await Promise.race([removing, soon(2_000)])
    await rows.release()
    const [answer, removed] = await Promise.all([asked, removing])
    expectOk(answer)
    expect(JSON.stringify(removed.json)).toContain('A lease of pg is out')
    expect((await at.admin('GET', '/admin/connections')).text).toContain('"pg"')
    expectOk(await at.admin('DELETE', `/admin/leases/${answer.json['id']}`))
  })

  it('and a freeze finds the oldest of any number', async () => {
    const lease = await leased(at, await capability())
    await at.broker.ctx.db.execute(`
      insert into leases (id, state, connection, agent, environment, capability, template, places,
        created_at, expires_at, attempts, try_at)
      select 'lse_' || lpad(to_hex(n), 32, '0'), 'ending', connection, 'other', environment, capability, template, places,
        now() + interval '1 minute', expires_at, 1, now() + interval '1 hour'
      from leases, generate_series(1, 1200) n where id = '${lease.id}'`)
    const frozen = expectOk(await at.admin('POST', '/admin/freezes', { subject: 'agent:cursor' }))
    await until(async () => (await roles(lease.credential.user)) === 0)
    expect((await at.admin('GET', '/admin/status')).json).toMatchObject({
      leases: { failing: 1_200 },
    })
    await at.broker.ctx.db.execute(`delete from leases where agent = 'other'`)
    const lifted = await at.admin('DELETE', `/admin/freezes/${frozen.json['id']}`)
    expectOk(await confirm(at, key, [changeIn(lifted)]))
  })
})
