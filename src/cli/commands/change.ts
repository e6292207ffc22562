/** `change`: edits of policy that wait for a passkey. It shows and rejects; confirming takes the console. */
import type { Command } from 'commander'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { readId } from '../names.ts'
import { relative } from '../printable.ts'

export function changeCommands(program: Command, cli: Cli): void {
  const noun = program
    .command('change')
    .description('edits that wait for a passkey; confirming them takes the console')

  const list = noun
    .command('list')
    .description('list what waits')
    .option('--all', 'also what was decided')
    .action(async ({ all }: { all?: true }) => {
      const { admin } = await signedIn(cli)
      const { changes } = await told(
        admin.changes.$get({ query: all ? { all: 'true' as const } : {} }),
      )
      cli.speak.list(changes, 'No change waits.', {
        CHANGE: (one) => one.id,
        WHAT: (one) => one.action,
        BY: (one) => one.proposed_by,
        STATE: (one) => one.state,
        ASKED: (one) => relative(one.created_at, Date.now()),
      })
    })
  example(list, 'valetkey change list')

  const show = noun
    .command('show')
    .argument('<change>', 'its id', readId)
    .description('show who could newly do what, and where to confirm it')
    .action(async (id: string) => {
      const { admin } = await signedIn(cli)
      const one = await told(admin.changes[':id'].$get({ param: { id } }))
      cli.speak.result(one, (page) => {
        page.facts({
          what: one.action,
          state: one.state,
          'asked by': one.proposed_by,
          'decided by': one.decided_by ?? undefined,
          expires: page.when(one.expires_at),
          'confirm at': one.url,
        })
        page.line('')
        for (const line of differenceLines(one.diff)) page.line(line)
      })
    })
  example(show, 'valetkey change show CHANGE')

  const reject = noun
    .command('reject')
    .argument('<change>', 'its id', readId)
    .description('say no')
    .option('--reason <text>', 'why')
    .action(async (id: string, { reason }: { reason?: string }) => {
      const { admin } = await signedIn(cli)
      const json = reason === undefined ? {} : { reason }
      const one = await told(admin.changes[':id'].reject.$post({ param: { id }, json }))
      cli.speak.done(one, `Rejected: ${one.action}, asked by ${one.proposed_by}.`)
    })
  example(reject, 'valetkey change reject CHANGE')
}

/** `+` for what becomes possible, `-` for what no longer is. */
export function differenceLines(diff: unknown): string[] {
  const lines = (name: string, sign: string) => {
    const found: unknown = diff instanceof Object ? Reflect.get(diff, name) : undefined
    return Array.isArray(found) ? found.map((one) => `${sign} ${String(one)}`) : []
  }
  return [...lines('added', '+'), ...lines('removed', '-')]
}
