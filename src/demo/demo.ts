/** `valetkey demo`: the incident twice on a simulated Railway, with the broad token and through the broker. Never calls out. */
import { Writable } from 'node:stream'
import { type ActOne, actOne } from './act-one.ts'
import type { ActThree } from './act-three.ts'
import { type ActTwo, actTwo } from './act-two.ts'
import { noBreak } from './layout.ts'
import { startSimulatedRailway } from './railway/server.ts'
import { createScreen, type Screen } from './screen.ts'
import type { Broker } from './set-up.ts'
import { type Claim, createStage, type Stage } from './stage.ts'

export type { Broker } from './set-up.ts'

export type DemoOptions = {
  /** An empty broker, for this replay alone. */
  startBroker: () => Promise<Broker>
  out: NodeJS.WritableStream
  color: boolean
  width: number
  unicode?: boolean
  json?: boolean
  /** Short pauses, for somebody who watches. */
  pace?: boolean
  /** The simulated Railway's token; a random one unless given. */
  token?: string
}

type Acts = { act_one?: ActOne; act_two?: Omit<ActTwo, 'act_three'>; act_three?: ActThree }

/** 0 when everything was as told, else 1. */
export async function demo(options: DemoOptions): Promise<number> {
  const { out, color, width, unicode = true, json = false, pace = false } = options
  const began = performance.now()
  const screen = createScreen({ out: json ? nowhere() : out, width, color, unicode })
  const stage = createStage({ screen, pace: pace && !json, began })
  const acts = await play(stage, options)
  const missed = stage.claims.filter(({ held }) => !held)
  const seconds = Math.round((performance.now() - began) / 100) / 10
  tellEnd(screen, stage.claims, missed, seconds)
  if (json) {
    const said = { ok: missed.length === 0, seconds, ...acts, claims: stage.claims, next }
    out.write(`${JSON.stringify(said, null, 2)}\n`)
  }
  return missed.length === 0 ? 0 : 1
}

async function play(stage: Stage, { startBroker, token }: DemoOptions): Promise<Acts> {
  const railway = await startSimulatedRailway(token === undefined ? {} : { token })
  const { screen } = stage
  const acts: Acts = {}
  screen.title('Valetkey: nine seconds of April 2026, twice')
  screen.quietly(
    'Railway is simulated on this machine; the broker is the real one. Nothing leaves the machine.',
  )
  try {
    acts.act_one = await actOne(stage, railway)
    railway.reset()
    const { act_three, ...act_two } = await actTwo(stage, railway, startBroker)
    Object.assign(acts, { act_two, act_three })
  } catch (error) {
    // The story ends here, and says so like any other claim that did not hold.
    const why = error instanceof Error ? error.message : String(error)
    stage.claim(`the replay runs to its end (it broke off: ${why})`, false)
  } finally {
    await railway.close()
  }
  return acts
}

const next = ['npx valetkey serve', 'npx valetkey login', 'npx valetkey connection add railway']

function tellEnd(screen: Screen, claims: Claim[], missed: Claim[], seconds: number): void {
  screen.gap()
  if (missed.length > 0) {
    screen.say('Not everything was as told:')
    for (const { claim } of missed) screen.mark('gone', claim)
    return
  }
  screen.say(
    `All ${claims.length} claims of this story were checked against the simulation and the broker, in ${seconds.toFixed(1)}${noBreak}s.`,
  )
  screen.gap()
  screen.say('On a Railway account of your own, the second and third in another terminal:')
  screen.code(next)
}

function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() })
}
