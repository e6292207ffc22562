/** Setting up in the browser: a connection, what it sees, and an agent, with one touch for each. It asks for changes and carries none out. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import { type ChangeRow, digestOf, make, showChange } from '../approvals/changes.ts'
import type { Context } from '../context.ts'
import { BrokerError, ChangeWaits } from '../errors.ts'
import { knownProvider } from '../http/admin/known-provider.ts'
import { type Made, newAgentSecret } from '../identity/agents.ts'
import { Name } from '../ids.ts'
import { whose } from '../policy/environment.ts'
import type { Discovered } from '../providers/provider.ts'
import { providers } from '../providers/registry.ts'
import {
  type ConnectionRow,
  listConnections,
  operatorLookup,
  showConnection,
} from '../vault/vault.ts'
import {
  type ConsoleContext,
  type ConsoleEnv,
  consoleRole,
  demandFormToken,
} from './api/session.ts'
import { difference } from './changes.ts'
import { facts, type Html, nothing, page, table, token, visible } from './page.ts'
import { type Chosen, editsFor, looksProtected, may, nameFor } from './plan.ts'

export function setupPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/setup', async (c) => {
    consoleRole(c, 'admin')
    const change = c.req.query('change')
    if (change !== undefined) return proposed(ctx, c, await showChange(ctx.db, change), null)
    const connections = await listConnections(ctx)
    const wanted = c.req.query('connection') ?? connections[0]?.name
    return page(ctx, c, {
      title: 'Set up',
      body:
        wanted === undefined || c.req.query('connection') === ''
          ? connectionStep(ctx, c)
          : await environmentStep(ctx, c, await showConnection(ctx.db, wanted), connections),
    })
  })

  app.post('/console/setup/connection', async (c) => {
    const form = await c.req.parseBody()
    const by = editorOf(ctx, c, form)
    const provider = knownProvider(ctx, text(form, 'provider'))
    const baseUrl = text(form, 'base_url')
    const setting = {
      name: nameIn(form, 'name'),
      provider: provider.name,
      baseUrl: baseUrl === '' ? undefined : baseUrl,
      placement: undefined,
      allowPrivate: form['allow_private'] === 'on',
      secret: text(form, 'secret').trim(),
    }
    if (setting.secret === '') throw new BrokerError('malformed-request', 'No token was given.')
    const id = await waitingId(
      make(ctx, by, 'connection.add', setting, (one) => knownProvider(ctx, one)),
    )
    return c.redirect(`/console/setup${id === null ? '' : `?change=${id}`}`, 303)
  })

  app.post('/console/setup/environments', async (c) => {
    const form = await c.req.parseBody()
    const by = editorOf(ctx, c, form)
    const connection = await showConnection(ctx.db, text(form, 'connection'))
    const provider = knownProvider(ctx, connection.provider)
    const chosen = chosenIn(form, await seenBy(ctx, connection))
    const agent = nameIn(form, 'agent')
    const made = ctx.realm.now().agents.has(agent) ? null : await newAgentSecret()
    const edits = editsFor({
      policy: ctx.realm.now(),
      connection: connection.name,
      kinds: provider.kinds,
      chosen,
      agent: { name: agent, hash: made?.hash ?? null },
    })
    const id = await waitingId(make(ctx, by, 'together', { edits }))
    if (id === null) return c.redirect('/console/setup', 303)
    // Here and nowhere else: what is kept of the secret is its hash.
    const once = { agent, made, scopes: scopesIn(edits) }
    return proposed(ctx, c, await showChange(ctx.db, id), once)
  })

  return app
}

/** The change that it waits as; null where it does not have to. */
async function waitingId(edit: Promise<unknown>): Promise<string | null> {
  try {
    await edit
    return null
  } catch (error) {
    if (error instanceof ChangeWaits) return error.change.id
    throw error
  }
}

type Form = Readonly<Record<string, unknown>>

