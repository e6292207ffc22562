/** `lease`: native credentials for a while. What is created goes to stdout once; nobody can ask for it again. */
import { type Command, Option } from 'commander'
import { readDuration } from '../amounts.ts'
import { readSecret } from '../ask.ts'
import { agents, type Cli, signedIn, told } from '../cli.ts'
import { call, record } from '../client.ts'
import { example } from '../example.ts'
import { Failure, usage } from '../failure.ts'
import { readId, readName } from '../names.ts'
import { relative } from '../printable.ts'

export function leaseCommands(program: Command, cli: Cli): void {
  const noun = program.command('lease').description('native credentials for a while')
  createCommand(noun, cli)
  renewCommand(noun, cli)
  listCommand(noun, cli)
  revokeCommand(noun, cli)
}

const capabilityFile = ['--token-file <file>', 'read the capability from a file'] as const
const where =
  '\nThe capability comes from --token-file, else VALETKEY_TOKEN, else the prompt or stdin.'

type CreateOptions = {
  ttl?: number
  tokenFile?: string
  format: 'facts' | 'env' | 'credential-process'
}

function createCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('create')
    .argument('<connection>', 'which connection it is of', readName)
    .description('take a native credential, as the scope of a capability gives it')
    .option('--ttl <duration>', 'how long it lives, such as 10m', readDuration)
    .option(...capabilityFile)
    .addOption(
      new Option('--format <format>', 'how it is printed')
        .choices(['facts', 'env', 'credential-process'])
        .default('facts'),
    )
    .addHelpText('after', where)
    .action(async (connection: string, options: CreateOptions) => {
      const { ttl } = options
      const body = {
        connection,
        ...(ttl === undefined ? {} : { ttl }),
      }
      const made = await asked(cli, body, options.tokenFile)
      const credential = record(made['credential']) ?? {}
      const pairs = Object.entries(credential).map(
        ([name, value]) => [name, String(value)] as const,
      )
      if (options.format === 'env' && !cli.speak.json) {
        return cli.speak.raw(variables(pairs).join('\n'))
      }
      if (options.format === 'credential-process' && !cli.speak.json) {
        return cli.speak.raw(JSON.stringify(processOutput(credential)))
      }
      cli.speak.result(made, (page) => {
        page.facts({ lease: String(made['id']), ...Object.fromEntries(pairs) })
        cli.speak.words(
          made['revocable'] === true
            ? `It ends ${relative(String(made['expires_at']), Date.now())}, or with: valetkey lease revoke ${String(made['id'])}`
            : `It cannot be ended before it expires, ${relative(String(made['expires_at']), Date.now())}.`,
        )
      })
    })
  example(command, 'valetkey lease create pg --ttl 15m')
}

/** As AWS's clients read it from a `credential_process`. */
function processOutput(credential: Record<string, unknown>) {
  const { access_key_id, secret_access_key, session_token, expiration } = credential
  if (session_token === undefined) {
    throw usage('--format credential-process is for AWS.', 'Use --format env, or none.')
  }
  return {
    Version: 1,
    AccessKeyId: access_key_id,
    SecretAccessKey: secret_access_key,
    SessionToken: session_token,
    Expiration: expiration,
  }
}

/** As psql, and AWS's clients, read them. */
const names: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  port: 'PGPORT',
  database: 'PGDATABASE',
  user: 'PGUSER',
  password: 'PGPASSWORD',
  access_key_id: 'AWS_ACCESS_KEY_ID',
  secret_access_key: 'AWS_SECRET_ACCESS_KEY',
  session_token: 'AWS_SESSION_TOKEN',
  region: 'AWS_REGION',
  expiration: 'AWS_CREDENTIAL_EXPIRATION',
  token: 'GITHUB_TOKEN',
}

function variables(pairs: readonly (readonly [string, string])[]): string[] {
  return pairs.map(([name, value]) => {
    const variable = names[name] ?? `VALETKEY_${name.toUpperCase()}`
    return `export ${variable}='${value.replaceAll("'", "'\\''")}'`
  })
}

function renewCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('renew')
    .argument('<connection>', 'which connection it is of', readName)
    .argument('<lease>', 'its id', readId)
    .description('let a lease last longer, with a capability that would give it now')
    .option('--ttl <duration>', 'how long from now, such as 10m', readDuration)
    .option(...capabilityFile)
    .addHelpText('after', where)
    .action(
      async (connection: string, renew: string, options: { ttl?: number; tokenFile?: string }) => {
        const body = {
          ...{ connection, renew },
          ...(options.ttl === undefined ? {} : { ttl: options.ttl }),
        }
        const made = await asked(cli, body, options.tokenFile)
        const until = relative(String(made['expires_at']), Date.now())
        cli.speak.done(made, `${renew} ends ${until}.`)
      },
    )
  example(command, 'valetkey lease renew pg LEASE --ttl 15m')
}

async function asked(
  cli: Cli,
  body: object,
  file: string | undefined,
): Promise<Record<string, unknown>> {
  const given = file === undefined ? cli.settings.capability : undefined
  const bearer = given ?? (await readSecret(cli, 'Capability', file, '--token-file FILE'))
  const plane = await agents(cli)
  const response = await call(plane, '/v1/leases', { method: 'POST', bearer, body })
  const made = record(await response.json())
  if (made !== undefined) return made
  throw new Failure('not-a-broker', `${plane.url} answered with no lease.`)
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list the leases that are out')
    .option('--agent <name>', 'of this agent only', readName)
    .option('--all', 'also those that have ended')
    .action(async ({ agent, all }: { agent?: string; all?: true }) => {
      const { admin } = await signedIn(cli)
      const query = { agent, ...(all && { all: 'true' as const }) }
      const { leases } = await told(admin.leases.$get({ query }))
      cli.speak.list(leases, 'No lease is out.', {
        LEASE: (one) => one.id,
        CONNECTION: (one) => one.connection,
        AGENT: (one) => one.agent,
        ENVIRONMENT: (one) => one.environment,
        STATE: (one) =>
          one.attempts === 0 ? one.state : `${one.state}, failed ${one.attempts} times`,
        EXPIRES: (one) => relative(one.expires_at, Date.now()),
        WHY: (one) => one.because ?? undefined,
      })
      for (const one of leases.filter(({ attempts, state }) => attempts > 0 && state !== 'ended')) {
        cli.speak.warn(`${one.id} could not be ended and is tried again. ${one.last_error}`)
      }
    })
  example(command, 'valetkey lease list')
}

function revokeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('revoke')
    .argument('<lease>', 'its id, as "lease list" shows it', readId)
    .description('end a lease')
    .action(async (id: string) => {
      const { admin } = await signedIn(cli)
      const ended = await told(admin.leases[':id'].$delete({ param: { id } }))
      if (ended.state === 'ended') return cli.speak.done(ended, `${id} has ended.`)
      cli.speak.result(ended, () => {})
      cli.speak.warn(`${id} could not be ended yet and is tried again. ${ended.last_error}`)
      cli.endWith(1)
    })
  example(command, 'valetkey lease revoke LEASE')
}
