/** `run`: starts a command whose calls go through the broker. The command is given no token, and nothing expires under it. */
import { spawn } from 'node:child_process'
import { constants, devNull } from 'node:os'
import type { Command } from 'commander'
import { jobVariables, variablesOf } from '../ci-token.ts'
import type { Cli } from '../cli.ts'
import { example } from '../example.ts'
import { Failure, usage } from '../failure.ts'
import { type ObtainOptions, obtaining, obtainOptions } from '../obtain.ts'

export function runCommand(program: Command, cli: Cli): void {
  const command = obtainOptions(
    program
      .command('run')
      .argument('<command...>', 'the command and its arguments, after --')
      .description('run a command whose calls go through the broker, without giving it a token'),
  )
    .addHelpText(
      'after',
      `
The command finds the broker through the variables that its clients read, such as RAILWAY_GRAPHQL_ENDPOINT,
and VALETKEY_<CONNECTION>_URL. They name a listener on this machine, for this command alone, that adds a fresh
capability, bound to a key that never leaves this process, to every call.`,
    )
    .action(async (argv: string[], options: ObtainOptions) => {
      const [name, ...args] = argv
      if (name === undefined) throw usage('There is no command.')
      const { plane, obtain } = await obtaining(cli, options)
      const { startRelay } = await import('../relay.ts')
      const relay = await startRelay(plane, obtain)
      try {
        const where = Object.keys(relay.variables).sort().join(', ')
        cli.speak.words(`${name} finds the broker in ${where}.`)
        cli.exitWith(await ended(name, args, environmentFor(cli, options, relay.variables)))
      } finally {
        await relay.close()
      }
    })
  example(command, 'valetkey run --client-id cursor --scope staging-domains -- npm run deploy')
}

/** What this process was given to get capabilities with is not for the command. */
const ours = ['VALETKEY_CLIENT_SECRET', 'VALETKEY_TOKEN', ...jobVariables]

/** AWS's clients would use these first. */
const awsFirst = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'],
  ...['AWS_PROFILE', 'AWS_DEFAULT_PROFILE', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_ROLE_ARN'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_AUTHORIZATION_TOKEN'],
  ...['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'],
]
const awsFiles = ['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE']

function environmentFor(
  { terminal }: Cli,
  { oidc }: ObtainOptions,
  given: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  const leasesAws = 'AWS_CONTAINER_CREDENTIALS_FULL_URI' in given
  const dropped = [...ours, ...variablesOf(oidc), ...(leasesAws ? awsFirst : [])]
  return {
    ...terminal.env,
    ...Object.fromEntries(dropped.map((name) => [name, undefined])),
    ...Object.fromEntries(leasesAws ? awsFiles.map((name) => [name, devNull]) : []),
    ...given,
    ...Object.fromEntries(
      // A proxy would learn where the listener is, and could not reach it.
      ['NO_PROXY', 'no_proxy'].map((name) => [name, direct(terminal.env[name])]),
    ),
  }
}

function direct(before: string | undefined): string {
  return [...(before ? [before] : []), '127.0.0.1', 'localhost'].join(',')
}

/** Its exit code, or that of a shell for the signal that ended it. */
function ended(
  name: string,
  args: readonly string[],
  env: Record<string, string | undefined>,
): Promise<number> {
  const child = spawn(name, args, { stdio: 'inherit', env })
  // A terminal sends an interrupt to both, and two would be one too many; what is sent to this process alone is passed on.
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const pass = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child.kill(signal)
  }
  for (const signal of signals) process.on(signal, pass)
  return new Promise<number>((resolve, reject) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new Failure('no-command', `${name} cannot be started (${error.code}).`, {
          hint: 'What stands after -- is the command, as a shell would find it.',
        }),
      ),
    )
    child.on('close', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  }).finally(() => {
    for (const signal of signals) process.off(signal, pass)
  })
}
