/** What belongs to which environment, and what an agent may do there by which scope. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Context } from '../context.ts'
import { listBindings } from '../realm/bindings.ts'
import { listEnvironments } from '../realm/environments.ts'
import { listScopes } from '../realm/scopes.ts'
import { isHealthy } from '../vault/health.ts'
import { listConnections } from '../vault/vault.ts'
import type { ConsoleEnv } from './api/session.ts'
import { lastDay } from './overview.ts'
import { facts, nothing, page, table, time, visible } from './page.ts'

export function environmentPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/environments', async (c) => {
    const environments = await listEnvironments(ctx)
    const bindings = await Promise.all(environments.map((one) => listBindings(ctx, one.name)))
    return page(ctx, c, {
      title: 'Environments',
      at: '/console/environments',
      body: html`<h1>Environments</h1>
${await lastDay(ctx, 'environment')}
${environments.length === 0 ? nothing('None yet: valetkey environment add staging') : ''}
${environments.map((environment, i) => {
  const bound = bindings[i] ?? []
  return html`<section class="panel"><h2>${environment.name} ${
    environment.protected
      ? html`<span class="tag">protected</span>`
      : html`<span class="tag warn">unprotected</span>`
  }</h2>${
    bound.length === 0
      ? nothing('It owns nothing and sees nothing, so nothing passes.')
      : table(
          ['', 'Kind', 'Name', 'Connection', 'Id'],
          bound.map((one) => [
            one.mode,
            one.kind,
            visible(one.label),
            one.connection,
            html`<code>${one.resource}</code>`,
          ]),
        )
  }</section>`
})}`,
    })
  })

  app.get('/console/scopes', async (c) => {
    const scopes = await listScopes(ctx)
    const { agents } = ctx.realm.now()
    return page(ctx, c, {
      title: 'Scopes',
      at: '/console/scopes',
      body: html`<h1>Scopes</h1>
${scopes.length === 0 ? nothing('None yet: valetkey scope set NAME --environment staging --allow …') : ''}
${scopes.map((scope) => {
  const held = [...agents.values()].filter((one) => one.scopes.has(scope.name))
  return html`<section class="panel"><h2>${scope.name}</h2>
${facts([
  ['Environment', scope.environment],
  [
    'Allows',
    html`<ul class="plain">${scope.allow.map((one) => html`<li><code>${one}</code></li>`)}</ul>`,
  ],
  [
    'Asks for approval',
    scope.approve.length === 0
      ? html`<span class="soft">where the environment is protected, for all but reads and writes</span>`
      : html`<code>${scope.approve.join(' ')}</code>`,
  ],
  ['Approvers', scope.approvers],
  ...Object.entries(scope.leases).map(
    ([name, template]) =>
      [`Leases of ${name}`, html`<code>${JSON.stringify(template)}</code>`] as const,
  ),
  ['Capabilities', scope.bound ? 'only those that are bound to a key' : 'any'],
  ['Longest life', `${Math.round(scope.maxTtl / 60)} minutes`],
  ['Calls a minute', scope.callsPerMinute ?? html`<span class="soft">no limit of its own</span>`],
  [
    'Granted to',
    held.length === 0
      ? html`<span class="soft">nobody</span>`
      : held.map(({ name }) => name).join(', '),
  ],
  ['Version', html`${scope.version}, ${time(scope.updatedAt)}`],
])}</section>`
})}`,
    })
  })

  app.get('/console/connections', async (c) => {
    const connections = await listConnections(ctx)
    return page(ctx, c, {
      title: 'Connections',
      at: '/console/connections',
      body: html`<h1>Connections</h1>
<p class="soft">The secrets are sealed. No page, no command and no API shows them again.</p>
${
  connections.length === 0
    ? nothing('None yet: valetkey connection add railway')
    : table(
        ['Name', 'Provider', 'Base URL', 'Secret', 'Placed', 'State'],
        connections.map((one) => [
          one.name,
          one.provider,
          html`<code>${one.baseUrl}</code>${one.allowPrivate ? html` <span class="tag warn">private addresses</span>` : ''}`,
          html`version ${one.secretVersion}, ${time(one.updatedAt)}`,
          one.placement,
          isHealthy(ctx, one.name)
            ? html`<span class="good">in order</span>`
            : html`<span class="bad">its credential is refused</span>`,
        ]),
      )
}`,
    })
  })

  return app
}
