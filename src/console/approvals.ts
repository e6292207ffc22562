/** What waits for a human: as it was looked up, never as the agent tells it. Saying yes takes a held button and a passkey; saying no takes neither. */
import { Hono } from 'hono'
import { html, raw } from 'hono/html'
import qrcode from 'qrcode-generator'
import {
  type ApprovalRow,
  deny,
  listApprovals,
  showApproval,
  stateOf,
  votesOn,
} from '../approvals/approvals.ts'
import { shortCode } from '../approvals/digest.ts'
import type { Shown, ShownResource } from '../approvals/shown.ts'
import { search } from '../audit/search.ts'
import type { Context } from '../context.ts'
import { type ConsoleEnv, consoleOperator, consoleRole, demandFormToken } from './api/session.ts'
import { feed } from './overview.ts'
import { facts, type Html, nothing, page, table, time, token, visible } from './page.ts'
import { decideEach } from './several.ts'

export function approvalPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/approvals', async (c) => {
    const rows = await listApprovals(ctx)
    const now = ctx.clock.now()
    const pending = rows.filter((row) => stateOf(row, now) === 'pending')
    const rest = rows.filter((row) => stateOf(row, now) !== 'pending').slice(0, 50)
    const acts = consoleOperator(c).role !== 'auditor'
    return page(ctx, c, {
      title: 'Approvals',
      at: '/console/approvals',
      body: html`<h1>Approvals</h1>
<section id="pending" data-live>${
        pending.length === 0
          ? nothing('Nothing waits for approval.')
          : [...Map.groupBy(pending, (row) => `${row.agent} ${row.operation}`)].map(([, group]) =>
              groupOf(group, acts && group.length > 1, token(ctx, c)),
            )
      }</section>
${
  rest.length === 0
    ? ''
    : html`<h2>Decided</h2>${table(
        ['When', 'What', 'Agent', 'Environment', 'State'],
        rest.map((row) => [
          time(row.createdAt),
          html`<a href="/console/approvals/${row.id}">${row.operation}</a>`,
          row.agent,
          row.environment,
          stateTag(stateOf(row, now)),
        ]),
      )}`
}`,
    })
  })

  app.get('/console/approvals/:id', async (c) => {
    const row = await showApproval(ctx.db, c.req.param('id'))
    const votes = await votesOn(ctx.db, row.id)
    const lately = (await search(ctx.db, { agent: row.agent, limit: 30 }))
      .filter(({ body }) => body['kind'] === 'call' || body['kind'] === 'refusal')
      .slice(0, 8)
    // As approvals/shown.ts wrote it.
    const shown = row.shown as unknown as Shown
    const state = stateOf(row, ctx.clock.now())
    const { name, role } = consoleOperator(c)
    const decides = state === 'pending' && role !== 'auditor'
    return page(ctx, c, {
      title: `${row.operation} in ${row.environment}`,
      at: '/console/approvals',
      body: html`<h1>${row.agent} asks for ${row.operation}</h1>
${decides && shown.protected ? shakyGround(ctx) : ''}
<section class="panel">
<p class="where">${row.environment}</p>
<p>${shown.protected ? html`<span class="tag">protected</span>` : html`<span class="tag warn">unprotected</span>`}</p>
${facts([
  ['State', html`<span id="state" data-live>${stateTag(state)}</span>`],
  [
    'Operation',
    shown.operations.map(
      (one) =>
        html`<div><code>${one.name}</code> ${one.effects.map((effect) => html`<span class="tag ${effect === 'destructive' ? 'bad' : ''}">${effect}</span> `)}</div>`,
    ),
  ],
  ['Code', html`<span class="shortcode">${shortCode(row.digest)}</span>`],
  ['Agent', html`<a href="/console/audit?agent=${row.agent}">${row.agent}</a>`],
  ['Scopes', shown.scopes.join(', ')],
  ['Asked', html`${time(row.createdAt)}, good until ${time(row.expiresAt)}`],
  [
    'Approvers',
    html`${row.approvers}${votes.length === 0 ? '' : html`: ${votes.map((one) => `${one.operator} ${one.vote === 'approve' ? 'approved' : 'denied'}`).join(', ')}`}`,
  ],
  ...(row.deferred ? ([['Then', 'the broker sends it at once']] as const) : []),
  ...(row.because === null ? [] : ([['Because', visible(row.because)]] as const)),
])}
<p class="claim">The agent’s own words, which nobody checked: ${row.reason === null ? 'it gave no reason.' : html`<q>${visible(row.reason)}</q>`}</p>
</section>
<h2>What it would touch</h2>
${shown.resources.length === 0 ? nothing('It names no resource.') : shown.resources.map((one) => resource(one, row.environment))}
<h2>The request, as it would be sent</h2>
<pre>${shown.request.method} ${visible(shown.request.path)}${shown.request.query === '' ? '' : `?${visible(shown.request.query)}`}
${shown.request.body === null ? '' : visible(readable(shown.request.body))}</pre>
${
  decides
    ? html`<section class="panel"><h2>Decide</h2>
<p>Your passkey signs this request and no other. Hold the button, then touch the key.</p>
<div class="actions"><button class="stop big" data-do="approve" data-hold data-id="${row.id}">Hold to approve</button>
<form method="post" action="/console/approvals/${row.id}/deny" class="actions">${token(ctx, c)}<label><span>Why not (the agent is told)</span><input name="reason" maxlength="500"></label><button class="big">Deny</button></form></div>
<p class="said" role="status"></p>
<noscript><p class="bad">Approving takes a passkey, and that takes scripts. Denying does not.</p></noscript>
<details><summary>Decide on another device</summary>${code(`${ctx.consoleUrl}/console/approvals/${row.id}`)}<p class="note">A touch on a machine that the agent shares proves that somebody was there, not that they meant this.</p></details></section>`
    : ''
}
<h2>What ${row.agent} did lately</h2>
${lately.length === 0 ? nothing('Nothing before this.') : feed(lately)}
${votes.some((one) => one.operator === name) ? html`<p class="note">You have decided this already.</p>` : ''}`,
    })
  })

  app.post('/console/approvals/:id/deny', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    await deny(ctx, consoleRole(c, 'admin', 'approver'), c.req.param('id'), {
      reason: words(form['reason']),
      request: c.get('requestId'),
    })
    return c.redirect('/console/approvals', 303)
  })

  app.post('/console/approvals/deny', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    const operator = consoleRole(c, 'admin', 'approver')
    const ids = String(form['ids'] ?? '').split(',')
    const how = { reason: null, request: c.get('requestId') }
    await decideEach(ids.slice(0, 100), (id) => deny(ctx, operator, id, how))
    return c.redirect('/console/approvals', 303)
  })

  return app
}

