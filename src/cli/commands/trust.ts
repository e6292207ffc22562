/** `trust`: whose CI jobs are an agent, without any secret. A job's token is only ever read from a file or from stdin. */
import type { Command } from 'commander'
import { gather } from '../amounts.ts'
import { confirmed, readSecret } from '../ask.ts'
import { type Cli, patiently, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { readName, readNames } from '../names.ts'

export function trustCommands(program: Command, cli: Cli): void {
  const noun = program.command('trust').description('CI jobs that need no secret')
  addCommand(noun, cli)
  listCommand(noun, cli)
  showCommand(noun, cli)
  testCommand(noun, cli)
  removeCommand(noun, cli)
}

const whichTrust = 'the trust'

type AddOptions = {
  system?: 'github' | 'gitlab' | 'buildkite' | 'circleci' | 'oidc'
  issuer?: string
  audience?: string
  claim?: string[]
  scope?: string[]
  allowPrivate?: true
}

function addCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('add')
    .argument('<name>', 'a name for the trust, and for the agent that its jobs are', readName)
    .description('trust the jobs of a CI system that fit what is named')
    .option(
      '--system <name>',
      'github, gitlab, buildkite, circleci or oidc; else told from --issuer',
    )
    .option('--issuer <url>', 'who signs the tokens, as they name it; else the usual one')
    .option('--audience <text>', 'what the jobs request their tokens for; else the broker itself')
    .option('--claim <claim=value>', 'has to fit; the same claim again is an alternative', gather)
    .option('--scope <scope>', 'a scope to grant; may be given several times', readNames)
    .option('--allow-private', 'the issuer is at a private address')
    .addHelpText(
      'after',
      `
A trust names an owner or a repository by its id, since names are given to others once they are free:
  github     repository_id, repository_owner_id        (gh api repos/OWNER/NAME --jq .id)
  gitlab     project_id, namespace_id
  buildkite  organization_id, pipeline_id              (the job asks for them with --claim)
  circleci   the issuer is the organisation's: https://oidc.circleci.com/org/ORG-ID
A * stands for one whole segment: ref=refs/heads/release/*`,
    )
    .action(async (name: string, options: AddOptions) => {
      const { admin } = await signedIn(cli)
      const json = {
        name,
        system: options.system,
        issuer: options.issuer,
        audience: options.audience,
        claims: options.claim ?? [],
        scopes: options.scope ?? [],
        allow_private: options.allowPrivate ?? false,
      }
      const made = await told(admin.trusts.$post({ json }))
      for (const warning of made.warnings) cli.speak.warn(`${warning}.`)
      cli.speak.done(made, `Jobs that fit ${name} are the agent ${name}.`)
    })
  example(
    command,
    'valetkey trust add deploy --system github --claim repository_id=123456 --claim ref=refs/heads/main --claim environment=production --scope staging-domains',
  )
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list trusts')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const { trusts } = await told(admin.trusts.$get())
      cli.speak.list(trusts, 'No trusts yet. See: valetkey trust add --help', {
        TRUST: (one) => one.name,
        SYSTEM: (one) => one.system,
        SCOPES: (one) => one.scopes.join(' ') || undefined,
        CLAIMS: (one) => one.claims.map(({ claim, wanted }) => `${claim}=${wanted}`).join(' '),
      })
    })
  example(command, 'valetkey trust list')
}

function showCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('show')
    .argument('<name>', whichTrust, readName)
    .description('show a trust, and what to think about')
    .action(async (name: string) => {
      const { admin } = await signedIn(cli)
      const one = await told(admin.trusts[':name'].$get({ param: { name } }))
      cli.speak.result(one, (page) => {
        page.facts({
          trust: one.name,
          system: one.system,
          issuer: one.issuer,
          audience: one.audience,
          scopes: one.scopes.join(' ') || 'none',
          added: page.when(one.created_at),
        })
        page.line('')
        page.table(one.claims, { CLAIM: ({ claim }) => claim, 'HAS TO BE': ({ wanted }) => wanted })
        for (const warning of one.warnings) cli.speak.warn(`${warning}.`)
      })
    })
  example(command, 'valetkey trust show deploy')
}

function testCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('test')
    .argument('<name>', whichTrust, readName)
    .description('say, claim by claim, why a job is one of a trust, or is not')
    .option('--token-file <file>', "read the job's ID token from a file")
    .addHelpText(
      'after',
      '\nThe token comes from --token-file, else the prompt or stdin. It is not spent.\nExit code 0: the job would be taken. 1: it would not.',
    )
    .action(async (name: string, { tokenFile }: { tokenFile?: string }) => {
      const token = await readSecret(cli, 'ID token of the job', tokenFile, '--token-file FILE')
      const { admin } = await signedIn(cli)
      const route = admin.trusts[':name'].examination
      const found = await told(route.$post({ param: { name }, json: { token } }, patiently()))
      cli.speak.result(found, (page) => {
        if (found.claims.length > 0) {
          page.table(found.claims, {
            '': ({ fits }) => (fits ? 'fits' : 'NO'),
            CLAIM: ({ claim }) => claim,
            'HAS TO BE': ({ wanted }) => wanted,
            IS: (one) => one.found ?? 'not in the token',
          })
        }
      })
      if (!cli.speak.json) cli.speak.words(verdict(name, found))
      cli.endWith(found.accepted ? 0 : 1)
    })
  example(command, 'valetkey trust test deploy --token-file job.jwt')
}

function verdict(
  name: string,
  found: { accepted: boolean; problem: string | null; others: string[] },
): string {
  if (found.problem !== null) return found.problem
  if (found.accepted) return `This job is the agent ${name}.`
  return found.others.length === 0
    ? `This job is not one of ${name}.`
    : `This job would also be ${found.others.join(' and ')}, so it has to name one with --client-id, or the trusts have to exclude each other.`
}

function removeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('remove')
    .argument('<name>', whichTrust, readName)
    .description('trust its jobs no longer; what they hold stops working at once')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { yes?: true }) => {
      await confirmed(cli, `Remove the trust ${name} and its agent`, options.yes)
      const { admin } = await signedIn(cli)
      await admin.trusts[':name'].$delete({ param: { name } })
      cli.speak.done({ name }, `Removed ${name}.`)
    })
  example(command, 'valetkey trust remove deploy')
}
