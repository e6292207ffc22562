/** A stop lets what is under way finish and writes how it ended; a second signal does not wait. */
import { once } from 'node:events'
import { expect, it } from 'vitest'
import { startSimulatedRailway } from '../../src/demo/railway/server.ts'
import { expectOk, field, realToken } from '../support/broker.ts'
import { adminOf, entriesOf, furnish, graphql, place, serve, token } from '../support/process.ts'

it('finishes a call under way, audits its outcome, ends with a stop entry and exit code 0', async () => {
  const railway = await startSimulatedRailway({ token: realToken() })
  const env = await place('embedded')
  const served = await serve(env)
  const { session, secret } = await furnish(served, railway)
  const capability = field(
    expectOk(await token(served, { name: 'cursor', secret })),
    'access_token',
  )
  railway.faults.delayMs = 1_500
  const arrived = railway.received.length
  const call = graphql(served, capability, '{ platformStatus { isStable } }')
  await expect.poll(() => railway.received.length).toBeGreaterThan(arrived)
  const began = performance.now()
  const [answer, ended] = await Promise.all([call, served.stop()])
  expect(answer.status).toBe(200)
  expect(ended).toMatchObject({ code: 0, signal: null })
  expect(performance.now() - began, 'it waits for the call, not for its connection').toBeLessThan(
    8_000,
  )
  await expect(graphql(served, capability, '{ platformStatus { isStable } }')).rejects.toThrow()

  const again = await serve(env)
  const entries = await entriesOf(adminOf(again, session))
  const stop = entries.findIndex(({ kind }) => kind === 'stop')
  expect(entries.slice(stop - 1, stop + 2)).toMatchObject([
    { kind: 'outcome', outcome: 'ok', operation: 'Query.platformStatus' },
    { kind: 'stop' },
    { kind: 'start' },
  ])
  await again.stop()
  await railway.close()
})

it('dies at once on a second signal, while a call hangs', async () => {
  const railway = await startSimulatedRailway({ token: realToken() })
  const served = await serve(await place('embedded'))
  const { secret } = await furnish(served, railway)
  const capability = field(
    expectOk(await token(served, { name: 'cursor', secret })),
    'access_token',
  )
  railway.faults.hang = true
  const arrived = railway.received.length
  const call = graphql(served, capability, '{ platformStatus { isStable } }').catch(() => 'cut')
  await expect.poll(() => railway.received.length).toBeGreaterThan(arrived)
  served.signal('SIGTERM')
  await once(AbortSignal.timeout(700), 'abort')
  expect(await served.stop()).toMatchObject({ signal: 'SIGKILL' })
  expect(await call).toBe('cut')
  await railway.close()
})
