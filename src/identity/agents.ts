/** Agents: who they are, how they prove it, and what they are granted. A secret is shown once and kept as argon2id only. */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { and, asc, desc, eq, gt, inArray, isNull, or } from 'drizzle-orm'
import { LRUCache } from 'lru-cache'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { Name, newId, randomSecret } from '../ids.ts'
import { changeBy, type Editor, edit } from '../realm/edit.ts'
import type { AgentPolicy } from '../realm/realm.ts'
import { raiseWatermark } from '../realm/watermark.ts'
import { type Secret, secret } from '../seal/secret.ts'
import type { Db, Tx } from '../store/open.ts'
import { agentSecrets, agents, grants, scopes } from '../store/schema.ts'
import { fitsAny, hashSecret } from './argon2.ts'
import { countTries } from './tries.ts'

/** While one secret replaces another an agent has two. */
const mostSecrets = 2
export const longestOverlap = 7 * 24 * 3_600

export type AgentShown = {
  name: string
  scopes: string[]
  createdAt: Date
  secrets: { createdAt: Date; expiresAt: Date | null }[]
}

export async function listAgents(ctx: Pick<Context, 'db' | 'clock'>): Promise<AgentShown[]> {
  const rows = await ctx.db.select().from(agents).orderBy(asc(agents.name))
  const granted = Map.groupBy(
    await ctx.db.select().from(grants).orderBy(asc(grants.scope)),
    (row) => row.agent,
  )
  const secrets = Map.groupBy(
    await ctx.db.select().from(agentSecrets).orderBy(desc(agentSecrets.createdAt)),
    (row) => row.agent,
  )
  return rows.map((row) => ({
    name: row.name,
    scopes: (granted.get(row.name) ?? []).map((grant) => grant.scope),
    createdAt: row.createdAt,
    secrets: (secrets.get(row.name) ?? [])
      .filter((one) => one.expiresAt === null || one.expiresAt.getTime() > ctx.clock.now())
      .map(({ createdAt, expiresAt }) => ({ createdAt, expiresAt })),
  }))
}

export async function showAgent(
  ctx: Pick<Context, 'db' | 'clock'>,
  name: string,
): Promise<AgentShown> {
  const found = (await listAgents(ctx)).find((agent) => agent.name === name)
  if (found === undefined) throw noSuchAgent(name)
  return found
}

/** A secret, and what is kept of it. */
export type Made = { secret: Secret; hash: string }

/** Whoever may have to wait makes it first: it is shown at once, and is good once the edit is. */
export async function newAgentSecret(): Promise<Made> {
  const value = randomSecret('vks_')
  return { secret: secret(value), hash: await hashSecret(value) }
}

export async function addAgent(
  ctx: Context,
  by: Editor,
  agent: { name: string; scopes: readonly string[]; made?: Made },
): Promise<{ name: string; secret: Secret }> {
  const { name } = agent
  const granted = [...new Set(agent.scopes)].toSorted()
  const made = agent.made ?? (await newAgentSecret())
  const { hash } = made
  const now = new Date(ctx.clock.now())
  await edit(ctx, changeBy(by, 'agent.add', { scopes: granted }, { agent: name }), async (tx) => {
    const added = await tx
      .insert(agents)
      .values({ name, createdAt: now })
      .onConflictDoNothing()
      .returning()
    if (added.length === 0) throw new BrokerError('conflict', `There already is an agent ${name}.`)
    await demandScopes(tx, granted)
    await tx.insert(agentSecrets).values({ id: newId('sec'), agent: name, hash, createdAt: now })
    if (granted.length > 0) {
      await tx.insert(grants).values(granted.map((scope) => ({ agent: name, scope })))
    }
  })
  return { name, secret: made.secret }
}

export async function grantScope(
  ctx: Context,
  by: Editor,
  agent: string,
  scope: string,
): Promise<void> {
  await edit(ctx, changeBy(by, 'agent.grant', { scope }, { agent }), async (tx) => {
    await demandAgent(tx, agent)
    await demandScopes(tx, [scope])
    await tx.insert(grants).values({ agent, scope }).onConflictDoNothing()
  })
}

