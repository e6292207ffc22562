/** `agent`: who may ask. A secret is shown once, on stdout, and cannot be asked for again; a private key never leaves its file. */
import type { Command } from 'commander'
import { readDuration } from '../amounts.ts'
import { confirmed } from '../ask.ts'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { usage } from '../failure.ts'
import { dropKey, type Jwk, makeKey, readPublicJwk } from '../key-files.ts'
import { readName, readNames } from '../names.ts'
import { duration } from '../printable.ts'
import { inTurn, Waiting } from '../waiting.ts'

export function agentCommands(program: Command, cli: Cli): void {
  const noun = program.command('agent').description('who may ask for capabilities')
  addCommand(noun, cli)
  listCommand(noun, cli)
  showCommand(noun, cli)
  grantCommand(noun, cli)
  revokeCommand(noun, cli)
  rotateCommand(noun, cli)
  removeCommand(noun, cli)
}

const whichAgent = 'the agent'

type Made = { name: string; secret?: string | undefined; key?: string | undefined }

function showOnce({ speak }: Cli, agent: Made, keyFile: string | undefined): void {
  speak.result(keyFile === undefined ? agent : { ...agent, key_file: keyFile }, (page) => {
    page.facts({
      'client id': agent.name,
      'client secret': agent.secret,
      key: agent.key,
      'private key': keyFile,
    })
    if (agent.secret !== undefined) {
      speak.words(
        'The secret is shown this once. Keep it where only what starts the agent can read it: the agent itself needs capabilities alone.',
      )
    } else if (keyFile !== undefined) {
      speak.words(
        `The private key is in ${keyFile} and nowhere else. Take it to where the agent is started: valetkey token --client-id ${agent.name} --key-file ${keyFile}`,
      )
    }
  })
}

type ProofOptions = { key?: string; publicKey?: string; jwksUrl?: string; allowPrivate?: true }

function proofOptions(command: Command): Command {
  return command
    .option(
      '--key <file>',
      'instead of a secret make a key pair; the private half goes into this file',
    )
    .option('--public-key <file>', 'instead of a secret register this public key, a JWK')
    .option('--jwks-url <url>', 'instead of a secret trust the keys that are published there')
    .option('--allow-private', '--jwks-url is at a private address')
}

/** What the broker is told of the key; a key that was made here goes again where the broker refuses. */
async function withProof(
  options: ProofOptions,
  send: (proof: {
    key?: Jwk
    jwks_url?: string | undefined
    allow_private: boolean
  }) => Promise<Made>,
): Promise<Made> {
  const { key, publicKey, jwksUrl } = options
  if ([key, publicKey, jwksUrl].filter((one) => one !== undefined).length > 1) {
    throw usage('An agent signs in with one thing.', 'Give one of --key, --public-key, --jwks-url.')
  }
  const about = { jwks_url: jwksUrl, allow_private: options.allowPrivate ?? false }
  if (publicKey !== undefined) return send({ ...about, key: await readPublicJwk(publicKey) })
  if (key === undefined) return send(about)
  const made = await makeKey(key)
  try {
    return await send({ ...about, key: made })
  } catch (error) {
    // One that waits to be confirmed will be good.
    if (!(error instanceof Waiting)) await dropKey(key)
    throw error
  }
}

function addCommand(noun: Command, cli: Cli): void {
  const command = proofOptions(
    noun
      .command('add')
      .argument('<name>', 'a name for it', readName)
      .description('add an agent; prints its client id and secret, once, or keeps a key')
      .option('--scope <scope>', 'a scope to grant; may be given several times', readNames),
  ).action(async (name: string, options: ProofOptions & { scope?: string[] }) => {
    const { admin } = await signedIn(cli)
    const scopes = options.scope ?? []
    const made = await withProof(options, (proof) =>
      told(admin.agents.$post({ json: { name, scopes, ...proof } })),
    )
    showOnce(cli, made, options.key)
  })
  example(
    command,
    'valetkey agent add cursor --scope staging-domains\n  $ valetkey agent add builder --key builder.key --scope staging-domains',
  )
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list agents')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { agents } = await told(admin.agents.$get())
      cli.speak.list(agents, 'No agents yet. Add one with: valetkey agent add NAME --scope SCOPE', {
        AGENT: (one) => one.name,
        SCOPES: (one) => one.scopes.join(' ') || undefined,
      })
    })
  example(command, 'valetkey agent list')
}

function showCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('show')
    .argument('<name>', whichAgent, readName)
    .description('show an agent, its scopes, and when its secrets were made')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const one = await told(admin.agents[':name'].$get({ param: { name } }))
      cli.speak.result(one, (page) => {
        page.facts({
          agent: one.name,
          scopes: one.scopes.join(' ') || 'none',
          added: page.when(one.created_at),
        })
        page.line('')
        const proofs = [
          ...one.secrets.map((secret) => ({ ...secret, key: 'a secret' })),
          ...one.keys,
        ]
        page.table(proofs, {
          'SIGNS IN WITH': ({ key }) => key,
          MADE: (proof) => page.when(proof.created_at),
          EXPIRES: (proof) => page.when(proof.expires_at) ?? 'never',
        })
      })
    })
  example(command, 'valetkey agent show cursor')
}

function grantCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('grant')
    .argument('<name>', whichAgent, readName)
    .argument('<scopes...>', 'scopes to grant', readNames)
    .description('grant scopes to an agent')
    .action(async (name: string, scopes: string[]) => {
      const { admin } = await signedIn(cli)
      await inTurn(scopes, (scope) =>
        admin.agents[':name'].grants[':scope'].$put({ param: { name, scope } }),
      )
      cli.speak.done({ name, granted: scopes }, `${name} has ${scopes.join(', ')}.`)
    })
  example(command, 'valetkey agent grant cursor staging-domains')
}

function revokeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('revoke')
    .argument('<name>', whichAgent, readName)
    .argument('<scopes...>', 'scopes to take back', readNames)
    .description('take scopes from an agent; its capabilities lose them at once')
    .action(async (name: string, scopes: string[]) => {
      const { admin } = await signedIn(cli)
      await inTurn(scopes, (scope) =>
        admin.agents[':name'].grants[':scope'].$delete({ param: { name, scope } }),
      )
      cli.speak.done({ name, revoked: scopes }, `${name} no longer has ${scopes.join(', ')}.`)
    })
  example(command, 'valetkey agent revoke cursor staging-domains')
}

function rotateCommand(noun: Command, cli: Cli): void {
  const command = proofOptions(
    noun
      .command('rotate')
      .argument('<name>', whichAgent, readName)
      .description('give an agent a new secret, printed once, or a new key')
      .option(
        '--overlap <duration>',
        'how long the old secret or key still works, such as 1h',
        readDuration,
      ),
  ).action(async (name: string, { overlap, ...options }: ProofOptions & { overlap?: number }) => {
    const { admin } = await signedIn(cli)
    const { credentials } = admin.agents[':name']
    const made = await withProof(options, (proof) =>
      told(credentials.$post({ param: { name }, json: { overlap_seconds: overlap, ...proof } })),
    )
    showOnce(cli, made, options.key)
    if (cli.speak.json) return
    cli.speak.words(
      overlap === undefined
        ? 'What it signed in with before no longer works.'
        : `What it signed in with before works for another ${duration(overlap)}.`,
    )
  })
  example(command, 'valetkey agent rotate cursor --overlap 1h')
}

function removeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('remove')
    .argument('<name>', whichAgent, readName)
    .description('remove an agent; its capabilities stop working at once')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { yes?: true }) => {
      await confirmed(cli, `Remove the agent ${name}`, options.yes)
      const { admin } = await signedIn(cli)
      await admin.agents[':name'].$delete({ param: { name } })
      cli.speak.done({ name }, `Removed ${name}.`)
    })
  example(command, 'valetkey agent remove cursor')
}
