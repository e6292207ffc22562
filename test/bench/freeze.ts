/** How long a freeze on one replica takes to be obeyed by another, and to cut what is under way there: two brokers on one PostgreSQL. */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startSimulatedRailway } from '../../src/demo/railway/server.ts'
import type { Cluster } from '../support/cluster.ts'
import { asOperator, capability, homeIn, type Serving, serve, setUp, signIn } from './broker.ts'
import { type Claim, percentiles } from './table.ts'

const rounds = 40
const database = 'bench_freeze'

export async function freezeClaims(folder: string, cluster: Cluster): Promise<Claim[]> {
  const railway = await startSimulatedRailway({ recording: false })
  await cluster.createDatabase(database)
  const home = await homeIn(join(folder, 'freeze'), `${cluster.url}/${database}`)
  const env = { ...home.env, VALETKEY_PUBLIC_URL: 'http://broker.bench' }
  const near = await serve({ ...home, env })
  const far = await serve({ ...home, env })
  try {
    const environment = railway.world.environments.find(({ name }) => name === 'staging')?.id ?? ''
    const [agent] = await setUp(near, { url: railway.url, token: railway.token, environment })
    if (agent === undefined) throw new Error('there is no agent')
    const admin = asOperator(near, await signIn(near))
    const ask = asking(far, await capability(near, agent))
    const freeze = () => admin('POST', '/admin/freezes', { subject: `agent:${agent.name}` })
    const lift = async ({ id }: Record<string, unknown>) => {
      await admin('DELETE', `/admin/freezes/${id}`)
      while ((await ask()).status !== 200) await pause(5)
    }

    const refused: number[] = []
    const cut: number[] = []
    for (let round = 0; round < rounds; round += 1) {
      refused.push(
        await sinceStart(freeze, lift, async () => {
          while (!(await ask()).frozen) await pause(1)
        }),
      )
      railway.faults.hang = true
      const held = ask()
      // Long enough that the call has left, and that what follows is not always at the same place of a poll.
      await pause(100 + Math.random() * 100)
      cut.push(
        await sinceStart(freeze, lift, async () => {
          railway.faults.hang = false
          if (!(await held).frozen) throw new Error('a call under way was not cut')
        }),
      )
    }
    return [
      claimOf('freeze to refusal on another replica', refused),
      claimOf('freeze to cut on another replica', cut),
    ]
  } finally {
    await Promise.all([near.stop(), far.stop()])
    await railway.close()
  }
}

/** From the moment a freeze is asked for, until `obeyed`. */
async function sinceStart(
  freeze: () => Promise<Record<string, unknown>>,
  lift: (frozen: Record<string, unknown>) => Promise<void>,
  obeyed: () => Promise<void>,
): Promise<number> {
  const began = performance.now()
  const [took, frozen] = await Promise.all([
    obeyed().then(() => performance.now() - began),
    freeze(),
  ])
  await lift(frozen)
  return took
}

function asking({ agentUrl }: Serving, token: string) {
  return async (): Promise<{ status: number; frozen: boolean }> => {
    const response = await fetch(`${agentUrl}/x/railway/graphql/v2`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: '{ platformStatus { isStable } }' }),
    })
    const text = await response.text()
    return { status: response.status, frozen: text.includes('"code":"frozen"') }
  }
}

function claimOf(what: string, times: readonly number[]): Claim {
  const { words, p99 } = percentiles(times)
  return { what, value: words, goal: { words: 'p99 below 1,000 ms', met: p99 < 1_000 } }
}
