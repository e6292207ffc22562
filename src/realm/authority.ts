/** Reads who may do what inside a transaction, as the edit under way leaves it. */
import { and, isNotNull, isNull } from 'drizzle-orm'
import { type Authority, allowSpelled, connectionInWords } from '../policy/authority.ts'
import type { Tx } from '../store/open.ts'
import {
  agentSecrets,
  agents,
  bindings,
  connections,
  enrolments,
  environments,
  freezes,
  grants,
  operators,
  scopes,
} from '../store/schema.ts'

export async function readAuthority(tx: Tx): Promise<Authority> {
  const granted = Map.groupBy(await tx.select().from(grants), (row) => row.agent)
  const secrets = Map.groupBy(await tx.select().from(agentSecrets), (row) => row.agent)
  return {
    agents: (await tx.select().from(agents))
      .map(({ name }) => ({
        name,
        scopes: (granted.get(name) ?? []).map((row) => row.scope).sort(),
        secrets: (secrets.get(name) ?? []).map((row) => row.hash).sort(),
      }))
      .sort(byName),
    scopes: (await tx.select().from(scopes))
      .map((row) => ({
        name: row.name,
        environment: row.environment,
        allow: row.allow.map(allowSpelled).sort(),
        approve: row.approve.toSorted(),
        approvers: row.approvers,
        maxTtl: row.maxTtl,
        callsPerMinute: row.callsPerMinute,
      }))
      .sort(byName),
    environments: (await tx.select().from(environments))
      .map((row) => ({ name: row.name, protected: row.protected }))
      .sort(byName),
    bindings: (await tx.select().from(bindings))
      .map((row) => {
        const place = row.place.map(({ kind, id }) => `${kind}:${id}`).join('/')
        return `${row.environment} ${row.mode} ${row.kind} ${row.label} (${place}) on ${row.connection}`
      })
      .sort(),
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

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}
