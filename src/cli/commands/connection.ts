/** `connection`: a provider with one real credential. The credential goes in here and never comes out again. */
import type { Command } from 'commander'
import { confirmed, readSecret } from '../ask.ts'
import { type Cli, patiently, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { readName } from '../names.ts'

export function connectionCommands(program: Command, cli: Cli): void {
  const noun = program.command('connection').description('providers with their real credentials')
  addCommand(noun, cli)
  listCommand(noun, cli)
  showCommand(noun, cli)
  testCommand(noun, cli)
  rotateCommand(noun, cli)
  removeCommand(noun, cli)
}

const whichConnection = 'the connection'
const secretFile = [
  '--secret-file <file>',
  'read the token from a file, not the prompt or stdin',
] as const

type AddOptions = {
  provider?: string
  baseUrl?: string
  placement?: string
  allowPrivate?: true
  secretFile?: string
}

function addCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('add')
    .argument('<name>', 'a name for it', readName)
    .description('add a connection; asks for the real token, hidden')
    .option('--provider <provider>', 'which provider it is; by default the name says it', readName)
    .option('--base-url <url>', "where the provider's API lies, unless it is the usual place")
    .option('--placement <placement>', 'where the token goes in a request')
    .option('--allow-private', 'its address may be a private one')
    .option(...secretFile)
    .action(async (name: string, options: AddOptions) => {
      const { admin } = await signedIn(cli)
      const json = {
        name,
        secret: await readSecret(cli, `Token for ${name}`, options.secretFile),
        provider: options.provider,
        base_url: options.baseUrl,
        placement: options.placement,
        allow_private: options.allowPrivate === true,
      }
      const made = await cli.speak.during(
        `Learning what ${name} can do`,
        told(admin.connections.$post({ json }, patiently())),
      )
      cli.speak.done(made, `Added ${name} (${made.provider} at ${made.base_url}).`)
    })
  example(command, 'valetkey connection add railway')
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list connections')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { connections } = await told(admin.connections.$get())
      cli.speak.list(
        connections,
        'No connections yet. Add one with: valetkey connection add railway',
        {
          CONNECTION: (one) => one.name,
          PROVIDER: (one) => one.provider,
          'BASE URL': (one) => one.base_url,
          CREDENTIAL: (one) => health(one),
        },
      )
    })
  example(command, 'valetkey connection list')
}

export function health({ healthy }: { healthy: boolean }): string {
  return healthy ? 'accepted' : 'refused'
}

function showCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('show')
    .argument('<name>', whichConnection, readName)
    .description('show a connection; its secret is never shown')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const one = await told(admin.connections[':name'].$get({ param: { name } }))
      cli.speak.result(one, (page) =>
        page.facts({
          connection: one.name,
          provider: one.provider,
          'base URL': one.base_url,
          placement: one.placement,
          'private addresses': one.allow_private ? 'allowed' : 'refused',
          credential: `version ${one.secret_version}, ${health(one)}`,
          schema: one.schema,
          added: page.when(one.created_at),
          changed: page.when(one.updated_at),
        }),
      )
    })
  example(command, 'valetkey connection show railway')
}

function testCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('test')
    .argument('<name>', whichConnection, readName)
    .description('ask the provider whether it takes the credential')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const tested = await cli.speak.during(
        `Asking ${name}`,
        told(admin.connections[':name'].test.$post({ param: { name } }, patiently())),
      )
      const sees = Object.entries(tested.sees).map(([kind, count]) => `${count} ${kind}`)
      cli.speak.done(
        tested,
        `${name} takes the credential, which sees ${sees.join(', ') || 'nothing'}.`,
      )
    })
  example(command, 'valetkey connection test railway')
}

function rotateCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('rotate')
    .argument('<name>', whichConnection, readName)
    .description('replace the real token; asks for the new one, hidden')
    .option(...secretFile)
    .action(async (name: string, options: { secretFile?: string }) => {
      const { admin } = await signedIn(cli)
      const json = { secret: await readSecret(cli, `New token for ${name}`, options.secretFile) }
      const made = await cli.speak.during(
        `Trying the new token of ${name}`,
        told(admin.connections[':name'].rotate.$post({ param: { name }, json }, patiently())),
      )
      cli.speak.done(made, `${name} has a new token. Revoke the old one at the provider.`)
    })
  example(command, 'valetkey connection rotate railway --secret-file new-token.txt')
}

function removeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('remove')
    .argument('<name>', whichConnection, readName)
    .description('remove a connection, its credential and its bindings')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { yes?: true }) => {
      await confirmed(
        cli,
        `Remove the connection ${name} with its credential and bindings`,
        options.yes,
      )
      const { admin } = await signedIn(cli)
      const gone = await told(
        admin.connections[':name'].$delete({ param: { name }, query: { confirm: name } }),
      )
      cli.speak.done(gone, `Removed ${name}. Revoke its token at the provider.`)
    })
  example(command, 'valetkey connection remove railway')
}