export async function revokeGrant(
  ctx: Context,
  by: Editor,
  agent: string,
  scope: string,
): Promise<void> {
  await edit(ctx, changeBy(by, 'agent.revoke', { scope }, { agent }), async (tx) => {
    await demandAgent(tx, agent)
    const gone = await tx
      .delete(grants)
      .where(and(eq(grants.agent, agent), eq(grants.scope, scope)))
      .returning()
    if (gone.length === 0) {
      throw new BrokerError('not-found', `${agent} is not granted ${scope}.`, {
        hint: `See what it is granted with: valetkey agent show ${agent}`,
      })
    }
  })
}

/**
 * The earlier secret works for `overlapSeconds` more, so that a running agent can be given the new one in between;
 * unless told so it works no longer, since it may be known to others.
 */
export async function rotateSecret(
  ctx: Context,
  by: Editor,
  name: string,
  options: { overlapSeconds?: number; made?: Made } = {},
): Promise<Secret> {
  const overlapSeconds = options.overlapSeconds ?? 0
  const made = options.made ?? (await newAgentSecret())
  const { hash } = made
  const now = ctx.clock.now()
  await edit(
    ctx,
    changeBy(by, 'agent.rotate', { overlap_seconds: overlapSeconds }, { agent: name }),
    async (tx) => {
      await demandAgent(tx, name)
      await retireSecrets(tx, name, now, overlapSeconds)
      await tx
        .insert(agentSecrets)
        .values({ id: newId('sec'), agent: name, hash, createdAt: new Date(now) })
    },
  )
  return made.secret
}

/** Keeps only the newest of the earlier ones, and not past the overlap. */
async function retireSecrets(tx: Tx, agent: string, now: number, overlapSeconds: number) {
  const until = now + overlapSeconds * 1000
  const [newest, ...older] = await tx
    .select()
    .from(agentSecrets)
    .where(eq(agentSecrets.agent, agent))
    .orderBy(desc(agentSecrets.createdAt), desc(agentSecrets.id))
  const keeps = newest !== undefined && overlapSeconds > 0 ? [newest] : []
  const gone = [newest, ...older].filter((row) => row !== undefined && !keeps.includes(row))
  const ids = gone.flatMap((row) => (row === undefined ? [] : [row.id]))
  if (ids.length > 0) await tx.delete(agentSecrets).where(inArray(agentSecrets.id, ids))
  for (const row of keeps) {
    const expiresAt = new Date(Math.min(until, row.expiresAt?.getTime() ?? until))
    await tx.update(agentSecrets).set({ expiresAt }).where(eq(agentSecrets.id, row.id))
  }
}

/** Its secrets, its grants and its capabilities go with it, whoever bears the name later. */
export async function removeAgent(ctx: Context, by: Editor, name: string): Promise<void> {
  await edit(ctx, changeBy(by, 'agent.remove', {}, { agent: name }), async (tx, note) => {
    await demandAgent(tx, name)
    const held = await tx.select().from(grants).where(eq(grants.agent, name))
    note({ scopes: held.map((row) => row.scope).toSorted() })
    await raiseWatermark(tx, `agent:${name}`, ctx.clock.now())
    await tx.delete(agents).where(eq(agents.name, name))
  })
}

async function demandAgent(tx: Tx, name: string): Promise<void> {
  const rows = await tx.select().from(agents).where(eq(agents.name, name))
  if (rows.length === 0) throw noSuchAgent(name)
}

function noSuchAgent(name: string): BrokerError {
  return new BrokerError('not-found', `There is no agent ${name}.`, {
    hint: 'See which there are with: valetkey agent list',
  })
}

async function demandScopes(tx: Tx, names: readonly string[]): Promise<void> {
  const rows = await tx.select({ name: scopes.name }).from(scopes).orderBy(asc(scopes.name))
  const known = rows.map((row) => row.name)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new BrokerError('not-found', `There is no scope ${unknown}.`, {
    hint:
      known.length === 0
        ? 'Set one first with: valetkey scope set'
        : `There are: ${known.join(', ')}.`,
  })
}

