/** The simulated Railway in a process of its own, recording nothing, with a quota that does not end. */
import { startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { type Child, given, say, startScript } from './children.ts'

export type Upstream = { url: string; token: string; environment: string }

export function startUpstream(): Promise<Child & { said: Upstream }> {
  return startScript<Upstream>('upstream.ts', null)
}

if (import.meta.main) {
  await given<null>()
  const { url, token, world, faults } = await startSimulatedRailway({ recording: false })
  faults.rateRemaining = 1_000
  const environment = world.environments.find(({ name }) => name === 'staging')
  if (environment === undefined) throw new Error('the simulation has no staging')
  say({ url, token, environment: environment.id } satisfies Upstream)
}
