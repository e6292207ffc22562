/** `scope`: what an admin allows in one environment. `set` replaces the whole scope, so what is not said is not allowed. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { gather, readCount, readDuration, readRate } from '../amounts.ts'
import { confirmed } from '../ask.ts'
import { type Cli, signedIn, told } from '../cli.ts'
import { record } from '../client.ts'
import { example } from '../example.ts'
import { usage } from '../failure.ts'
import { readName } from '../names.ts'
import { duration } from '../printable.ts'

export function scopeCommands(program: Command, cli: Cli): void {
  const noun = program
    .command('scope')
    .description('named allowlists of operations in one environment')
  setCommand(noun, cli)
  listCommand(noun, cli)
  showCommand(noun, cli)
  removeCommand(noun, cli)
}

type SetOptions = {
  environment: string
  allow: string[]
  approve?: string[]
  approvers?: number
  bound?: true
  lease?: string[]
  ttl?: number
  limit?: number
}

function setCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('set')
    .argument('<name>', 'a name for it', readName)
    .description('define a scope, replacing all of what it was')
    .requiredOption('--environment <environment>', 'the one environment it is for', readName)
    .requiredOption(
      '--allow <connection:operation>',
      'an exact name, a glob such as railway:Query.*, or railway:@read; may be given several times',
      gather,
    )
    .option(
      '--approve <connection:operation>',
      'what needs an approval wherever it happens: an exact name, or railway:@destructive; may be given several times',
      gather,
    )
    .option('--approvers <count>', 'how many operators have to approve what needs it', readCount)
    .option(
      '--lease <connection=file>',
      'what a lease of a connection may do, a JSON file; may be given several times',
      gather,
    )
    .option('--bound', 'only for capabilities that are bound to a key (DPoP)')
    .option('--ttl <duration>', 'longest life of a capability, such as 15m', readDuration)
    .option('--limit <rate>', 'calls per minute, such as 60/m', readRate)
    .action(async (name: string, options: SetOptions) => {
      const { admin } = await signedIn(cli)
      const json = {
        environment: options.environment,
        allow: options.allow,
        max_ttl: options.ttl,
        calls_per_minute: options.limit,
        approve: options.approve,
        approvers: options.approvers,
        bound: options.bound,
        leases: await readTemplates(options.lease ?? []),
      }
      const made = await told(admin.scopes[':name'].$put({ param: { name }, json }))
      for (const warning of made.warnings) cli.speak.warn(`${warning}.`)
      cli.speak.done(made, `${name} allows ${made.allow.join(', ')} in ${made.environment}.`)
    })
  example(
    command,
    "valetkey scope set staging-domains --environment staging --allow 'railway:Query.*' --allow railway:Mutation.customDomainCreate",
  )
}

/** `pg=template.json` */
async function readTemplates(
  sources: readonly string[],
): Promise<Record<string, Record<string, unknown>>> {
  const all: [string, Record<string, unknown>][] = []
  for (const source of sources) {
    const at = source.indexOf('=')
    if (at < 1) throw usage(`--lease ${source} is not of the form CONNECTION=FILE.`)
    const file = source.slice(at + 1)
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      throw usage(`${file} cannot be read (${error.code}).`)
    })
    const template = record(parsed(text))
    if (template === undefined) throw usage(`${file} holds no JSON object.`)
    all.push([source.slice(0, at), template])
  }
  return Object.fromEntries(all)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Said by the caller, with the file's name.
    return undefined
  }
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list scopes')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { scopes } = await told(admin.scopes.$get())
      cli.speak.list(scopes, 'No scopes yet. See: valetkey scope set --help', {
        SCOPE: (one) => one.name,
        ENVIRONMENT: (one) => one.environment,
        'LONGEST LIFE': (one) => duration(one.max_ttl),
        ALLOWS: (one) => one.allow.join(' '),
      })
    })
  example(command, 'valetkey scope list')
}

function showCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('show')
    .argument('<name>', 'the scope', readName)
    .description('show a scope')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const one = await told(admin.scopes[':name'].$get({ param: { name } }))
      const { calls_per_minute: limit } = one
      cli.speak.result(one, (page) => {
        page.facts({
          scope: one.name,
          environment: one.environment,
          'longest life': duration(one.max_ttl),
          limit: limit === null ? 'none of its own' : `${limit} calls a minute`,
          asks: one.approve.length === 0 ? undefined : one.approve.join(' '),
          approvers: String(one.approvers),
          bound: one.bound ? 'only with the key of the capability' : undefined,
          changed: page.when(one.updated_at),
        })
        for (const [connection, template] of Object.entries(one.leases)) {
          page.facts({ [`leases of ${connection}`]: JSON.stringify(template) })
        }
        page.line('')
        page.table(one.allow, { ALLOWS: (text) => text })
      })
    })
  example(command, 'valetkey scope show staging-domains')
}

function removeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('remove')
    .argument('<name>', 'the scope', readName)
    .description('remove a scope; capabilities that carry it stop working at once')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { yes?: true }) => {
      await confirmed(cli, `Remove the scope ${name}`, options.yes)
      const { admin } = await signedIn(cli)
      const gone = await told(admin.scopes[':name'].$delete({ param: { name } }))
      const lost =
        gone.agents.length === 0 ? 'No agent had it' : `${gone.agents.join(', ')} lost it`
      cli.speak.done(gone, `Removed ${name}. ${lost}.`)
    })
  example(command, 'valetkey scope remove staging-domains')
}
