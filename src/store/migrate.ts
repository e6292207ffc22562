/** Brings a database to the newest schema. Any number of replicas may start at once; never undoes anything. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { sql } from 'drizzle-orm'
import { pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import { z } from 'zod'
import type { Db } from './open.ts'

/** Beside `src` and beside `dist`, so the same two steps up lead there from both. */
const folder = new URL('../../migrations/', import.meta.url)

const Plan = z.object({ entries: z.array(z.object({ tag: z.string() })) })

const migrations = pgTable('migrations', {
  tag: text().primaryKey(),
  hash: text().notNull(),
  appliedAt: timestamp('applied_at', { withTimezone: true }).notNull().defaultNow(),
})

type Migration = { tag: string; hash: string; statements: string[] }

export async function migrate(db: Db): Promise<void> {
  const wanted = await readMigrations()
  if (missing(wanted, await applied(db)).length === 0) return
  await makeTable(db)
  await db.transaction(async (tx) => {
    // The lock ends with the transaction, so it also works through a connection pooler.
    await tx.execute(sql`lock table migrations in exclusive mode`)
    for (const migration of missing(wanted, await tx.select().from(migrations))) {
      for (const statement of migration.statements) await tx.execute(sql.raw(statement))
      await tx.insert(migrations).values({ tag: migration.tag, hash: migration.hash })
    }
  })
}

/** What is applied and unknown here was applied by a newer release, which only adds. */
function missing(wanted: Migration[], done: { tag: string; hash: string }[]): Migration[] {
  const hashes = new Map(done.map(({ tag, hash }) => [tag, hash]))
  for (const { tag, hash } of wanted) {
    if ((hashes.get(tag) ?? hash) !== hash) {
      throw new Error(
        `The migration ${tag} differs from the one that made this database: use the release that made it`,
      )
    }
  }
  return wanted.filter(({ tag }) => !hashes.has(tag))
}

async function applied(db: Db): Promise<{ tag: string; hash: string }[]> {
  try {
    return await db.select().from(migrations)
  } catch (error) {
    if (sqlState(error) === undefinedTable) return []
    throw error
  }
}

/** IF NOT EXISTS looks first and creates then: of two that start together, one can still collide, and by then it exists. */
async function makeTable(db: Db): Promise<void> {
  try {
    await db.execute(
      sql`create table if not exists migrations (tag text primary key, hash text not null, applied_at timestamptz not null default now())`,
    )
  } catch (error) {
    if (!collisions.has(sqlState(error) ?? '')) throw error
  }
}

const undefinedTable = '42P01'
const collisions = new Set(['42P07', '23505', '42710'])

/** The five characters by which PostgreSQL names an error, wherever in the chain of causes they are. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  if ('code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)) {
    return error.code
  }
  return 'cause' in error ? sqlState(error.cause) : undefined
}

async function readMigrations(): Promise<Migration[]> {
  const plan = Plan.parse(JSON.parse(await readFile(new URL('meta/_journal.json', folder), 'utf8')))
  return Promise.all(plan.entries.map(({ tag }) => readMigration(tag)))
}

async function readMigration(tag: string): Promise<Migration> {
  const content = await readFile(new URL(`${tag}.sql`, folder), 'utf8')
  const hash = createHash('sha256').update(content).digest('hex')
  return { tag, hash, statements: content.split('--> statement-breakpoint') }
}
