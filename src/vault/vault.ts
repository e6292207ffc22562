/** The real credentials: taken, tried, sealed, rotated, and opened for one call. No function returns one but `openCredential`. */
import { and, asc, eq, lte, ne } from 'drizzle-orm'
import { LRUCache } from 'lru-cache'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Lookup, Provider } from '../providers/provider.ts'
import { changeBy, type Editor, edit } from '../realm/edit.ts'
import type { ConnectionPolicy } from '../realm/realm.ts'
import { raiseWatermark } from '../realm/watermark.ts'
import type { Secret } from '../seal/secret.ts'
import type { Db, Tx } from '../store/open.ts'
import { bindings, connections, formerSecrets, leases, schemas, scopes } from '../store/schema.ts'
import { noteCredential } from './health.ts'
import { type Learned, learnSchema, tryCredential } from './learn.ts'
import { lookupWith, type Target } from './lookup.ts'
import { readBaseUrl, readServerUrl } from './origin.ts'

export type ConnectionRow = typeof connections.$inferSelect

/** The sealed row that holds a connection's secret; bound into what is sealed. */
export function rowOf(connection: string): string {
  return `connections/${connection}/secret`
}

export async function listConnections(ctx: Pick<Context, 'db'>): Promise<ConnectionRow[]> {
  return ctx.db.select().from(connections).orderBy(asc(connections.name))
}

export async function showConnection(db: Db | Tx, name: string): Promise<ConnectionRow> {
  const [row] = await db.select().from(connections).where(eq(connections.name, name))
  if (row !== undefined) return row
  throw new BrokerError('not-found', `There is no connection ${name}.`, {
    hint: 'See which there are with: valetkey connection list',
  })
}

const opened = new WeakMap<Context['keyring'], LRUCache<string, Promise<Secret>>>()

/** Opening costs a decryption, so it is remembered by the sealed text, which every rotation changes. */
export async function openCredential(
  ctx: Pick<Context, 'keyring'>,
  connection: Pick<ConnectionPolicy, 'name' | 'sealed'>,
): Promise<Secret> {
  const remembered = opened.get(ctx.keyring) ?? new LRUCache<string, Promise<Secret>>({ max: 200 })
  opened.set(ctx.keyring, remembered)
  const row = rowOf(connection.name)
  // The row belongs to the key: sealed text that was copied to another connection must not be found here.
  const key = `${row} ${connection.sealed}`
  const known = remembered.get(key)
  if (known !== undefined) return known
  const opening = ctx.keyring.open(row, connection.sealed)
  remembered.set(key, opening)
  opening.catch(() => remembered.delete(key))
  return opening
}

/** The secret that is used, and with it those it had before: what an answer must not hold. */
export type Opened = { credential: Secret; former: readonly Secret[] }

const whole = new WeakMap<object, Promise<Opened>>()

/** Remembered with the connection, which a policy holds unchanged for as long as it is the policy. */
export function openWithFormer(
  ctx: Pick<Context, 'keyring'>,
  connection: Pick<ConnectionPolicy, 'name' | 'sealed' | 'former'>,
): Promise<Opened> {
  const held = whole.get(connection)
  if (held !== undefined) return held
  const opening = openAll(ctx, connection)
  whole.set(connection, opening)
  opening.catch(() => whole.delete(connection))
  return opening
}

async function openAll(
  ctx: Pick<Context, 'keyring'>,
  { name, sealed, former }: Pick<ConnectionPolicy, 'name' | 'sealed' | 'former'>,
): Promise<Opened> {
  const [credential, ...before] = await Promise.all(
    [sealed, ...former].map((one) => openCredential(ctx, { name, sealed: one })),
  )
  if (credential === undefined) throw new Error('a connection has no secret')
  return { credential, former: before }
}

/** What an operator gives for a connection. Provider, base URL, placement and permission stay as long as the secret does. */
export type ConnectionSetting = {
  name: string
  baseUrl?: string | undefined
  placement?: string | undefined
  allowPrivate: boolean
  secret: Secret
}

/** Where the secret would go, spelled in one way, or why it cannot. Asks nothing of that place. */
export async function connectionTarget(
  ctx: Pick<Context, 'db'>,
  provider: Provider,
  { name, allowPrivate, secret, ...setting }: ConnectionSetting,
): Promise<Target> {
  demandSecret(provider, secret)
  const target = {
    name,
    provider: provider.name,
    baseUrl: readAddress(provider, setting.baseUrl ?? provider.baseUrl, allowPrivate),
    placement: readPlacement(provider, setting.placement),
    allowPrivate,
  }
  await demandFree(ctx.db, name)
  return target
}

