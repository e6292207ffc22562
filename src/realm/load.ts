/** Reads the whole policy at one moment and compiles it once; what cannot be read allows nothing. */
import { asc, eq, gt, inArray, isNull, sql } from 'drizzle-orm'
import { BrokerError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Capability } from '../policy/capability.ts'
import { ciSystemNamed, testsOf } from '../policy/ci-systems.ts'
import type { Binding } from '../policy/environment.ts'
import { type Allow, type Demand, parseAllow, parseDemand } from '../policy/pattern.ts'
import type { Scope } from '../policy/scope.ts'
import type { Trust } from '../policy/trust.ts'
import type { Provider } from '../providers/provider.ts'
import type { Db, Tx } from '../store/open.ts'
import {
  agentKeys,
  agents,
  bindings,
  connections,
  describedProviders,
  environments,
  formerSecrets,
  freezes,
  grants,
  policy,
  revocations,
  schemas,
  scopes,
  trusts,
  watermarks,
} from '../store/schema.ts'
import type { AgentKey, AgentPolicy, ConnectionPolicy, Snapshot } from './realm.ts'

/** A provider's `compile`, by the provider's name. */
export type Compile = (provider: string, sdl: string) => unknown

/** Makes a provider of what an operator described. Throws where that cannot be read. */
export type Describe = (name: string, description: unknown, overrides: unknown) => Provider

/** Within which the ids of a connection's API mean something. `described` by an operator, and not with the program. */
export type SpaceOf = (
  connection: { name: string; provider: string; baseUrl: string },
  described: boolean,
) => string

/** The policy format that this code understands. */
const format = 3

export async function readVersion(db: Db): Promise<number> {
  const [row] = await db.select({ version: policy.version }).from(policy).where(eq(policy.id, 1))
  if (row === undefined) throw new Error('the policy row is missing')
  return row.version
}

/** Loading remembers compiled catalogues by provider and schema, since compiling one takes longer than all the rest. */
export function createLoader(options: {
  db: Db
  log: Logger
  compile: Compile
  describe: Describe
  spaceOf: SpaceOf
}) {
  const { db, log, compile, describe, spaceOf } = options
  let compiled: ReadonlyMap<string, unknown> = new Map()
  let described: ReadonlyMap<string, Provider | undefined> = new Map()

  return async function load(): Promise<Snapshot> {
    const rows = await db.transaction((tx) => readRows(tx, compiled, described), {
      isolationLevel: 'repeatable read',
      accessMode: 'read only',
    })
    refuseNewer(rows.reader)
    const sdl = new Map(rows.schemas.map((row) => [row.hash, row.sdl]))
    const kept = new Map<string, unknown>()
    for (const connection of rows.connections) {
      const key = catalogueKey(connection)
      if (kept.has(key)) continue
      if (rows.providers.some(({ name }) => name === connection.provider)) continue
      kept.set(
        key,
        compiled.has(key)
          ? compiled.get(key)
          : compileOne(compile, connection, sdl.get(connection.schema), log),
      )
    }
    compiled = kept
    described = describedOf(rows, described, describe, log)
    return snapshotOf(rows, { compiled, described, spaceOf }, log)
  }
}

type Rows = Awaited<ReturnType<typeof readRows>>

async function readRows(
  tx: Tx,
  compiled: ReadonlyMap<string, unknown>,
  described: ReadonlyMap<string, unknown>,
) {
  const [head] = await tx.select().from(policy).where(eq(policy.id, 1))
  if (head === undefined) throw new Error('the policy row is missing')
  const connectionRows = await tx.select().from(connections)
  const { name, hash } = describedProviders
  const providerRows = await tx.select({ name, hash }).from(describedProviders)
  const unread = providerRows.filter((row) => !described.has(describedKey(row)))
  const missing = connectionRows.filter((row) => !compiled.has(catalogueKey(row)))
  const hashes = [...new Set(missing.map((row) => row.schema))]
  return {
    version: head.version,
    reader: head.reader,
    guarded: head.guarded,
    connections: connectionRows,
    schemas:
      hashes.length === 0
        ? []
        : await tx.select().from(schemas).where(inArray(schemas.hash, hashes)),
    providers: providerRows,
    descriptions:
      unread.length === 0
        ? []
        : await tx
            .select()
            .from(describedProviders)
            .where(
              inArray(
                name,
                unread.map((row) => row.name),
              ),
            ),
    formerSecrets: await tx.select().from(formerSecrets).orderBy(asc(formerSecrets.version)),
    environments: await tx.select().from(environments),
    bindings: await tx.select().from(bindings),
    scopes: await tx.select().from(scopes),
    agents: await tx.select().from(agents),
    agentKeys: await tx.select().from(agentKeys),
    grants: await tx.select().from(grants),
    trusts: await tx.select().from(trusts),
    revocations: await tx
      .select({ jti: revocations.jti })
      .from(revocations)
      .where(gt(revocations.expiresAt, sql`now()`)),
    watermarks: await tx.select().from(watermarks),
    freezes: await tx.select().from(freezes).where(isNull(freezes.liftedAt)),
  }
}

