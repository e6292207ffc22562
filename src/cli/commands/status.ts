/** `status`: how the broker is and what it holds, at a glance. Reads only. */
import type { Command } from 'commander'
import { type Cli, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { health } from './connection.ts'
import { inWords } from './freeze.ts'

export function statusCommand(program: Command, cli: Cli): void {
  const command = program
    .command('status')
    .description('how the broker is and what it holds')
    .action(async () => {
      const { admin } = await signedIn(cli)
      const now = await told(admin.status.$get())
      cli.speak.result(now, (page) => {
        page.facts({
          version: now.version,
          mode: now.set_up ? 'set-up: only reads and writes are exchanged' : undefined,
          'agent plane': now.public_url,
          'operator plane': now.console_url,
          store: now.store,
          policy: `version ${now.policy_version}`,
          audit: `${now.audit.seq} entries, head ${now.audit.hash.slice(0, 16)}…`,
          environments: String(now.environments),
          scopes: String(now.scopes),
          agents: String(now.agents),
          leases: now.leases.alive === 0 ? undefined : String(now.leases.alive),
          'waits for approval':
            now.approvals_waiting === 0 ? undefined : String(now.approvals_waiting),
        })
        if (now.leases.failing > 0) {
          page.line('')
          page.line(
            `${now.leases.failing} leases could not be ended, and their credentials may still work: valetkey lease list`,
          )
        }
        for (const { operator, usable_from } of now.recoveries) {
          page.line('')
          page.line(
            `A recovery code of ${operator} was used: cancel it in the console before ${page.when(usable_from)} unless you know why.`,
          )
        }
        if (now.freezes.length > 0) {
          page.line('')
          page.table(now.freezes, {
            FROZEN: (one) => inWords(one.subject),
            BY: (one) => one.by,
            SINCE: (one) => page.when(one.since),
            FREEZE: (one) => one.id,
            REASON: (one) => one.reason ?? undefined,
          })
        }
        if (now.connections.length === 0) return
        page.line('')
        page.table(now.connections, {
          CONNECTION: (one) => one.name,
          PROVIDER: (one) => one.provider,
          CREDENTIAL: health,
        })
      })
    })
  example(command, 'valetkey status')
}
