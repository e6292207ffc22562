/** `completion`: a script that makes a shell complete commands and flags. Needs no broker. */
import { Argument, type Command } from 'commander'
import type { Cli } from '../cli.ts'
import type { Shell } from '../completion.ts'
import { example } from '../example.ts'

export function completionCommand(program: Command, cli: Cli): void {
  const completion = program
    .command('completion')
    .description('print a completion script')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .action(async (shell: Shell) => {
      const { completionScript } = await import('../completion.ts')
      const script = completionScript(shell, program)
      if (cli.speak.json) cli.speak.result({ shell, script }, () => {})
      else await cli.speak.raw(script)
    })
  example(completion, 'source <(valetkey completion bash)')
}
