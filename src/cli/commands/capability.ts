/** `capability`: what was minted, and taking it back. A capability itself is never shown: the broker does not keep it. */
import type { Command } from 'commander'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { readId, readName } from '../names.ts'
import { relative } from '../printable.ts'

export function capabilityCommands(program: Command, cli: Cli): void {
  const noun = program.command('capability').description('capabilities that were minted')
  listCommand(noun, cli)
  revokeCommand(noun, cli)
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list capabilities that still work')
    .option('--agent <name>', 'of this agent only', readName)
    .option('--all', 'also those that have expired or were revoked')
    .action(async ({ agent, all }: { agent?: string; all?: true }) => {
      const { admin } = await signedIn(cli)
      const query = { agent, ...(all && { all: 'true' as const }) }
      const { capabilities } = await told(admin.capabilities.$get({ query }))
      cli.speak.list(capabilities, 'No capability is out.', {
        CAPABILITY: (one) => one.jti,
        AGENT: (one) => one.agent,
        ENVIRONMENT: (one) => one.environment,
        SCOPES: (one) => one.scopes.join(' '),
        EXPIRES: (one) => (one.revoked ? 'revoked' : relative(one.expires_at, Date.now())),
        REASON: (one) => one.reason ?? undefined,
      })
    })
  example(command, 'valetkey capability list --agent cursor')
}

function revokeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('revoke')
    .argument('<capability>', 'its id, as "capability list" shows it', readId)
    .description('take a capability back; it stops working on every replica')
    .action(async (jti: string) => {
      const { admin } = await signedIn(cli)
      await admin.capabilities[':jti'].$delete({ param: { jti } })
      cli.speak.done({ jti }, `${jti} is revoked.`)
    })
  example(command, 'valetkey capability revoke CAPABILITY')
}
