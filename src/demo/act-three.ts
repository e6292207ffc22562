/** Act III: a legitimate delete, asked, shown, approved and executed; and the other one, which nobody is even asked about. */
import { z } from 'zod'
import { type Authenticator, createAuthenticator } from './authenticator.ts'
import { hasVolume } from './belongings.ts'
import { deleteScratch, scratchId, theCall, volumeId } from './incident.ts'
import type { SimulatedRailway } from './railway/server.ts'
import type { Broker } from './set-up.ts'
import type { Stage } from './stage.ts'
import { type Ask, anything, json, send, timed } from './wire.ts'

export type ActThree = { approval: string; code: string; executed: boolean; asked_about: number }

type Parts = {
  railway: SimulatedRailway
  broker: Broker
  ask: Ask
  /** A capability whose scope names volumeDelete. */
  token: string
}

const Waiting = z.object({
  code: z.literal('approval-required'),
  detail: z.string(),
  approval: z.object({ id: z.string(), url: z.string(), code: z.string() }),
})

const Shown = z.object({
  environment: z.string(),
  effect: z.string(),
  shown: z.object({
    resources: z.array(
      z.object({
        kind: z.string(),
        lives: z.array(z.string()),
        facts: z.array(z.tuple([z.string(), z.string()])),
        hangs: z.array(z.string()),
      }),
    ),
  }),
})

export async function actThree(stage: Stage, parts: Parts): Promise<ActThree> {
  const { screen, pause, claim } = stage
  const { railway, broker, ask, token } = parts
  const url = `${broker.agentUrl}/x/railway/graphql/v2`
  screen.act('Act III: a human’s key')
  screen.say(
    'The operator enrols a passkey with the one-time code of the start. Here a program plays the key and says that a human touched it; on your machine it is your finger. From now on the broker can ask.',
  )
  const key = await enrol(broker)
  await pause()

  screen.gap()
  screen.say('The agent asks again to delete scratch, which lies in staging alone:')
  const asked = await send(url, token, deleteScratch)
  const waiting = Waiting.safeParse(json(asked.text)).data
  claim('Act III: the delete waits for a human', waiting !== undefined)
  if (waiting === undefined) {
    screen.mark('gone', `The broker answered ${asked.status}, and asked nobody.`)
    return { approval: '', code: '', executed: false, asked_about: 0 }
  }
  screen.mark('refused', `${asked.status} approval-required, code ${waiting.approval.code}`)
  screen.under(waiting.detail)
  await pause()

  screen.gap()
  screen.say('What the operator sees is what the broker looked up, not what the agent says:')
  const { id } = waiting.approval
  const seen = await ask('GET', `/admin/approvals/${id}`, Shown)
  screen.facts(factsOf(seen))
  claim(
    'Act III: the operator sees where it lives',
    seen.shown.resources.some(({ lives }) => lives.join() === 'staging'),
  )
  await pause()

  await key.approve(id)
  screen.gap()
  screen.say('A touch signs this very request. The agent sends it once more, with the id:')
  const done = await timed(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'valetkey-approval': id,
    },
    body: JSON.stringify(deleteScratch),
  })
  const executed = done.status === 200 && !hasVolume(railway.world, scratchId)
  claim('Act III: what was approved was executed', executed)
  screen.mark(executed ? 'yes' : 'refused', `${done.status}: scratch is deleted, as was agreed`)
  await pause()

  screen.gap()
  screen.say('And the volume of the incident, with the same capability:')
  const other = await send(url, token, theCall)
  const refused = other.text.includes('outside-environment') && hasVolume(railway.world, volumeId)
  const { approvals } = await ask(
    'GET',
    '/admin/approvals',
    z.object({ approvals: z.array(anything) }),
  )
  claim('Act III: production is refused before anyone is asked', refused && approvals.length === 0)
  screen.mark('refused', `${other.status} outside-environment: production`)
  screen.under('Nobody was asked: there is nothing here for a human to say yes to.')
  await pause()
  return { approval: id, code: waiting.approval.code, executed, asked_about: approvals.length }
}

function factsOf({ environment, effect, shown }: z.infer<typeof Shown>): [string, string][] {
  return [
    ['environment', environment],
    ['effect', effect],
    ...shown.resources.flatMap((one): [string, string][] => [
      [one.kind, one.facts.map(([name, value]) => `${name} ${value}`).join(', ')],
      ['lives in', one.lives.join(', ')],
      ...one.hangs.map((each): [string, string] => ['hangs on it', each]),
    ]),
  ]
}

/** Does what the console's page does in a browser. */
async function enrol(broker: Broker): Promise<{ approve(id: string): Promise<void> }> {
  const key: Authenticator = createAuthenticator(broker.operatorUrl)
  let cookie = ''
  const page = async (path: string, body: unknown): Promise<unknown> => {
    const response = await fetch(broker.operatorUrl + path, {
      method: 'POST',
      headers: {
        origin: broker.operatorUrl,
        'content-type': 'application/json',
        'x-valetkey': '1',
        ...(cookie === '' ? {} : { cookie }),
      },
      body: JSON.stringify(body),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`POST ${path} was answered ${response.status}: ${text}`)
    cookie = response.headers.getSetCookie()[0]?.split(';', 1)[0] ?? cookie
    return json(text)
  }
  const claim = { code: broker.enrolmentCode, name: 'you' }
  const making = Creation.parse(await page('/console/api/enrol/options', claim))
  await page('/console/api/enrol', { ...claim, label: 'demo', response: key.create(making) })
  return {
    approve: async (id) => {
      const path = `/console/api/approvals/${id}`
      const asked = Request.parse(await page(`${path}/options`, {}))
      await page(`${path}/approve`, { response: key.get(asked) })
    },
  }
}

const Creation = z.object({
  challenge: z.string(),
  rp: z.object({ id: z.string() }),
  user: z.object({ id: z.string() }),
})
const Request = z.object({ challenge: z.string(), rpId: z.string() })
