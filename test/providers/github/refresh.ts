/** Makes the catalogue of GitHub's operations anew: `node test/providers/github/refresh.ts api.github.com.json`, of @octokit/openapi. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { importOpenApi } from '../../../src/providers/rest/openapi.ts'

const [file] = process.argv.slice(2)
if (file === undefined) throw new Error('say where the description is')
const { description, left } = importOpenApi(
  // The broker takes it out of every answer.
  JSON.parse(readFileSync(file, 'utf8'), (key, value) =>
    key === 'temp_clone_token' ? undefined : value,
  ),
)
for (const { operation, why } of left) process.stderr.write(`left out: ${operation}: ${why}\n`)

const rows = description.operations
  // It has a host of its own.
  .filter(({ name }) => name !== 'repos/upload-release-asset')
  .map(({ name, method, template, effects, query, fields }) =>
    [name, `${method} ${template}`, effects, query ?? [], fields ?? []].map((one) =>
      typeof one === 'string' ? one : one.join(' '),
    ),
  )
const text = rows.map((row) => JSON.stringify(row)).join(',\n')
writeFileSync(
  join(import.meta.dirname, '../../../src/providers/github/operations.json'),
  `[\n${text}\n]\n`,
)
process.stderr.write(`${rows.length} operations\n`)
