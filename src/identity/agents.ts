/** Agents: who they are, how they prove it, and what they are granted. A secret is shown once and kept as argon2id only. */
import { createHmac, createSecretKey, randomBytes } from 'node:crypto'
import { and, asc, desc, eq, gt, isNull, or } from 'drizzle-orm'
import { calculateJwkThumbprint } from 'jose'
import { LRUCache } from 'lru-cache'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { Name, newId, randomSecret } from '../ids.ts'
import { changeBy, type Editor, edit } from '../realm/edit.ts'
import type { AgentPolicy } from '../realm/realm.ts'
import { raiseWatermark } from '../realm/watermark.ts'
import { type Secret, secret } from '../seal/secret.ts'
import type { Db, Tx } from '../store/open.ts'
import { agentKeys, agentSecrets, agents, grants, scopes, trusts } from '../store/schema.ts'
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
  /** `key` is the thumbprint of one that is registered, or the address where they are published. */
  keys: { key: string; createdAt: Date; expiresAt: Date | null }[]
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
  const keys = Map.groupBy(
    await ctx.db.select().from(agentKeys).orderBy(desc(agentKeys.createdAt)),
    (row) => row.agent,
  )
  const alive = ({ expiresAt }: { expiresAt: Date | null }) =>
    expiresAt === null || expiresAt.getTime() > ctx.clock.now()
  return Promise.all(
    rows.map(async (row) => ({
      name: row.name,
      scopes: (granted.get(row.name) ?? []).map((grant) => grant.scope),
      createdAt: row.createdAt,
      secrets: (secrets.get(row.name) ?? [])
        .filter(alive)
        .map(({ createdAt, expiresAt }) => ({ createdAt, expiresAt })),
      keys: await Promise.all(
        (keys.get(row.name) ?? []).filter(alive).map(async (one) => ({
          key: one.jwk === null ? (one.jwksUrl ?? '') : await calculateJwkThumbprint(one.jwk),
          createdAt: one.createdAt,
          expiresAt: one.expiresAt,
        })),
      ),
    })),
  )
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

/** What an agent proves itself with: a secret by its hash, a key that it holds the other half of, or keys that it publishes. */
export type Credential =
  | { hash: string }
  | { jwk: Record<string, string> }
  | { jwksUrl: string; allowPrivate: boolean }

/** Adds it with a credential that was made before, or with none: then its jobs prove themselves by a trust. */
export async function addAgent(
  ctx: Context,
  by: Editor,
  agent: { name: string; scopes: readonly string[]; credential: Credential | null },
): Promise<void> {
  const { name, credential } = agent
  const granted = [...new Set(agent.scopes)].toSorted()
  const now = new Date(ctx.clock.now())
  await edit(ctx, changeBy(by, 'agent.add', { scopes: granted }, { agent: name }), async (tx) => {
    await insertAgent(tx, { name, scopes: granted, now })
    if (credential !== null) await insertCredential(tx, name, credential, now)
  })
}

/** An agent with its grants, that cannot prove who it is yet. */
export async function insertAgent(
  tx: Tx,
  { name, scopes, now }: { name: string; scopes: readonly string[]; now: Date },
): Promise<void> {
  const added = await tx
    .insert(agents)
    .values({ name, createdAt: now })
    .onConflictDoNothing()
    .returning()
  if (added.length === 0) throw new BrokerError('conflict', `There already is an agent ${name}.`)
  await demandScopes(tx, scopes)
  if (scopes.length > 0) {
    await tx.insert(grants).values(scopes.map((scope) => ({ agent: name, scope })))
  }
}

async function insertCredential(
  tx: Tx,
  agent: string,
  credential: Credential,
  createdAt: Date,
): Promise<void> {
  if ('hash' in credential) {
    await tx.insert(agentSecrets).values({ id: newId('sec'), agent, createdAt, ...credential })
  } else {
    const usual = { jwk: null, jwksUrl: null, allowPrivate: false }
    await tx
      .insert(agentKeys)
      .values({ id: newId('key'), agent, createdAt, ...usual, ...credential })
  }
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
 * The earlier credential works for `overlapSeconds` more, so that a running agent can be given the new one in between;
 * unless told so it works no longer, since it may be known to others. What it is of makes no difference.
 */
export async function rotateCredential(
  ctx: Context,
  by: Editor,
  name: string,
  { credential, overlapSeconds = 0 }: { credential: Credential; overlapSeconds?: number },
): Promise<void> {
  const now = ctx.clock.now()
  await edit(
    ctx,
    changeBy(by, 'agent.rotate', { overlap_seconds: overlapSeconds }, { agent: name }),
    async (tx) => {
      await demandAgent(tx, name)
      await demandNoTrust(tx, name)
      await retireCredentials(tx, name, now, overlapSeconds)
      await insertCredential(tx, name, credential, new Date(now))
    },
  )
}

/** Keeps only the newest of the earlier ones, and not past the overlap. */
async function retireCredentials(tx: Tx, agent: string, now: number, overlapSeconds: number) {
  const until = now + overlapSeconds * 1000
  const held = [
    ...(await tx.select().from(agentSecrets).where(eq(agentSecrets.agent, agent))).map((row) => ({
      ...row,
      table: agentSecrets,
    })),
    ...(await tx.select().from(agentKeys).where(eq(agentKeys.agent, agent))).map((row) => ({
      ...row,
      table: agentKeys,
    })),
  ].sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime() || (a.id < b.id ? 1 : -1))
  for (const [i, { id, table, expiresAt }] of held.entries()) {
    if (i > 0 || overlapSeconds === 0) await tx.delete(table).where(eq(table.id, id))
    else {
      const end = new Date(Math.min(until, expiresAt?.getTime() ?? until))
      await tx.update(table).set({ expiresAt: end }).where(eq(table.id, id))
    }
  }
}

/** Its secrets, its grants and its capabilities go with it, whoever bears the name later. */
export async function removeAgent(ctx: Context, by: Editor, name: string): Promise<void> {
  await edit(ctx, changeBy(by, 'agent.remove', {}, { agent: name }), async (tx, note) => {
    await demandAgent(tx, name)
    const held = await tx.select().from(grants).where(eq(grants.agent, name))
    note({ scopes: held.map((row) => row.scope).toSorted() })
    await removeAgentIn(tx, name, ctx.clock.now())
  })
}

/** The watermark outlives it, so that who bears the name later has none of its capabilities. */
export async function removeAgentIn(tx: Tx, name: string, now: number): Promise<void> {
  await raiseWatermark(tx, `agent:${name}`, now)
  await tx.delete(agents).where(eq(agents.name, name))
}

async function demandAgent(tx: Tx, name: string): Promise<void> {
  const rows = await tx.select().from(agents).where(eq(agents.name, name))
  if (rows.length === 0) throw noSuchAgent(name)
}

/** Its jobs prove themselves by what their CI system says, and a secret would be a way around that. */
async function demandNoTrust(tx: Tx, agent: string): Promise<void> {
  const rows = await tx.select().from(trusts).where(eq(trusts.agent, agent))
  if (rows.length === 0) return
  throw new BrokerError(
    'conflict',
    `${agent} is a trust's agent, which has no secret and no key.`,
    {
      hint: 'Add an agent of another name.',
    },
  )
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
