/** Two replicas of one installation on one PostgreSQL, in this process: what one did, the other has to know. */
import { type Broker, startBroker } from '../../src/broker.ts'
import { openPostgres } from '../../src/store/postgres.ts'
import { type Front, front } from './broker.ts'
import { closeLater } from './closing.ts'
import { freshDatabase } from './stores.ts'

export async function twins(): Promise<{ one: Front; two: Broker }> {
  const url = await freshDatabase()
  const [first, second] = await Promise.all([openPostgres(url), openPostgres(url)])
  closeLater(() => first.close())
  closeLater(() => second.close())
  const one = await front('postgres', { store: first })
  const { config, log, publicUrl, consoleUrl } = one.broker.ctx
  // The same installation: issuer and console are named alike.
  const shared = { ...config, publicUrl, consoleUrl }
  const two = await startBroker(shared, log, async () => ({ ...second, close: async () => {} }))
  closeLater(() => two.stop())
  return { one, two }
}
