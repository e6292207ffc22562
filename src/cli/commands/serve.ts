/** `serve` and `demo`: start what lies outside the CLI. Flags become the settings of the same name; nothing else. */
import type { Command } from 'commander'
import { BrokerError } from '../../errors.ts'
import type { Cli } from '../cli.ts'
import { example } from '../example.ts'
import { Failure } from '../failure.ts'

type ServeOptions = {
  data?: string
  host?: string
  agentPort?: string
  operatorPort?: string
  publicUrl?: string
  consoleUrl?: string
  tlsCert?: string
  tlsKey?: string
  masterKeyFile?: string
}

export function serveCommands(program: Command, cli: Cli): void {
  const serve = program
    .command('serve')
    .description('start the broker')
    .option('--data <directory>', 'where the embedded database lies (VALETKEY_DATA)')
    .option('--host <host>', 'address to listen on (VALETKEY_HOST, localhost)')
    .option('--agent-port <port>', 'port of the agent plane (VALETKEY_AGENT_PORT, 8420)')
    .option('--operator-port <port>', 'port of the operator plane (VALETKEY_OPERATOR_PORT, 8421)')
    .option('--public-url <url>', 'the agent plane as agents reach it (VALETKEY_PUBLIC_URL)')
    .option(
      '--console-url <url>',
      'the operator plane as operators reach it (VALETKEY_CONSOLE_URL)',
    )
    .option('--tls-cert <file>', 'certificate for both planes (VALETKEY_TLS_CERT)')
    .option('--tls-key <file>', 'its key (VALETKEY_TLS_KEY)')
    .option('--master-key-file <file>', 'what seals every secret (VALETKEY_MASTER_KEY_FILE)')
    .action((options: ServeOptions) => started(cli.start.serve(overrides(options))))
  example(serve, 'valetkey serve --data ./broker')

  const demo = program
    .command('demo')
    .description('replay the incident against a simulated Railway, with a broker in the way')
    .option('--fast', 'without the pauses for somebody who watches')
    .action(async ({ fast }: { fast?: true }) => {
      const out = cli.terminal.stdout
      const code = await cli.start.demo({
        out,
        json: cli.speak.json,
        color: out.isTTY === true && out.hasColors(),
        width: (out.isTTY && out.columns) || cli.settings.columns || 80,
        unicode: cli.settings.unicode,
        pace: out.isTTY === true && fast !== true,
      })
      cli.endWith(code === 0 ? 0 : 1)
    })
  example(demo, 'valetkey demo')
}

/** A broker that cannot start says why in a sentence; only what nobody foresaw keeps its stack. */
async function started(serving: Promise<void>): Promise<void> {
  try {
    await serving
  } catch (error) {
    if (!(error instanceof Error) || error instanceof TypeError) throw error
    const hint = error instanceof BrokerError ? error.facts.hint : undefined
    throw new Failure('start-failed', error.message, { hint })
  }
}

function overrides(options: ServeOptions): Record<string, string> {
  const named = {
    VALETKEY_DATA: options.data,
    VALETKEY_HOST: options.host,
    VALETKEY_AGENT_PORT: options.agentPort,
    VALETKEY_OPERATOR_PORT: options.operatorPort,
    VALETKEY_PUBLIC_URL: options.publicUrl,
    VALETKEY_CONSOLE_URL: options.consoleUrl,
    VALETKEY_TLS_CERT: options.tlsCert,
    VALETKEY_TLS_KEY: options.tlsKey,
    VALETKEY_MASTER_KEY_FILE: options.masterKeyFile,
  }
  return Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}