type Proven = { id: string; expiresAt: number | null; version: number }

const remembered = 10_000

/** A proven secret is remembered as an HMAC under a key that this process made and nobody else has. */
const memory = perContext((ctx) => ({
  // Raw bytes would be imported at every use, which takes ten times as long as the HMAC.
  key: createSecretKey(randomBytes(32)),
  proven: new LRUCache<string, Proven>({ max: remembered }),
  proving: new Map<string, Promise<Proven | undefined>>(),
  tries: countTries(ctx.clock),
}))

/**
 * The agent whose secret this is. A secret that was proven is not hashed again until it is gone; a wrong one, and a
 * client that nobody knows, cost the same, read the same and count the same.
 */
export async function authenticateAgent(
  ctx: Context,
  claimed: { client: string; secret: string; address: string },
): Promise<AgentPolicy> {
  const snapshot = ctx.realm.now()
  const held = memory(ctx)
  const mark = createHmac('sha256', held.key)
    .update(`${claimed.client}\0${claimed.secret}`)
    .digest('base64url')
  const known = held.proven.get(mark)
  const proven = await (known === undefined
    ? proveOnce(ctx, mark, claimed)
    : stillThere(ctx, known, claimed.client, snapshot.version))
  const agent = snapshot.agents.get(claimed.client)
  if (proven === undefined || expired(ctx, proven) || agent === undefined) {
    held.proven.delete(mark)
    throw refused()
  }
  held.proven.set(mark, proven)
  return agent
}

function refused(): BrokerError {
  return new BrokerError('invalid-client', 'The client id or its secret is wrong.', {
    hint: 'Check both. A human can make a new secret with: valetkey agent rotate',
  })
}

function expired(ctx: Context, proven: Proven): boolean {
  return proven.expiresAt !== null && proven.expiresAt <= ctx.clock.now()
}

/** Policy has moved since it was proven: one look whether the row is still there, without hashing. */
async function stillThere(
  ctx: Context,
  known: Proven,
  client: string,
  version: number,
): Promise<Proven | undefined> {
  if (known.version === version) return known
  const rows = await liveSecrets(ctx, client)
  const row = rows.find((one) => one.id === known.id)
  return row === undefined ? undefined : provenBy(row, version)
}

/** Many calls may bring the same new secret at once; it is hashed once. */
function proveOnce(
  ctx: Context,
  mark: string,
  claimed: { client: string; secret: string; address: string },
): Promise<Proven | undefined> {
  const { proving } = memory(ctx)
  const under = proving.get(mark)
  if (under !== undefined) return under
  const work = prove(ctx, claimed).finally(() => proving.delete(mark))
  proving.set(mark, work)
  return work
}

async function prove(
  ctx: Context,
  claimed: { client: string; secret: string; address: string },
): Promise<Proven | undefined> {
  const client = Name.safeParse(claimed.client).success ? claimed.client : ''
  const attempt = memory(ctx).tries.begin(client, claimed.address)
  const { version } = ctx.realm.now()
  const rows = await liveSecrets(ctx, client)
  const hashes = rows.map((row) => row.hash)
  const fitting = await fitsAny(claimed.secret, hashes, mostSecrets)
  const row = rows.find((one) => one.hash === fitting)
  if (row === undefined) return undefined
  attempt.succeeded()
  return provenBy(row, version)
}

type SecretRow = typeof agentSecrets.$inferSelect

function provenBy(row: SecretRow, version: number): Proven {
  return { id: row.id, expiresAt: row.expiresAt?.getTime() ?? null, version }
}

async function liveSecrets(ctx: { db: Db; clock: Context['clock'] }, agent: string) {
  const now = new Date(ctx.clock.now())
  return ctx.db
    .select()
    .from(agentSecrets)
    .where(
      and(
        eq(agentSecrets.agent, agent),
        or(isNull(agentSecrets.expiresAt), gt(agentSecrets.expiresAt, now)),
      ),
    )
    .orderBy(desc(agentSecrets.createdAt))
    .limit(mostSecrets)
}
