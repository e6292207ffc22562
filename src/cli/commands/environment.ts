/** `environment`: environments and what they own and see. Resources are named by address; the broker locates them. */
import { type Command, Option } from 'commander'
import { gather } from '../amounts.ts'
import { confirmed } from '../ask.ts'
import { type Cli, patiently, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { usage } from '../failure.ts'
import { readId, readName } from '../names.ts'

export function environmentCommands(program: Command, cli: Cli): void {
  const noun = program
    .command('environment')
    .description('environments, and the resources that belong to them')
  addCommand(noun, cli)
  setCommand(noun, cli)
  listCommand(noun, cli)
  showCommand(noun, cli)
  discoverCommand(noun, cli)
  bindCommand(noun, cli)
  unbindCommand(noun, cli)
  removeCommand(noun, cli)
}

const whichEnvironment = 'the environment'

function addCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('add')
    .argument('<name>', 'a name for it', readName)
    .description('add an environment; it is protected unless you say otherwise')
    .option('--unprotected', 'without the care that production needs')
    .action(async (name: string, options: { unprotected?: true }) => {
      const { admin } = await signedIn(cli)
      const json = { name, protected: options.unprotected !== true }
      const made = await told(admin.environments.$post({ json }))
      cli.speak.done(
        made,
        `Added ${name} (${guarded(made)}). Say what belongs to it with: valetkey environment bind ${name} CONNECTION --own KIND=ADDRESS`,
      )
    })
  example(command, 'valetkey environment add staging --unprotected')
}

function setCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('set')
    .argument('<name>', whichEnvironment, readName)
    .description('protect an environment, or stop protecting it')
    .addOption(new Option('--protected', 'protect it').conflicts('unprotected'))
    .option('--unprotected', 'stop protecting it')
    .action(async (name: string, options: { protected?: true; unprotected?: true }) => {
      if (!options.protected && !options.unprotected) {
        throw usage('Say what to set: --protected or --unprotected.')
      }
      const { admin } = await signedIn(cli)
      const json = { protected: options.protected === true }
      const made = await told(admin.environments[':name'].$patch({ param: { name }, json }))
      cli.speak.done(made, `${name} is ${guarded(made)}.`)
    })
  example(command, 'valetkey environment set staging --protected')
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list environments')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { environments } = await told(admin.environments.$get())
      cli.speak.list(
        environments,
        'No environments yet. Add one with: valetkey environment add staging',
        {
          ENVIRONMENT: (one) => one.name,
          PROTECTED: (one) => (one.protected ? 'yes' : 'no'),
          BINDINGS: (one) => String(one.bindings.length),
          SCOPES: (one) => one.scopes.join(' '),
        },
      )
    })
  example(command, 'valetkey environment list')
}

function showCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('show')
    .argument('<name>', whichEnvironment, readName)
    .description('show an environment and what is bound to it')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const one = await told(admin.environments[':name'].$get({ param: { name } }))
      cli.speak.result(one, (page) => {
        page.facts({
          environment: one.name,
          protected: one.protected ? 'yes' : 'no',
          scopes: one.scopes.join(' ') || 'none',
          added: page.when(one.created_at),
        })
        if (one.bindings.length === 0) return
        page.line('')
        page.table(one.bindings, {
          MODE: (binding) => binding.mode,
          KIND: (binding) => binding.kind,
          NAME: (binding) => binding.label,
          RESOURCE: (binding) => binding.resource,
          CONNECTION: (binding) => binding.connection,
          BINDING: (binding) => binding.id,
        })
      })
    })
  example(command, 'valetkey environment show staging')
}

function discoverCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('discover')
    .argument('<connection>', 'whose credential looks', readName)
    .description('list what a connection can see, to choose what to bind')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const { found } = await cli.speak.during(
        `Looking through ${name}`,
        told(admin.connections[':name'].discover.$get({ param: { name } }, patiently())),
      )
      cli.speak.list(found, `${name} sees nothing that could be bound.`, {
        KIND: (one) => one.kind,
        ADDRESS: (one) => one.address,
        ID: (one) => one.id,
        'BIND WITH': (one) => flags[one.bind ?? 'none'],
        'OWNED BY': (one) => one.owner ?? undefined,
        NOTE: (one) => one.note ?? undefined,
      })
    })
  example(command, 'valetkey environment discover railway')
}

const flags = { owns: '--own', sees: '--see', none: undefined }

function bindCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('bind')
    .argument('<name>', whichEnvironment, readName)
    .argument('<connection>', 'whose resources they are', readName)
    .description('say what an environment owns, and what it may merely see')
    .option('--own <kind=address>', 'all effects; may be given several times', gather)
    .option('--see <kind=address>', 'reads only, for what several environments share', gather)
    .action(
      async (name: string, connection: string, options: { own?: string[]; see?: string[] }) => {
        const own = (options.own ?? []).map((text) => resource(text, '--own'))
        const see = (options.see ?? []).map((text) => resource(text, '--see'))
        if (own.length + see.length === 0) {
          throw usage(
            'Say what to bind with --own KIND=ADDRESS or --see KIND=ADDRESS.',
            `Find addresses with: valetkey environment discover ${connection}`,
          )
        }
        const { admin } = await signedIn(cli)
        const json = { connection, own, see }
        const bound = await cli.speak.during(
          'Locating what to bind',
          told(admin.environments[':name'].bindings.$post({ param: { name }, json }, patiently())),
        )
        const labels = bound.bindings.map(({ mode, kind, label }) => `${mode} ${kind} ${label}`)
        cli.speak.done(bound, `${name} ${labels.join(' and ')}.`)
      },
    )
  example(
    command,
    'valetkey environment bind staging railway --own environment=acme/staging --see project=acme',
  )
}

/** `environment=acme/staging` */
function resource(text: string, flag: string): { kind: string; address: string } {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) {
    throw usage(
      `${flag} ${text} is not of the form KIND=ADDRESS.`,
      `For example: ${flag} environment=acme/staging`,
    )
  }
  return { kind: text.slice(0, at), address: text.slice(at + 1) }
}

function unbindCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('unbind')
    .argument('<name>', whichEnvironment, readName)
    .argument('<binding>', 'its id, as "environment show" lists it', readId)
    .description('take a binding away')
    .action(async (name: string, id: string) => {
      const { admin } = await signedIn(cli)
      const gone = await told(
        admin.environments[':name'].bindings[':id'].$delete({ param: { name, id } }),
      )
      cli.speak.done(gone, `${id} is no longer bound to ${name}.`)
    })
  example(command, 'valetkey environment unbind staging BINDING')
}

function removeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('remove')
    .argument('<name>', whichEnvironment, readName)
    .description('remove an environment, its bindings and its scopes')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { yes?: true }) => {
      await confirmed(
        cli,
        `Remove the environment ${name} with its bindings and scopes`,
        options.yes,
      )
      const { admin } = await signedIn(cli)
      const gone = await told(admin.environments[':name'].$delete({ param: { name } }))
      cli.speak.done(
        gone,
        `Removed ${name}, ${gone.bindings.length} bindings and ${gone.scopes.length} scopes.`,
      )
    })
  example(command, 'valetkey environment remove staging')
}

function guarded(environment: { protected: boolean }): string {
  return environment.protected ? 'protected' : 'unprotected'
}
