/** A capability in, a narrower one out, for a sub-agent (RFC 8693). Never wider, never longer, and dead with what it grew from. */
import type { Context } from '../context.ts'
import { type Capability, deepest } from '../policy/capability.ts'
import type { Scope } from '../policy/scope.ts'
import type { Snapshot } from '../realm/realm.ts'
import { writeDetails } from './claims.ts'
import { issue, type Minted } from './issue.ts'
import {
  demandBound,
  demandSomething,
  demandUnfrozen,
  detailsWithin,
  grantedScopes,
  lifetime,
  type Wanted,
} from './mint.ts'
import { OauthError } from './oauth-error.ts'

export type Attenuation = Wanted & {
  /** Verified, and still standing. */
  parent: Capability
  /** A name for whom it is: recorded and shown, never proven. */
  actor?: string
  /** The thumbprint of the key that it is to be bound to, where that is another than the parent's. */
  key?: string
  request?: string
}

export async function attenuate(ctx: Context, wanted: Attenuation): Promise<Minted> {
  const { parent } = wanted
  const snapshot = ctx.realm.now()
  const parents = [parent.jti, ...(parent.parents ?? [])]
  if (parents.length > deepest) {
    throw new OauthError(
      'invalid_request',
      `A line of capabilities that grow from each other ends after ${deepest}. Exchange an earlier one of the line.`,
    )
  }
  const scopes = scopesWithin(snapshot, parent, wanted.scopes)
  const names = scopes.map(({ name }) => name)
  const details = detailsWithin(parent.environment, parent.details, wanted.details)
  demandSomething(details)
  const left = parent.expiresAt - Math.ceil(ctx.clock.now() / 1000)
  // It was verified before this, and time has passed.
  if (left < 1)
    throw new OauthError('invalid_grant', 'The capability that this is to be less of expires now.')
  const expiresIn = lifetime(scopes, wanted.ttl, left)
  const actors =
    wanted.actor === undefined ? parent.actors : [wanted.actor, ...(parent.actors ?? [])]
  const key = wanted.key ?? parent.key
  demandBound(scopes, key)
  const { agent, environment } = parent
  const said = { agent, environment, scopes: names, details, parents }
  await demandUnfrozen(ctx, snapshot, said, wanted.request)
  return issue(ctx, {
    ...said,
    expiresIn,
    rootedAt: parent.rootedAt ?? parent.issuedAt,
    ...(actors === undefined ? {} : { actors }),
    ...(key === undefined ? {} : { key }),
    ...(wanted.request === undefined ? {} : { request: wanted.request }),
    ...(wanted.reason === undefined ? {} : { reason: wanted.reason }),
    facts: wanted.details === undefined ? {} : { details: writeDetails(environment, details) },
  })
}

/** All that the parent carries where none is named. They are looked up as they stand now. */
function scopesWithin(
  snapshot: Snapshot,
  parent: Capability,
  requested: readonly string[],
): Scope[] {
  const agent = snapshot.agents.get(parent.agent) ?? { name: parent.agent, scopes: new Set() }
  const held = new Set(parent.scopes.filter((name) => agent.scopes.has(name)))
  return grantedScopes(
    snapshot,
    { name: agent.name, scopes: held },
    requested.length === 0 ? [...held] : requested,
  )
}
