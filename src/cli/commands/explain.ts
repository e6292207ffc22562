/** `explain`: the verdict on a call that is not made. Ends with 1 when the call would be refused. */
import type { Command } from 'commander'
import { readSecret } from '../ask.ts'
import { agents, type Cli } from '../cli.ts'
import { answerOf, record, refusal } from '../client.ts'
import { example } from '../example.ts'
import { usage } from '../failure.ts'
import { readName } from '../names.ts'
import type { Page } from '../speak.ts'

type Options = { query: string; variables?: string; tokenFile?: string }

export function explainCommand(program: Command, cli: Cli): void {
  const explain = program
    .command('explain')
    .argument('<connection>', 'which connection it would use', readName)
    .description('say whether a call would be allowed, and why; nothing is sent upstream')
    .requiredOption('--query <graphql>', 'the GraphQL document')
    .option('--variables <json>', 'its variables')
    .option('--token-file <file>', 'read the capability from a file')
    .addHelpText(
      'after',
      '\nThe capability comes from --token-file, else VALETKEY_TOKEN, else the prompt or stdin.\nExit code 0: it would be allowed. 1: it would be refused.',
    )
    .action((connection: string, options: Options) => explained(cli, connection, options))
  example(explain, 'valetkey explain railway --query \'{ project(id: "…") { name } }\'')
}

async function explained(cli: Cli, connection: string, options: Options): Promise<void> {
  const variables = options.variables === undefined ? undefined : readVariables(options.variables)
  const capability = await presented(cli, options)
  const plane = await agents(cli)
  const path = `/explain/${connection}/graphql/v2`
  const response = await answerOf(plane, path, {
    method: 'POST',
    bearer: capability,
    body: { query: options.query, ...(variables && { variables }) },
    timeoutMs: 60_000,
  })
  if (!response.ok) throw await refusal(plane, response)
  const verdict = record(await response.json()) ?? {}
  cli.speak.result(verdict, (page) => show(page, verdict))
  cli.endWith(verdict['verdict'] === 'allow' ? 0 : 1)
}

async function presented(cli: Cli, options: Options): Promise<string> {
  const { settings } = cli
  if (options.tokenFile === undefined && settings.capability !== undefined)
    return settings.capability
  return await readSecret(cli, 'Capability', options.tokenFile)
}

function readVariables(text: string): Record<string, unknown> {
  const value = record(parsed(text))
  if (value !== undefined) return value
  throw usage('--variables is no JSON object.', `For example: --variables '{"id":"…"}'`)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Said by the caller, with an example.
    return undefined
  }
}

function show(page: Page, verdict: Readonly<Record<string, unknown>>): void {
  const { operations, refused: _, ...facts } = verdict
  page.facts(
    Object.fromEntries(
      Object.entries(facts).map(([name, value]) => [name.replaceAll('_', ' '), plain(value)]),
    ),
  )
  for (const operation of records(operations)) {
    page.line('')
    page.facts({ operation: plain(operation['operation']), effects: plain(operation['effects']) })
    const resources = records(operation['resources'])
    if (resources.length === 0) continue
    page.table(resources, {
      ARGUMENT: (one) => plain(one['argument']),
      KIND: (one) => plain(one['kind']),
      ID: (one) => plain(one['id']),
      'LIVES IN': (one) => plain(one['found'] ?? one['unresolved']),
    })
  }
}

function records(value: unknown): Record<string, unknown>[] {
  const all: unknown[] = Array.isArray(value) ? value : []
  return all.map(record).filter((one) => one !== undefined)
}

function plain(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(plain).join(' ')
  return JSON.stringify(value)
}
