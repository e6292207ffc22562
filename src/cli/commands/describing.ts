/** `provider import`, `add`, `override` and `remove`: APIs that operators describe. Never sends what it reads anywhere but to the broker. */
import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { gather } from '../amounts.ts'
import { confirmed, readStdin } from '../ask.ts'
import { type Admin, type Cli, patiently, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { Failure, usage } from '../failure.ts'
import { readName } from '../names.ts'

export function describingCommands(noun: Command, cli: Cli): void {
  importCommand(noun, cli)
  addCommand(noun, cli)
  overrideCommand(noun, cli)
  removeCommand(noun, cli)
}

export const effects = ['read', 'write', 'destructive', 'reveal', 'execute', 'admin', 'unknown']

/** The broker bounds it as well. */
export const largestSchema = 16_000_000

export async function textOf(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw usage(`${path} cannot be read (${error.code}).`)
  })
}

type Describing = {
  openapi: string
  baseUrl?: string
  placement?: string
  overrides?: string
  yes?: true
}

function importCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('import')
    .argument('<name>', 'a name for it', readName)
    .description('take over an API from its OpenAPI description, or a newer one')
    .requiredOption('--openapi <file>', 'a file, an https URL, or - for stdin; JSON or YAML')
    .option('--base-url <url>', 'where the API is, if the description does not say')
    .option(
      '--placement <placement>',
      'where its token goes: bearer, token, authorization, header:NAME',
    )
    .option('--overrides <file>', 'a file of decisions to take instead of those that there are')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: Describing) => {
      const { admin } = await signedIn(cli)
      const overrides = await readOverrides(options.overrides)
      const json = {
        openapi: await readDocument(cli, options.openapi),
        source: options.openapi === '-' ? 'stdin' : options.openapi,
        base_url: options.baseUrl,
        placement: options.placement,
        ...(overrides === undefined ? {} : { overrides }),
      }
      await describe(cli, admin, name, json, options.yes)
    })
  example(command, 'valetkey provider import neon --openapi neon.yaml')
}

type Adding = {
  baseUrl: string
  placement?: string
  operation?: string[]
  file?: string
  yes?: true
}

function addCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('add')
    .argument('<name>', 'a name for it', readName)
    .description('describe an API that has no description, operation by operation')
    .requiredOption('--base-url <url>', 'where the API is')
    .option(
      '--placement <placement>',
      'where its token goes: bearer, token, authorization, header:NAME',
    )
    .option(
      '--operation <line>',
      '"METHOD /path/{parameter} effect", with effects separated by commas; may be given several times',
      gather,
    )
    .option('--file <file>', 'a file of such lines; lines that begin with # are none')
    .option('--yes', 'do not ask')
    .action(async (name: string, { baseUrl, placement, operation, file, yes }: Adding) => {
      const lines = [...(operation ?? []), ...(file === undefined ? [] : await linesOf(file))]
      if (lines.length === 0) throw usage('There is no operation.', 'Give --operation or --file.')
      const { admin } = await signedIn(cli)
      const operations = lines.map(readOperation)
      const json = { operations, source: file ?? 'the command line', base_url: baseUrl, placement }
      await describe(cli, admin, name, json, yes)
    })
  example(
    command,
    "valetkey provider add notes --base-url https://notes.example --operation 'GET /v1/notes/{note_id} read'",
  )
}

type NewDescription = Parameters<Admin['providers'][':name']['$put']>[0]['json']

/** Shows what it would change before it does: a description decides what every pattern covers. */
async function describe(
  cli: Cli,
  admin: Admin,
  name: string,
  json: NewDescription,
  yes: true | undefined,
): Promise<void> {
  const route = admin.providers[':name']
  const put = (query: { check?: 'true' }) =>
    told(route.$put({ param: { name }, query, json }, patiently()))
  const planned = await cli.speak.during(`Reading what ${name} offers`, put({ check: 'true' }))
  const { added, removed, changed, left, warnings, operations } = planned
  for (const one of removed) cli.speak.words(`- ${one}`)
  for (const one of changed) cli.speak.words(`~ ${one}`)
  if (removed.length + changed.length > 0) {
    for (const one of added) cli.speak.words(`+ ${one}`)
    await confirmed(cli, `${name} is taken for this from now on`, yes)
  }
  for (const one of left) cli.speak.warn(`${one.operation} is left out: ${one.why}.`)
  for (const one of warnings) cli.speak.warn(one)
  const made = await put({})
  cli.speak.done(
    made,
    `${name} offers ${operations} operations. See them, and what was guessed: valetkey provider operations ${name} --guessed`,
  )
}

type Overriding = {
  effect?: string[]
  harmless?: true
  guess?: true
  resource?: string[]
  confined?: string[]
  file?: string
}

function overrideCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('override')
    .argument('<name>', 'the provider', readName)
    .argument('[operation]', 'the operation to decide on')
    .description('decide what an operation does, or which resource a field names')
    .addOption(
      new Option('--effect <effect>', 'may be given several times').argParser(gatherEffect),
    )
    .option('--harmless', 'it names nothing, and tells nothing, of any environment')
    .option('--guess', 'take back what was decided on the operation')
    .option('--resource <field=parameter>', 'parent_id=branch_id: the field names a branch', gather)
    .option(
      '--confined <parameter>',
      'volume_id: the API checks it against what stands before it in the path',
      gather,
    )
    .option('--file <file>', 'all decisions at once, as JSON or YAML, in place of those there are')
    .action(async (name: string, operation: string | undefined, options: Overriding) => {
      demandDecision(operation, options)
      const { admin } = await signedIn(cli)
      const route = admin.providers[':name'].overrides
      const fromFile = await readOverrides(options.file)
      const before = fromFile ?? (await told(route.$get({ param: { name } })))
      const json = decided(before, operation, options)
      const made = await told(route.$put({ param: { name }, json }, patiently()))
      for (const warning of made.warnings) cli.speak.warn(warning)
      cli.speak.done(
        made,
        made.changed.length === 0
          ? `${name} is taken for what it was.`
          : made.changed.map((one) => `${name}: ${one}`).join('\n'),
      )
    })
  example(command, 'valetkey provider override neon listProjectBranches --effect read')
}

function gatherEffect(text: string, before: string[] = []): string[] {
  if (!effects.includes(text) || text === 'unknown') {
    throw usage(`There is no effect ${text}.`, `There are: ${effects.slice(0, -1).join(', ')}.`)
  }
  return [...before, text]
}

type Decisions = Parameters<Admin['providers'][':name']['overrides']['$put']>[0]['json']

function demandDecision(operation: string | undefined, options: Overriding): void {
  const { effect, harmless, guess, resource = [], confined = [], file } = options
  const says = effect !== undefined || harmless === true || guess === true
  if (operation === undefined && says) throw usage('Which operation?')
  if (operation !== undefined && !says)
    throw usage(`What about ${operation}?`, 'Give --effect, --harmless or --guess.')
  if (operation === undefined && resource.length + confined.length === 0 && file === undefined) {
    throw usage(
      'There is nothing to decide.',
      'Name an operation, or give --resource, --confined or --file.',
    )
  }
}

function decided(before: Decisions, operation: string | undefined, options: Overriding): Decisions {
  const { effect, harmless, guess, resource = [], confined = [] } = options
  const resources = resource.map((pair) => {
    const [, field, parameter] = /^([^=]+)=(.+)$/.exec(pair) ?? []
    if (field === undefined || parameter === undefined)
      throw usage(`${pair} is not FIELD=PARAMETER.`)
    return [field, parameter] as const
  })
  const { [operation ?? '']: own, ...others } = before.operations ?? {}
  const settled = {
    ...own,
    // The option reads no other.
    ...(effect === undefined ? {} : { effects: effect as NonNullable<typeof own>['effects'] }),
    ...(harmless === undefined ? {} : { harmless }),
  }
  return {
    operations:
      operation === undefined || guess === true ? others : { ...others, [operation]: settled },
    resources: { ...before.resources, ...Object.fromEntries(resources) },
    confined: [...new Set([...(before.confined ?? []), ...confined])],
  }
}

function removeCommand(noun: Command, cli: Cli): void {
  const command = noun
    .command('remove')
    .argument('<name>', 'the provider', readName)
    .description('forget an API that was described, once no connection is to it')
    .option('--yes', 'do not ask')
    .action(async (name: string, { yes }: { yes?: true }) => {
      const { admin } = await signedIn(cli)
      await confirmed(cli, `${name} is forgotten, with what was decided on it`, yes)
      const made = await told(admin.providers[':name'].$delete({ param: { name } }))
      cli.speak.done(made, `${name} is forgotten.`)
    })
  example(command, 'valetkey provider remove notes')
}

async function linesOf(file: string): Promise<string[]> {
  const text = await textOf(file)
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function readOperation(line: string) {
  const [, route, words] = /^([A-Z]+ +\/\S*) +([a-z, ]+)$/.exec(line) ?? []
  if (route === undefined || words === undefined) {
    throw usage(`"${line}" is no operation.`, 'Write it as: GET /v1/notes/{note_id} read')
  }
  return { route, effects: words.split(/[, ]+/).reduce(gatherEach, []) }
}

type Effects = NonNullable<NonNullable<Decisions['operations']>[string]['effects']>

function gatherEach(before: Effects, word: string): Effects {
  // Checked by what gathers them.
  return gatherEffect(word, before) as Effects
}

async function readOverrides(file: string | undefined): Promise<Decisions | undefined> {
  if (file === undefined) return undefined
  const { parse } = await import('yaml')
  try {
    return parse(await textOf(file)) ?? {}
  } catch (error) {
    if (error instanceof Failure) throw error
    throw usage(`${file} cannot be read: ${error instanceof Error ? error.message : 'unknown'}`)
  }
}

/** Parsed where it is JSON, so that a large one stays within what the broker takes at once. */
async function readDocument(cli: Cli, from: string): Promise<string | Record<string, unknown>> {
  const text = from.startsWith('https://')
    ? await fetched(from)
    : from === '-'
      ? await readStdin(cli, largestSchema)
      : await textOf(from)
  try {
    return JSON.parse(text)
  } catch {
    // Then it is YAML, or nothing; the broker says which.
    return text
  }
}

async function fetched(url: string): Promise<string> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(60_000),
    redirect: 'error',
  }).catch((error: Error) => {
    throw usage(`${url} cannot be fetched: ${error.message}`)
  })
  if (!response.ok) throw usage(`${url} answered ${response.status}.`)
  const text = await response.text()
  if (text.length > 2 * largestSchema) throw usage(`${url} is larger than any description.`)
  return text
}
