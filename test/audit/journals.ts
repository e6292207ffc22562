/** Journals on stores of their own, with the machine's clock and real keys. Never shared between tests. */
import { randomBytes } from 'node:crypto'
import pino from 'pino'
import { onTestFinished } from 'vitest'
import { type Sign, signCheckpoint } from '../../src/audit/checkpoint.ts'
import { createJournal, type Entry, type Journal } from '../../src/audit/journal.ts'
import type { Clock } from '../../src/context.ts'
import { createKeyring } from '../../src/seal/keyring.ts'
import type { Store } from '../../src/store/open.ts'
import { openSigningKeys } from '../../src/tokens/keys.ts'

export const log = pino({ level: 'silent' })
export const clock: Clock = { now: () => Date.now() }

/** Drained when the test ends, before its store closes. */
export async function journalOn(
  store: Store,
  options: { clock?: Clock; sign?: Sign; minuteMs?: number } = {},
): Promise<Journal> {
  const journal = await createJournal({ store, clock, log, ...options })
  onTestFinished(() => journal.drain())
  return journal
}

/** Signs with an audit key that the store keeps. */
export async function signer(store: Store): Promise<Sign> {
  const keyring = createKeyring([randomBytes(32)])
  const keys = await openSigningKeys({ store, keyring, clock })
  return async (claims) => signCheckpoint(await keys.current('audit'), claims)
}

export function call(number: number): Entry {
  return {
    kind: 'call',
    request: `req_${number}`,
    agent: 'cursor',
    environment: 'staging',
    connection: 'railway',
    operation: 'Query.project',
    outcome: 'allow',
    facts: { resources: [{ kind: 'project', id: String(number) }] },
  }
}

export async function bumpPolicy(store: Store): Promise<void> {
  await store.run('update policy set version = version + 1 where id = 1', [])
}

/** Holds the head's row, so that whoever writes has to wait, until what it resolves to is called. */
export async function holdHead(store: Store): Promise<() => Promise<void>> {
  const held = Promise.withResolvers<void>()
  const letGo = Promise.withResolvers<void>()
  const transaction = store.db.transaction(async (tx) => {
    await tx.execute('select * from audit_head for update')
    held.resolve()
    await letGo.promise
  })
  await Promise.race([held.promise, transaction])
  return async () => {
    letGo.resolve()
    await transaction
  }
}

/** Every entry's body, oldest first. */
export async function bodies(store: Store): Promise<Record<string, unknown>[]> {
  const rows = await store.run<{ body: string }>('select body from audit_entries order by seq', [])
  return rows.map(({ body }) => JSON.parse(body))
}
