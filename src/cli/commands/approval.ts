/** `approval`: what waits for a human. It shows and denies; it cannot approve, because that takes a passkey. */
import type { Command } from 'commander'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { readId } from '../names.ts'
import { relative } from '../printable.ts'

export function approvalCommands(program: Command, cli: Cli): void {
  const noun = program
    .command('approval')
    .description('requests that wait for a human; approving takes the console and a passkey')
  listCommand(noun, cli)
  showCommand(noun, cli)
  denyCommand(noun, cli)
}

function listCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('list')
    .description('list what waits')
    .option('--all', 'also what was decided')
    .action(async ({ all }: { all?: true }) => {
      const { admin } = await signedIn(cli)
      const { approvals } = await told(
        admin.approvals.$get({ query: all ? { all: 'true' as const } : {} }),
      )
      cli.speak.list(approvals, 'Nothing waits for approval.', {
        APPROVAL: (one) => one.id,
        AGENT: (one) => one.agent,
        OPERATION: (one) => one.operation,
        ENVIRONMENT: (one) => one.environment,
        STATE: (one) => one.state,
        CODE: (one) => one.code,
        ASKED: (one) => relative(one.created_at, Date.now()),
      })
    })
  example(command, 'valetkey approval list')
}

function showCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('show')
    .argument('<approval>', 'its id', readId)
    .description('show one, and where to decide it')
    .action(async (id: string) => {
      const { admin } = await signedIn(cli)
      const one = await told(admin.approvals[':id'].$get({ param: { id } }))
      cli.speak.result(one, (page) =>
        page.facts({
          state: one.state,
          agent: one.agent,
          operation: `${one.connection}:${one.operation}`,
          effect: one.effect,
          environment: one.environment,
          code: one.code,
          approvers: String(one.approvers),
          'its own reason': one.reason ?? undefined,
          because: one.because ?? undefined,
          expires: page.when(one.expires_at),
          'decide at': one.url,
        }),
      )
    })
  example(command, 'valetkey approval show APPROVAL')
}

function denyCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('deny')
    .argument('<approval>', 'its id', readId)
    .description('say no')
    .option('--reason <text>', 'why; the agent is told')
    .action(async (id: string, { reason }: { reason?: string }) => {
      const { admin } = await signedIn(cli)
      const json = reason === undefined ? {} : { reason }
      const one = await told(admin.approvals[':id'].deny.$post({ param: { id }, json }))
      cli.speak.done(one, `Denied: ${one.operation} in ${one.environment} for ${one.agent}.`)
    })
  example(command, 'valetkey approval deny APPROVAL --reason "not before Friday"')
}
