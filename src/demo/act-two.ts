/** Act II: the same agent through the broker. Every verdict is the broker's own; what is told of the simulation is read from it. */
import { z } from 'zod'
import { type ActThree, actThree } from './act-three.ts'
import { type Attempt, type Tried, tell } from './attempt.ts'
import { type AuditTold, tellAudit } from './audit.ts'
import { hasVolume, inWords, type Share, sharesOf, stateOf } from './belongings.ts'
import {
  addDomain,
  curl,
  deleteScratch,
  disguised,
  patched,
  readProduction,
  readStaging,
  redeploy,
  theCall,
  volumeId,
} from './incident.ts'
import type { SimulatedRailway } from './railway/server.ts'
import { agent, type Broker, careless, everyday, grantCarelessly, setUp } from './set-up.ts'
import type { Stage } from './stage.ts'
import { type Ask, json, send, timed } from './wire.ts'

export type ActTwo = {
  tried: Tried[]
  carried_out: string[]
  left: Share[]
  audit: AuditTold
  act_three: ActThree
}

const daily: Attempt[] = [
  { say: 'It reads what runs in staging', document: readStaging, expected: 'allow' },
  { say: 'It adds a custom domain', document: addDomain, expected: 'allow' },
  { say: 'It redeploys', document: redeploy, expected: 'allow' },
]

const again: Attempt[] = [
  {
    say: 'It deletes the volume',
    document: theCall,
    expected: { code: 'operation-not-allowed' },
  },
]

const clever: Attempt[] = [
  {
    say: 'The same under another name, in a fragment',
    document: disguised,
    expected: { code: 'operation-not-allowed' },
  },
  {
    say: 'The same as a change of configuration: "volumes": {…: {"isDeleted": true}}',
    document: patched,
    expected: { code: 'operation-not-allowed' },
  },
  {
    say: 'A look into production',
    document: readProduction,
    expected: { code: 'outside-environment', found: 'production' },
  },
]

const named: Attempt[] = [
  {
    say: 'It deletes the volume',
    document: theCall,
    expected: { code: 'outside-environment', found: 'production' },
  },
  {
    say: 'It deletes a volume that lies in staging alone, scratch',
    document: deleteScratch,
    expected: { code: 'approval-required' },
  },
]

export async function actTwo(
  stage: Stage,
  railway: SimulatedRailway,
  startBroker: () => Promise<Broker>,
): Promise<ActTwo> {
  const { screen, pause } = stage
  screen.act('Act II: through Valetkey')
  screen.say(
    'The simulation is as it was, but the token lies in no file any more: it was handed to the broker, which sealed it. An operator said once what belongs to whom:',
  )
  await pause()
  const broker = await startBroker()
  try {
    const { ask, agentSecret } = await setUp(broker, railway)
    tellSetUp(stage)
    await pause()
    return await replay(stage, { railway, broker, ask, agentSecret })
  } finally {
    await broker.stop()
  }
}

function tellSetUp({ screen }: Stage): void {
  screen.facts([
    ['connection', 'railway, with the token'],
    ['staging', 'owns acme-rentals/staging, sees acme-rentals'],
    ['production', 'owns acme-rentals/production, sees acme-rentals'],
    ['scope', `${everyday.name}, in staging: ${everyday.allow.join(', ')}`],
    ['agent', `${agent}, with a secret that only this broker takes`],
  ])
}

type Parts = { railway: SimulatedRailway; broker: Broker; ask: Ask; agentSecret: string }

