/** Mints a capability: never wider than the agent's scopes, never longer than they allow. */
import { z } from 'zod'
import type { Context } from '../context.ts'
import {
  type Capability,
  type Detail,
  detailFor,
  detailsOf,
  narrowed,
} from '../policy/capability.ts'
import { freezeOn, frozen } from '../policy/freeze.ts'
import type { Scope } from '../policy/scope.ts'
import type { AgentPolicy, Snapshot } from '../realm/realm.ts'
import { longestLife, RequestedDetail, readDetails, writeDetails } from './claims.ts'
import { issue, type Minted } from './issue.ts'
import { OauthError } from './oauth-error.ts'

/** What a client may ask for, however it proved who it is. */
export type Wanted = {
  scopes: readonly string[]
  /** `authorization_details` as the client sent them, already JSON. They narrow, and nothing else. */
  details?: unknown
  /** Seconds. */
  ttl?: number
  /** Recorded, never judged. */
  reason?: string
}

export type MintRequest = Wanted & {
  agent: AgentPolicy
  /** The request's id, for the audit log. */
  request?: string
  /** The thumbprint of the key that the client proved to hold. */
  key?: string
  /** The longest life that what it proved itself with allows, in seconds. */
  longest?: number
  /** For the audit log: what led to it. */
  facts?: Readonly<Record<string, unknown>>
}

const usualLife = 900

export async function mint(ctx: Context, request: MintRequest): Promise<Minted> {
  const { agent, key, reason } = request
  const snapshot = ctx.realm.now()
  const scopes = grantedScopes(snapshot, agent, request.scopes)
  demandBound(scopes, key)
  const environment = oneEnvironment(scopes)
  const details = detailsWithin(environment, detailsOf(scopes), request.details, { scopes: true })
  const expiresIn = lifetime(scopes, request.ttl, request.longest)
  const names = scopes.map(({ name }) => name)
  demandSomething(details)
  const wanted = { agent: agent.name, environment, scopes: names, details }
  await demandUnfrozen(ctx, snapshot, wanted, request.request)
  return issue(ctx, {
    ...wanted,
    expiresIn,
    ...(key === undefined ? {} : { key }),
    ...(reason === undefined ? {} : { reason }),
    ...(request.request === undefined ? {} : { request: request.request }),
    facts: {
      ...(request.details === undefined ? {} : { details: writeDetails(environment, details) }),
      ...request.facts,
    },
  })
}

/** A scope may be only for what is worth nothing to a thief. */
export function demandBound(scopes: readonly Scope[], key: string | undefined): void {
  const demanding = scopes.find(({ bound }) => bound)
  if (demanding === undefined || key !== undefined) return
  throw new OauthError(
    'invalid_dpop_proof',
    `The scope ${demanding.name} is only for capabilities that are bound to a key: send a DPoP proof (RFC 9449) with the request.`,
  )
}

/** One that allows nothing could still ask what became of others. */
export function demandSomething(details: readonly Detail[]): void {
  if (details.length > 0) return
  throw new OauthError('invalid_scope', 'These scopes allow nothing, so there is nothing to give.')
}

/** One that some connection would take is minted; one that could be used for nothing is not. */
export async function demandUnfrozen(
  ctx: Context,
  { freezes }: Snapshot,
  wanted: Pick<Capability, 'agent' | 'environment' | 'scopes' | 'details' | 'parents'>,
  request: string | undefined,
): Promise<void> {
  const stops = wanted.details.map(({ connection }) => freezeOn(freezes, wanted, connection))
  const [stop = freezeOn(freezes, wanted, '')] = stops
  if (stop === null || stops.includes(null)) return
  const { code, detail, facts } = frozen(stop)
  const { agent, environment, scopes } = wanted
  await ctx.journal.refuse({
    ...(request === undefined ? {} : { request }),
    ...{ agent, environment, outcome: code },
    facts: { detail, scopes: [...scopes] },
  })
  throw new OauthError('access_denied', `${detail} ${facts.hint}`)
}

