/** What a first set-up comes to, as edits: pure, and unsure is protected. */
import type { Edits } from '../approvals/changes.ts'
import { BrokerError } from '../errors.ts'
import type { Place } from '../policy/operation.ts'
import type { Discovered, Kind } from '../providers/provider.ts'
import type { Wanted } from '../realm/bindings.ts'
import type { Snapshot } from '../realm/realm.ts'

export const may = [
  { value: 'nothing', words: 'do nothing there yet' },
  { value: 'read', words: 'look' },
  { value: 'write', words: 'look and change' },
] as const

export type Chosen = {
  resource: Discovered
  environment: string
  protected: boolean
  level: (typeof may)[number]['value']
  /** Operations by their exact names, each of which is asked for whenever it is to happen. */
  asks: readonly string[]
}

/** Seconds. */
const capabilityLife = 900

/** Of a name that says that it is for trying things out; whatever else it may be is not to be touched lightly. */
export function looksProtected(address: string): boolean {
  const name = address.split('/').at(-1) ?? ''
  return !/^(stag|dev|test|qa|preview|sandbox|pr-|demo)/i.test(name) || /prod|live/i.test(name)
}

/** A name for it that nobody has. */
export function nameFor(address: string, taken: ReadonlySet<string>): string {
  const parts = address.split('/').map(spelled)
  const [short, long] = [parts.at(-1) ?? '', parts.join('-')].map((one) => one.slice(0, 60))
  const base = short || long || 'environment'
  if (!taken.has(base)) return base
  if (long && !taken.has(long)) return long
  for (let n = 2; ; n += 1) if (!taken.has(`${base}-${n}`)) return `${base}-${n}`
}

function spelled(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
}

export function editsFor(plan: {
  policy: Pick<Snapshot, 'environments' | 'scopes' | 'agents'>
  connection: string
  kinds: readonly Kind[]
  chosen: readonly Chosen[]
  /** `hash` is of the secret that was made for a new one. */
  agent: { name: string; hash: string | null }
}): Edits {
  const { policy, connection, chosen, agent } = plan
  const scopes = chosen.flatMap((one) => scopeFor(one, connection, policy))
  const names = scopes.map(({ params }) => params.name)
  return [
    ...chosen.flatMap((one) => environmentFor(one, policy)),
    ...chosen.map((one) => ({
      action: 'environment.bind' as const,
      params: { environment: one.environment, connection, wanted: wantedFor(one, plan.kinds) },
    })),
    ...scopes,
    ...(agent.hash === null
      ? names.map((scope) => ({
          action: 'agent.grant' as const,
          params: { name: agent.name, scope },
        }))
      : [
          {
            action: 'agent.add' as const,
            params: { name: agent.name, scopes: names, credential: { hash: agent.hash } },
          },
        ]),
  ]
}

function environmentFor(one: Chosen, { environments }: Pick<Snapshot, 'environments'>) {
  const name = one.environment
  if (environments.has(name)) return []
  return [{ action: 'environment.add' as const, params: { name, protected: one.protected } }]
}

/** The thing itself, and what of its containers can be seen. */
function wantedFor({ resource }: Chosen, kinds: readonly Kind[]): Wanted[] {
  const { kind, place, address } = resource
  const names = address.split('/')
  const around = place.slice(0, -1).flatMap((step, i) => {
    const known = kinds.find((one) => one.kind === step.kind)
    if (known?.bind !== 'sees') return []
    const label = names.slice(0, i + 1).join('/')
    return [bound('sees', step.kind, place.slice(0, i + 1), label)]
  })
  return [bound('owns', kind, place, address), ...around]
}

function bound(mode: 'owns' | 'sees', kind: string, place: Place, label: string): Wanted {
  const resource = place.at(-1)?.id
  if (resource === undefined) throw new Error(`${kind} ${label} was found nowhere`)
  return { mode, kind, resource, place, label }
}

function scopeFor(one: Chosen, connection: string, { scopes }: Pick<Snapshot, 'scopes'>) {
  const name = `${one.environment.slice(0, 56)}-agent`
  const exact = one.asks.map((asked) => `${connection}:${asked.replace(/^.*:/, '')}`)
  const allow = [
    ...(one.level === 'nothing' ? [] : [`${connection}:@read`]),
    ...(one.level === 'write' ? [`${connection}:@write`] : []),
    ...exact,
  ]
  if (allow.length === 0) return []
  if (scopes.has(name)) {
    throw new BrokerError('conflict', `There already is a scope ${name}.`, {
      hint: `See what it allows with: valetkey scope show ${name}. Change it with: valetkey scope set ${name}.`,
    })
  }
  return [
    {
      action: 'scope.set' as const,
      params: {
        ...{
          name,
          environment: one.environment,
          allow,
          approve: exact,
          approvers: 1,
          bound: false,
          leases: {},
        },
        ...{ maxTtl: capabilityLife, callsPerMinute: null },
      },
    },
  ]
}
