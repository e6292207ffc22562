/**
 * Who may do what, as a policy says it: to tell in words what an edit would change, and to prove of some edits that they only
 * take away. Pure; unsure is no.
 */
import { narrower, parseAllow, parseDemand, writeAllow } from './pattern.ts'

export type AuthorityScope = {
  name: string
  environment: string
  allow: readonly string[]
  approve: readonly string[]
  approvers: number
  maxTtl: number
  callsPerMinute: number | null
}

/** Everything in a policy that gives or bounds authority. Lists are sorted, so that equal policies are equal data. */
export type Authority = {
  /** `secrets` are what each of them signs in with, by hash. */
  agents: readonly { name: string; scopes: readonly string[]; secrets: readonly string[] }[]
  scopes: readonly AuthorityScope[]
  environments: readonly { name: string; protected: boolean }[]
  /** In words: `staging owns environment acme/staging [project:… / environment:…] on railway`. */
  bindings: readonly string[]
  /** In words, with everything that decides where a secret goes. */
  connections: readonly string[]
  operators: readonly string[]
  freezes: readonly string[]
}

/** Sentences, for the human who has to agree. */
export type Diff = { added: string[]; removed: string[] }

/** What would newly be possible, and what no longer. */
export function differences(before: Authority, after: Authority): Diff {
  const [was, is] = [sentences(before), sentences(after)]
  return {
    added: [...is].filter((one) => !was.has(one)).sort(),
    removed: [...was].filter((one) => !is.has(one)).sort(),
  }
}

function sentences(authority: Authority): Set<string> {
  const scopes = new Map(authority.scopes.map((scope) => [scope.name, scope]))
  const granted = new Set(authority.agents.flatMap((agent) => agent.scopes))
  return new Set([
    ...authority.agents.map(({ name }) => `There is an agent ${name}`),
    ...authority.agents.flatMap(({ name, secrets }) =>
      secrets.map((hash) => `Agent ${name} signs in with the secret …${hash.slice(-6)}`),
    ),
    ...authority.agents.flatMap(({ name, scopes: held }) =>
      held.flatMap((one) => {
        const scope = scopes.get(one)
        return scope === undefined
          ? []
          : scope.allow.map(
              (allow) => `Agent ${name} may ${allow} in ${scope.environment} (scope ${one})`,
            )
      }),
    ),
    ...authority.scopes.flatMap((scope) => scopeSentences(scope, granted.has(scope.name))),
    ...authority.environments.map(
      (one) => `Environment ${one.name} is ${one.protected ? 'protected' : 'unprotected'}`,
    ),
    ...authority.bindings.map((one) => `Environment ${one}`),
    ...authority.connections.map((one) => `Connection ${one}`),
    ...authority.operators.map((one) => `Operator ${one}`),
    ...authority.freezes.map((one) => `Frozen: ${one}`),
  ])
}

function scopeSentences(scope: AuthorityScope, granted: boolean): string[] {
  const { name, environment } = scope
  const limit =
    scope.callsPerMinute === null ? 'no limit' : `${scope.callsPerMinute} calls a minute`
  return [
    `Scope ${name} in ${environment} gives capabilities for up to ${scope.maxTtl} s, with ${limit}`,
    ...(granted ? [] : scope.allow.map((one) => `Scope ${name}, granted to nobody, allows ${one}`)),
    ...scope.approve.map(
      (one) =>
        `Scope ${name} wants ${one} approved by ${scope.approvers === 1 ? 'an operator' : `${scope.approvers} operators`}`,
    ),
  ]
}

/**
 * Whether no agent may do anything after that it could not before, with no gate weaker, and nothing else has changed.
 * Freezes may be added, never lifted.
 */
export function onlyRemoves(before: Authority, after: Authority): boolean {
  const same = (name: 'environments' | 'bindings' | 'connections' | 'operators') =>
    JSON.stringify(before[name]) === JSON.stringify(after[name])
  return (
    same('environments') &&
    same('bindings') &&
    same('connections') &&
    same('operators') &&
    before.freezes.every((one) => after.freezes.includes(one)) &&
    after.agents.every((agent) => holdsLess(agent, before, after))
  )
}

function holdsLess(
  agent: Authority['agents'][number],
  before: Authority,
  after: Authority,
): boolean {
  const now = scopesOf(agent, after)
  if (now.length === 0) return true
  const was = before.agents.find(({ name }) => name === agent.name)
  if (was === undefined) return false
  const had = scopesOf(was, before)
  return (
    agent.secrets.every((one) => was.secrets.includes(one)) &&
    now.every((scope) => withinOne(scope, had)) &&
    [...new Set(now.map(({ environment }) => environment))].every((environment) =>
      gatedNoLess(in_(environment, had), in_(environment, now)),
    )
  )
}

function scopesOf(agent: Authority['agents'][number], { scopes }: Authority): AuthorityScope[] {
  return scopes.filter(({ name }) => agent.scopes.includes(name))
}

function in_(environment: string, scopes: readonly AuthorityScope[]): AuthorityScope[] {
  return scopes.filter((scope) => scope.environment === environment)
}

/** By its own name: capabilities carry it. No longer, no more often, and nothing that it did not cover. */
function withinOne(scope: AuthorityScope, had: readonly AuthorityScope[]): boolean {
  const was = had.find(({ name }) => name === scope.name)
  return (
    was !== undefined &&
    was.environment === scope.environment &&
    scope.maxTtl <= was.maxTtl &&
    (was.callsPerMinute === null ||
      (scope.callsPerMinute !== null && scope.callsPerMinute <= was.callsPerMinute)) &&
    scope.allow.every((one) => was.allow.some((other) => allowsLess(one, other)))
  )
}

function allowsLess(inner: string, outer: string): boolean {
  const [a, b] = [parseAllow(inner), parseAllow(outer)]
  if ('problem' in a || 'problem' in b) return false
  // An exact name reaches what no glob covers, so it is within a glob only if it is the same.
  const exact = a.pattern.form === 'exact' && b.pattern.form !== 'exact'
  return a.connection === b.connection && !exact && narrower(a.pattern, b.pattern)
}

/** Gates are those of all scopes together: with one of them gone the others may be open. */
function gatedNoLess(had: readonly AuthorityScope[], now: readonly AuthorityScope[]): boolean {
  const demands = new Set(now.flatMap(({ approve }) => approve.map(spelled)))
  const most = (scopes: readonly AuthorityScope[]) =>
    Math.max(1, ...scopes.map(({ approvers }) => approvers))
  return (
    had.flatMap(({ approve }) => approve.map(spelled)).every((one) => demands.has(one)) &&
    most(now) >= most(had)
  )
}

function spelled(source: string): string {
  const demand = parseDemand(source)
  return 'problem' in demand ? source : JSON.stringify(demand)
}

/** How an operator writes a pattern, in its one spelling. */
export function allowSpelled(source: string): string {
  const allow = parseAllow(source)
  return 'problem' in allow ? source : writeAllow(allow)
}
