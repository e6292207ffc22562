/** `export` and `apply`: the configuration as one YAML file, without a secret. `apply` shows what it would do before it does it. */
import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { confirmed, readStdin } from '../ask.ts'
import { type Admin, type Cli, patiently, signedIn, told } from '../cli.ts'
import { example } from '../example.ts'
import { usage } from '../failure.ts'
import { largestSchema, textOf } from './describing.ts'

export function configurationCommands(program: Command, cli: Cli): void {
  exportCommand(program, cli)
  applyCommand(program, cli)
}

/** Editors look for it beside the file. */
const schemaName = 'valetkey.schema.json'

function exportCommand(program: Command, cli: Cli): void {
  const command = program
    .command('export')
    .description('write everything but secrets as one YAML file')
    .option('--out <file>', 'write it there instead of to stdout')
    .option('--schema', `write its JSON Schema instead, for editors: save it as ${schemaName}`)
    .action(async ({ out, schema }: { out?: string; schema?: true }) => {
      const { admin } = await signedIn(cli)
      const text = schema === true ? await schemaText(admin) : await documentText(admin)
      if (out === undefined) return cli.speak.raw(text.trimEnd())
      await writeFile(out, text)
      cli.speak.words(`Written to ${out}.`)
    })
  example(command, 'valetkey export --out valetkey.yaml')
}

async function schemaText(admin: Admin): Promise<string> {
  const schema = await told(admin.configuration.schema.$get())
  return `${JSON.stringify(schema, null, 2)}\n`
}

async function documentText(admin: Admin): Promise<string> {
  const { stringify } = await import('yaml')
  const document = await told(admin.configuration.$get())
  const hint = `# yaml-language-server: $schema=./${schemaName}`
  return `${hint}\n${stringify(document, { aliasDuplicateObjects: false })}`
}

function applyCommand(program: Command, cli: Cli): void {
  const command = program
    .command('apply')
    .description('make the configuration the one in a file; sections that it does not have stay')
    .requiredOption('-f, --file <file>', 'the YAML file, or - for stdin')
    .option('--check', 'only show what it would change; ends with 1 if there is anything')
    .option('--yes', 'do not ask')
    .action(async ({ file, check, yes }: { file: string; check?: true; yes?: true }) => {
      const { admin } = await signedIn(cli)
      const json = await readDocument(cli, file)
      const put = (query: { check?: 'true' }) =>
        told(admin.configuration.$put({ query, json }, patiently()))
      const plan = await cli.speak.during('Comparing', put({ check: 'true' }))
      const { steps, added, removed } = plan
      if (steps.length === 0) return cli.speak.done(plan, 'Nothing is to be changed.')
      for (const one of steps) cli.speak.words(`  ${one}`)
      for (const one of removed) cli.speak.words(`- ${one}`)
      for (const one of added) cli.speak.words(`+ ${one}`)
      if (check === true) {
        cli.exitWith(1)
        return cli.speak.done(plan, `${steps.length} changes are to be made.`)
      }
      await confirmed(cli, `All ${steps.length} are made, or none`, yes)
      cli.speak.done(await put({}), `${steps.length} changes made, as one.`)
    })
  example(command, 'valetkey apply -f valetkey.yaml')
}

type Document = Parameters<Admin['configuration']['$put']>[0]['json']

async function readDocument(cli: Cli, file: string): Promise<Document> {
  const text = file === '-' ? await readStdin(cli, largestSchema) : await textOf(file)
  const { parse } = await import('yaml')
  try {
    // The broker checks its form, and says where it is another.
    return parse(text, { maxAliasCount: 100 })
  } catch (error) {
    throw usage(`${file} is no YAML: ${error instanceof Error ? error.message : 'unknown'}`)
  }
}
