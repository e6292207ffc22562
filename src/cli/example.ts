/** Ends a command's help with an example that can be typed as it is. */
import type { Command } from 'commander'

export function example(command: Command, line: string): Command {
  return command.addHelpText('after', `\nExample:\n  $ ${line}`)
}
