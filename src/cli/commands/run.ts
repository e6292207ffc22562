/** `run`: starts a command whose calls go through the broker. The command holds no token, and nothing expires under it. */
import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import type { Command } from 'commander'
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
        cli.exitWith(
          await ended(name, args, { ...unarmed(cli, relay.variables), ...relay.variables }),
        )
      } finally {
        await relay.close()
      }
    })
  example(command, 'valetkey run --client-id cursor --scope staging-domains -- npm run deploy')
}

/** What this process was given to get capabilities with is not for the command. */
const ours = [
  'VALETKEY_CLIENT_SECRET',
  'VALETKEY_TOKEN',
  'VALETKEY_ID_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_TOKEN',
  'ACTIONS_ID_TOKEN_REQUEST_URL',
  'CIRCLE_OIDC_TOKEN',
  'CIRCLE_OIDC_TOKEN_V2',
]

/** AWS's clients would use these first. */
const awsKeys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_PROFILE']

function unarmed(
  { terminal }: Cli,
  given: Readonly<Record<string, string>>,
): Record<string, string | undefined> {
  const dropped = 'AWS_CONTAINER_CREDENTIALS_FULL_URI' in given ? [...ours, ...awsKeys] : ours
  return { ...terminal.env, ...Object.fromEntries(dropped.map((name) => [name, undefined])) }
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
