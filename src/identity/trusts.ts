/** Trusts: which jobs of which issuer are which agent. Such an agent has no credential of its own, and the trust no secret. */
import { asc, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type CiSystem, ciSystemNamed, ciSystemOf, tooFew } from '../policy/ci-systems.ts'
import { type Conditions, parseCondition } from '../policy/trust.ts'
import { changeBy, type Editing, type Editor, edit } from '../realm/edit.ts'
import type { Db, Tx } from '../store/open.ts'
import { grants, trusts } from '../store/schema.ts'
import { insertAgent, removeAgentIn } from './agents.ts'

export type TrustRow = typeof trusts.$inferSelect

export type TrustSetting = {
  /** Of the agent that it makes, and of the trust. */
  name: string
  system: string
  issuer: string
  audience: string
  allowPrivate: boolean
  conditions: Conditions
  scopes: readonly string[]
}

/** Reads what an operator wrote into a setting that means one thing. Throws `malformed-request` with what to write instead. */
export function readTrust(asked: {
  name: string
  system?: string | undefined
  issuer?: string | undefined
  audience: string
  allowPrivate: boolean
  claims: readonly string[]
  scopes: readonly string[]
}): TrustSetting & { read: CiSystem } {
  const read = systemOf(asked.system, asked.issuer)
  const issuer = asked.issuer ?? read.issuer
  if (issuer === null)
    throw unclear(`${read.title} has an issuer for each organisation: name yours.`)
  // What stands in a private network has whatever name it was given there.
  if (!asked.allowPrivate && !read.issuerForm.test(issuer)) {
    throw unclear(
      `${issuer} is no issuer of ${read.title}, letter by letter as its tokens name it.`,
    )
  }
  if (!issuer.startsWith('https://') && !asked.allowPrivate) {
    throw unclear('An issuer is https; http is for private addresses only (allow_private).')
  }
  const conditions = readConditions(asked.claims)
  const problem = tooFew(read, conditions)
  if (problem !== null) throw unclear(`This trust would take too many: ${problem}.`)
  const { name, audience, allowPrivate } = asked
  return {
    name,
    system: read.name,
    issuer,
    audience,
    allowPrivate,
    conditions,
    scopes: asked.scopes,
    read,
  }
}

function systemOf(name: string | undefined, issuer: string | undefined): CiSystem {
  if (name === undefined) {
    if (issuer === undefined) throw unclear('Name the issuer, or the CI system that has one.')
    return ciSystemOf(issuer)
  }
  const known = ciSystemNamed(name)
  if (known === undefined) throw unclear(`There is no CI system ${name} here.`)
  // What is known of an issuer's traps is not to be left out by calling it something else.
  const actual = issuer === undefined ? known : ciSystemOf(issuer)
  if (known.issuer === null && actual !== known && known.name === 'oidc') {
    throw unclear(`${issuer} is ${actual.title}: name that system.`)
  }
  return known
}

function readConditions(sources: readonly string[]): Conditions {
  const conditions: Record<string, string[]> = Object.create(null)
  for (const source of sources) {
    const read = parseCondition(source)
    if ('problem' in read) throw unclear(`${read.problem}.`)
    conditions[read.claim] = [...(conditions[read.claim] ?? []), read.value]
  }
  return { ...conditions }
}

function unclear(detail: string): BrokerError {
  return new BrokerError('malformed-request', detail, { hint: 'See: valetkey trust add --help' })
}

export async function addTrust(ctx: Editing, by: Editor, setting: TrustSetting): Promise<void> {
  const { name, scopes, ...trust } = setting
  const granted = [...new Set(scopes)].toSorted()
  const facts = {
    scopes: granted,
    issuer: trust.issuer,
    audience: trust.audience,
    claims: trust.conditions,
  }
  await edit(ctx, changeBy(by, 'trust.add', facts, { agent: name }), async (tx) => {
    const now = new Date(ctx.clock.now())
    await insertAgent(tx, { name, scopes: granted, now })
    await tx.insert(trusts).values({ agent: name, ...trust, createdAt: now })
  })
}

/** Its agent goes with it, and with that its grants and capabilities. */
export async function removeTrust(ctx: Editing, by: Editor, name: string): Promise<void> {
  await edit(ctx, changeBy(by, 'trust.remove', {}, { agent: name }), async (tx, note) => {
    const { issuer, conditions } = await showTrust(tx, name)
    note({ issuer, claims: conditions })
    await removeAgentIn(tx, name, ctx.clock.now())
  })
}

export type TrustShown = TrustRow & { scopes: string[] }

export async function listTrusts(ctx: Pick<Context, 'db'>): Promise<TrustShown[]> {
  const rows = await ctx.db.select().from(trusts).orderBy(asc(trusts.agent))
  const granted = Map.groupBy(
    await ctx.db.select().from(grants).orderBy(asc(grants.scope)),
    (row) => row.agent,
  )
  return rows.map((row) => ({
    ...row,
    scopes: (granted.get(row.agent) ?? []).map(({ scope }) => scope),
  }))
}

export async function showTrust(db: Db | Tx, name: string): Promise<TrustRow> {
  const [row] = await db.select().from(trusts).where(eq(trusts.agent, name))
  if (row !== undefined) return row
  throw new BrokerError('not-found', `There is no trust ${name}.`, {
    hint: 'See which there are with: valetkey trust list',
  })
}
