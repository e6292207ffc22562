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
  /** Only for capabilities that are bound to a key. */
  bound: boolean
  /** In words: from which connection, and with what. */
  leases: readonly string[]
  maxTtl: number
  callsPerMinute: number | null
}

/** Everything in a policy that gives or bounds authority. Lists are sorted, so that equal policies are equal data. */
export type Authority = {
  /** `secrets` are what each of them signs in with, by hash; `keys`, in words, what it signs assertions with. */
  agents: readonly {
    name: string
    scopes: readonly string[]
    secrets: readonly string[]
    keys: readonly string[]
  }[]
  /** In words: whose jobs become which agent. */
  trusts: readonly string[]
  scopes: readonly AuthorityScope[]
  environments: readonly { name: string; protected: boolean }[]
  /** In words: `staging owns environment acme/staging [project:… / environment:…] on railway`. */
  bindings: readonly string[]
  /** In words: what each described operation is taken for. */
  providers: readonly string[]
  /** In words, with everything that decides where a secret goes. */
  connections: readonly string[]
  operators: readonly string[]
  /** Codes that make an operator of whoever holds one. */
  invitations: readonly string[]
  freezes: readonly string[]
}

/** Everything that decides where a connection's secret goes. */
export function connectionInWords(target: {
  name: string
  provider: string
  baseUrl: string
  placement: string
  allowPrivate: boolean
}): string {
  const { name, provider, baseUrl, placement, allowPrivate } = target
  return `${name} is ${provider} at ${baseUrl}${allowPrivate ? ', private addresses allowed' : ''}, placed as ${placement}`
}

/** Sentences, for the human who has to agree. */
export type Diff = { added: string[]; removed: string[] }

/** What would newly be possible, and what no longer. */
export function differences(before: Authority, after: Authority): Diff {
  const quiet = regranted(before, after)
  const [was, is] = [sentences(before, quiet), sentences(after, quiet)]
  return {
    added: [...is].filter((one) => !was.has(one)).sort(),
    removed: [...was].filter((one) => !is.has(one)).sort(),
  }
}

/** Scopes that allow what they did and of which only the holders change: that they had none is no news. */
function regranted(before: Authority, after: Authority): Set<string> {
  const held = new Set([...before.agents, ...after.agents].flatMap(({ scopes }) => scopes))
  const allows = new Map(before.scopes.map(({ name, allow }) => [name, JSON.stringify(allow)]))
  return new Set(
    after.scopes
      .filter(({ name, allow }) => held.has(name) && allows.get(name) === JSON.stringify(allow))
      .map(({ name }) => name),
  )
}

function sentences(authority: Authority, quiet: ReadonlySet<string>): Set<string> {
  const scopes = new Map(authority.scopes.map((scope) => [scope.name, scope]))
  const granted = new Set([...quiet, ...authority.agents.flatMap((agent) => agent.scopes)])
  return new Set([
    ...authority.agents.map(({ name }) => `There is an agent ${name}`),
    ...authority.agents.flatMap(({ name, secrets }) =>
      secrets.map((hash) => `Agent ${name} signs in with the secret …${hash.slice(-6)}`),
    ),
    ...authority.agents.flatMap(({ name, keys }) =>
      keys.map((key) => `Agent ${name} signs in with ${key}`),
    ),
    ...authority.trusts.map((one) => `Trust ${one}`),
    ...authority.providers.map((one) => `Provider ${one}`),
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
    ...authority.agents.flatMap((agent) => gateSentences(agent.name, scopesOf(agent, authority))),
    ...authority.scopes.flatMap((scope) => scopeSentences(scope, granted.has(scope.name))),
    ...authority.environments.map(
      (one) => `Environment ${one.name} is ${one.protected ? 'protected' : 'unprotected'}`,
    ),
    ...authority.bindings.map((one) => `Environment ${one}`),
    ...authority.connections.map((one) => `Connection ${one}`),
    ...authority.operators.map((one) => `Operator ${one}`),
    ...authority.invitations.map((one) => `An invitation ${one}`),
    ...authority.freezes.map((one) => `Frozen: ${one}`),
  ])
}

