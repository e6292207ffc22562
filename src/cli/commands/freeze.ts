/** `freeze`: the switch that stops an agent, an environment, or everything, at once. Lifting gives authority back, so it may have to be confirmed. */
import type { Command } from 'commander'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { usage } from '../failure.ts'
import { readId, readName } from '../names.ts'
import { relative } from '../printable.ts'

export function freezeCommands(program: Command, cli: Cli): void {
  const noun = program.command('freeze').description('stop an agent, an environment, or everything')
  addCommand(noun, cli)
  listCommand(noun, cli)
  liftCommand(noun, cli)
}

const kinds = ['agent', 'environment', 'connection', 'scope', 'capability'] as const

type AddOptions = { [kind in (typeof kinds)[number]]?: string } & { all?: true; reason?: string }

function addCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('add')
    .description('refuse every call from now on, and cut those under way, on every replica')
    .option('--agent <name>', 'of this agent', readName)
    .option('--environment <name>', 'in this environment', readName)
    .option('--connection <name>', 'over this connection', readName)
    .option('--scope <name>', 'under this scope', readName)
    .option('--capability <id>', 'with this capability, and with all that grew from it', readId)
    .option('--all', 'of everybody')
    .option('--reason <text>', 'why; it is shown to the agents that are refused')
    .action(async (options: AddOptions) => {
      const json = {
        subject: subjectOf(options),
        ...(options.reason === undefined ? {} : { reason: options.reason }),
      }
      const { admin } = await signedIn(cli)
      const made = await told(admin.freezes.$post({ json }))
      for (const { lease, connection, expires_at } of made.still_out) {
        cli.speak.warn(
          `the credential of ${connection} in ${lease} works until ${expires_at}: nobody can end it earlier.`,
        )
      }
      cli.speak.done(
        made,
        `${inWords(made.subject)} is frozen. Lift it with: valetkey freeze lift ${made.id}`,
      )
    })
  example(command, 'valetkey freeze add --agent cursor --reason "deletes what it should not"')
}

function subjectOf(options: AddOptions): string {
  const named = kinds.flatMap((kind) =>
    options[kind] === undefined ? [] : [`${kind}:${options[kind]}`],
  )
  const subjects = options.all === true ? [...named, 'all'] : named
  const [subject] = subjects
  if (subject !== undefined && subjects.length === 1) return subject
  throw usage(
    subject === undefined ? 'Nothing is named to freeze.' : 'A freeze is of one thing.',
    'Name one of --agent, --environment, --connection, --scope, --capability, or give --all.',
  )
}

export function inWords(subject: string): string {
  return subject === 'all' ? 'Everything' : subject.replace(':', ' ')
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list what is frozen')
    .option('--all', 'also what was lifted')
    .action(async ({ all }: { all?: true }) => {
      const { admin } = await signedIn(cli)
      const { freezes } = await told(
        admin.freezes.$get({ query: all ? { all: 'true' as const } : {} }),
      )
      cli.speak.list(freezes, 'Nothing is frozen.', {
        FREEZE: (one) => one.id,
        FROZEN: (one) => inWords(one.subject),
        BY: (one) => one.by,
        SINCE: (one) => relative(one.since, Date.now()),
        LIFTED: (one) => (one.lifted_at === null ? undefined : relative(one.lifted_at, Date.now())),
        REASON: (one) => one.reason ?? undefined,
      })
    })
  example(command, 'valetkey freeze list')
}

function liftCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('lift')
    .argument('<freeze>', 'its id, as "freeze list" shows it', readId)
    .description('let what was frozen go on')
    .action(async (id: string) => {
      const { admin } = await signedIn(cli)
      const lifted = await told(admin.freezes[':id'].$delete({ param: { id } }))
      cli.speak.done(lifted, `${inWords(lifted.subject)} goes on.`)
    })
  example(command, 'valetkey freeze lift FREEZE')
}
