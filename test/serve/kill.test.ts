import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { ids } from '../../src/demo/railway/world.ts'
import { type Answer, expectOk, field, realToken, send } from '../support/broker.ts'
import {
  type Admin,
  adminOf,
  entriesOf,
  furnish,
  graphql,
  place,
  type Served,
  serve,
  token,
} from '../support/process.ts'
import { stores } from '../support/stores.ts'

const addDomain =
  'mutation($input: CustomDomainCreateInput!) { customDomainCreate(input: $input) { id } }'

/** What was answered before the kill, and so must be there after it. */
type Acknowledged = {
  calls: string[]
  scopes: string[]
  capabilities: string[]
  revoked: string[]
}

type Load = { served: Served; admin: Admin; agents: { name: string; secret: string }[] }

/** Each edit makes the calls under way be judged again, and there are several editors. */
const betweenEdits = 400

/** Calls, capabilities, edits and revocations, each over and over, until the broker is gone. */
async function work(load: Load, round: number, seen: Acknowledged): Promise<void> {
  const { served, admin, agents } = load
  await Promise.all([
    ...agents.flatMap((agent) => [calling(agent, 'a'), calling(agent, 'b')]),
    ...agents.map((agent) => minting(agent)),
    editing(),
  ])

  async function calling(agent: { name: string; secret: string }, lane: string): Promise<void> {
    const capability = await minted(agent)
    await untilGone(async (turn) => {
      const domain = `${agent.name}-${lane}-${round}-${turn}.acme.example`
      const answer = await graphql(served, capability ?? '', addDomain, {
        input: inStaging(domain),
      })
      if (answer.status === 200) seen.calls.push(answer.headers.get('valetkey-request-id') ?? '')
    })
  }

  async function minting(agent: { name: string; secret: string }): Promise<void> {
    await untilGone(async (turn) => {
      await sleep(betweenEdits)
      const capability = await minted(agent)
      if (capability === undefined) return
      if (turn % 2 === 0) return void seen.capabilities.push(capability)
      const answer = await admin('DELETE', `/admin/capabilities/${jtiOf(capability)}`)
      if (answer.status < 300) seen.revoked.push(capability)
    })
  }

  async function minted(agent: { name: string; secret: string }): Promise<string | undefined> {
    const answer = await token(served, agent).catch(() => undefined)
    return answer?.status === 200 ? field(answer, 'access_token') : undefined
  }

  async function editing(): Promise<void> {
    await untilGone(async (turn) => {
      await sleep(betweenEdits)
      const name = `scope-${round}-${turn}`
      const scope = { environment: 'staging', allow: ['railway:Query.environment'] }
      const answer = await admin('PUT', `/admin/scopes/${name}`, scope)
      if (answer.status < 300) seen.scopes.push(name)
    })
  }

  /** Whatever a killed broker did not answer rejects, and nothing was promised. */
  async function untilGone(step: (turn: number) => Promise<void>): Promise<void> {
    let gone = false
    void served.ended.then(() => {
      gone = true
    })
    for (let turn = 0; !gone; turn++) await step(turn).catch(() => sleep(10))
  }
}

function inStaging(domain: string) {
  return {
    domain,
    environmentId: ids.environments.staging,
    projectId: ids.projects.rentals,
    serviceId: ids.services.web,
  }
}

function jtiOf(capability: string): string {
  return JSON.parse(Buffer.from(capability.split('.')[1] ?? '', 'base64url').toString()).jti
}

/** As its audit entry names a request that left. */
function digest(body: string): string {
  return hash('sha256', `POST /graphql/v2?\n${body}`, 'hex')
}

const notEmpty = (list: unknown[]) => list.length > 0

function within(what: () => boolean): Promise<void> {
  return vi.waitFor(() => expect(what()).toBe(true), { timeout: 30_000, interval: 5 })
}

it.for(stores)(
  'kill -9 of a broker under load loses nothing that it acknowledged, and nothing reached the upstream unaudited (%s)',
  { timeout: 90_000 },
  async (kind) => {
    const railway = await startSimulatedRailway({ token: realToken() })
    onTestFinished(() => railway.close())
    const env = await place(kind)
    let served = await serve(env)
    const { session, secret } = await furnish(served, railway)
    const agents = [{ name: 'cursor', secret }]
    for (const name of ['claude', 'codex']) {
      const added = await adminOf(served, session)('POST', '/admin/agents', {
        name,
        scopes: ['work'],
      })
      agents.push({ name, secret: field(expectOk(added), 'secret') })
    }
    // An hour's quota is soon spent, and the answers take long enough for a kill to come in between.
    Object.assign(railway.faults, { rateRemaining: 900, delayMs: 20 })
    const arrivals = () =>
      railway.received.filter(({ body }) => body.includes('customDomainCreate')).length

    const seen: Acknowledged = { calls: [], scopes: [], capabilities: [], revoked: [] }
    for (const [round, moment] of (['any', 'a call is at the upstream'] as const).entries()) {
      const load = work({ served, admin: adminOf(served, session), agents }, round, seen)
      const enough = seen.calls.length + 5
      await within(() => seen.calls.length >= enough && Object.values(seen).every(notEmpty))
      if (moment === 'any') await sleep(Math.random() * 400)
      else {
        Object.assign(railway.faults, { onlyRoots: ['customDomainCreate'], hang: true })
        const before = arrivals()
        await within(() => arrivals() > before)
        await sleep(Math.random() * 50)
      }
      expect(await served.stop('SIGKILL')).toMatchObject({ signal: 'SIGKILL' })
      await load
      served = await serve(env)
    }

    const admin = adminOf(served, session)
    const entries = await entriesOf(admin)
    const calls = entries.filter((entry) => entry.kind === 'call')
    const called = new Set(calls.map(({ request }) => request))
    expect(seen.calls.filter((request) => !called.has(request))).toEqual([])
    expect(new Set(seen.calls).size).toBe(seen.calls.length)

    const arrived = railway.received.filter(({ body }) => body.includes('customDomainCreate'))
    const audited = new Set(calls.map(({ facts }) => Object(facts).sent))
    expect(arrived.length).toBeGreaterThanOrEqual(seen.calls.length)
    expect(arrived.filter(({ body }) => !audited.has(digest(body)))).toEqual([])

    const concluded = new Set(
      entries.filter(({ kind }) => kind === 'outcome').map(({ request }) => request),
    )
    const open = calls.filter(({ request }) => !concluded.has(request))
    const verified = expectOk(await admin('GET', '/admin/audit/verification')).json
    expect(verified).toMatchObject({ ok: true, problems: [], calls: calls.length })
    expect(open.length).toBeGreaterThan(0)
    expect(verified['unknown']).toEqual(open.map(({ seq, request }) => ({ seq, request })))

    const scopes = JSON.stringify(expectOk(await admin('GET', '/admin/scopes')).json)
    expect(seen.scopes.filter((name) => !scopes.includes(`"${name}"`))).toEqual([])

    const ask = (capability: string): Promise<Answer> =>
      send(`${served.agentUrl}/v1/capability`, {
        headers: { authorization: `Bearer ${capability}` },
      })
    for (const capability of seen.capabilities) expect((await ask(capability)).status).toBe(200)
    for (const capability of seen.revoked) {
      expect((await ask(capability)).json).toMatchObject({ code: 'capability-revoked' })
    }
    expect(await served.stop()).toMatchObject({ code: 0 })
  },
)
