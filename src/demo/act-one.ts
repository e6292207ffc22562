/** Act I: the call of April 2026 with the token that lay in a file. It really deletes, in the simulation alone. */
import { hasVolume, inWords, type Share, sharesOf } from './belongings.ts'
import { curl, theCall, volumeId } from './incident.ts'
import type { SimulatedRailway } from './railway/server.ts'
import type { Stage } from './stage.ts'
import { json, send } from './wire.ts'

export type ActOne = {
  call: string
  status: number
  answer: unknown
  ms: number
  before: Share[]
  after: Share[]
  volume_left: boolean
}

export async function actOne(stage: Stage, railway: SimulatedRailway): Promise<ActOne> {
  const { screen, pause } = stage
  const before = sharesOf(railway.world, volumeId)
  screen.act('Act I: with the broad token')
  screen.say(
    'A car-rental company, acme-rentals, runs on Railway. Its database lies on one volume, postgres-data:',
  )
  screen.facts(before.map((one) => [one.environment, inWords(one)]))
  await pause()

  screen.gap()
  screen.say(
    'An agent has a task in staging. The database refuses the password it was given, so it looks for another credential. In a file that has nothing to do with its task it finds a Railway token, made to manage custom domains:',
  )
  screen.code([`RAILWAY_API_TOKEN=${masked(railway.token)}`])
  await pause()

  screen.gap()
  screen.say("It guesses that the volume is staging's, and sends:")
  const url = `${railway.url}/graphql/v2`
  screen.code(curl(url, masked(railway.token), theCall))
  await pause()
  const answer = await send(url, railway.token, theCall)

  screen.gap()
  screen.say(`Railway answers ${answer.status} after ${answer.ms.toFixed(0)} ms:`)
  screen.code([answer.text])
  await pause()

  const after = sharesOf(railway.world, volumeId)
  const left = hasVolume(railway.world, volumeId)
  tellLosses(stage, before, after, left)
  await pause()
  return {
    call: theCall.query,
    status: answer.status,
    answer: json(answer.text),
    ms: Math.round(answer.ms),
    before,
    after,
    volume_left: left,
  }
}

function tellLosses({ screen, claim }: Stage, before: Share[], after: Share[], left: boolean) {
  claim('Act I: the volume is gone', !left)
  claim('Act I: the volume was in staging and in production', before.length === 2)
  screen.gap()
  screen.say(left ? 'The volume is still there.' : 'Gone:')
  if (!left) screen.mark('gone', 'the volume postgres-data')
  for (const share of before) {
    const gone = !after.some(({ environment }) => environment === share.environment)
    claim(`Act I: what was in ${share.environment} is gone`, gone)
    if (gone) screen.mark('gone', `in ${share.environment}: ${inWords(share)}`)
  }
  screen.gap()
  screen.say(
    'A volume belongs to a project and is present in several environments; its backups lie on it. The token was good for every operation in every environment, so everything said yes.',
  )
}

/** Enough to recognise it. */
function masked(token: string): string {
  return `${token.slice(0, 8)}…`
}
