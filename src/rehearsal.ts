/** A broker for one rehearsal: free ports, a database in memory, no log. Never writes to a disk, so it leaves nothing behind. */
import { randomBytes } from 'node:crypto'
import { startBroker } from './broker.ts'
import { readConfig } from './config.ts'
import { createLog } from './log.ts'
import { embeddedStore } from './store/embedded.ts'
import { openInMemory } from './store/engine.ts'
import { migrate } from './store/migrate.ts'
import type { Store } from './store/open.ts'

export type Rehearsal = {
  agentUrl: string
  operatorUrl: string
  enrolmentCode: string
  stop(): Promise<void>
}

/** The surroundings' settings are not read: a rehearsal must never touch a database that somebody uses. */
export async function startRehearsal(): Promise<Rehearsal> {
  const config = readConfig({
    VALETKEY_MASTER_KEY: randomBytes(32).toString('base64'),
    VALETKEY_AGENT_PORT: '0',
    VALETKEY_OPERATOR_PORT: '0',
  })
  const log = createLog({ level: 'silent', human: false, out: process.stderr })
  const { agentUrl, operatorUrl, enrolment, stop } = await startBroker(config, log, emptyStore)
  if (enrolment === null) throw new Error('a new broker gave no enrolment code')
  return { agentUrl, operatorUrl, enrolmentCode: enrolment.code.reveal(), stop }
}

async function emptyStore(): Promise<Store> {
  const store = embeddedStore(await openInMemory())
  await migrate(store.db)
  return store
}
