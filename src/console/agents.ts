/** Who may ask for what: agents and the capabilities that they hold. Secrets are nowhere to be shown. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Context } from '../context.ts'
import { type AgentShown, listAgents } from '../identity/agents.ts'
import { listLeases } from '../leases/leases.ts'
import type { Trust } from '../policy/trust.ts'
import { listCapabilities } from '../tokens/revoke.ts'
import type { ConsoleEnv } from './api/session.ts'
import { lastDay } from './overview.ts'
import { nothing, page, table, time, visible } from './page.ts'

export function agentPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()
  app.get('/console/agents', async (c) => {
    const agents = await listAgents(ctx)
    const capabilities = await listCapabilities(ctx, {})
    const { freezes, trusts } = ctx.realm.now()
    const leases = await listLeases(ctx)
    return page(ctx, c, {
      title: 'Agents',
      at: '/console/agents',
      body: html`<h1>Agents</h1>
${
  agents.length === 0
    ? nothing('None yet: valetkey agent add NAME --scope SCOPE')
    : table(
        ['Name', 'Scopes', 'Signs in with', 'Added', ''],
        agents.map((agent) => [
          html`<a href="/console/audit?agent=${agent.name}">${agent.name}</a>`,
          agent.scopes.length === 0
            ? html`<span class="soft">none</span>`
            : agent.scopes.join(', '),
          signsInWith(agent, trusts),
          time(agent.createdAt),
          freezes.has(`agent:${agent.name}`)
            ? html`<span class="tag bad">frozen</span>`
            : html`<a href="/console/freezes?subject=agent:${agent.name}">Freeze</a>`,
        ]),
      )
}
${
  leases.length === 0
    ? ''
    : html`<h2>Leases that are out</h2>${table(
        ['Lease', 'Connection', 'Agent', 'Environment', 'State', 'Until', ''],
        leases.map((one) => [
          html`<code title="${one.id}">${one.id.slice(0, 12)}…</code>`,
          one.connection,
          one.agent,
          one.environment,
          one.attempts === 0
            ? one.state
            : html`<span class="tag bad">could not be ended, ${one.attempts} ${one.attempts === 1 ? 'try' : 'tries'}</span>`,
          time(one.expiresAt),
          one.because ?? '',
        ]),
      )}`
}
${await lastDay(ctx, 'agent')}
<h2>Capabilities that are alive</h2>
${
  capabilities.length === 0
    ? nothing('No agent holds one now.')
    : table(
        ['Agent', 'For', 'Environment', 'Scopes', 'Until', 'Its own reason'],
        capabilities.map((one) => [
          one.agent,
          one.actor ?? '',
          one.environment,
          one.scopes.join(', '),
          time(one.expiresAt),
          one.reason === null ? '' : html`<span class="claim"><q>${visible(one.reason)}</q></span>`,
        ]),
      )
}`,
    })
  })
  return app
}

/** In words: one thing, or two while one replaces the other. */
function signsInWith({ name, secrets, keys }: AgentShown, trusts: readonly Trust[]): string {
  const trust = trusts.find(({ agent }) => agent === name)
  if (trust !== undefined) return `a job of ${new URL(trust.issuer).host}`
  const count = (of: number, one: string) =>
    of === 0 ? [] : [of === 1 ? `a ${one}` : `${of} ${one}s`]
  return [...count(secrets.length, 'secret'), ...count(keys.length, 'key')].join(', ') || 'nothing'
}
