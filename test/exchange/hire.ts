/** Agents beside `cursor`: repeated refusals of one agent are counted together, and each test wants an entry of its own. */
import { expectOk, type Front, field } from '../support/broker.ts'

/** What an everyday scope would allow: every pattern that there is. */
export const everyPattern = [
  'railway:@read',
  'railway:@write',
  'railway:Query.*',
  'railway:Mutation.*',
]

export type Hired = { name: string; token: string }

/** More than any operation is refused for one reason in one file; hashing a secret takes long, so they take turns. */
const most = 24

/** Gives a capability for what is listed, of the agent that has waited longest. */
export function hiring(at: Front, prefix = 'hired'): (allow?: readonly string[]) => Promise<Hired> {
  const scopes = new Map<string, string>()
  const agents: { name: string; secret: string; granted: Set<string> }[] = []
  let turn = 0

  async function scopeFor(allow: readonly string[]): Promise<string> {
    const key = allow.join(' ')
    const known = scopes.get(key)
    if (known !== undefined) return known
    const scope = `${prefix}-${scopes.size}`
    scopes.set(key, scope)
    expectOk(await at.admin('PUT', `/admin/scopes/${scope}`, { environment: 'staging', allow }))
    return scope
  }

  async function agentInTurn(scope: string) {
    const held = agents[turn % most]
    turn += 1
    if (held !== undefined) return held
    const name = `${prefix}-${agents.length}`
    const added = expectOk(await at.admin('POST', '/admin/agents', { name, scopes: [scope] }))
    const made = { name, secret: field(added, 'secret'), granted: new Set([scope]) }
    agents.push(made)
    return made
  }

  return async (allow = everyPattern) => {
    const scope = await scopeFor(allow)
    const { name, secret, granted } = await agentInTurn(scope)
    if (!granted.has(scope)) {
      granted.add(scope)
      expectOk(await at.admin('PUT', `/admin/agents/${name}/grants/${scope}`))
    }
    const minted = await at.agent('/oauth/token', {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${name}:${secret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
    })
    return { name, token: field(expectOk(minted), 'access_token') }
  }
}
