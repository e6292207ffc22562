/** The import table of the design, enforced: which folder of src may know which. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '..', 'src')

/** What each folder may import besides itself. `type:` allows only `import type`, `lazy:` only `await import()`. */
const table: Readonly<Record<string, readonly string[]>> = {
  policy: [],
  seal: [],
  store: ['policy', 'type:config'],
  identity: ['store', 'seal', 'policy', 'context', 'realm', 'audit'],
  realm: ['store', 'seal', 'policy', 'context', 'type:providers', 'type:audit', 'type:log'],
  leases: [
    'store',
    'seal',
    'policy',
    'context',
    'vault',
    'providers',
    'type:realm',
    'type:exchange',
  ],
  tokens: ['store', 'seal', 'policy', 'context', 'identity', 'realm', 'type:audit'],
  vault: ['store', 'seal', 'policy', 'context', 'realm', 'type:providers', 'type:leases'],
  audit: ['store', 'seal', 'policy', 'context', 'type:log'],
  providers: ['policy'],
  approvals: [
    'store',
    'seal',
    'policy',
    'context',
    'identity',
    'vault',
    'realm',
    'audit',
    'type:tokens',
    'type:providers',
    'type:config',
  ],
  console: [
    'exchange',
    'leases',
    'identity',
    'realm',
    'tokens',
    'vault',
    'approvals',
    'audit',
    'policy',
    'providers',
    'context',
    'http',
    'seal',
    'version',
    'type:config',
    'type:log',
  ],
  exchange: [
    'tokens',
    'realm',
    'policy',
    'providers',
    'vault',
    'approvals',
    'audit',
    'context',
    'leases',
    'type:seal',
    'type:config',
    'version',
  ],
  http: [
    'leases',
    'exchange',
    'approvals',
    'identity',
    'realm',
    'tokens',
    'vault',
    'audit',
    'policy',
    'providers',
    'context',
    'seal',
    'type:config',
    'type:log',
    'version',
  ],
  cli: ['type:http', 'lazy:audit'],
  demo: [],
  log: [],
  metrics: [],
  version: [],
  'quick-start': [],
  clock: ['type:context', 'type:log', 'type:store'],
}

/** Anyone may import these. */
const everywhere = new Set(['errors', 'ids'])
/** These put the parts together. */
const composers = new Set([
  'app',
  'listen',
  'main',
  'context',
  'broker',
  'serve',
  'rehearsal',
  'config',
  'bin',
  'errors',
  'ids',
])

type Import = {
  from: string
  to: string
  how: 'value' | 'type' | 'lazy'
  file: string
  package: boolean
}

function sources(): string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|js)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

const statement =
  /^(?:import|export)\s+(type\s)?[^'"]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\('([^']+)'\)/gm

function imports(file: string): Import[] {
  const text = readFileSync(file, 'utf8')
  return [...text.matchAll(statement)].map(([whole, type, from, bare, lazy]) => {
    const specifier = from ?? bare ?? lazy ?? ''
    const inside = specifier.startsWith('.')
    const target = inside ? folderOf(join(file, '..', specifier)) : specifier
    const how =
      lazy !== undefined ? 'lazy' : type !== undefined || onlyTypes(whole) ? 'type' : 'value'
    return { from: folderOf(file), to: target, how, file: relative(root, file), package: !inside }
  })
}

/** `import { type A, type B } from` brings no value either. */
function onlyTypes(whole: string): boolean {
  const names = /\{([^}]*)\}/
    .exec(whole)?.[1]
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean)
  return names !== undefined && names.length > 0 && names.every((name) => name.startsWith('type '))
}

function folderOf(path: string): string {
  return (relative(root, path).split(sep)[0] ?? '').replace(/\.(ts|js)$/, '')
}

const all = sources().flatMap(imports)

function mayImport({ from, to, how }: Import): boolean {
  if (from === to || everywhere.has(to) || composers.has(from)) return true
  const allowed = table[from] ?? []
  return (
    allowed.includes(to) ||
    allowed.includes(`${how}:${to}`) ||
    (how === 'lazy' && allowed.includes(`value:${to}`))
  )
}

it('imports only what its folder may know', () => {
  const strays = all
    .filter((one) => !one.package && !mayImport(one))
    .map(({ file, to, how }) => `${file} imports ${to} (${how})`)
  expect([...new Set(strays)]).toEqual([])
})

it('has every folder in the table', () => {
  const folders = new Set(sources().map(folderOf))
  expect([...folders].filter((one) => !(one in table) && !composers.has(one))).toEqual([])
})

it('keeps drizzle out of http, cli, demo, exchange, providers and policy', () => {
  const strays = all.filter(
    ({ package: isPackage, from, to, how }) =>
      isPackage &&
      to.startsWith('drizzle-orm') &&
      how !== 'type' &&
      ['http', 'console', 'mcp', 'cli', 'demo', 'exchange', 'providers', 'policy'].includes(from),
  )
  expect(strays.map(({ file }) => file)).toEqual([])
})

it('lets the demo know nothing of the broker but npm parts and errors', () => {
  const strays = all.filter(
    ({ from, to, package: isPackage }) =>
      from === 'demo' && !isPackage && to !== 'demo' && to !== 'errors',
  )
  expect(strays.map(({ file }) => file)).toEqual([])
})

it('has no class but errors', () => {
  const strays = sources().filter((file) =>
    /^\s*(export )?(abstract )?class (?!\w*.* extends \w*Error\b)/m.test(
      readFileSync(file, 'utf8'),
    ),
  )
  expect(strays.map((file) => relative(root, file))).toEqual([])
})

it('reads the environment only where settings are read', () => {
  const strays = sources()
    .filter((file) => /process\.env/.test(readFileSync(file, 'utf8')))
    .map((file) => relative(root, file))
  expect(strays.filter((file) => !['serve.ts', 'cli/settings.ts'].includes(file))).toEqual([])
})
