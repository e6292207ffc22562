/** The audit log: searched, and the whole road of one call on one page. Shows what was written down, and changes nothing. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import { type Found, search } from '../audit/search.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { ConsoleEnv } from './api/session.ts'
import { feed, outcome } from './overview.ts'
import { facts, type Html, nothing, page, time, visible } from './page.ts'

const columns = ['agent', 'environment', 'connection', 'operation', 'outcome', 'kind'] as const
const pageSize = 100

export function auditPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/audit', async (c) => {
    const asked = columns.flatMap((name) => {
      const value = c.req.query(name)?.trim()
      return value === undefined || value === '' ? [] : [[name, value] as const]
    })
    const before = Number(c.req.query('before'))
    const entries = await search(ctx.db, {
      ...Object.fromEntries(asked),
      ...(Number.isSafeInteger(before) && before > 0 ? { before } : {}),
      limit: pageSize,
    })
    const last = entries.at(-1)
    const older = new URLSearchParams([
      ...asked.map(([name, value]): [string, string] => [name, value]),
      ['before', String(last?.seq ?? 0)],
    ])
    return page(ctx, c, {
      title: 'Audit',
      at: '/console/audit',
      body: html`<h1>Audit</h1>
<form class="row" method="get" action="/console/audit">
${columns.map((name) => html`<label><span>${name}</span><input name="${name}" value="${asked.find(([one]) => one === name)?.[1] ?? ''}"></label>`)}
<button>Search</button>
</form>
${entries.length === 0 ? nothing('No entry says that.') : feed(entries)}
${entries.length < pageSize ? '' : html`<p><a href="/console/audit?${older}">Older entries</a></p>`}
<p class="note">Entries are chained and their heads signed. <code>valetkey audit export</code> and <code>valetkey audit verify</code> prove that nothing was removed, without asking the broker.</p>`,
    })
  })

  app.get('/console/audit/:request', async (c) => {
    const request = c.req.param('request')
    const entries = (await search(ctx.db, { request, limit: pageSize })).toReversed()
    const [first] = entries
    if (first === undefined) {
      throw new BrokerError('not-found', 'The audit log has no entry of this request.')
    }
    return page(ctx, c, {
      title: 'One call',
      at: '/console/audit',
      body: html`<h1>The road of one call</h1>
<p class="soft"><code>${request}</code></p>
${entries.map(step)}`,
    })
  })

  return app
}

/** One entry, everything that it says. */
function step({ seq, hash, body }: Found): Html {
  const { kind, at, facts: said, outcome: word, prev: _, v: __, seq: ___, ...who } = body
  return html`<section class="panel"><h2>${String(kind)} ${outcome(typeof word === 'string' ? word : '')}</h2>
${facts([
  ['When', time(new Date(String(at)))],
  ...Object.entries(who)
    .filter(([name]) => name !== 'request')
    .map(([name, value]) => [name, visible(String(value))] as const),
  ...(said instanceof Object
    ? Object.entries(said).map(([name, value]) => [name, plain(value)] as const)
    : []),
  ['Entry', html`${seq} <code>${hash}</code>`],
])}</section>`
}

function plain(value: unknown): Html {
  if (value === null || typeof value !== 'object') return html`${visible(String(value))}`
  if (Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string')) {
    return html`<ul class="plain">${value.map((one) => html`<li>${visible(one)}</li>`)}</ul>`
  }
  if (Array.isArray(value) && value.length > 0) {
    return html`<ul class="plain">${value.map((one) => html`<li>${inLine(one)}</li>`)}</ul>`
  }
  const text = JSON.stringify(value, null, 1)
  return text === '[]' || text === '{}'
    ? html`<span class="soft">none</span>`
    : html`<pre>${visible(text)}</pre>`
}

/** An operation, a resource, or whatever else is one of several: its members in a line. */
function inLine(value: unknown): Html {
  if (!(value instanceof Object)) return html`${visible(String(value))}`
  const said = Object.entries(value).map(([, each]) =>
    Array.isArray(each) || !(each instanceof Object) ? String(each) : JSON.stringify(each),
  )
  return html`<code>${visible(said.join(' · '))}</code>`
}
