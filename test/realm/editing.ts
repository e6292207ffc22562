/** A realm over a fresh store with a journal behind it, and rows that the vault would write. Closed after the file that asked. */

import pino from 'pino'
import { createJournal } from '../../src/audit/journal.ts'
import type { Logger } from '../../src/log.ts'
import { spaceOf } from '../../src/providers/registry.ts'
import { providerFrom } from '../../src/providers/rest/provider.ts'
import type { Editing } from '../../src/realm/edit.ts'
import type { Compile } from '../../src/realm/load.ts'
import { watchRealm } from '../../src/realm/realm.ts'
import type { Db, Store } from '../../src/store/open.ts'
import { connections, schemas } from '../../src/store/schema.ts'
import { closeLater } from '../support/closing.ts'
import { freshStore, type StoreKind } from '../support/stores.ts'

export const by = { name: 'ada', request: 'req_1' }

/** Log lines as objects. */
export function listeningLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  return { log, lines }
}

export async function editing(
  kind: StoreKind,
  options: { log?: Logger; compile?: Compile } = {},
): Promise<Editing & { store: Store }> {
  return editingOn(await freshStore(kind), options)
}

export async function editingOn(
  store: Store,
  options: { log?: Logger; compile?: Compile } = {},
): Promise<Editing & { store: Store }> {
  const log = options.log ?? pino({ level: 'silent' })
  const clock = { now: Date.now }
  const journal = await createJournal({ store, clock, log })
  const realm = await watchRealm({
    store,
    log,
    compile: options.compile ?? (() => 'compiled'),
    describe: providerFrom,
    spaceOf,
  })
  closeLater(() => journal.drain())
  closeLater(() => realm.close())
  return { store, db: store.db, journal, realm, log, clock }
}

export async function addConnectionRow(
  db: Db,
  name: string,
  { provider = 'railway', schema = 'hash' } = {},
): Promise<void> {
  const now = new Date()
  await db
    .insert(schemas)
    .values({ hash: schema, sdl: `sdl of ${schema}`, createdAt: now })
    .onConflictDoNothing()
  await db.insert(connections).values({
    name,
    provider,
    baseUrl: 'https://api.example.com',
    placement: 'account',
    allowPrivate: false,
    sealed: 'sealed',
    secretVersion: 1,
    schema,
    createdAt: now,
    updatedAt: now,
  })
}

export async function until(what: () => boolean, withinMs: number): Promise<number> {
  const started = performance.now()
  while (!what()) {
    if (performance.now() - started > withinMs) throw new Error(`not within ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return performance.now() - started
}
