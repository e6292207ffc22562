/** Reads who may do what inside a transaction, as the edit under way leaves it. */
import { createHash } from 'node:crypto'
import { and, isNotNull, isNull } from 'drizzle-orm'
import { type Authority, allowSpelled, connectionInWords } from '../policy/authority.ts'
import { ciSystemNamed } from '../policy/ci-systems.ts'
import type { Description, Overrides } from '../providers/rest/description.ts'
import type { Tx } from '../store/open.ts'
import {
  agentKeys,
  agentSecrets,
  agents,
  bindings,
  connections,
  describedProviders,
  enrolments,
  environments,
  freezes,
  grants,
  operators,
  scopes,
  trusts,
} from '../store/schema.ts'

export async function readAuthority(tx: Tx): Promise<Authority> {
  const granted = Map.groupBy(await tx.select().from(grants), (row) => row.agent)
  const secrets = Map.groupBy(await tx.select().from(agentSecrets), (row) => row.agent)
  const keys = Map.groupBy(await tx.select().from(agentKeys), (row) => row.agent)
  return {
    agents: (await tx.select().from(agents))
      .map(({ name }) => ({
        name,
        scopes: (granted.get(name) ?? []).map((row) => row.scope).sort(),
        secrets: (secrets.get(name) ?? []).map((row) => row.hash).sort(),
        keys: (keys.get(name) ?? []).map(keyInWords).sort(),
      }))
      .sort(byName),
    scopes: (await tx.select().from(scopes))
      .map((row) => ({
        name: row.name,
        environment: row.environment,
        allow: row.allow.map(allowSpelled).sort(),
        approve: row.approve.toSorted(),
        approvers: row.approvers,
        bound: row.bound,
        leases: leasesInWords(row.leases),
        maxTtl: row.maxTtl,
        callsPerMinute: row.callsPerMinute,
      }))
      .sort(byName),
    trusts: (await tx.select().from(trusts)).map(trustInWords).sort(),
    environments: (await tx.select().from(environments))
      .map((row) => ({ name: row.name, protected: row.protected }))
      .sort(byName),
    bindings: (await tx.select().from(bindings))
      .map((row) => {
        const place = row.place.map(({ kind, id }) => `${kind}:${id}`).join('/')
        return `${row.environment} ${row.mode} ${row.kind} ${JSON.stringify(row.label)} (${place}) on ${row.connection}`
      })
      .sort(),
    providers: (await tx.select().from(describedProviders)).flatMap(providerInWords).sort(),
    connections: (await tx.select().from(connections))
      .map(
        (row) =>
          `${connectionInWords(row)}, with secret ${row.secretVersion} and schema ${row.schema.slice(0, 12)}`,
      )
      .sort(),
    operators: (await tx.select().from(operators))
      .map((row) => `${row.name} is ${row.role}`)
      .sort(),
    // The code of a start is nobody's edit, and is void once there is a passkey.
    invitations: (
      await tx
        .select()
        .from(enrolments)
        .where(and(isNull(enrolments.usedAt), isNotNull(enrolments.createdBy)))
    )
      .map(
        (row) =>
          `of ${row.createdBy} makes an operator who is ${row.role} (code …${row.codeHash.slice(-6)})`,
      )
      .sort(),
    freezes: (await tx.select().from(freezes).where(isNull(freezes.liftedAt)))
      .map((row) => row.subject)
      .sort(),
  }
}

/** As the database spells JSON: equal templates are equal words. */
function leasesInWords(leases: (typeof scopes.$inferSelect)['leases']): string[] {
  return Object.entries(leases)
    .map(([connection, template]) => `${connection} with ${JSON.stringify(template)}`)
    .sort()
}

/** The whole key: another one of the same end would be another key. */
function keyInWords({ jwk, jwksUrl, allowPrivate }: typeof agentKeys.$inferSelect): string {
  if (jwk !== null) return `the key ${Object.values(jwk).join(' ')}`
  return `the keys at ${jwksUrl}${allowPrivate ? ', private addresses allowed' : ''}`
}

/** With what the CI system makes prudent, since that decides too. */
function trustInWords(row: typeof trusts.$inferSelect): string {
  const system = ciSystemNamed(row.system)
  const prudent = system?.prudent(row.conditions) ?? []
  // Quoted, since a value may hold any text: it could else read like further conditions.
  const claims = [
    ...Object.entries(row.conditions).map(
      ([claim, values]) => `${claim} is ${values.map((one) => JSON.stringify(one)).join(' or ')}`,
    ),
    ...prudent.map(({ claim, wanted }) => `${claim} is ${wanted}`),
  ].sort()
  const reach = row.allowPrivate ? ', private addresses allowed' : ''
  const [issuer, audience] = [row.issuer, row.audience].map((one) => JSON.stringify(one))
  return `${row.agent}: jobs of ${issuer}${reach}, for ${audience}, as ${row.system}, where ${claims.join(' and ')}, are agent ${row.agent}`
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

/**
 * One sentence for each operation, so that a newer description shows what it changes. The digest stands for what it takes, and is too
 * long for another description of one's own to have the same.
 */
function providerInWords(row: typeof describedProviders.$inferSelect): string[] {
  // As it was written, by the edits of providers.
  const { operations, base_url, placement, left = [] } = row.description as unknown as Description
  const { operations: decided = {}, resources = {}, confined = [] } = row.overrides as Overrides
  return [
    `${row.name} is at ${base_url ?? 'no address of its own'}, its key placed as ${placement}`,
    ...left.map((one) => `${row.name}: ${one} is left out`),
    ...operations.map((one) => {
      const override = Object.hasOwn(decided, one.name) ? decided[one.name] : undefined
      const effects = (override?.effects ?? one.effects).join(', ')
      const harmless = override?.harmless === true ? ', and of no environment' : ''
      const rest = JSON.stringify([one.query, one.fields])
      const digest = createHash('sha256').update(rest).digest('hex').slice(0, 32)
      return `${row.name}: ${one.name} (${one.method} ${one.template}) is ${effects}${harmless} [${digest}]`
    }),
    ...Object.entries(resources).map(
      ([field, parameter]) =>
        `${row.name}: the field ${JSON.stringify(field)} names what ${JSON.stringify(parameter)} does`,
    ),
    ...confined.map(
      (one) => `${row.name}: what ${JSON.stringify(one)} names lies in what stands before it`,
    ),
  ]
}