function text(form: Form, name: string): string {
  const value = form[name]
  return typeof value === 'string' ? value : ''
}

function nameIn(form: Form, field: string): string {
  const name = Name.safeParse(text(form, field).trim())
  if (name.success) return name.data
  throw new BrokerError('malformed-request', `The ${field} is no name.`, {
    hint: `Here ${name.error.issues[0]?.message}.`,
  })
}

function editorOf(ctx: Context, c: ConsoleContext, form: Form) {
  demandFormToken(ctx, c, form['token'])
  return { name: consoleRole(c, 'admin').name, request: c.get('requestId') }
}

/** What can belong to one environment alone. */
async function seenBy(ctx: Context, connection: ConnectionRow): Promise<Discovered[]> {
  const provider = knownProvider(ctx, connection.provider)
  const ownable = new Set(provider.kinds.filter((one) => one.bind === 'owns').map((k) => k.kind))
  const seen = await provider.discover(await operatorLookup(ctx, provider, connection))
  return seen.filter(({ kind }) => ownable.has(kind))
}

function chosenIn(form: Form, seen: readonly Discovered[]): Chosen[] {
  const chosen = seen.flatMap((resource) => {
    const id = resource.place.at(-1)?.id ?? ''
    const level = may.find(({ value }) => value === text(form, `may ${id}`))
    if (level === undefined) return []
    return {
      resource,
      environment: nameIn(form, `name ${id}`),
      protected: form[`protected ${id}`] === 'on',
      level: level.value,
      asks: text(form, `asks ${id}`)
        .split(/[\s,]+/)
        .filter(Boolean),
    }
  })
  if (chosen.length > 0) return chosen
  throw new BrokerError('malformed-request', 'No environment was chosen.', {
    hint: 'Say of at least one what agents may do there.',
  })
}

function scopesIn(edits: ReturnType<typeof editsFor>): string[] {
  return edits.flatMap((one) => (one.action === 'scope.set' ? one.params.name : []))
}

function connectionStep(ctx: Context, c: ConsoleContext): Html {
  return html`<h1>Set up: the connection</h1>
<p>A connection holds the real token. It is sealed at once, and no page, command or API shows it again. Agents never see it.</p>
<form class="stack" method="post" action="/console/setup/connection">${token(ctx, c)}
<label><span>Provider</span><select name="provider">${[...providers.keys(), ...ctx.realm.now().providers.keys()].map((name) => html`<option>${name}</option>`)}</select></label>
<label><span>What to call it</span><input name="name" required value="railway" pattern="[a-z][a-z0-9\\-]{0,62}" autocapitalize="none" spellcheck="false"></label>
<label><span>Token</span><input type="password" name="secret" required autocomplete="off" spellcheck="false"></label>
<details><summary>It is somewhere else than usual</summary>
<label><span>Base URL</span><input name="base_url" inputmode="url" spellcheck="false" placeholder="https://…"></label>
<label class="tick"><input type="checkbox" name="allow_private"> <span>It may be at a private address</span></label></details>
<p class="actions"><button class="main">Go on</button></p></form>`
}

