/** `audit`: what happened, who did it, and proof that nothing was taken out. Only reads; `verify FILE` needs no broker. */
import { type Command, Option } from 'commander'
import { readCount, readMoment, readSeq } from '../amounts.ts'
import { type Admin, type Cli, patiently, signedIn, told } from '../cli.ts'
import { within } from '../client.ts'
import { example } from '../example.ts'
import { json } from '../printable.ts'
import type { Column } from '../speak.ts'

export function auditCommands(program: Command, cli: Cli): void {
  const noun = program.command('audit').description('what happened, and proof that it is all there')
  tailCommand(noun, cli)
  searchCommand(noun, cli)
  exportCommand(noun, cli)
  verifyCommand(noun, cli)
}

const kinds = [
  'call',
  'outcome',
  'refusal',
  'mint',
  'revoke',
  'change',
  'approval',
  'lease',
  'sign-in',
  'sign-out',
  'start',
  'stop',
] as const

type Filter = {
  kind?: (typeof kinds)[number]
  agent?: string
  environment?: string
  connection?: string
  operation?: string
  outcome?: string
  request?: string
}

type Entry = {
  seq: number
  at: string
  kind: string
  agent?: string | undefined
  operator?: string | undefined
  environment?: string | undefined
  connection?: string | undefined
  operation?: string | undefined
  outcome?: string | undefined
  request?: string | undefined
  facts?: Record<string, unknown> | undefined
}

function filtered(command: Command): Command {
  return command
    .addOption(new Option('--kind <kind>', 'only entries of this kind').choices(kinds))
    .option('--agent <name>', 'only of this agent')
    .option('--environment <name>', 'only of this environment')
    .option('--connection <name>', 'only of this connection')
    .option('--operation <name>', 'only of this operation, such as Mutation.volumeDelete')
    .option('--outcome <outcome>', 'only with this outcome, such as outside-environment')
    .option('--request <id>', 'only of this request')
}

/** A log is read line by line, so its lines keep one form whatever the width. */
function lineOf(entry: Entry): string {
  const parts = [entry.at, entry.kind.padEnd(8), ...columnsOf(entry)]
  return `${String(entry.seq).padStart(6)}  ${parts.filter(Boolean).join('  ')}`.trimEnd()
}

function columnsOf(entry: Entry): (string | undefined)[] {
  return [who(entry), what(entry), entry.environment, entry.outcome]
}

const who: Column<Entry> = (entry) => entry.agent ?? entry.operator

const what: Column<Entry> = (entry) => {
  if (entry.operation !== undefined) {
    return entry.connection === undefined
      ? entry.operation
      : `${entry.connection}:${entry.operation}`
  }
  const named = entry.facts?.['what']
  return typeof named === 'string' ? named : entry.connection
}

function tailCommand(noun: Command, cli: Cli): void {
  const command = filtered(noun.command('tail'))
    .description('show the latest entries, and with --follow those to come')
    .option('-n, --lines <count>', 'how many to begin with', readCount, 20)
    .option('-f, --follow', 'go on until interrupted')
    .addHelpText('after', '\nWith --json, one entry on each line.')
    .action(async ({ lines, follow, ...filter }: Filter & { lines: number; follow?: true }) => {
      const { admin } = await signedIn(cli)
      const page = await read(admin, { ...filter, limit: String(Math.min(lines, largestPage)) })
      for (const entry of page.entries.toReversed()) await tell(cli, entry)
      if (follow) await goOn(cli, admin, filter, page.head.seq)
    })
  example(command, 'valetkey audit tail --follow --agent cursor')
}

const largestPage = 500

async function tell({ speak }: Cli, entry: Entry): Promise<void> {
  await speak.raw(speak.json ? json(entry) : lineOf(entry))
}

async function goOn(cli: Cli, admin: Admin, filter: Filter, from: number): Promise<never> {
  let after = from
  for (;;) {
    const { entries } = await read(admin, { ...filter, after: String(after), wait: '20' })
    for (const entry of entries) await tell(cli, entry)
    after = entries.at(-1)?.seq ?? after
  }
}

function read(
  admin: Admin,
  query: Filter & {
    limit?: string
    after?: string
    before?: string
    wait?: string
    since?: string | undefined
    until?: string | undefined
  },
) {
  return told(admin.audit.$get({ query }, { init: within(60_000) }))
}

type SearchOptions = Filter & { since?: string; until?: string; before?: number; limit: number }

