/** What is frozen passes nothing, and says who froze it and why; what is not goes on. */
import { describe, expect, it } from 'vitest'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, expectOk, type Front, field, front, send } from '../support/broker.ts'
import { stores } from '../support/stores.ts'

const read = 'query($id: String!) { environment(id: $id) { name } }'
const staging = { id: ids.environments.staging }
const production = { id: ids.environments.production }

const finalHint = expect.stringContaining('do not look for another credential')

type Agent = { name: string; secret: string }

async function agentOf(at: Front, name: string, scope = 'work'): Promise<Agent> {
  const added = await at.admin('POST', '/admin/agents', { name, scopes: [scope] })
  return { name, secret: field(expectOk(added), 'secret') }
}

function post(at: Front, { name, secret }: Agent, path: string, form: Record<string, string>) {
  return at.agent(path, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${name}:${secret}`)}` },
    body: new URLSearchParams(form),
  })
}

const mint = (at: Front, agent: Agent, scope = 'work') =>
  post(at, agent, '/oauth/token', { grant_type: 'client_credentials', scope })

async function freeze(at: Front, subject: string, reason?: string): Promise<string> {
  return field(expectOk(await at.admin('POST', '/admin/freezes', { subject, reason })), 'id')
}

async function lift(at: Front, id: string): Promise<void> {
  expectOk(await at.admin('DELETE', `/admin/freezes/${id}`))
}

