import { describe, expect, it } from 'vitest'
import { BrokerError } from '../../src/errors.ts'
import {
  enrol,
  enrolmentCode,
  invite,
  listOperators,
  type Role,
  removeOperator,
  sessionFor,
  signIn,
  signOut,
} from '../../src/identity/operators.ts'
import { enrolments, operators, sessions } from '../../src/store/schema.ts'
import { stores } from '../support/stores.ts'
import { auditLog, type Broker, broker, replicaOf } from '../tokens/broker.ts'

const address = '127.0.0.1'
const passphrase = 'correct horse battery staple'

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => 'accepted',
    (thrown: unknown) => thrown,
  )
  return error instanceof BrokerError ? error.code : String(error)
}

async function firstCode(ctx: Broker): Promise<string> {
  const made = await enrolmentCode(ctx)
  if (made === null) throw new Error('there is an operator already')
  return made.code.reveal()
}

async function withAdmin(kind: (typeof stores)[number]) {
  const ctx = await broker(kind)
  const code = await firstCode(ctx)
  const session = await enrol(ctx, { code, name: 'ada', passphrase, address })
  const join = async (name: string, role: Role) => {
    const invitation = await invite(ctx, { name: 'ada' }, { role })
    return enrol(ctx, { code: invitation.code.reveal(), name, passphrase, address })
  }
  return { ctx, session, join }
}