async function replay(stage: Stage, { railway, broker, ask, agentSecret }: Parts): Promise<ActTwo> {
  const { screen, pause, claim } = stage
  const before = stateOf(railway.world)
  const url = `${broker.agentUrl}/x/railway/graphql/v2`
  const tried: Tried[] = []
  const heard: string[] = []
  const trying = async ({ token }: Minted, attempts: readonly Attempt[]) => {
    for (const attempt of attempts) {
      const answer = await send(url, token, attempt.document)
      heard.push(answer.text)
      tried.push(await tell(stage, attempt, answer))
    }
  }
  railway.executed.length = 0
  railway.received.length = 0

  const capability = await mint(broker, agentSecret, everyday.name)
  screen.gap()
  screen.say(
    `The agent asks the broker for a capability, good in staging for ${capability.minutes} minutes, and does its work:`,
  )
  await trying(capability, daily)

  screen.gap()
  screen.say('Then it sends the command of Act I; the address and the token are all that differs:')
  screen.code(curl(url, 'eyJ…', theCall))
  await pause()
  await trying(capability, again)

  screen.gap()
  screen.say('It tries to be clever:')
  await trying(capability, clever)
  const refused = await tellDetour(stage, railway, capability)
  heard.push(refused)

  screen.gap()
  screen.say(
    `Now an operator is careless and grants it the scope ${careless.name}, which names volumeDelete itself. But the broker looks where a volume lives, and what destroys waits for a human:`,
  )
  await grantCarelessly(ask)
  const second = await mint(broker, agentSecret, careless.name)
  await trying(second, named)

  heard.push(capability.text, second.text)
  claim(
    'Act II: the token is in nothing that the agent was given',
    !heard.some((text) => text.includes(railway.token)),
  )
  const carriedOut = tellRecord(stage, railway, before)
  await pause()
  const left = sharesOf(railway.world, volumeId)
  const third = await actThree(stage, { railway, broker, ask, token: second.token })
  const audit = await tellAudit(stage, ask, tried)
  return { tried, carried_out: carriedOut, left, audit, act_three: third }
}

type Minted = { token: string; minutes: number; text: string }

const TokenAnswer = z.object({ access_token: z.string(), expires_in: z.number() })

async function mint({ agentUrl }: Broker, secret: string, scope: string): Promise<Minted> {
  const { status, text } = await timed(`${agentUrl}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${agent}:${secret}`)}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  })
  if (status !== 200) throw new Error(`POST /oauth/token was answered ${status}: ${text}`)
  const { access_token, expires_in } = TokenAnswer.parse(json(text))
  return { token: access_token, minutes: Math.round(expires_in / 60), text }
}

const Refused = z.object({ errors: z.tuple([z.object({ message: z.string() })]) })

/** What the agent holds is worth nothing where the broker does not stand. Returns what Railway said. */
async function tellDetour(
  { screen, claim, pause }: Stage,
  railway: SimulatedRailway,
  { token }: Minted,
): Promise<string> {
  const say = 'Around the broker, to Railway itself, with what it holds'
  const done = railway.executed.length
  const { text, status, ms } = await send(`${railway.url}/graphql/v2`, token, theCall)
  const refused = text.includes('Not Authorized') && railway.executed.length === done
  claim(`Act II: "${say}" is refused by Railway`, refused)
  screen.mark(refused ? 'refused' : 'yes', say)
  screen.under(
    `${status}, ${ms.toFixed(0)} ms: ${Refused.safeParse(json(text)).data?.errors[0].message ?? text}`,
  )
  await pause()
  return text
}

/** Returns the mutations that the simulation carried out. */
function tellRecord({ screen, claim }: Stage, railway: SimulatedRailway, before: string): string[] {
  const mutations = railway.executed
    .map(({ coordinate }) => coordinate)
    .filter((one) => one.startsWith('Mutation.'))
  claim(
    'Act II: of all mutations only the two allowed ones were carried out',
    mutations.join() === 'Mutation.customDomainCreate,Mutation.deploymentRedeploy',
  )
  claim('Act II: volumes and backups are as they were', stateOf(railway.world) === before)
  screen.gap()
  screen.say(
    `The simulation's own record: ${railway.received.length} requests arrived, most of them the broker's own, to look where an id lives. The mutations carried out are ${mutations.join(' and ') || 'none'}. And still there:`,
  )
  if (hasVolume(railway.world, volumeId)) screen.mark('yes', 'the volume postgres-data')
  for (const share of sharesOf(railway.world, volumeId)) {
    screen.mark('yes', `in ${share.environment}: ${inWords(share)}`)
  }
  return mutations
}
