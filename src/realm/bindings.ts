/** Which resources an environment owns and sees. Ownership never overlaps: it is judged by containment, where edits queue. */
import { and, asc, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { newId } from '../ids.ts'
import { ownedElsewhere } from '../policy/environment.ts'
import type { Place } from '../policy/operation.ts'
import type { Discovered, Kind } from '../providers/provider.ts'
import type { Tx } from '../store/open.ts'
import { bindings, connections, describedProviders } from '../store/schema.ts'
import { changeBy, type Editing, type Editor, edit } from './edit.ts'
import { showEnvironment } from './environments.ts'
import { bindingOf, type SpaceOf } from './load.ts'

export type BindingRow = typeof bindings.$inferSelect
export type Mode = BindingRow['mode']

/** A resource as a human names it: `environment` and `acme/staging`, or its id. */
export type Named = { kind: string; address: string }

/** A resource that the connection really sees, and how it is to be bound. */
export type Wanted = { mode: Mode; kind: string; resource: string; place: Place; label: string }

export async function listBindings(
  ctx: Pick<Context, 'db'>,
  environment: string,
): Promise<BindingRow[]> {
  return ctx.db
    .select()
    .from(bindings)
    .where(eq(bindings.environment, environment))
    .orderBy(asc(bindings.mode), asc(bindings.kind), asc(bindings.label), asc(bindings.id))
}

/** Finds what was named among what the connection sees. Ids win over names, since a name is whatever somebody called it. */
export function findNamed(
  mode: Mode,
  named: Named,
  kinds: readonly Kind[],
  seen: readonly Discovered[],
): Wanted {
  demandBindable(mode, named.kind, kinds)
  const candidates = seen.filter((one) => one.kind === named.kind)
  const byId = candidates.filter((one) => idOf(one) === named.address)
  const matches = byId.length > 0 ? byId : candidates.filter((one) => one.address === named.address)
  const [found, ...others] = matches
  if (found === undefined) throw unseen(named, candidates)
  if (others.length > 0) throw ambiguous(named, matches)
  return {
    mode,
    kind: found.kind,
    resource: idOf(found),
    place: found.place,
    label: found.address,
  }
}

function idOf(one: Discovered): string {
  const last = one.place.at(-1)
  if (last === undefined) throw new Error(`${one.kind} ${one.address} was found nowhere`)
  return last.id
}

function demandBindable(mode: Mode, kind: string, kinds: readonly Kind[]): void {
  const known = kinds.find((one) => one.kind === kind)
  const bindable = kinds.filter((one) => one.bind !== null).map((one) => one.kind)
  if (known === undefined || known.bind === null) {
    throw new BrokerError('malformed-request', `A ${kind} cannot be bound.`, {
      hint: `These can: ${bindable.join(', ')}.`,
    })
  }
  if (mode === 'owns' && known.bind === 'sees') {
    const ownable = kinds.filter((one) => one.bind === 'owns').map((one) => one.kind)
    throw new BrokerError(
      'malformed-request',
      `A ${kind} can belong to several environments, so it can only be seen.`,
      { hint: `See it, and own one of these: ${ownable.join(', ')}.` },
    )
  }
}

function unseen(named: Named, candidates: readonly Discovered[]): BrokerError {
  const some = candidates.slice(0, 20).map((one) => one.address)
  return new BrokerError(
    'not-found',
    `The connection sees no ${named.kind} that is called or numbered ${named.address}.`,
    {
      hint:
        some.length === 0
          ? `It sees no ${named.kind} at all.`
          : `It sees: ${some.join(', ')}${candidates.length > some.length ? ', and more' : ''}.`,
    },
  )
}

function ambiguous(named: Named, matches: readonly Discovered[]): BrokerError {
  return new BrokerError(
    'conflict',
    `${matches.length} of kind ${named.kind} are called ${named.address}.`,
    { hint: `Give the id instead: ${matches.map(idOf).join(', ')}.` },
  )
}

/** Binds all or nothing. What is bound in the same way already stays as it is. */
export async function bind(
  ctx: Editing,
  by: Editor,
  to: { environment: string; connection: string; wanted: readonly Wanted[] },
): Promise<BindingRow[]> {
  const { environment, connection, wanted } = to
  const facts = { bound: wanted.map((one) => `${one.mode} ${one.kind}=${one.label}`) }
  return edit(
    ctx,
    changeBy(by, 'environment.bind', facts, { environment, connection }),
    async (tx, note) => {
      await showEnvironment(tx, environment)
      const spaces = await spacesIn(tx, ctx.realm.spaceOf)
      const here = spaces.get(connection)
      if (here === undefined) {
        throw new BrokerError('not-found', `There is no connection ${connection}.`)
      }
      const bound: BindingRow[] = []
      for (const one of wanted) {
        const now = new Date(ctx.clock.now())
        bound.push(await bindOne(tx, { ...to, ...here, spaces, now }, one))
      }
      note({ resources: bound.map((row) => ({ id: row.id, mode: row.mode, place: row.place })) })
      return bound
    },
  )
}

type Spaces = ReadonlyMap<string, { provider: string; space: string }>

/** By connection, as the edit under way leaves them. */
async function spacesIn(tx: Tx, spaceOf: SpaceOf): Promise<Spaces> {
  const described = await tx.select({ name: describedProviders.name }).from(describedProviders)
  const names = new Set(described.map(({ name }) => name))
  const rows = await tx.select().from(connections)
  return new Map(
    rows.map((row) => [
      row.name,
      { provider: row.provider, space: spaceOf(row, names.has(row.provider)) },
    ]),
  )
}

async function bindOne(
  tx: Tx,
  to: {
    environment: string
    connection: string
    provider: string
    space: string
    spaces: Spaces
    now: Date
  },
  wanted: Wanted,
): Promise<BindingRow> {
  const rows = (await tx.select().from(bindings)).filter(
    (row) => to.spaces.get(row.connection)?.space === to.space,
  )
  const there = rows.find(
    (row) =>
      row.environment === to.environment &&
      row.kind === wanted.kind &&
      row.resource === wanted.resource,
  )
  if (there !== undefined) return demandSameMode(there, wanted)
  if (wanted.mode === 'owns') demandFree(rows, to, wanted)
  const [row] = await tx
    .insert(bindings)
    .values({
      id: newId('bnd'),
      environment: to.environment,
      connection: to.connection,
      provider: to.provider,
      mode: wanted.mode,
      kind: wanted.kind,
      resource: wanted.resource,
      place: wanted.place,
      label: wanted.label,
      createdAt: to.now,
    })
    .returning()
  if (row === undefined) throw new Error('a binding was not written')
  return row
}

function demandSameMode(there: BindingRow, wanted: Wanted): BindingRow {
  if (there.mode === wanted.mode) return there
  throw new BrokerError(
    'conflict',
    `${there.environment} already ${there.mode} ${wanted.kind} ${wanted.label}.`,
    { hint: `Unbind ${there.id} first.` },
  )
}

function demandFree(
  rows: readonly BindingRow[],
  to: { environment: string; space: string },
  wanted: Wanted,
): void {
  const there = rows.map((row) => bindingOf(row, to.space))
  const other = ownedElsewhere(there, to.environment, to.space, wanted.place)
  if (other === undefined) return
  const where = other.place.length < wanted.place.length ? 'lies in' : 'is or contains'
  throw new BrokerError(
    'conflict',
    `${wanted.kind} ${wanted.label} ${where} what ${other.environment} owns (${other.label}), and a resource has one owner.`,
    {
      environment: other.environment,
      hint: `Unbind it from ${other.environment} first, or bind it with see.`,
    },
  )
}

export async function unbind(
  ctx: Editing,
  by: Editor,
  environment: string,
  id: string,
): Promise<void> {
  await edit(
    ctx,
    changeBy(by, 'environment.unbind', { binding: id }, { environment }),
    async (tx, note) => {
      const [row] = await tx
        .delete(bindings)
        .where(and(eq(bindings.id, id), eq(bindings.environment, environment)))
        .returning()
      if (row === undefined) {
        throw new BrokerError('not-found', `${environment} has no binding ${id}.`, {
          hint: `See its bindings with: valetkey environment show ${environment}`,
        })
      }
      note({ before: { mode: row.mode, label: row.label, place: row.place } })
    },
  )
}
