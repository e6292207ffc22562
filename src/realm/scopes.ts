/** Scopes: what an admin allows in one environment. Setting one replaces it whole; it never moves to another environment. */
import { asc, eq, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type Allow, type Demand, parseAllow, parseDemand } from '../policy/pattern.ts'
import type { Db, Tx } from '../store/open.ts'
import { connections, grants, policy, scopes } from '../store/schema.ts'
import { changeBy, type Editing, type Editor, edit } from './edit.ts'
import { showEnvironment } from './environments.ts'
import { raiseWatermark } from './watermark.ts'

/** Policy that a replica must understand to demand a key. */
const formatOfKeys = 3

export type ScopeRow = typeof scopes.$inferSelect

export type ScopeSetting = {
  name: string
  environment: string
  allow: readonly string[]
  maxTtl: number
  callsPerMinute: number | null
  approve: readonly string[]
  approvers: number
  bound: boolean
  leases: Record<string, Record<string, unknown>>
}

export async function listScopes(ctx: Pick<Context, 'db'>): Promise<ScopeRow[]> {
  return ctx.db.select().from(scopes).orderBy(asc(scopes.name))
}

export async function showScope(db: Db | Tx, name: string): Promise<ScopeRow> {
  const row = await findScope(db, name)
  if (row !== undefined) return row
  throw new BrokerError('not-found', `There is no scope ${name}.`, {
    hint: 'See which there are with: valetkey scope list',
  })
}

async function findScope(db: Db | Tx, name: string): Promise<ScopeRow | undefined> {
  const [row] = await db.select().from(scopes).where(eq(scopes.name, name))
  return row
}

/** Reads every pattern, or refuses with the reason why one is none. */
export function readAllow(sources: readonly string[]): Allow[] {
  return sources.map((source) => {
    const parsed = parseAllow(source)
    if ('problem' in parsed) throw new BrokerError('malformed-request', `${parsed.problem}.`)
    return parsed
  })
}

/** The same for what needs approval. */
export function readApprove(sources: readonly string[]): Demand[] {
  return sources.map((source) => {
    const parsed = parseDemand(source)
    if ('problem' in parsed) throw new BrokerError('malformed-request', `${parsed.problem}.`)
    return parsed
  })
}

export async function setScope(ctx: Editing, by: Editor, setting: ScopeSetting): Promise<ScopeRow> {
  const { name, environment } = setting
  const allow = [...new Set(setting.allow)]
  const parsed = readAllow(allow)
  const demands = readApprove(setting.approve)
  return edit(
    ctx,
    changeBy(by, 'scope.set', { scope: name }, { environment }),
    async (tx, note) => {
      await showEnvironment(tx, environment)
      await demandConnections(tx, [...parsed, ...demands])
      const before = await findScope(tx, name)
      if (before !== undefined) demandSameEnvironment(before, environment)
      const row = {
        ...setting,
        allow,
        approve: [...new Set(setting.approve)],
        version: (before?.version ?? 0) + 1,
        updatedAt: new Date(ctx.clock.now()),
      }
      // A replica that does not know what a key is for would take capabilities without one.
      if (setting.bound) {
        await tx.update(policy).set({ reader: sql`greatest(${policy.reader}, ${formatOfKeys})` })
      }
      note({ before: before === undefined ? null : factsOf(before), after: factsOf(row) })
      await tx.insert(scopes).values(row).onConflictDoUpdate({ target: scopes.name, set: row })
      return row
    },
  )
}

function factsOf(row: ScopeRow): Record<string, unknown> {
  return {
    environment: row.environment,
    version: row.version,
    allow: row.allow,
    max_ttl: row.maxTtl,
    calls_per_minute: row.callsPerMinute,
    approve: row.approve,
    approvers: row.approvers,
    bound: row.bound,
    leases: row.leases,
  }
}

async function demandConnections(
  tx: Tx,
  allow: readonly Pick<Allow, 'connection'>[],
): Promise<void> {
  const rows = await tx.select({ name: connections.name }).from(connections)
  const known = new Set(rows.map((row) => row.name))
  const unknown = allow.find((one) => !known.has(one.connection))
  if (unknown === undefined) return
  throw new BrokerError('malformed-request', `There is no connection ${unknown.connection}.`, {
    hint:
      known.size === 0
        ? 'Add one first with: valetkey connection add'
        : `There are: ${[...known].sort().join(', ')}.`,
  })
}

/** Agents hold grants of the scope by name: moving it would move them all into the other environment, unseen. */
function demandSameEnvironment(before: ScopeRow, environment: string): void {
  if (before.environment === environment) return
  throw new BrokerError(
    'conflict',
    `Scope ${before.name} is for ${before.environment}, and a scope does not move to another environment.`,
    {
      environment: before.environment,
      hint: 'Make a scope of another name, or remove this one first.',
    },
  )
}

/** The agents that lost it. Capabilities that carry it are void. */
export async function removeScope(ctx: Editing, by: Editor, name: string): Promise<string[]> {
  return edit(ctx, changeBy(by, 'scope.remove', { scope: name }), async (tx, note) => {
    const before = await showScope(tx, name)
    const held = await tx.select().from(grants).where(eq(grants.scope, name))
    const agents = held.map((row) => row.agent).sort()
    note({ before: factsOf(before), agents })
    await raiseWatermark(tx, `scope:${name}`, ctx.clock.now())
    await tx.delete(scopes).where(eq(scopes.name, name))
    return agents
  })
}
