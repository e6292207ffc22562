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
    .option('--tree', 'each below the one that it grew from')
    .action(async ({ agent, all, tree }: { agent?: string; all?: true; tree?: true }) => {
      const { admin } = await signedIn(cli)
      const query = { agent, ...(all && { all: 'true' as const }) }
      const { capabilities } = await told(admin.capabilities.$get({ query }))
      const rows = tree ? grown(capabilities) : capabilities.map((one) => ({ ...one, branch: '' }))
      cli.speak.list(rows, 'No capability is out.', {
        CAPABILITY: (one) => one.branch + one.jti,
        AGENT: (one) => (one.actor === null ? one.agent : `${one.agent} (${one.actor})`),
        ENVIRONMENT: (one) => one.environment,
        SCOPES: (one) => one.scopes.join(' '),
        EXPIRES: (one) => (one.revoked ? 'revoked' : relative(one.expires_at, Date.now())),
        REASON: (one) => one.reason ?? undefined,
      })
    })
  example(command, 'valetkey capability list --agent cursor --tree')
}

type Node = { jti: string; parent: string | null }

/** Each after the one that it grew from, with the lines that show it. One whose parent is not among them stands by itself. */
export function grown<T extends Node>(all: readonly T[]): (T & { branch: string })[] {
  const known = new Set(all.map(({ jti }) => jti))
  const below = Map.groupBy(all, ({ parent }) =>
    parent !== null && known.has(parent) ? parent : null,
  )
  const walk = (from: string | null, indent: string): (T & { branch: string })[] => {
    const children = below.get(from) ?? []
    return children.flatMap((one, i) => {
      const last = i === children.length - 1
      const branch = from === null ? '' : `${indent}${last ? '└─ ' : '├─ '}`
      const next = from === null ? '' : `${indent}${last ? '   ' : '│  '}`
      return [{ ...one, branch }, ...walk(one.jti, next)]
    })
  }
  return walk(null, '')
}

function revokeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('revoke')
    .argument('<capability>', 'its id, as "capability list" shows it', readId)
    .description('take a capability back, with all that grew from it, on every replica')
    .action(async (jti: string) => {
      const { admin } = await signedIn(cli)
      await admin.capabilities[':jti'].$delete({ param: { jti } })
      cli.speak.done({ jti }, `${jti} is revoked.`)
    })
  example(command, 'valetkey capability revoke CAPABILITY')
}