async function environmentStep(
  ctx: Context,
  c: ConsoleContext,
  connection: ConnectionRow,
  connections: readonly ConnectionRow[],
): Promise<Html> {
  const seen = await seenBy(ctx, connection)
  const { bindings, connections: known, environments, agents } = ctx.realm.now()
  const space = known.get(connection.name)?.space ?? ''
  const owner = (one: Discovered) => whose(bindings, space, one.place)
  const free = seen.filter((one) => owner(one) === 'elsewhere')
  const taken = new Set(environments.keys())
  return html`<h1>Set up: environments and an agent</h1>
<p>This is what <strong>${connection.name}</strong> sees. Say which environments there are for Valetkey, and what an agent may do in each: in one that is protected, whatever does more than read and write waits for a human.</p>
${
  free.length === 0
    ? nothing(
        seen.length === 0
          ? 'It sees nothing that an environment could own: check what its token may see.'
          : 'Everything that it sees belongs to an environment already.',
      )
    : html`<form method="post" action="/console/setup/environments">${token(ctx, c)}<input type="hidden" name="connection" value="${connection.name}">
${free.map((one) => {
  const id = one.place.at(-1)?.id ?? ''
  const name = nameFor(one.address, taken)
  taken.add(name)
  const guarded = looksProtected(one.address)
  return html`<fieldset class="panel"><legend>${visible(one.address)}</legend>
<div class="row"><label><span>Environment in Valetkey</span><input name="name ${id}" value="${name}" required pattern="[a-z][a-z0-9\\-]{0,62}" autocapitalize="none" spellcheck="false"></label>
<label><span>The agent may</span><select name="may ${id}"><option value="">have nothing to do with it</option>${may.map(({ value, words }) => html`<option value="${value}"${value === (guarded ? 'nothing' : 'write') ? ' selected' : ''}>${words}</option>`)}</select></label>
<label><span>and may ask for, by name</span><input name="asks ${id}" placeholder="Mutation.volumeDelete" spellcheck="false" autocapitalize="none"></label>
<label class="tick"><input type="checkbox" name="protected ${id}"${guarded ? ' checked' : ''}> <span>Protected</span></label></div></fieldset>`
})}
<label class="stack"><span>The agent</span><input name="agent" required value="${agents.size === 0 ? 'agent' : ''}" pattern="[a-z][a-z0-9\\-]{0,62}" autocapitalize="none" spellcheck="false" list="agents"></label>
<datalist id="agents">${[...agents.keys()].map((name) => html`<option value="${name}"></option>`)}</datalist>
<p class="actions"><button class="main">Show what that gives</button></p></form>`
}
${
  seen.length === free.length
    ? ''
    : html`<h2>Belongs to somebody already</h2>${table(
        ['What', 'Environment'],
        seen
          .filter((one) => owner(one) !== 'elsewhere')
          .map((one) => [visible(one.address), owner(one)]),
      )}`
}
<p class="note">${connections.filter(({ name }) => name !== connection.name).map(({ name }) => html`<a href="/console/setup?connection=${name}">What ${name} sees</a> · `)}<a href="/console/setup?connection=">Another connection</a></p>`
}

/** What somebody is about to agree to, and what is to be seen but once. */
async function proposed(
  ctx: Context,
  c: ConsoleContext,
  row: ChangeRow,
  once: { agent: string; made: Made | null; scopes: readonly string[] } | null,
): Promise<Response> {
  return page(ctx, c, {
    title: 'Set up',
    body: html`<h1>What you are about to give</h1>
${difference(row)}
<section class="panel" data-ask><div class="actions"><button class="main big" data-do="confirm" data-id="${row.id}" data-digest="${digestOf(row)}" data-next="/console/setup">Confirm with a passkey</button><a class="button big" href="/console/setup">Start again</a></div>
<p class="said" role="status"></p></section>
${
  once === null
    ? ''
    : html`<section class="panel" data-done hidden><h2 tabindex="-1">Done</h2>
<p>${
        once.made === null
          ? html`${once.agent} has its secret already.`
          : html`This is the secret of ${once.agent}. It is shown now and never again: give it to whatever starts the agent.`
      }</p>
${facts([['Client id', html`<code>${once.agent}</code>`], ...(once.made === null ? [] : [['Client secret', html`<code>${once.made.secret.reveal()}</code>`] as const])])}
${once.scopes.length === 0 ? '' : html`<p>With it the agent asks for a capability:</p><pre>curl -s -u ${once.agent}:SECRET ${ctx.publicUrl}/oauth/token -d grant_type=client_credentials -d scope=${once.scopes[0]}</pre>`}
<p class="actions"><a class="button" href="/console">Go on to the console</a></p></section>`
}`,
  })
}