/** A scope that exists but is not granted reads the same as one that does not exist. */
export function grantedScopes(
  snapshot: Snapshot,
  agent: AgentPolicy,
  requested: readonly string[],
): Scope[] {
  const names = [...new Set(requested)]
  const granted = [...agent.scopes].toSorted()
  const yours =
    granted.length === 0
      ? 'This agent is granted none: ask a human for one.'
      : `This agent is granted: ${granted.join(', ')}.`
  if (names.length === 0) {
    throw new OauthError(
      'invalid_scope',
      `Name at least one scope in the scope parameter. ${yours}`,
    )
  }
  return names.map((name) => {
    const scope = agent.scopes.has(name) ? snapshot.scopes.get(name) : undefined
    if (scope === undefined) {
      throw new OauthError(
        'invalid_scope',
        `One of the scopes is not granted to this agent. ${yours}`,
      )
    }
    return scope
  })
}

function oneEnvironment(scopes: readonly Scope[]): string {
  const environments = [...new Set(scopes.map((scope) => scope.environment))]
  const [environment] = environments
  if (environment === undefined || environments.length > 1) {
    throw new OauthError(
      'invalid_scope',
      `A capability is for one environment, and these scopes are for ${environments.join(' and ')}. Ask for one capability per environment.`,
    )
  }
  return environment
}

/** Seconds. */
export function lifetime(
  scopes: readonly Scope[],
  ttl: number | undefined,
  bound: number = longestLife,
): number {
  const longest = Math.min(longestLife, bound, ...scopes.map((scope) => scope.maxTtl))
  if (ttl === undefined) return Math.min(usualLife, longest)
  if (!Number.isInteger(ttl) || ttl < 1 || ttl > longest) {
    throw new OauthError(
      'invalid_request',
      `The ttl has to be a whole number of seconds from 1 to ${longest} here. Ask for at most ${longest}, and for a new capability when it runs out.`,
    )
  }
  return ttl
}

const RequestedDetails = z.array(RequestedDetail).min(1).max(64)

/** What of `held` was asked for: all of it, where nothing was. */
export function detailsWithin(
  environment: string,
  held: readonly Detail[],
  requested: unknown,
  held_by: { scopes?: boolean } = {},
): readonly Detail[] {
  if (requested === undefined) return held
  const parsed = RequestedDetails.safeParse(requested)
  if (!parsed.success) throw badDetails(whereWrong(parsed.error))
  const elsewhere = parsed.data.find((one) => (one.environment ?? environment) !== environment)
  if (elsewhere !== undefined)
    throw badDetails(`This is for ${environment} and no other environment`)
  const unlisted = (connection: string) => detailFor(held, connection)?.operations ?? []
  const wanted = readDetails(parsed.data, unlisted)
  if ('problem' in wanted) throw badDetails(wanted.problem)
  const details = narrowed(wanted, held, held_by)
  if ('problem' in details) throw badDetails(`${details.problem}, and details can only narrow`)
  return details
}

function badDetails(why: string): OauthError {
  return new OauthError(
    'invalid_authorization_details',
    `${why}. Each entry is {"type":"valetkey","environment":…,"connection":…,"operations":[…]}, where it matters with "resources", "max_calls" and "max_writes", and nothing else; leave the parameter out for all that there is.`,
  )
}

/** The path and the rule; what stood there may be anything, and is not repeated. */
function whereWrong(error: z.ZodError): string {
  const [issue] = error.issues
  if (issue?.code === 'unrecognized_keys') {
    return `Entry ${String(issue.path[0] ?? 0)} has a field that is not known`
  }
  return `At authorization_details${issue?.path.map((step) => `[${String(step)}]`).join('') ?? ''}: ${issue?.message ?? 'unreadable'}`
}
