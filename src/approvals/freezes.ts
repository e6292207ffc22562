/** Freezes: adding one needs no passkey and holds on every replica at once; lifting one gives authority back, so it waits. */
import { and, desc, eq, isNull, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../ids.ts'
import type { Freeze, FreezeSubject } from '../policy/freeze.ts'
import { changeBy, type Editing, type Editor, edit } from '../realm/edit.ts'
import { announce } from '../store/events.ts'
import type { Db, Tx } from '../store/open.ts'
import {
  agents,
  capabilities,
  connections,
  environments,
  freezes,
  policy,
  scopes,
} from '../store/schema.ts'

export type FreezeRow = typeof freezes.$inferSelect

const mostListed = 1_000
/** Policy that a replica must understand to enforce a freeze; of a capability, or of what grew from one. */
const format = 2
const formatOfCapabilities = 3

/** Live ones, or all that there were; newest first. */
export async function listFreezes(
  ctx: Pick<Context, 'db'>,
  { all = false }: { all?: boolean } = {},
): Promise<FreezeRow[]> {
  return ctx.db
    .select()
    .from(freezes)
    .where(all ? undefined : isNull(freezes.liftedAt))
    .orderBy(desc(freezes.createdAt), desc(freezes.id))
    .limit(mostListed)
}

/** What is frozen already stays as it is, and is returned: two who press the button at once both did. */
export async function addFreeze(
  ctx: Editing,
  by: Editor,
  { subject, reason }: { subject: FreezeSubject; reason: string | null },
): Promise<Freeze> {
  const held = await liveFreeze(ctx.db, subject)
  if (held !== undefined) return held
  const id = newId('frz')
  const facts = { freeze: id, subject, ...(reason === null ? {} : { reason }) }
  return edit(ctx, changeBy(by, 'freeze.add', facts, aboutOf(subject)), async (tx, note) => {
    await demandSubject(tx, subject)
    const reader = subject.startsWith('capability:') ? formatOfCapabilities : format
    await tx.update(policy).set({ reader: sql`greatest(${policy.reader}, ${reader})` })
    const createdAt = new Date(ctx.clock.now())
    const [added] = await tx
      .insert(freezes)
      .values({ id, subject, reason, createdBy: by.name, createdAt })
      .onConflictDoNothing()
      .returning()
    await announce(tx, `freeze:${id}`)
    if (added !== undefined) return added
    const first = await liveFreeze(tx, subject)
    if (first === undefined) throw new Error(`${subject} was frozen and is not`)
    note({ freeze: first.id, already: true })
    return first
  })
}

/** From then on what it stopped passes again, unless another freeze stops it too. */
export async function liftFreeze(ctx: Editing, by: Editor, id: string): Promise<FreezeRow> {
  const row = await showFreeze(ctx.db, id)
  return edit(
    ctx,
    changeBy(by, 'freeze.lift', { freeze: id }, aboutOf(row.subject)),
    async (tx, note) => {
      const before = await showFreeze(tx, id)
      note({ subject: before.subject, reason: before.reason, frozen_by: before.createdBy })
      const [lifted] = await tx
        .update(freezes)
        .set({ liftedAt: new Date(ctx.clock.now()) })
        .where(and(eq(freezes.id, id), isNull(freezes.liftedAt)))
        .returning()
      if (lifted === undefined) throw gone(id)
      await announce(tx, `freeze:${id}`)
      return lifted
    },
  )
}

async function liveFreeze(db: Db | Tx, subject: string): Promise<FreezeRow | undefined> {
  const [row] = await db
    .select()
    .from(freezes)
    .where(and(eq(freezes.subject, subject), isNull(freezes.liftedAt)))
  return row
}

/** One that is live: what was lifted cannot be lifted again. */
async function showFreeze(db: Db | Tx, id: string): Promise<FreezeRow> {
  const [row] = await db
    .select()
    .from(freezes)
    .where(and(eq(freezes.id, id), isNull(freezes.liftedAt)))
  if (row === undefined) throw gone(id)
  return row
}

function gone(id: string): BrokerError {
  return new BrokerError('not-found', `No freeze ${id} is in force.`, {
    hint: 'See those that are with: valetkey freeze list',
  })
}

/** The columns by which its audit entry is found. */
function aboutOf(subject: string): {
  environment?: string
  connection?: string
  agent?: string
} {
  const [kind, name] = subject.split(':')
  return kind === 'agent' || kind === 'environment' || kind === 'connection' ? { [kind]: name } : {}
}

/** A misspelled name would freeze nothing, and whoever froze it would believe that it did. */
async function demandSubject(tx: Tx, subject: FreezeSubject): Promise<void> {
  if (subject === 'all') return
  const [kind = '', name = ''] = subject.split(':')
  if (kind === 'capability') return demandCapability(tx, name)
  const names = await namesOf(tx, kind)
  if (names.includes(name)) return
  const known =
    names.length === 0 ? 'There is none yet.' : `There are: ${names.toSorted().join(', ')}.`
  throw new BrokerError('not-found', `There is no ${kind} ${name}, so nothing was frozen.`, {
    hint: `${known} Everything is frozen with: valetkey freeze add --all`,
  })
}

async function demandCapability(tx: Tx, jti: string): Promise<void> {
  const rows = await tx.select().from(capabilities).where(eq(capabilities.jti, jti))
  if (rows.length > 0) return
  throw new BrokerError('not-found', `There is no capability ${jti}, so nothing was frozen.`, {
    hint: 'See those that are alive with: valetkey capability list',
  })
}

async function namesOf(tx: Tx, kind: string): Promise<string[]> {
  const table = {
    agent: agents,
    environment: environments,
    connection: connections,
    scope: scopes,
  }[kind]
  if (table === undefined) return []
  const rows = await tx.select({ name: table.name }).from(table)
  return rows.map((row) => row.name)
}
