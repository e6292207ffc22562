/** The process: hands the command line to the CLI and is the only place that exits. Never decides anything itself. */
import { run } from './cli/run.ts'

process.exitCode = await run(process.argv.slice(2), {
  serve: async (overrides) => (await import('./serve.ts')).serve(overrides),
  demo: async (options) => {
    const { demo } = await import('./demo/demo.ts')
    return demo({ ...options, startBroker: emptyBroker })
  },
})

/** A broker of its own in a folder that goes with it, whatever the surroundings say. */
async function emptyBroker() {
  const [{ mkdtemp, rm }, { tmpdir }, { join }] = await Promise.all([
    import('node:fs/promises'),
    import('node:os'),
    import('node:path'),
  ])
  const [{ startBroker }, { readConfig }, { createLog }] = await Promise.all([
    import('./broker.ts'),
    import('./config.ts'),
    import('./log.ts'),
  ])
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-demo-'))
  const config = readConfig({
    VALETKEY_DATA: join(folder, 'data'),
    VALETKEY_AGENT_PORT: '0',
    VALETKEY_OPERATOR_PORT: '0',
  })
  const log = createLog({ level: 'silent', human: false, out: process.stderr })
  try {
    const broker = await startBroker(config, log)
    const stop = async () => {
      await broker.stop()
      await rm(folder, { recursive: true, force: true })
    }
    const { agentUrl, operatorUrl, enrolment } = broker
    return { agentUrl, operatorUrl, enrolmentCode: enrolment?.code.reveal() ?? '', stop }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}