describe.each(stores)('on %s', async (kind) => {
  const at = await front(kind)
  const cursor = await agentOf(at, 'builder')
  const other = await agentOf(at, 'other')
  await at.scope('aside', ['railway:@read'])
  const token = field(expectOk(await mint(at, cursor)), 'access_token')
  const others = field(expectOk(await mint(at, other)), 'access_token')
  const aside = await at.capability({ scope: 'aside' })
  const calls = () => Promise.all([token, others, aside].map((one) => at.call(one, read, staging)))
  const statuses = async () => (await calls()).map(({ status }) => status)

  it.each([
    ['agent:builder', 'The agent builder is', [403, 200, 200]],
    ['environment:staging', 'The environment staging is', [403, 403, 403]],
    ['environment:production', '', [200, 200, 200]],
    ['connection:railway', 'The connection railway is', [403, 403, 403]],
    ['scope:work', 'The scope work is', [403, 403, 200]],
    ['all', 'Everything is', [403, 403, 403]],
  ])(
    '%s stops what it names and nothing else, until it is lifted',
    async (subject, words, then) => {
      expect(await statuses()).toEqual([200, 200, 200])
      const id = await freeze(at, subject, 'it went mad')
      const reached = at.railway.received.length
      const answers = await calls()
      expect(answers.map(({ status }) => status)).toEqual(then)
      for (const { json, headers } of answers.filter(({ status }) => status === 403)) {
        expect(json).toMatchObject({
          code: 'frozen',
          title: 'Frozen',
          retry: 'never',
          detail: expect.stringMatching(
            new RegExp(`^${words} frozen since 20\\S+Z by ada, saying: it went mad\\.$`),
          ),
          hint: finalHint,
        })
        expect(headers.get('valetkey-verdict')).toBe('deny')
      }
      if (!then.includes(200)) expect(at.railway.received).toHaveLength(reached)
      await lift(at, id)
      expect(await statuses()).toEqual([200, 200, 200])
    },
  )

  it('a frozen agent gets no new capability, and those it has are dead', async () => {
    const introspect = () => post(at, cursor, '/oauth/introspect', { token })
    expect((await introspect()).json).toMatchObject({ active: true })
    const id = await freeze(at, 'agent:builder')
    const refused = await mint(at, cursor)
    expect(refused.status).toBe(400)
    expect(refused.json).toEqual({
      error: 'access_denied',
      error_description: expect.stringMatching(/^The agent builder is frozen since .* by ada\. /),
    })
    expect(refused.json['error_description']).toEqual(finalHint)
    expect((await introspect()).json).toEqual({ active: false })
    const info = await at.agent('/v1/capability', { headers: { authorization: `Bearer ${token}` } })
    expect(info.json).toMatchObject({ code: 'frozen' })
    expect((await at.explain(token, read, staging)).json).toMatchObject({ code: 'frozen' })
    expect((await mint(at, other)).status).toBe(200)
    await lift(at, id)
    expect((await introspect()).json).toMatchObject({ active: true })
    expect((await mint(at, cursor)).status).toBe(200)
  })

  it('what it goes on trying is written down, and so are the freeze and its end', async () => {
    const id = await freeze(at, 'agent:builder', 'to look at it')
    await at.call(token, read, staging)
    await lift(at, id)
    const about = await at.audit('&agent=builder')
    const refused = about.filter(({ outcome }) => outcome === 'frozen')
    expect(refused.map(({ kind, connection }) => [kind, connection])).toContainEqual([
      'refusal',
      'railway',
    ])
    const edits = about.filter(({ kind }) => kind === 'change').map(({ facts }) => facts)
    expect(edits.slice(0, 2)).toMatchObject([
      { what: 'freeze.lift', freeze: id, frozen_by: 'ada', reason: 'to look at it' },
      { what: 'freeze.add', freeze: id, subject: 'agent:builder', reason: 'to look at it' },
    ])
  })

  it('what is frozen already stays as it is', async () => {
    const { version } = at.broker.ctx.realm.now()
    const ids = await Promise.all([1, 2, 3].map(() => freeze(at, 'scope:aside', 'first')))
    expect(new Set(ids).size).toBe(1)
    const again = await at.admin('POST', '/admin/freezes', { subject: 'scope:aside', reason: 'x' })
    expect(again.json).toMatchObject({ id: ids[0], reason: 'first', lifted_at: null })
    const live = await at.admin('GET', '/admin/freezes')
    expect(live.json['freezes']).toMatchObject([{ id: ids[0], subject: 'scope:aside', by: 'ada' }])
    expect((await at.admin('GET', '/admin/status')).json['freezes']).toEqual(live.json['freezes'])
    await lift(at, ids[0] ?? '')
    expect((await at.admin('DELETE', `/admin/freezes/${ids[0]}`)).json).toMatchObject({
      code: 'not-found',
    })
    expect((await at.admin('GET', '/admin/freezes')).json).toEqual({ freezes: [] })
    const all = (await at.admin('GET', '/admin/freezes?all=true')).json['freezes']
    expect(all).toContainEqual(
      expect.objectContaining({ id: ids[0], lifted_at: expect.stringMatching(/^20.*Z$/) }),
    )
    expect(at.broker.ctx.realm.now().version).toBeLessThanOrEqual(version + 4)
  })

  it('an approver may freeze and not lift, and an auditor neither', async () => {
    const as = async (role: string, name: string) => {
      const { code } = expectOk(
        await at.admin('POST', '/admin/operators/invitations', { role }),
      ).json
      const proof = { code, name, passphrase: 'correct horse battery staple' }
      const token = field(expectOk(await at.admin('POST', '/admin/session', proof)), 'token')
      return (method: string, path: string, body?: unknown) =>
        send(at.broker.operatorUrl + path, {
          method,
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        })
    }
    const approver = await as('approver', 'april')
    const auditor = await as('auditor', 'otto')
    const refused = await auditor('POST', '/admin/freezes', { subject: 'all' })
    expect(refused.json).toMatchObject({ code: 'forbidden' })
    const made = await approver('POST', '/admin/freezes', { subject: 'all' })
    expect(made.json).toMatchObject({ subject: 'all', by: 'april' })
    const id = field(expectOk(made), 'id')
    for (const one of [approver, auditor]) {
      expect((await one('DELETE', `/admin/freezes/${id}`)).json).toMatchObject({
        code: 'forbidden',
      })
    }
    expect(await statuses()).toEqual([403, 403, 403])
    await lift(at, id)
  })

  it('a misspelled name freezes nothing and says so', async () => {
    for (const kindOf of ['agent', 'environment', 'connection', 'scope']) {
      const answer = await at.admin('POST', '/admin/freezes', { subject: `${kindOf}:nobody` })
      expect(answer.json).toMatchObject({
        code: 'not-found',
        detail: `There is no ${kindOf} nobody, so nothing was frozen.`,
      })
    }
    for (const subject of ['agent', 'agent:', 'everything', 'agent:A', 'capability:x', '', null]) {
      const answer = await at.admin('POST', '/admin/freezes', { subject })
      expect(answer.json).toMatchObject({ code: 'malformed-request' })
    }
    expect(await statuses()).toEqual([200, 200, 200])
  })
})

