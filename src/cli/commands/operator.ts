/** `operator`: the humans who run the broker. An invitation's code is shown once. */
import { type Command, Option } from 'commander'
import { confirmed } from '../ask.ts'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { readName } from '../names.ts'
import { relative } from '../printable.ts'

export function operatorCommands(program: Command, cli: Cli): void {
  const noun = program.command('operator').description('the humans who run this broker')
  inviteCommand(noun, cli)
  listCommand(noun, cli)
  removeCommand(noun, cli)
}

type Role = 'admin' | 'approver' | 'auditor'

function inviteCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('invite')
    .description('make a one-time code for another operator; prints it, once')
    .addOption(
      new Option('--role <role>', 'what they may do')
        .choices(['admin', 'approver', 'auditor'])
        .makeOptionMandatory(),
    )
    .action(async ({ role }: { role: Role }) => {
      const { admin, plane } = await signedIn(cli)
      const made = await told(admin.operators.invitations.$post({ json: { role } }))
      cli.speak.result(made, (page) => {
        page.facts({ code: made.code, role: made.role, expires: page.when(made.expires_at) })
        cli.speak.words(`They enrol with: valetkey login --enrol --url ${plane.url}`)
      })
    })
  example(command, 'valetkey operator invite --role auditor')
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list operators')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { operators } = await told(admin.operators.$get())
      cli.speak.list(operators, 'There is no operator.', {
        OPERATOR: (one) => one.name,
        ROLE: (one) => one.role,
        SESSIONS: (one) => String(one.sessions),
        ENROLLED: (one) => relative(one.created_at, Date.now()),
      })
    })
  example(command, 'valetkey operator list')
}

function removeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('remove')
    .argument('<name>', 'the operator', readName)
    .description('remove an operator and end their sessions')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { yes?: true }) => {
      await confirmed(cli, `Remove the operator ${name}`, options.yes)
      const { admin } = await signedIn(cli)
      await admin.operators[':name'].$delete({ param: { name } })
      cli.speak.done({ name }, `Removed ${name}.`)
    })
  example(command, 'valetkey operator remove grace')
}
