/** `token`: a capability for an agent or a CI job. Prints the token and nothing else, so that it can be captured. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Cli } from '../cli.ts'
import { example } from '../example.ts'
import { type Format, formats, handOver } from '../handing-over.ts'
import { readPrivateKey } from '../key-files.ts'
import { describedBy, type ObtainOptions, obtaining, obtainOptions } from '../obtain.ts'
import { proverOf } from '../prover.ts'

type Options = ObtainOptions & { format: Format; variable?: string; dpopKey?: string }

export function tokenCommand(program: Command, cli: Cli): void {
  const token = obtainOptions(
    program
      .command('token')
      .description('get a capability for an agent or a CI job; prints the token alone'),
  )
    .option('--dpop-key <file>', 'bind it to this private key (RFC 9449)')
    .addOption(
      new Option('--format <format>', 'how it is printed').choices(formats).default('token'),
    )
    .option('--variable <name>', 'what it is called in env, dotenv and github-output', readVariable)
    .addHelpText(
      'after',
      `
The client secret comes from --secret-file, else VALETKEY_CLIENT_SECRET, else the prompt or stdin.
In GitHub Actions and Buildkite the capability is hidden from the log.`,
    )
    .action(async (options: Options) => {
      const { plane, obtain } = await obtaining(cli, options)
      const prover =
        options.dpopKey === undefined
          ? undefined
          : await proverOf((await describedBy(plane)).issuer, await readPrivateKey(options.dpopKey))
      const got = await obtain(prover)
      const format = cli.speak.json ? 'json' : options.format
      const usual = format === 'github-output' ? 'token' : 'VALETKEY_TOKEN'
      const name = options.variable ?? usual
      await handOver(cli, { ...got, host: new URL(plane.url).hostname }, { format, name })
    })
  example(
    token,
    `export RAILWAY_API_TOKEN=$(valetkey token --client-id cursor --scope staging-domains)
  $ valetkey token --oidc github --scope deploy --format github-output
  $ valetkey token --from - --actor tests --operation 'railway:@read' --ttl 5m`,
  )
}

function readVariable(text: string): string {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(text)) return text
  throw new InvalidArgumentError('A variable is letters, digits and underscores.')
}