describe('an agent that will not stop', async () => {
  const after = 5
  const at = await front('embedded', { config: (config) => ({ ...config, freezeAfter: after }) })
  const mad = await agentOf(at, 'mad')
  const calm = await agentOf(at, 'calm')
  const token = field(expectOk(await mint(at, mad)), 'access_token')
  const calms = field(expectOk(await mint(at, calm)), 'access_token')
  const code = ({ json }: Answer) => json['code']
  const frozen = async () =>
    (await at.admin('GET', '/admin/freezes')).json['freezes'] as { id: string; subject: string }[]

  it('is not frozen for calls that name nothing elsewhere, are not allowed, or only ask', async () => {
    for (let i = 0; i < after + 2; i += 1) {
      expect(code(await at.call(token, '{ projects { edges { node { id } } } }'))).toBe(
        'outside-environment',
      )
      expect(code(await at.explain(token, read, production))).toBe('outside-environment')
      expect(code(await at.call(token, 'mutation { projectDelete(id: "p") }'))).toBe(
        'operation-not-allowed',
      )
    }
    expect(await frozen()).toEqual([])
    expect((await at.call(token, read, staging)).status).toBe(200)
  })

  it('is frozen by the broker after so many for another environment, and nobody else is', async () => {
    for (let i = 1; i < after; i += 1) {
      expect(code(await at.call(token, read, production))).toBe('outside-environment')
      expect(code(await at.call(calms, read, production))).toBe('outside-environment')
      // A capability that is not genuine counts against nobody.
      expect((await at.call(`${calms.slice(0, -4)}AAAA`, read, production)).status).toBe(401)
    }
    expect(await frozen()).toEqual([])
    await at.call(token, read, production)
    await expect.poll(frozen).toMatchObject([
      {
        subject: 'agent:mad',
        by: 'valetkey',
        reason: `${after} of its calls within a minute named what lives outside its environment`,
      },
    ])
    expect((await at.call(token, read, staging)).json).toMatchObject({
      code: 'frozen',
      detail: expect.stringContaining('by valetkey, saying: 5 of its calls within a minute'),
    })
    expect((await at.call(calms, read, staging)).status).toBe(200)
    const [entry] = await at.audit('&agent=mad&kind=change')
    expect(entry).toMatchObject({ operator: 'valetkey', facts: { what: 'freeze.add' } })
  })

  it('has to do it anew once an operator lifted it', async () => {
    const [one] = await frozen()
    await lift(at, one?.id ?? '')
    expect(code(await at.call(token, read, production))).toBe('outside-environment')
    expect((await at.call(token, read, staging)).status).toBe(200)
    expect(await frozen()).toEqual([])
  })
})

it('nobody is frozen for it where that is turned off', async () => {
  const at = await front('embedded', { config: (config) => ({ ...config, freezeAfter: 0 }) })
  const token = await at.capability()
  for (let i = 0; i < 40; i += 1) {
    expect((await at.call(token, read, production)).json).toMatchObject({
      code: 'outside-environment',
    })
  }
  expect((await at.admin('GET', '/admin/freezes')).json).toEqual({ freezes: [] })
})