/** A newer replica may have written rules that this one would not enforce. */
function refuseNewer(reader: number): void {
  if (reader <= format) return
  throw new BrokerError(
    'policy-stale',
    `The policy needs a broker that understands policy format ${reader}, and this one understands ${format}.`,
    { hint: 'Upgrade this replica.' },
  )
}

function describedKey(row: { name: string; hash: string }): string {
  return `${row.name} ${row.hash}`
}

/** One that cannot be read is none, so every call to its connections is refused. */
function describedOf(
  { providers, descriptions }: Pick<Rows, 'providers' | 'descriptions'>,
  known: ReadonlyMap<string, Provider | undefined>,
  describe: Describe,
  log: Logger,
): Map<string, Provider | undefined> {
  const rows = new Map(descriptions.map((row) => [describedKey(row), row]))
  const read = ({ name }: { name: string }, key: string): Provider | undefined => {
    const row = rows.get(key)
    if (row === undefined) return known.get(key)
    try {
      return { ...describe(name, row.description, row.overrides), version: row.hash }
    } catch (error) {
      log.error({ err: error, provider: name }, 'a provider cannot be read, so it offers nothing')
      return undefined
    }
  }
  return new Map(providers.map((row) => [describedKey(row), read(row, describedKey(row))]))
}

function catalogueKey(row: { provider: string; schema: string }): string {
  return `${row.provider} ${row.schema}`
}

function compileOne(
  compile: Compile,
  connection: { name: string; provider: string },
  sdl: string | undefined,
  log: Logger,
): unknown {
  try {
    if (sdl === undefined) throw new Error('its schema is missing')
    return compile(connection.provider, sdl)
  } catch (error) {
    log.error(
      { err: error, connection: connection.name },
      'a connection has no catalogue, so every call to it is refused',
    )
    return undefined
  }
}

function snapshotOf(
  rows: Rows,
  {
    compiled,
    described,
    spaceOf,
  }: {
    compiled: ReadonlyMap<string, unknown>
    described: ReadonlyMap<string, Provider | undefined>
    spaceOf: SpaceOf
  },
  log: Logger,
): Snapshot {
  const byHand = new Set(rows.providers.map(({ name }) => name))
  const spaces = new Map(
    rows.connections.map((row) => [row.name, spaceOf(row, byHand.has(row.provider))]),
  )
  return Object.freeze({
    version: rows.version,
    guarded: rows.guarded,
    freezes: new Map(rows.freezes.map((row) => [row.subject, row])),
    environments: new Map(
      rows.environments.map((row) => [row.name, { name: row.name, protected: row.protected }]),
    ),
    bindings: rows.bindings.map((row) => bindingOf(row, spaces.get(row.connection) ?? '')),
    scopes: new Map(rows.scopes.map((row) => [row.name, scopeOf(row, log)])),
    agents: agentsOf(rows),
    trusts: rows.trusts.flatMap((row) => trustOf(row, log)),
    connections: new Map(
      rows.connections.map((row) => [
        row.name,
        connectionOf(row, rows, spaces.get(row.name) ?? ''),
      ]),
    ),
    providers: new Map(
      rows.providers.flatMap((row) => {
        const provider = described.get(describedKey(row))
        return provider === undefined ? [] : [[row.name, provider] as const]
      }),
    ),
    catalogues: new Map(
      rows.connections.flatMap((row) => {
        // What is described needs nothing of a connection's own.
        const catalogue = rows.providers.some(({ name }) => name === row.provider)
          ? null
          : compiled.get(catalogueKey(row))
        return catalogue === undefined ? [] : [[row.name, catalogue] as const]
      }),
    ),
    revoked: new Set(rows.revocations.map((row) => row.jti)),
    notBefore: latestOf(rows.watermarks),
  })
}

