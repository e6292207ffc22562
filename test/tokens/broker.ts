/** A broker's context from the real parts over a fresh store, with a clock that can be moved on. Closed after the file that asked. */

import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { createJournal } from '../../src/audit/journal.ts'
import { readConfig } from '../../src/config.ts'
import type { Context } from '../../src/context.ts'
import { createDial } from '../../src/exchange/dial.ts'
import { addAgent, newAgentSecret } from '../../src/identity/agents.ts'
import { keyMakers, leaseKinds } from '../../src/leases/registry.ts'
import { createMetrics } from '../../src/metrics.ts'
import { spaceOf } from '../../src/providers/registry.ts'
import { providerFrom } from '../../src/providers/rest/provider.ts'
import { watchRealm } from '../../src/realm/realm.ts'
import { createKeyring } from '../../src/seal/keyring.ts'
import { watchEvents } from '../../src/store/events.ts'
import type { Store } from '../../src/store/open.ts'
import { auditEntries, environments, scopes } from '../../src/store/schema.ts'
import { openSigningKeys } from '../../src/tokens/keys.ts'
import { closeLater } from '../support/closing.ts'
import { freshStore, type StoreKind } from '../support/stores.ts'

export const by = { name: 'ada', request: 'req_1' }

export type Broker = Context & {
  store: Store
  masterKey: Uint8Array
  /** Moves this broker's clock on. */
  pass(seconds: number): void
  /** Stops this broker's clock, for what must not depend on how long a test takes. Time that is passed counts. */
  stop(): void
  /** Log lines as objects. */
  lines: Record<string, unknown>[]
}

export async function broker(kind: StoreKind, publicUrl?: string): Promise<Broker> {
  return brokerOn(await freshStore(kind), randomBytes(32), publicUrl)
}

/** A further replica of the same installation. */
export function replicaOf(first: Broker): Promise<Broker> {
  return brokerOn(first.store, first.masterKey, first.publicUrl)
}

export async function brokerOn(
  store: Store,
  masterKey: Uint8Array,
  publicUrl = 'http://localhost:8420',
): Promise<Broker> {
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  let ahead = 0
  let stoppedAt: number | undefined
  const clock = { now: () => (stoppedAt ?? Date.now()) + ahead }
  const keyring = createKeyring([masterKey])
  const signing = await openSigningKeys({ store, keyring, clock })
  const journal = await createJournal({ store, clock, log })
  const realm = await watchRealm({
    store,
    log,
    compile: () => 'compiled',
    describe: providerFrom,
    spaceOf,
  })
  const events = await watchEvents(store, () => {})
  const dial = createDial()
  closeLater(() => journal.drain())
  closeLater(() => realm.close())
  closeLater(() => events.close())
  closeLater(() => dial.close())
  return {
    config: readConfig({}),
    publicUrl,
    consoleUrl: 'http://localhost:8421',
    ...{
      db: store.db,
      keyring,
      clock,
      log,
      metrics: createMetrics(),
      realm,
      events,
      journal,
      signing,
      dial,
      leasing: leaseKinds({ dial }),
      keys: keyMakers({ dial }),
    },
    ...{ store, masterKey, lines },
    pass: (seconds) => {
      ahead += seconds * 1000
    },
    stop: () => {
      stoppedAt = Date.now()
    },
  }
}

export async function addScope(
  ctx: Broker,
  scope: { name: string; environment?: string; allow?: string[]; maxTtl?: number },
): Promise<void> {
  const { name, environment = 'staging', allow = ['railway:Query.*'], maxTtl = 1_800 } = scope
  const now = new Date()
  await ctx.db
    .insert(environments)
    .values({ name: environment, protected: false, createdAt: now })
    .onConflictDoNothing()
  await ctx.db.insert(scopes).values({
    ...{ name, environment, allow, maxTtl },
    version: 1,
    callsPerMinute: null,
    updatedAt: now,
  })
}

/** An agent with its secret. The edit makes the scopes that were added before it known to the realm. */
export async function newAgent(ctx: Broker, name: string, scopeNames: string[]): Promise<string> {
  const { secret, hash } = await newAgentSecret()
  await addAgent(ctx, by, { name, scopes: scopeNames, credential: { hash } })
  return secret.reveal()
}

export function agentNamed(ctx: Context, name: string) {
  const agent = ctx.realm.now().agents.get(name)
  if (agent === undefined) throw new Error(`no agent ${name}`)
  return agent
}

/** The bodies of all audit entries, as they were hashed. */
export async function auditLog(ctx: Context): Promise<Record<string, unknown>[]> {
  const rows = await ctx.db
    .select({ body: auditEntries.body })
    .from(auditEntries)
    .orderBy(auditEntries.seq)
  return rows.map((row) => JSON.parse(row.body))
}
