/** A broker for one rehearsal: free ports, an empty database in a folder of its own, no log. Leaves nothing behind. */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from './broker.ts'
import { readConfig } from './config.ts'
import { createLog } from './log.ts'

export type Rehearsal = {
  agentUrl: string
  operatorUrl: string
  enrolmentCode: string
  stop(): Promise<void>
}

/** The surroundings' settings are not read: a rehearsal must never touch a database that somebody uses. */
export async function startRehearsal(): Promise<Rehearsal> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-rehearsal-'))
  const sweep = sweeping(folder)
  try {
    const config = readConfig({
      VALETKEY_DATA: join(folder, 'data'),
      VALETKEY_MASTER_KEY: randomBytes(32).toString('base64'),
      VALETKEY_AGENT_PORT: '0',
      VALETKEY_OPERATOR_PORT: '0',
      VALETKEY_LOG: 'silent',
    })
    const log = createLog({ level: config.logLevel, human: false, out: process.stderr })
    const { agentUrl, operatorUrl, enrolment, stop } = await startBroker(config, log)
    return {
      agentUrl,
      operatorUrl,
      enrolmentCode: enrolment?.code.reveal() ?? '',
      stop: () => stop().finally(sweep),
    }
  } catch (error) {
    sweep()
    throw error
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Removes the folder when told, or when a signal ends the process before. */
function sweeping(folder: string): () => void {
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const interrupted = (signal: NodeJS.Signals) => {
    sweep()
    process.kill(process.pid, signal)
  }
  const sweep = () => {
    for (const signal of signals) process.off(signal, interrupted)
    remove()
  }
  for (const signal of signals) process.once(signal, interrupted)
  return sweep
}