export function bindingOf(row: typeof bindings.$inferSelect, space: string): Binding {
  return {
    environment: row.environment,
    space,
    mode: row.mode,
    place: row.place,
    label: row.label,
  }
}

function connectionOf(
  row: typeof connections.$inferSelect,
  { formerSecrets }: Pick<Rows, 'formerSecrets'>,
  space: string,
): ConnectionPolicy {
  const former = formerSecrets.filter(({ connection }) => connection === row.name)
  return {
    name: row.name,
    provider: row.provider,
    space,
    baseUrl: row.baseUrl,
    placement: row.placement,
    allowPrivate: row.allowPrivate,
    sealed: row.sealed,
    former: former.map(({ sealed }) => sealed),
    secretVersion: row.secretVersion,
    schemaHash: row.schema,
  }
}

function scopeOf(row: typeof scopes.$inferSelect, log: Logger): Scope {
  return {
    name: row.name,
    environment: row.environment,
    version: row.version,
    ...readScope(row, log),
    maxTtl: row.maxTtl,
    callsPerMinute: row.callsPerMinute,
    approvers: row.approvers,
    bound: row.bound,
    leases: row.leases,
  }
}

/** All or nothing: half of a scope is not what anybody wrote, and without its gates it would allow more than that. */
function readScope(
  row: typeof scopes.$inferSelect,
  log: Logger,
): { allow: Allow[]; approve: Demand[] } {
  const nothing = { allow: [], approve: [] }
  const allow = readEach(row.name, row.allow, parseAllow, log)
  const approve = readEach(row.name, row.approve, parseDemand, log)
  return allow === null || approve === null ? nothing : { allow, approve }
}

function readEach<T extends object>(
  scope: string,
  sources: readonly string[],
  parse: (source: string) => T | { problem: string },
  log: Logger,
): T[] | null {
  const parsed: T[] = []
  for (const source of sources) {
    const one = parse(source)
    if ('problem' in one) {
      log.error({ scope, problem: one.problem }, 'a scope cannot be read, so it allows nothing')
      return null
    }
    parsed.push(one)
  }
  return parsed
}

function agentsOf(rows: Rows): Map<string, AgentPolicy> {
  const granted = Map.groupBy(rows.grants, (row) => row.agent)
  const keys = Map.groupBy(rows.agentKeys, (row) => row.agent)
  return new Map(
    rows.agents.map(({ name }) => [
      name,
      {
        name,
        scopes: new Set((granted.get(name) ?? []).map((row) => row.scope)),
        keys: (keys.get(name) ?? []).flatMap(keyOf),
      },
    ]),
  )
}

/** One of a system that this code does not know takes nobody. */
function trustOf(row: typeof trusts.$inferSelect, log: Logger): Trust[] {
  const { agent, issuer, audience, allowPrivate } = row
  const system = ciSystemNamed(row.system)
  if (system === undefined) {
    log.error({ trust: agent, system: row.system }, 'a trust cannot be read, so it takes nobody')
    return []
  }
  const { name, algorithms } = system
  const tests = testsOf(system, row.conditions)
  return [{ agent, system: name, issuer, audience, allowPrivate, algorithms, tests }]
}

function keyOf(row: typeof agentKeys.$inferSelect): AgentKey[] {
  const { id, jwk, jwksUrl, allowPrivate } = row
  const expiresAt = row.expiresAt?.getTime() ?? null
  if (jwk !== null) return [{ id, expiresAt, jwk }]
  return jwksUrl === null ? [] : [{ id, expiresAt, jwksUrl, allowPrivate }]
}

function latestOf(rows: readonly { subject: string; notBefore: Date }[]): Snapshot['notBefore'] {
  const bySubject = new Map(rows.map((row) => [row.subject, row.notBefore.getTime() / 1000]))
  if (bySubject.size === 0) return () => 0
  const from = (subject: string) => bySubject.get(subject) ?? 0
  return (capability: Capability, connection: string) =>
    Math.max(
      from('all'),
      from(`agent:${capability.agent}`),
      from(`connection:${connection}`),
      ...capability.scopes.map((scope) => from(`scope:${scope}`)),
    )
}
