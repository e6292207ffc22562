/** The process: hands the command line to the CLI and is the only place that exits. Never decides anything itself. */
import type { Start } from './cli/cli.ts'
import { run } from './cli/run.ts'

const start: Start = {
  serve: async (overrides) => {
    await import('./quick-start.ts')
    return (await import('./serve.ts')).serve(overrides)
  },
  demo: async (options) => {
    await import('./quick-start.ts')
    const { demo } = await import('./demo/demo.ts')
    const startBroker = async () => (await import('./rehearsal.ts')).startRehearsal()
    return demo({ ...options, startBroker })
  },
}

process.exitCode = await run(process.argv.slice(2), start, process)