function words(given: unknown): string | null {
  const text = typeof given === 'string' ? given.trim().slice(0, 500) : ''
  return text === '' ? null : text
}

/** Those of one agent and one operation together: a flood reads as one line, and is denied at one go. */
function groupOf(rows: readonly ApprovalRow[], many: boolean, field: Html): Html {
  const [first] = rows
  if (first === undefined) return html``
  return html`<section class="panel"><h2>${first.agent}: ${first.operation}</h2>
${table(
  ['In', 'Code', 'Asked', 'Until', ''],
  rows.map((row) => [
    html`<strong>${row.environment}</strong>`,
    html`<span class="mono">${shortCode(row.digest)}</span>`,
    time(row.createdAt),
    time(row.expiresAt),
    html`<a class="button" href="/console/approvals/${row.id}">Look</a>`,
  ]),
)}
${many ? html`<form method="post" action="/console/approvals/deny">${field}<input type="hidden" name="ids" value="${rows.map(({ id }) => id).join(',')}"><button>Deny all ${rows.length}</button></form>` : ''}</section>`
}

export function stateTag(state: ReturnType<typeof stateOf>): Html {
  const kind = state === 'pending' ? 'warn' : ['approved', 'used'].includes(state) ? 'good' : ''
  return html`<span class="tag ${kind}">${state}</span>`
}

function resource(one: ShownResource, environment: string): Html {
  const strays = one.lives.filter((name) => name !== environment)
  return html`<section class="panel"><h2>${one.kind} ${visible(one.facts.find(([name]) => name === 'name')?.[1] ?? '')}</h2>
${facts([
  ['Id', html`<code>${one.id}</code>`],
  [
    'Lives in',
    one.lives.length === 0
      ? html`<span class="bad">not known</span>`
      : html`<strong class="${strays.length === 0 ? '' : 'bad'}">${one.lives.join(', ')}</strong>`,
  ],
  ...one.facts
    .filter(([name]) => name !== 'name')
    .map(([name, value]) => [visible(name), visible(value)] as const),
  ...(one.hangs.length === 0
    ? []
    : [
        [
          'Hangs on it',
          html`<ul class="plain">${one.hangs.map((each) => html`<li>${visible(each)}</li>`)}</ul>`,
        ] as const,
      ]),
  ...(one.unread === undefined
    ? []
    : [['Could not be read', html`<span class="warn">${visible(one.unread)}</span>`] as const]),
])}</section>`
}

/** GraphQL with its line ends, the rest as JSON. */
function readable(body: string): string {
  try {
    const value: unknown = JSON.parse(body)
    if (value instanceof Object && 'query' in value && typeof value.query === 'string') {
      const { query, ...rest } = value
      return `${query}\n\n${JSON.stringify(rest, null, 2)}`
    }
    return JSON.stringify(value, null, 2)
  } catch {
    // An upload, or another form: as it is.
    return body
  }
}

/** A touch on a machine that the agent owns too says little. */
function shakyGround({ consoleUrl }: Pick<Context, 'consoleUrl'>): Html {
  const { protocol, hostname } = new URL(consoleUrl)
  if (protocol === 'https:' && hostname !== 'localhost') return html``
  return html`<p class="warn"><strong>Mind where you are.</strong> This console is on ${hostname}${protocol === 'https:' ? '' : ', without TLS'}: an agent on the same machine could have drawn this page, or have touched the screen for you. Compare the code below on another device, or decide there.</p>`
}

/** The address as a QR code. Its drawing is made of numbers alone. */
function code(text: string): Html {
  const qr = qrcode(0, 'M')
  qr.addData(text)
  qr.make()
  const size = qr.getModuleCount()
  const path = Array.from({ length: size * size }, (_, i) => [Math.floor(i / size), i % size])
    .filter(([y = 0, x = 0]) => qr.isDark(y, x))
    .map(([y = 0, x = 0]) => `M${x} ${y}h1v1h-1z`)
    .join('')
  return html`<svg class="qr" viewBox="0 0 ${size} ${size}" role="img" aria-label="The address of this page as a QR code"><path fill="#000" d="${raw(path)}"/></svg><p><code>${text}</code></p>`
}