/** Tries the secret and learns the schema with it before anything is written. */
export async function putConnection(
  ctx: Context,
  by: Editor,
  provider: Provider,
  setting: ConnectionSetting,
): Promise<ConnectionRow> {
  const { name, secret } = setting
  const target = await connectionTarget(ctx, provider, setting)
  const learned = await learnSchema(ctx, provider, { target, credential: secret })
  await tryCredential(ctx, provider, { target, credential: secret })
  const sealed = await ctx.keyring.seal(rowOf(name), secret.reveal())
  const row = await edit(
    ctx,
    changeBy(by, 'connection.add', { after: factsOf(target, learned.hash) }, { connection: name }),
    async (tx) => {
      await demandFree(tx, name)
      const now = new Date(ctx.clock.now())
      await keepSchema(tx, learned, now)
      const [added] = await tx
        .insert(connections)
        .values({
          ...target,
          sealed,
          secretVersion: 1,
          schema: learned.hash,
          createdAt: now,
          updatedAt: now,
        })
        .returning()
      if (added === undefined) throw new Error('a connection was not written')
      return added
    },
  )
  noteCredential(ctx, name, true)
  return row
}

/** Most go into a header, and are looked for in answers: what is shorter would be found everywhere. */
function demandSecret(provider: Pick<Provider, 'secret'>, secret: Secret): void {
  if (provider.secret !== null) {
    const problem = provider.secret(secret.reveal())
    if (problem !== null)
      throw new BrokerError('malformed-request', 'The secret cannot be read.', { hint: problem })
    return
  }
  if (/^[\x21-\x7e]{8,4096}$/.test(secret.reveal())) return
  throw new BrokerError(
    'malformed-request',
    'The secret is not 8 to 4096 printable characters without spaces.',
    { hint: 'Check that it was copied whole, without quotes or line breaks.' },
  )
}

function readAddress({ scheme }: Provider, text: string, allowPrivate: boolean): string {
  return scheme === 'https' ? readBaseUrl(text, allowPrivate) : readServerUrl(text, allowPrivate)
}

function readPlacement(provider: Provider, asked: string | undefined): string {
  const known = Object.keys(provider.placements)
  if (known.length === 0 && asked === undefined) return 'none'
  const placement = asked ?? known[0]
  if (placement !== undefined && known.includes(placement)) return placement
  throw new BrokerError('malformed-request', `${provider.name} has no placement ${asked}.`, {
    hint: `There are: ${known.join(', ')}.`,
  })
}

async function demandFree(db: Db | Tx, name: string): Promise<void> {
  const rows = await db
    .select({ name: connections.name })
    .from(connections)
    .where(eq(connections.name, name))
  if (rows.length === 0) return
  throw new BrokerError('conflict', `There already is a connection ${name}.`, {
    hint: `Give it a new secret with: valetkey connection rotate ${name}. To change anything else, remove it and add it again.`,
  })
}

function factsOf(target: Target, schema: string): Record<string, unknown> {
  return {
    provider: target.provider,
    base_url: target.baseUrl,
    placement: target.placement,
    allow_private: target.allowPrivate,
    schema,
  }
}

async function keepSchema(tx: Tx, learned: Learned, now: Date): Promise<void> {
  await tx
    .insert(schemas)
    .values({ ...learned, createdAt: now })
    .onConflictDoNothing()
}

/** The new secret has to work before the old one is given up. */
export async function rotateSecret(
  ctx: Context,
  by: Editor,
  provider: Provider,
  name: string,
  secret: Secret,
): Promise<ConnectionRow> {
  demandSecret(provider, secret)
  const before = await showConnection(ctx.db, name)
  await tryCredential(ctx, provider, { target: before, credential: secret })
  const sealed = await ctx.keyring.seal(rowOf(name), secret.reveal())
  const secretVersion = before.secretVersion + 1
  const row = await edit(
    ctx,
    changeBy(by, 'connection.rotate', { secret_version: secretVersion }, { connection: name }),
    async (tx) => {
      const current = await showConnection(tx, name)
      // What was tried is only worth something for the connection it was tried on.
      if (!sameTarget(current, before) || current.secretVersion !== before.secretVersion) {
        throw new BrokerError('conflict', `${name} was changed by somebody else meanwhile.`, {
          hint: 'Look at it, and rotate again if it is still needed.',
        })
      }
      await keepFormer(tx, current)
      const change = { sealed, secretVersion, updatedAt: new Date(ctx.clock.now()) }
      await tx.update(connections).set(change).where(eq(connections.name, name))
      return { ...current, ...change }
    },
  )
  noteCredential(ctx, name, true)
  return row
}

/** An upstream may answer with a secret that was replaced, so the last few are still looked for. */
const formerKept = 5

async function keepFormer(tx: Tx, { name, secretVersion, sealed }: ConnectionRow): Promise<void> {
  await tx.insert(formerSecrets).values({ connection: name, version: secretVersion, sealed })
  await tx
    .delete(formerSecrets)
    .where(
      and(
        eq(formerSecrets.connection, name),
        lte(formerSecrets.version, secretVersion - formerKept),
      ),
    )
}

function sameTarget(a: ConnectionRow, b: ConnectionRow): boolean {
  return (
    a.provider === b.provider &&
    a.baseUrl === b.baseUrl &&
    a.placement === b.placement &&
    a.allowPrivate === b.allowPrivate
  )
}