function searchCommand(noun: Command, cli: Cli): void {
  const command = filtered(noun.command('search'))
    .description('find entries, newest first')
    .option('--since <time>', 'not before: a time, or how long ago, such as 2h', readMoment)
    .option('--until <time>', 'not after', readMoment)
    .option('--before <seq>', 'go on with entries before this one', readSeq)
    .option('--limit <count>', 'how many at most', readCount, 100)
    .action(async ({ limit, before, ...rest }: SearchOptions) => {
      const { admin } = await signedIn(cli)
      const query = {
        ...rest,
        limit: String(Math.min(limit, largestPage)),
        ...(before !== undefined && { before: String(before) }),
      }
      const { entries } = await read(admin, query)
      cli.speak.list<Entry>(entries, 'No entry is like that.', {
        SEQ: (entry) => String(entry.seq),
        AT: (entry) => entry.at,
        KIND: (entry) => entry.kind,
        WHO: who,
        WHAT: what,
        ENVIRONMENT: (entry) => entry.environment,
        OUTCOME: (entry) => entry.outcome,
        REQUEST: (entry) => entry.request,
      })
      const last = entries.at(-1)
      if (entries.length < limit || last === undefined || cli.speak.json) return
      cli.speak.words(`There may be more: go on with --before ${last.seq}`)
    })
  example(command, 'valetkey audit search --outcome outside-environment --since 2h')
}

function exportCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('export')
    .description('write the whole log as NDJSON, which "audit verify" proves without the broker')
    .option('--out <file>', 'a new file to write to, rather than stdout')
    .action(async ({ out }: { out?: string }) => {
      const { exported } = await import('../audit-files.ts')
      const { admin } = await signedIn(cli)
      const log = await admin.audit.export.$get(undefined, { init: within(longExport) })
      const lines = await cli.speak.during('Exporting', exported(log, out, cli.terminal.stdout))
      if (out !== undefined) cli.speak.done({ file: out, lines }, `Wrote ${lines} lines to ${out}.`)
    })
  example(command, 'valetkey audit export --out audit.ndjson')
}

const longExport = 3_600_000

function verifyCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('verify')
    .argument('[file]', 'an export; without it, the log in the broker')
    .description('prove that nothing in the log was edited or taken out')
    .option('--key <file>', 'public audit keys that were kept elsewhere, as JWK or JWKS')
    .addHelpText('after', '\nExit code 0: whole. 1: something was done to it.')
    .action(async (file: string | undefined, { key }: { key?: string }) => {
      const report = await cli.speak.during('Verifying', verified(cli, file, key))
      cli.speak.result(report, (page) => {
        page.facts({
          log: report.ok ? 'whole' : 'NOT whole',
          entries: String(report.entries),
          'signed heads': String(report.checkpoints),
          'signatures of passkeys': String(report.proofs),
          head: `${report.head.seq} ${report.head.hash}`,
          calls: String(report.calls),
          'outcome unknown': report.unknown.length > 0 ? String(report.unknown.length) : undefined,
        })
        for (const problem of report.problems) page.line(`${problem.how}: ${problem.detail}`)
      })
      if (report.ok && report.keys?.from === 'file') {
        cli.speak.warn(
          'the keys came with the file, so this proves only that it fits together: keep the keys elsewhere and give them with --key.',
        )
      }
      cli.endWith(report.ok ? 0 : 1)
    })
  example(command, 'valetkey audit verify audit.ndjson --key audit-keys.json')
}

type Report = {
  ok: boolean
  entries: number
  checkpoints: number
  proofs: number
  calls: number
  head: { seq: number; hash: string }
  unknown: unknown[]
  problems: { how: string; detail: string }[]
  keys?: { from: 'given' | 'file' }
}

async function verified(
  cli: Cli,
  file: string | undefined,
  key: string | undefined,
): Promise<Report> {
  if (file === undefined && key === undefined) {
    const { admin } = await signedIn(cli)
    return await told(admin.audit.verification.$get(undefined, patiently()))
  }
  const { readKeys, linesOf, linesOfFile } = await import('../audit-files.ts')
  const { verifyExport } = await import('../../audit/verify.ts')
  const given = key === undefined ? {} : { keys: await readKeys(key) }
  if (file !== undefined) return await verifyExport(linesOfFile(file), given)
  const { admin } = await signedIn(cli)
  const log = await admin.audit.export.$get(undefined, { init: within(longExport) })
  return await verifyExport(linesOf(log), given)
}
