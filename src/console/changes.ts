/** Edits of policy that wait: each with who could newly do what. Confirming takes an admin’s passkey; rejecting does not. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import {
  type ChangeRow,
  digestOf,
  listChanges,
  rejectChange,
  showChange,
  stateOfChange,
} from '../approvals/changes.ts'
import type { Context } from '../context.ts'
import type { Role } from '../identity/operators.ts'
import type { Diff } from '../policy/authority.ts'
import { type ConsoleEnv, consoleOperator, consoleRole, demandFormToken } from './api/session.ts'
import { facts, type Html, nothing, page, table, time, token, visible } from './page.ts'
import { decideEach } from './several.ts'

export function changePages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/changes', async (c) => {
    const now = ctx.clock.now()
    const pending = (await listChanges(ctx, { waiting: true })).toReversed()
    const rest = (await listChanges(ctx))
      .filter((row) => stateOfChange(row, now) !== 'pending')
      .slice(0, 50)
    const { role } = consoleOperator(c)
    return page(ctx, c, {
      title: 'Changes',
      at: '/console/changes',
      body: html`<h1>Changes</h1>
<p class="soft">What gives authority waits here for an admin’s passkey. What only takes it away does not. Tick what you have read: whoever holds your command line’s session can ask for changes too.</p>
${pending.length === 0 ? nothing('Nothing waits to be confirmed.') : ''}
${[...Map.groupBy(pending, (row) => row.proposedBy)].map(([name, some]) => askedBy(name, some, role, token(ctx, c)))}
${
  pending.length === 0 || role !== 'admin'
    ? ''
    : html`<p class="actions"><button class="main big" data-do="confirm">Confirm those ticked</button></p><p class="said" role="status"></p>`
}
${
  rest.length === 0
    ? ''
    : html`<h2>Decided</h2>${table(
        ['When', 'What', 'Asked by', 'State', 'By'],
        rest.map((row) => [
          time(row.createdAt),
          html`<a href="/console/changes/${row.id}">${row.action}</a>`,
          row.proposedBy,
          stateTag(stateOfChange(row, now)),
          row.decidedBy ?? '',
        ]),
      )}`
}`,
    })
  })

  app.get('/console/changes/:id', async (c) => {
    const row = await showChange(ctx.db, c.req.param('id'))
    const state = stateOfChange(row, ctx.clock.now())
    const { role } = consoleOperator(c)
    return page(ctx, c, {
      title: row.action,
      at: '/console/changes',
      body: html`<h1>${row.action}</h1>
${facts([
  ['State', stateTag(state)],
  ['Asked by', row.proposedBy],
  ['Asked', html`${time(row.createdAt)}; good until ${time(row.expiresAt)}`],
  ...(row.decidedBy === null ? [] : [['Decided by', row.decidedBy] as const]),
  ...(row.because === null ? [] : [['Because', visible(row.because)] as const]),
])}
<h2>What would change</h2>
${difference(row)}
${
  state !== 'pending' || role === 'auditor'
    ? ''
    : html`<section class="panel"><div class="actions">${
        role === 'admin'
          ? html`<button class="main big" data-do="confirm" data-id="${row.id}" data-digest="${digestOf(row)}">Confirm with a passkey</button>`
          : ''
      }<form method="post" action="/console/changes/${row.id}/reject">${token(ctx, c)}<button class="big">Reject</button></form></div>
<p class="said" role="status"></p></section>`
}`,
    })
  })

  app.post('/console/changes/reject', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    const { name, role } = consoleRole(c, 'admin', 'approver')
    const by = { name, role, request: c.get('requestId') }
    const waiting = await listChanges(ctx, { waiting: true })
    const theirs = waiting.filter((row) => row.proposedBy === form['by'])
    await decideEach(
      theirs.map(({ id }) => id),
      (id) => rejectChange(ctx, by, id, null),
    )
    return c.redirect('/console/changes', 303)
  })

  app.post('/console/changes/:id/reject', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    const { name, role } = consoleRole(c, 'admin', 'approver')
    const by = { name, role, request: c.get('requestId') }
    await rejectChange(ctx, by, c.req.param('id'), null)
    return c.redirect('/console/changes', 303)
  })

  return app
}

/** What one operator asked for stands together: a flood reads as one thing, and goes at one go. */
function askedBy(name: string, some: readonly ChangeRow[], role: Role, field: Html): Html {
  return html`<h2>Asked for by ${name}</h2>
${some.map(
  (row) => html`<section class="panel"><h3>${
    role === 'admin'
      ? html`<label class="tick"><input type="checkbox" name="change" value="${row.id}" data-digest="${digestOf(row)}"> <a href="/console/changes/${row.id}">${row.action}</a></label>`
      : html`<a href="/console/changes/${row.id}">${row.action}</a>`
  }</h3>
${difference(row)}
<p class="note">${time(row.createdAt)}; good until ${time(row.expiresAt)}</p></section>`,
)}
${
  role === 'auditor' || some.length === 1
    ? ''
    : html`<form method="post" action="/console/changes/reject">${field}<input type="hidden" name="by" value="${name}"><button>Reject all ${some.length} that ${name} asked for</button></form>`
}`
}

/** Added first: that is what somebody has to agree to. */
export function difference(row: ChangeRow): Html {
  // As `edit` wrote it.
  const { added = [], removed = [] } = row.diff as Partial<Diff>
  const lines = [
    ...added.map((text) => ({ text, kind: 'added' })),
    ...removed.map((text) => ({ text, kind: 'removed' })),
  ]
  if (lines.length === 0) return nothing('Nobody could do more or less than before.')
  if (lines.length <= fewLines) return list(lines)
  const groups = Map.groupBy(lines, ({ text }) => about(text))
  return html`${subjects
    .filter(({ title }) => groups.has(title))
    .map(({ title }) => html`<h3>${title}</h3>${list(groups.get(title) ?? [])}`)}`
}

/** More than these are read by what they are about. */
const fewLines = 8

const subjects = [
  { title: 'What agents may do', begins: /^Agent \S+ (may|has to|needs)/ },
  { title: 'Agents', begins: /^(Agent|There is an agent)/ },
  { title: 'Environments', begins: /^Environment/ },
  { title: 'Scopes', begins: /^Scope/ },
  { title: 'Connections', begins: /^Connection/ },
  { title: 'And', begins: /^/ },
]

function about(text: string): string | undefined {
  return subjects.find(({ begins }) => begins.test(text))?.title
}

function list(lines: readonly { text: string; kind: string }[]): Html {
  return html`<ul class="diff">${lines.map(({ text, kind }) => html`<li class="${kind}">${visible(text)}</li>`)}</ul>`
}

function stateTag(state: ReturnType<typeof stateOfChange>): Html {
  const kind = state === 'pending' ? 'warn' : state === 'confirmed' ? 'good' : ''
  return html`<span class="tag ${kind}">${state}</span>`
}