/** What goes with a connection. */
export type LostWithConnection = { bindings: string[]; scopes: string[] }

/** Removing takes bindings, and patterns out of scopes, along: `confirm` has to repeat the name. */
export async function removeConnection(
  ctx: Context,
  by: Editor,
  name: string,
  confirm: string | undefined,
): Promise<LostWithConnection> {
  return edit(
    ctx,
    changeBy(by, 'connection.remove', {}, { connection: name }),
    async (tx, note) => {
      const before = await showConnection(tx, name)
      const bound = await tx.select().from(bindings).where(eq(bindings.connection, name))
      await demandNoLease(tx, name)
      const naming = (await tx.select().from(scopes)).filter(
        (scope) =>
          name in scope.leases || scope.allow.some((source) => source.startsWith(`${name}:`)),
      )
      const lost = {
        bindings: bound.map((row) => `${row.environment} ${row.mode} ${row.kind}=${row.label}`),
        scopes: naming.map((scope) => scope.name),
      }
      if (confirm !== name) throw unconfirmed(name, lost)
      note({ before: factsOf(before, before.schema), ...lost })
      await forget(tx, name, naming, new Date(ctx.clock.now()))
      return lost
    },
  )
}

/** Without its secret nobody could end them. */
async function demandNoLease(tx: Tx, name: string): Promise<void> {
  const [one] = await tx
    .select({ id: leases.id })
    .from(leases)
    .where(and(eq(leases.connection, name), ne(leases.state, 'ended')))
    .limit(1)
  if (one === undefined) return
  throw new BrokerError('conflict', `A lease of ${name} is out, and only its secret can end it.`, {
    connection: name,
    hint: 'See them with "valetkey lease list", and end them with: valetkey lease revoke LEASE',
  })
}

function unconfirmed(name: string, lost: LostWithConnection): BrokerError {
  const parts = [
    ...lost.bindings.map((binding) => `the binding ${binding}`),
    ...lost.scopes.map((scope) => `its patterns in scope ${scope}`),
  ]
  return new BrokerError(
    'conflict',
    `Removing ${name} discards its secret${parts.length === 0 ? '' : ` and ${parts.join(', ')}`}.`,
    { connection: name, hint: `If you mean it, say so with: confirm=${name}` },
  )
}

/** Whoever adds a connection of this name later starts anew: no pattern and no capability may be waiting for it. */
async function forget(
  tx: Tx,
  name: string,
  naming: readonly (typeof scopes.$inferSelect)[],
  now: Date,
): Promise<void> {
  for (const scope of naming) {
    await tx
      .update(scopes)
      .set({
        allow: scope.allow.filter((source) => !source.startsWith(`${name}:`)),
        leases: Object.fromEntries(Object.entries(scope.leases).filter(([of]) => of !== name)),
        version: scope.version + 1,
        updatedAt: now,
      })
      .where(eq(scopes.name, scope.name))
  }
  await raiseWatermark(tx, `connection:${name}`, now.getTime())
  await tx.delete(connections).where(eq(connections.name, name))
}

/** Learns the schema anew. False when it is what was known. */
export async function refreshSchema(
  ctx: Context,
  by: Editor,
  provider: Provider,
  name: string,
): Promise<boolean> {
  const before = await showConnection(ctx.db, name)
  const credential = await openCredential(ctx, before)
  const learned = await learnSchema(ctx, provider, { target: before, credential })
  if (learned.hash === before.schema) return false
  await edit(
    ctx,
    changeBy(
      by,
      'connection.refresh',
      { before: { schema: before.schema }, after: { schema: learned.hash } },
      { connection: name },
    ),
    async (tx) => {
      const now = new Date(ctx.clock.now())
      const current = await showConnection(tx, name)
      if (!sameTarget(current, before)) {
        throw new BrokerError('conflict', `${name} was changed by somebody else meanwhile.`)
      }
      await keepSchema(tx, learned, now)
      await tx
        .update(connections)
        .set({ schema: learned.hash, updatedAt: now })
        .where(eq(connections.name, name))
    },
  )
  return true
}

/** How many things of each kind the stored credential sees. */
export async function testConnection(
  ctx: Context,
  provider: Provider,
  name: string,
): Promise<Record<string, number>> {
  const row = await showConnection(ctx.db, name)
  const credential = await openCredential(ctx, row)
  try {
    const sees = await tryCredential(ctx, provider, { target: row, credential })
    noteCredential(ctx, name, true)
    return sees
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'upstream-credential-rejected') {
      noteCredential(ctx, name, false)
    }
    throw error
  }
}

/** Reads the upstream with the stored credential, for an operator who binds or looks around. */
export async function operatorLookup(
  ctx: Context,
  provider: Provider,
  connection: ConnectionRow,
): Promise<Lookup> {
  const credential = await openCredential(ctx, connection)
  return lookupWith(ctx, { provider, target: connection, credential })
}
