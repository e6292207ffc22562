/** `token`: a capability for an agent. Prints the token and nothing else, so that it can be captured. */
import type { Command } from 'commander'
import { gather, readDuration } from '../amounts.ts'
import { readSecret } from '../ask.ts'
import { agents, type Cli } from '../cli.ts'
import { call, record } from '../client.ts'
import { example } from '../example.ts'
import { Failure, usage } from '../failure.ts'
import { readName, readNames } from '../names.ts'

type Options = {
  clientId: string
  scope: string[]
  ttl?: number
  operation?: string[]
  reason?: string
  secretFile?: string
}

export function tokenCommand(program: Command, cli: Cli): void {
  const token = program
    .command('token')
    .description('get a capability for an agent; prints the token alone')
    .requiredOption('--client-id <name>', 'the agent', readName)
    .requiredOption(
      '--scope <scope>',
      'a scope it was granted; may be given several times',
      readNames,
    )
    .option('--ttl <duration>', 'how long it lives, such as 10m', readDuration)
    .option(
      '--operation <connection:operation>',
      'ask for less than the scope allows; may be given several times',
      gather,
    )
    .option('--reason <text>', 'what it is for; recorded, never judged')
    .option('--secret-file <file>', 'read the client secret from a file')
    .addHelpText(
      'after',
      '\nThe client secret comes from --secret-file, else VALETKEY_CLIENT_SECRET, else the prompt or stdin.',
    )
    .action(async (options: Options) => {
      const plane = await agents(cli)
      const form = await requested(cli, options)
      const response = await call(plane, '/oauth/token', { method: 'POST', form })
      const minted = record(await response.json())
      const token = minted?.['access_token']
      if (typeof token !== 'string') {
        throw new Failure('not-a-broker', `${plane.url} answered without a token.`, {
          hint: 'Check VALETKEY_URL: it names the agent plane.',
        })
      }
      if (cli.speak.json) cli.speak.result(minted, () => {})
      else await cli.speak.raw(token)
    })
  example(
    token,
    'export RAILWAY_API_TOKEN=$(valetkey token --client-id cursor --scope staging-domains)',
  )
}

async function requested(cli: Cli, options: Options): Promise<URLSearchParams> {
  const { settings } = cli
  const details = narrowed(options.operation ?? [])
  const given = options.secretFile === undefined ? settings.clientSecret : undefined
  const secret =
    given ?? (await readSecret(cli, `Client secret of ${options.clientId}`, options.secretFile))
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: options.clientId,
    client_secret: secret,
    scope: options.scope.join(' '),
  })
  if (options.ttl !== undefined) form.set('ttl', String(options.ttl))
  if (options.reason !== undefined) form.set('reason', options.reason)
  if (details.length > 0) form.set('authorization_details', JSON.stringify(details))
  return form
}

/** `railway:Query.*` and its like, gathered by connection as RFC 9396 wants them. */
function narrowed(operations: readonly string[]) {
  const pairs = operations.map((text) => {
    const at = text.indexOf(':')
    if (at < 1 || at === text.length - 1) {
      throw usage(
        `--operation ${text} is not of the form CONNECTION:OPERATION.`,
        'For example: --operation railway:Query.project',
      )
    }
    return [text.slice(0, at), text.slice(at + 1)] as const
  })
  return [...Map.groupBy(pairs, ([connection]) => connection)].map(([connection, group]) => ({
    type: 'valetkey',
    connection,
    operations: group.map(([, operation]) => operation),
  }))
}
