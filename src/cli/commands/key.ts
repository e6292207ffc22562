/** `key`: the keys that sign capabilities and checkpoints and seal secrets, by their ids. Never shows a key. */
import { Argument, type Command } from 'commander'
import { type Cli, patiently, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { relative } from '../printable.ts'

export function keyCommands(program: Command, cli: Cli): void {
  const noun = program.command('key').description('the keys that sign and seal')
  listCommand(noun, cli)
  rotateCommand(noun, cli)
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list keys by their ids')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { keys } = await told(admin.keys.$get())
      cli.speak.list(keys, 'There is no key.', {
        KEY: (one) => one.kid,
        FOR: (one) => uses[one.purpose],
        MADE: (one) => (one.created_at === null ? undefined : relative(one.created_at, Date.now())),
        RETIRED: (one) =>
          one.retired_at === null ? undefined : relative(one.retired_at, Date.now()),
      })
    })
  example(command, 'valetkey key list')
}

const uses = {
  capability: 'signing capabilities',
  audit: 'signing audit heads',
  master: 'sealing secrets',
}

const kinds = ['signing', 'audit', 'master'] as const
type Which = (typeof kinds)[number]

function rotateCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('rotate')
    .addArgument(
      new Argument(
        '<which>',
        'signing: of capabilities; audit: of audit heads; master: seals every secret anew',
      ).choices(kinds),
    )
    .description('put a new key to use; what the old one signed stays valid')
    .action(async (which: Which) => {
      const { admin } = await signedIn(cli)
      const made = await cli.speak.during(
        which === 'master' ? 'Sealing every secret anew' : 'Making a new key',
        told(admin.keys.rotate.$post({ json: { which } }, patiently())),
      )
      cli.speak.done(made, said(made))
    })
  example(command, 'valetkey key rotate signing')
}

function said({ which, kid, resealed }: { which: Which; kid: string; resealed: number }): string {
  return which === 'master'
    ? `${resealed} sealed values moved to master key ${kid}.`
    : `${kid} signs from here on.`
}
