/** `agent`: who may ask. An agent's secret is shown once, on stdout, and cannot be asked for again. */
import type { Command } from 'commander'
import { readDuration } from '../amounts.ts'
import { confirmed } from '../ask.ts'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { readName, readNames } from '../names.ts'
import { duration } from '../printable.ts'
import { inTurn } from '../waiting.ts'

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

function showOnce({ speak }: Cli, agent: { name: string; secret: string }): void {
  speak.result(agent, (page) => {
    page.facts({ 'client id': agent.name, 'client secret': agent.secret })
    speak.words(
      'The secret is shown this once. Keep it where only what starts the agent can read it: the agent itself needs capabilities alone.',
    )
  })
}

function addCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('add')
    .argument('<name>', 'a name for it', readName)
    .description('add an agent; prints its client id and secret, once')
    .option('--scope <scope>', 'a scope to grant; may be given several times', readNames)
    .action(async (name: string, options: { scope?: string[] }) => {
      const { admin } = await signedIn(cli)
      const json = { name, scopes: options.scope ?? [] }
      showOnce(cli, await told(admin.agents.$post({ json })))
    })
  example(command, 'valetkey agent add cursor --scope staging-domains')
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
        page.table(one.secrets, {
          'SECRET MADE': (secret) => page.when(secret.created_at),
          EXPIRES: (secret) => page.when(secret.expires_at) ?? 'never',
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
  const command = noun
    .command('rotate')
    .argument('<name>', whichAgent, readName)
    .description('give an agent a new secret; prints it, once')
    .option('--overlap <duration>', 'how long the old secret still works, such as 1h', readDuration)
    .action(async (name: string, { overlap }: { overlap?: number }) => {
      const { admin } = await signedIn(cli)
      const json = { overlap_seconds: overlap }
      showOnce(cli, await told(admin.agents[':name'].secrets.$post({ param: { name }, json })))
      if (cli.speak.json) return
      cli.speak.words(
        overlap === undefined
          ? 'The old secret no longer works.'
          : `The old secret works for another ${duration(overlap)}.`,
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
