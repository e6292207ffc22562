/** Environments: what an operator may do with one. Their resources are bound in bindings.ts. */
import { asc, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Environment } from '../policy/environment.ts'
import type { Db, Tx } from '../store/open.ts'
import { bindings, environments, scopes } from '../store/schema.ts'
import { changeBy, type Editing, type Editor, edit } from './edit.ts'
import { raiseWatermark } from './watermark.ts'

export type EnvironmentRow = typeof environments.$inferSelect

export async function listEnvironments(ctx: Pick<Context, 'db'>): Promise<EnvironmentRow[]> {
  return ctx.db.select().from(environments).orderBy(asc(environments.name))
}

export async function showEnvironment(db: Db | Tx, name: string): Promise<EnvironmentRow> {
  const [row] = await db.select().from(environments).where(eq(environments.name, name))
  if (row !== undefined) return row
  throw new BrokerError('not-found', `There is no environment ${name}.`, {
    hint: 'See which there are with: valetkey environment list',
  })
}

export async function addEnvironment(
  ctx: Editing,
  by: Editor,
  environment: Environment,
): Promise<EnvironmentRow> {
  const { name } = environment
  return edit(
    ctx,
    changeBy(by, 'environment.add', { after: environment }, { environment: name }),
    async (tx) => {
      const [row] = await tx
        .insert(environments)
        .values({ ...environment, createdAt: new Date(ctx.clock.now()) })
        .onConflictDoNothing()
        .returning()
      if (row === undefined) {
        throw new BrokerError('conflict', `There already is an environment ${name}.`)
      }
      return row
    },
  )
}

export async function setProtected(
  ctx: Editing,
  by: Editor,
  environment: Environment,
): Promise<EnvironmentRow> {
  const { name } = environment
  return edit(
    ctx,
    changeBy(by, 'environment.set', { after: environment }, { environment: name }),
    async (tx, note) => {
      const before = await showEnvironment(tx, name)
      note({ before: { name, protected: before.protected } })
      const after = { protected: environment.protected }
      await tx.update(environments).set(after).where(eq(environments.name, name))
      return { ...before, ...after }
    },
  )
}

/** What went with it: all of it is authority that nobody has any more. */
export type RemovedEnvironment = { bindings: string[]; scopes: string[] }

export async function removeEnvironment(
  ctx: Editing,
  by: Editor,
  name: string,
): Promise<RemovedEnvironment> {
  return edit(
    ctx,
    changeBy(by, 'environment.remove', {}, { environment: name }),
    async (tx, note) => {
      const before = await showEnvironment(tx, name)
      const bound = await tx.select().from(bindings).where(eq(bindings.environment, name))
      const scoped = await tx.select().from(scopes).where(eq(scopes.environment, name))
      const lost = {
        bindings: bound.map((row) => `${row.mode} ${row.kind}=${row.label}`),
        scopes: scoped.map((row) => row.name),
      }
      note({ before: { name, protected: before.protected, ...lost } })
      for (const scope of lost.scopes) {
        await raiseWatermark(tx, `scope:${scope}`, ctx.clock.now())
      }
      await tx.delete(environments).where(eq(environments.name, name))
      return lost
    },
  )
}
