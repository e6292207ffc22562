/** `provider`: what Valetkey knows of the outside, operation by operation. Never touches a credential. */
import { type Command, Option } from 'commander'
import { readStdin } from '../ask.ts'
import { type Cli, patiently, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { Failure } from '../failure.ts'
import { readName } from '../names.ts'
import { describingCommands, effects, largestSchema, textOf } from './describing.ts'

export function providerCommands(program: Command, cli: Cli): void {
  const noun = program.command('provider').description('what Valetkey knows of providers')
  listCommand(noun, cli)
  showCommand(noun, cli)
  operationsCommand(noun, cli)
  coverageCommand(noun, cli)
  refreshCommand(noun, cli)
  describingCommands(noun, cli)
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list providers')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { providers } = await told(admin.providers.$get())
      cli.speak.list(providers, 'There is no provider.', {
        PROVIDER: (one) => one.name,
        ENGINE: (one) => one.engine,
        FROM: (one) => (one.described ? 'a description' : 'the program'),
        'BASE URL': (one) => one.base_url,
      })
    })
  example(command, 'valetkey provider list')
}

function showCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('show')
    .argument('<name>', 'the provider', readName)
    .description('show a provider: where it lies, and which kinds of resources can be bound')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const { providers } = await told(admin.providers.$get())
      const one = providers.find((provider) => provider.name === name)
      if (one === undefined) {
        throw new Failure('not-found', `There is no provider ${name}.`, {
          hint: `There are: ${providers.map((provider) => provider.name).join(', ')}.`,
        })
      }
      const bound = (mode: 'owns' | 'sees') =>
        one.kinds
          // Whatever can be owned may be merely seen.
          .flatMap(({ kind, bind }) => (bind === mode || (mode === 'sees' && bind) ? kind : []))
          .join(' ')
      cli.speak.result(one, (page) =>
        page.facts({
          provider: one.name,
          engine: one.engine,
          'base URL': one.base_url,
          placements: one.placements.join(' '),
          'can be owned': bound('owns'),
          'can be seen': bound('sees'),
          locates: `${one.kinds.length} kinds of resources`,
        }),
      )
    })
  example(command, 'valetkey provider show railway')
}

type Filter = { connection?: string; effect?: string; search?: string; guessed?: true }

function operationsCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('operations')
    .argument('<name>', 'the provider', readName)
    .description('list what can be allowed, with its effects')
    .option('--connection <connection>', "by this connection's own schema", readName)
    .addOption(new Option('--effect <effect>', 'only what has this effect').choices(effects))
    .option('--search <text>', 'only names that contain this')
    .option('--guessed', 'only what nobody has decided, with the reason of each guess')
    .action(async (name: string, { connection, effect, search, guessed }: Filter) => {
      const { admin } = await signedIn(cli)
      const { operations } = await told(
        admin.providers[':name'].operations.$get({ param: { name }, query: { connection } }),
      )
      const some = operations.filter(
        (one) =>
          (guessed !== true || one.guessed !== null) &&
          (effect === undefined || effectsOf(one).includes(effect)) &&
          (search === undefined || one.name.toLowerCase().includes(search.toLowerCase())),
      )
      cli.speak.list(some, 'No operation is like that.', {
        OPERATION: (one) => one.name,
        ROUTE: (one) => one.route ?? undefined,
        EFFECTS: (one) => effectsOf(one).join(' '),
        NOTE: (one) => one.note ?? undefined,
      })
    })
  example(command, 'valetkey provider operations railway --connection railway --effect destructive')
}

function effectsOf({ effects }: { effects: readonly string[] | null }): readonly string[] {
  return effects ?? ['unknown']
}

function coverageCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('coverage')
    .argument('<name>', 'the provider', readName)
    .description('list what Valetkey does not know of a schema, and so refuses')
    .option('--schema <file>', 'the schema as SDL; without it, stdin')
    .action(async (name: string, options: { schema?: string }) => {
      const { admin } = await signedIn(cli)
      const json = { schema: await readSchema(cli, options.schema) }
      const { gaps } = await told(
        admin.providers[':name'].coverage.$post({ param: { name }, json }, patiently()),
      )
      cli.speak.list(gaps, 'Valetkey knows all of it.', {
        WHERE: (one) => one.coordinate,
        GAP: (one) => one.gap,
        CONSEQUENCE: (one) => one.consequence,
      })
    })
  example(command, 'valetkey provider coverage railway --schema schema.graphql')
}

async function readSchema(cli: Cli, path: string | undefined): Promise<string> {
  return path === undefined ? await readStdin(cli, largestSchema) : await textOf(path)
}

function refreshCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('refresh')
    .argument('<connection>', 'whose schema to learn', readName)
    .description("learn a connection's schema anew")
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const now = await cli.speak.during(
        `Learning what ${name} can do`,
        told(admin.connections[':name'].refresh.$post({ param: { name } }, patiently())),
      )
      cli.speak.done(
        now,
        now.changed
          ? `The schema of ${name} changed: ${now.added.length} operations more, ${now.removed.length} fewer.`
          : `The schema of ${name} is as it was.`,
      )
    })
  example(command, 'valetkey provider refresh railway')
}
