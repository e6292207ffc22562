/** `valetkey serve`: starts a broker from the environment, says how to go on, and stops it on a signal. */
import { mkdir, open, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import type { Broker } from './broker.ts'
import { type Config, readConfig } from './config.ts'
import { listenOn } from './listen.ts'
import { createLog } from './log.ts'
import { beginStore } from './store/open.ts'

/** Resolves when the broker has stopped. `overrides` are settings by the names of their variables. */
export async function serve(overrides: Readonly<Record<string, string>> = {}): Promise<void> {
  const config = readConfig({ ...process.env, ...overrides })
  const log = createLog({
    level: config.logLevel,
    human: process.stderr.isTTY === true,
    out: process.stderr,
  })
  const stopped = signalled()
  const planes = await listenOn(config)
  const database = beginStore(config.store)
  // Takes longer than everything else that a start does in this thread.
  const { startBroker } = await import('./broker.ts')
  const broker = await startBroker(config, log, database.store, planes).catch(async (error) => {
    await database.drop()
    throw error
  })
  const tidy = await greet(config, broker).catch(async (error) => {
    await broker.stop()
    throw error
  })
  const why = await Promise.race([stopped, broker.lost])
  if (why instanceof Error) {
    // Whoever keeps it running starts it anew, which recovers the database; by itself it would only refuse.
    log.fatal({ why: why.message }, 'stopping: the database is gone')
    await broker
      .stop()
      .catch(() => {})
      .finally(tidy)
    throw new Error(`${why.message}. Start the broker again: what it acknowledged is on the disk`)
  }
  log.info({ signal: why }, 'stopping: calls under way may finish')
  await broker.stop().finally(tidy)
  log.info({}, 'stopped')
}

/** Under npx a Ctrl-C comes twice: from the terminal, and once more from npm. */
const sameMs = 500

/** The first signal; a second one, of whatever name, means now. */
function signalled(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let first: number | undefined
    const heard = (signal: NodeJS.Signals) => {
      if (first !== undefined && performance.now() - first > sameMs) {
        process.kill(process.pid, 'SIGKILL')
      }
      first ??= performance.now()
      resolve(signal)
    }
    process.on('SIGINT', heard).on('SIGTERM', heard)
  })
}

/** What a human needs next, on stdout; the log is on stderr and never sees the code. */
async function greet(config: Config, broker: Broker): Promise<() => Promise<void>> {
  const bold = (text: string) => styleText('bold', text, { stream: process.stdout })
  const store = config.store.kind === 'embedded' ? config.store.directory : 'PostgreSQL'
  const lines = [
    `${bold('Valetkey')} is ready.`,
    '',
    `  agents     ${broker.agentUrl}`,
    `  operators  ${broker.operatorUrl}`,
    ...[...broker.doorUrls].map(([name, url]) => `  ${name.padEnd(9)}  ${url}`),
    `  database   ${store}`,
  ]
  if (broker.enrolment === null) {
    print([...lines, '', '  Sign in with:  npx valetkey login', ''])
    return async () => {}
  }
  const { code, tidy } = await handOver(config, broker.enrolment.code.reveal())
  const console = `${broker.ctx.consoleUrl}/console/enrol`
  if (!broker.enrolment.first) {
    print([
      ...lines,
      '',
      '  Sign in with:  npx valetkey login',
      '',
      '  Set-up mode: nothing passes but reads and writes until an admin enrols a passkey,',
      `  at ${console}, with this one-time code, good for ten minutes:`,
      '',
      `      ${bold(code)}`,
      '',
    ])
    return tidy
  }
  print([
    ...lines,
    '',
    '  Nobody is in charge yet. The first operator signs in with this one-time code,',
    '  good for ten minutes:',
    '',
    `      ${bold(code)}`,
    '',
    '  Next, in another terminal:',
    '',
    `      npx valetkey login${broker.operatorUrl === 'http://localhost:8421' ? '' : ` --url ${broker.operatorUrl}`}`,
    '      npx valetkey connection add railway',
    '      npx valetkey environment add staging',
    '',
    '  Set-up mode: nothing passes but reads and writes until you enrol a passkey, with the',
    `  same code, at ${console}`,
    '',
  ])
  return tidy
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

/** On a terminal the code itself; elsewhere, where output is kept, the path of a file that only its owner reads. */
async function handOver(
  config: Config,
  code: string,
): Promise<{ code: string; tidy: () => Promise<void> }> {
  if (process.stdout.isTTY === true) return { code, tidy: async () => {} }
  const folder =
    config.store.kind === 'embedded' ? config.store.directory : join(homedir(), '.valetkey')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const path = join(folder, 'enrolment-code')
  await rm(path, { force: true })
  const file = await open(path, 'wx', 0o600)
  await file.writeFile(`${code}\n`)
  await file.close()
  return { code: `(in the file ${path})`, tidy: () => rm(path, { force: true }) }
}