describe.each(stores)('operators on %s', (kind) => {
  it('begin with one admin, enrolled by a code that is read in groups and typed in any case', async () => {
    const ctx = await broker(kind)
    const code = await firstCode(ctx)
    expect(code).toMatch(/^([0-9A-F]{4}-){7}[0-9A-F]{4}$/)
    const typed = ` ${code.toLowerCase().replaceAll('-', ' ')} `
    const session = await enrol(ctx, { code: typed, name: 'ada', passphrase, address })
    expect(session).toMatchObject({ operator: 'ada', role: 'admin' })
    expect(await sessionFor(ctx, session.token.reveal())).toMatchObject({
      name: 'ada',
      role: 'admin',
    })
    // From here on a start's code makes no operator: it gives a passkey to one who is there.
    const later = await enrolmentCode(ctx)
    expect(later).toMatchObject({ first: false })
    const eve = { code: later?.code.reveal() ?? '', name: 'eve', passphrase, address }
    expect(await codeOf(enrol(ctx, eve))).toBe('not-signed-in')
  })

  it('take each code once, and the first codes for the first operator only', async () => {
    const ctx = await broker(kind)
    const [one, two] = [await firstCode(ctx), await firstCode(ctx)]
    await enrol(ctx, { code: one, name: 'ada', passphrase, address })
    for (const code of [one, two, 'AAAA', '', '0'.repeat(32)]) {
      expect(await codeOf(enrol(ctx, { code, name: 'eve', passphrase, address }))).toBe(
        'not-signed-in',
      )
    }
    expect((await listOperators(ctx)).map((operator) => operator.name)).toEqual(['ada'])
  })

  it('win a code once when several try at the same time, on several replicas', async () => {
    const ctx = await broker(kind)
    const other = await replicaOf(ctx)
    const code = await firstCode(ctx)
    const codes = await Promise.all(
      ['ada', 'bob', 'eve', 'mal'].map((name, i) =>
        codeOf(enrol(i % 2 === 0 ? ctx : other, { code, name, passphrase, address })),
      ),
    )
    expect(codes.filter((one) => one === 'accepted')).toHaveLength(1)
    expect(await listOperators(ctx)).toHaveLength(1)
  })

  it('find a code void after ten minutes', async () => {
    const ctx = await broker(kind)
    const code = await firstCode(ctx)
    ctx.pass(601)
    expect(await codeOf(enrol(ctx, { code, name: 'ada', passphrase, address }))).toBe(
      'not-signed-in',
    )
  })

  it('choose a passphrase of twelve characters at least, that is not one letter or the name', async () => {
    const ctx = await broker(kind)
    const code = await firstCode(ctx)
    for (const weak of ['elevenchars', 'aaaaaaaaaaaaaaaa', 'ada-ada-ada-ada', '']) {
      const tried = enrol(ctx, { code, name: 'ada', passphrase: weak, address })
      expect(await codeOf(tried)).toBe('malformed-request')
    }
    await enrol(ctx, { code, name: 'ada', passphrase: 'twelve chars', address })
  })

  it('keep only hashes: no code, passphrase or session token is stored, logged or audited', async () => {
    const ctx = await broker(kind)
    const code = await firstCode(ctx)
    const session = await enrol(ctx, { code, name: 'ada', passphrase, address })
    await codeOf(signIn(ctx, { name: 'ada', passphrase: `${passphrase}!`, address }))
    const [operator] = await ctx.db.select().from(operators)
    expect(operator?.passphrase).toMatch(/^\$argon2id\$/)
    const places = [
      await ctx.db.select().from(operators),
      await ctx.db.select().from(enrolments),
      await ctx.db.select().from(sessions),
      ctx.lines,
      await auditLog(ctx),
    ]
    const token = session.token.reveal()
    for (const secret of [code, code.replaceAll('-', ''), passphrase, token, token.slice(4)]) {
      for (const place of places) expect(JSON.stringify(place)).not.toContain(secret)
    }
    expect(`${session.token}`).toBe('[secret]')
    expect(JSON.stringify(session)).not.toContain(token)
  })

  it('sign in with the passphrase, each time into a new session, and out of one', async () => {
    const { ctx } = await withAdmin(kind)
    const first = await signIn(ctx, { name: 'ada', passphrase, address })
    const second = await signIn(ctx, { name: 'ada', passphrase, address })
    expect(first.token.reveal()).not.toBe(second.token.reveal())
    const operator = await sessionFor(ctx, first.token.reveal())
    if (operator === null) throw new Error('no session')
    await signOut(ctx, operator)
    expect(await sessionFor(ctx, first.token.reveal())).toBeNull()
    expect(await sessionFor(ctx, second.token.reveal())).not.toBeNull()
    const kinds = (await auditLog(ctx)).map((entry) => entry['kind'])
    expect(kinds).toEqual(['change', 'sign-in', 'sign-in', 'sign-in', 'sign-out'])
  })

  it('are refused alike for a wrong passphrase and an unknown name', async () => {
    const { ctx } = await withAdmin(kind)
    const wrong = await signIn(ctx, { name: 'ada', passphrase: 'wrong', address }).catch(String)
    const unknown = await signIn(ctx, { name: 'eve', passphrase, address }).catch(String)
    const odd = await signIn(ctx, { name: "' or 1=1", passphrase, address }).catch(String)
    expect(wrong).toContain('The name or the passphrase is wrong')
    expect(unknown).toBe(wrong)
    expect(odd).toBe(wrong)
  })

  it('are limited in failed tries per name', async () => {
    const { ctx } = await withAdmin(kind)
    ctx.stop()
    const tried = (i: number) =>
      codeOf(signIn(ctx, { name: 'ada', passphrase: `wrong ${i}`, address: `10.0.0.${i}` }))
    for (let i = 0; i < 10; i++) expect(await tried(i)).toBe('not-signed-in')
    expect(await tried(10)).toBe('limit-exceeded')
  })

  it('hold a session for eight hours, and for one without a request', async () => {
    const { ctx, session } = await withAdmin(kind)
    const token = session.token.reveal()
    for (let i = 0; i < 9; i++) {
      ctx.pass(50 * 60)
      expect(await sessionFor(ctx, token)).not.toBeNull()
    }
    ctx.pass(31 * 60)
    expect(await sessionFor(ctx, token)).toBeNull()

    const idle = await signIn(ctx, { name: 'ada', passphrase, address })
    ctx.pass(61 * 60)
    expect(await sessionFor(ctx, idle.token.reveal())).toBeNull()
  })

  it('are known by no other text than the token', async () => {
    const { ctx, session } = await withAdmin(kind)
    const token = session.token.reveal()
    for (const text of [
      '',
      'vko_',
      `${token}x`,
      ` ${token}`,
      token.slice(4),
      `vks_${token.slice(4)}`,
      '%',
    ]) {
      expect(await sessionFor(ctx, text)).toBeNull()
    }
  })

  it('are invited into a role, and removed with their sessions and open invitations', async () => {
    const { ctx, join } = await withAdmin(kind)
    const bob = await join('bob', 'admin')
    expect(await sessionFor(ctx, bob.token.reveal())).toMatchObject({ role: 'admin' })
    const open = await invite(ctx, { name: 'bob' }, { role: 'admin' })
    await removeOperator(ctx, { name: 'ada' }, 'bob')
    expect(await sessionFor(ctx, bob.token.reveal())).toBeNull()
    expect(await codeOf(signIn(ctx, { name: 'bob', passphrase, address }))).toBe('not-signed-in')
    const tried = enrol(ctx, { code: open.code.reveal(), name: 'eve', passphrase, address })
    expect(await codeOf(tried)).toBe('not-signed-in')
  })

  it('keep an invitation when the name is taken', async () => {
    const { ctx } = await withAdmin(kind)
    const invitation = await invite(ctx, { name: 'ada' }, { role: 'auditor' })
    const code = invitation.code.reveal()
    expect(await codeOf(enrol(ctx, { code, name: 'ada', passphrase, address }))).toBe('conflict')
    const bob = await enrol(ctx, { code, name: 'bob', passphrase, address })
    expect(bob.role).toBe('auditor')
  })

  it('keep their last admin, also when two remove each other at once', async () => {
    const { ctx, join } = await withAdmin(kind)
    await join('sue', 'auditor')
    expect(await codeOf(removeOperator(ctx, { name: 'ada' }, 'ada'))).toBe('conflict')
    await join('bob', 'admin')
    const codes = await Promise.all([
      codeOf(removeOperator(ctx, { name: 'ada' }, 'bob')),
      codeOf(removeOperator(ctx, { name: 'bob' }, 'ada')),
    ])
    expect(codes.toSorted()).toEqual(['accepted', 'conflict'])
    const left = await listOperators(ctx)
    expect(left.filter((operator) => operator.role === 'admin')).toHaveLength(1)
    expect(await codeOf(removeOperator(ctx, { name: 'ada' }, 'nobody'))).toBe('not-found')
  })
})
