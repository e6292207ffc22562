/** From a command line to an exit code: 0 done, 1 refused or failed, 2 the command line cannot be used. Never exits itself. */
import { CommanderError } from 'commander'
import type { Start, Terminal } from './cli.ts'
import { Failure, usage } from './failure.ts'
import { program } from './program.ts'
import { readSettings } from './settings.ts'
import { type Speak, speaker } from './speak.ts'
import { tellWaiting, Waiting } from './waiting.ts'

export async function run(
  argv: readonly string[],
  start: Start,
  terminal: Terminal,
): Promise<number> {
  const settings = readSettings(terminal.env)
  const speak = speaker({
    json: beforeDashes(argv).includes('--json'),
    out: terminal.stdout,
    err: terminal.stderr,
    columns: settings.columns,
  })
  let code: number = 0
  const endWith = (ended: number) => {
    code = ended
  }
  terminal.stdout.on('error', closedPipe)
  try {
    refuseSecrets(argv)
    const root = program({ terminal, settings, speak, start, endWith, exitWith: endWith })
    if (argv.length === 0) root.outputHelp()
    else await root.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    return ended(error, speak)
  }
}

function beforeDashes(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--')
  return end < 0 ? argv : argv.slice(0, end)
}

const secretFlag = /^--(secret|client-secret|token|passphrase|password|code|master-key)(=|$)/

/** Every process of the machine can read another's arguments, and shells keep them: the flag is refused, not read. */
function refuseSecrets(argv: readonly string[]): void {
  const flag = beforeDashes(argv)
    .map((word) => secretFlag.exec(word)?.[1])
    .find(Boolean)
  if (flag === undefined) return
  throw usage(
    `--${flag} is not taken: secrets on a command line can be read by other processes and stay in the shell's history.`,
    'Give it at the prompt or on stdin, or, where the command has it, with --secret-file FILE or --token-file FILE. Treat what you typed as known to others.',
  )
}

function ended(error: unknown, speak: Speak): number {
  if (error instanceof CommanderError) return endedByCommander(error, speak)
  if (error instanceof Waiting) {
    tellWaiting(error, speak)
    return 0
  }
  if (error instanceof Failure) {
    speak.failure(error)
    return error.exit
  }
  if (error instanceof Error && isClosedPipe(error)) return 0
  if (error instanceof Error && Reflect.has(error, 'syscall')) {
    // A full disk, a folder that may not be written: the operating system says it best.
    speak.failure(new Failure('system-error', error.message))
    return 1
  }
  throw error
}

/** A reader such as `head` had enough; that is no failure of ours. */
function isClosedPipe(error: Error): boolean {
  return Reflect.get(error, 'code') === 'EPIPE'
}

function closedPipe(error: Error): void {
  if (!isClosedPipe(error)) throw error
}

function endedByCommander(error: CommanderError, speak: Speak): number {
  if (error.exitCode === 0) return 0
  // Its help has been shown already: a noun without its verb.
  if (error.code !== 'commander.help') {
    speak.failure(usage(error.message.replace(/^error: /, '').replace(/\n\s*/g, ' ')))
  }
  return 2
}
