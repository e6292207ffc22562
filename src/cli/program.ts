/** The tree of commands. Loading it loads commander and nothing that talks, asks or draws. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Cli } from './cli.ts'
import { agentCommands } from './commands/agent.ts'
import { approvalCommands } from './commands/approval.ts'
import { auditCommands } from './commands/audit.ts'
import { capabilityCommands } from './commands/capability.ts'
import { changeCommands } from './commands/change.ts'
import { completionCommand } from './commands/completion.ts'
import { configurationCommands } from './commands/configuration.ts'
import { connectionCommands } from './commands/connection.ts'
import { environmentCommands } from './commands/environment.ts'
import { explainCommand } from './commands/explain.ts'
import { freezeCommands } from './commands/freeze.ts'
import { keyCommands } from './commands/key.ts'
import { leaseCommands } from './commands/lease.ts'
import { operatorCommands } from './commands/operator.ts'
import { providerCommands } from './commands/provider.ts'
import { runCommand } from './commands/run.ts'
import { scopeCommands } from './commands/scope.ts'
import { serveCommands } from './commands/serve.ts'
import { sessionCommands } from './commands/session.ts'
import { statusCommand } from './commands/status.ts'
import { tokenCommand } from './commands/token.ts'
import { trustCommands } from './commands/trust.ts'
import { example } from './example.ts'

export function program(cli: Cli): Command {
  const root = new Command('valetkey')
    .description(
      'Holds the real provider tokens, and gives agents short-lived capabilities for one environment and a list of operations.',
    )
    .version(version(), '--version', 'say which version this is')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .option('--json', 'one JSON value on stdout, errors as JSON on stderr')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => cli.terminal.stdout.write(text),
      writeErr: (text) => cli.terminal.stderr.write(text),
      outputError: () => {},
    })
    .exitOverride()
  for (const add of [
    serveCommands,
    sessionCommands,
    statusCommand,
    providerCommands,
    connectionCommands,
    environmentCommands,
    scopeCommands,
    agentCommands,
    trustCommands,
    tokenCommand,
    explainCommand,
    runCommand,
    capabilityCommands,
    leaseCommands,
    configurationCommands,
    approvalCommands,
    changeCommands,
    freezeCommands,
    operatorCommands,
    auditCommands,
    keyCommands,
    completionCommand,
  ]) {
    add(root, cli)
  }
  example(
    root,
    'valetkey serve                       # in one terminal\n  $ valetkey login                       # in another',
  )
  return root
}

function version(): string {
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  return String(version)
}