/**
 * What an agent is asked for counts over all its scopes of an environment: with one of them goes a gate of the others, which
 * would else read as if something were only taken away.
 */
function gateSentences(agent: string, held: readonly AuthorityScope[]): string[] {
  const environments = [...new Set(held.map(({ environment }) => environment))]
  return environments.flatMap((environment) => {
    const here = in_(environment, held)
    const most = mostApprovers(here)
    return [
      ...here.flatMap(({ approve }) =>
        approve.map((one) => `Agent ${agent} has to ask before ${one} in ${environment}`),
      ),
      ...(most === 1
        ? []
        : [`Agent ${agent} needs ${most} operators for what it has to ask in ${environment}`]),
    ]
  })
}

function scopeSentences(scope: AuthorityScope, granted: boolean): string[] {
  const { name, environment } = scope
  const limit =
    scope.callsPerMinute === null ? 'no limit' : `${scope.callsPerMinute} calls a minute`
  // Also where it asks for none itself: a protected environment does, and the strictest of all scopes counts.
  const approvers = scope.approvers === 1 ? 'one operator' : `${scope.approvers} operators`
  return [
    `Scope ${name} in ${environment} gives capabilities for up to ${scope.maxTtl} s, with ${limit}`,
    `Scope ${name} in ${environment} wants what needs approval approved by ${approvers}`,
    `Scope ${name} in ${environment} takes ${scope.bound ? 'only capabilities that are bound to a key' : 'capabilities that whoever has them can use'}`,
    ...scope.leases.map((one) => `Scope ${name} in ${environment} gives leases of ${one}`),
    ...(granted ? [] : scope.allow.map((one) => `Scope ${name}, granted to nobody, allows ${one}`)),
    ...scope.approve.map((one) => `Scope ${name} wants approval of ${one}`),
  ]
}

/**
 * Whether no agent may do anything after that it could not before, with no gate weaker, and nothing else has changed.
 * Freezes may be added, never lifted. Names count although nobody may use them yet: an agent without scopes, or a scope that
 * nobody holds, is what a human would trust at the next grant.
 */
export function onlyRemoves(before: Authority, after: Authority): boolean {
  const same = (
    name: 'environments' | 'bindings' | 'providers' | 'connections' | 'operators' | 'invitations',
  ) => JSON.stringify(before[name]) === JSON.stringify(after[name])
  return (
    same('providers') &&
    same('environments') &&
    same('bindings') &&
    same('connections') &&
    same('operators') &&
    same('invitations') &&
    before.freezes.every((one) => after.freezes.includes(one)) &&
    after.trusts.every((one) => before.trusts.includes(one)) &&
    after.scopes.every((scope) => withinOne(scope, before.scopes)) &&
    after.agents.every((agent) => holdsLess(agent, before, after))
  )
}

function holdsLess(
  agent: Authority['agents'][number],
  before: Authority,
  after: Authority,
): boolean {
  const was = before.agents.find(({ name }) => name === agent.name)
  if (was === undefined) return false
  const [had, now] = [scopesOf(was, before), scopesOf(agent, after)]
  return (
    agent.secrets.every((one) => was.secrets.includes(one)) &&
    agent.keys.every((one) => was.keys.includes(one)) &&
    agent.scopes.every((one) => was.scopes.includes(one)) &&
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

/** By its own name: capabilities carry it. No longer, no more often, nothing that it did not cover, and asked for no less. */
function withinOne(scope: AuthorityScope, had: readonly AuthorityScope[]): boolean {
  const was = had.find(({ name }) => name === scope.name)
  return (
    was !== undefined &&
    was.environment === scope.environment &&
    scope.maxTtl <= was.maxTtl &&
    scope.approvers >= was.approvers &&
    was.approve.map(spelled).every((one) => scope.approve.map(spelled).includes(one)) &&
    (scope.bound || !was.bound) &&
    scope.leases.every((one) => was.leases.includes(one)) &&
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
  return (
    had.flatMap(({ approve }) => approve.map(spelled)).every((one) => demands.has(one)) &&
    mostApprovers(now) >= mostApprovers(had)
  )
}

function mostApprovers(scopes: readonly AuthorityScope[]): number {
  return Math.max(1, ...scopes.map(({ approvers }) => approvers))
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
