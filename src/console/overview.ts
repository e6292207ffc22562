/** The first page: what there is, what happens, and what waits for somebody. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import { activityOf, type By, type Span, spans } from '../audit/activity.ts'
import { type Found, search } from '../audit/search.ts'
import type { Context } from '../context.ts'
import type { Snapshot } from '../realm/realm.ts'
import type { ConsoleEnv } from './api/session.ts'
import { type Html, nothing, page, table, time, visible } from './page.ts'
import { plot, rows } from './plot.ts'
import { waiting } from './waiting.ts'

export function overviewPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()
  app.get('/console', async (c) => {
    const policy = ctx.realm.now()
    const span = spanOf(c.req.query('span'))
    const lately = await activityOf(ctx, span)
    const entries = (await search(ctx.db, { limit: 60 })).filter(
      ({ body }) => body['kind'] !== 'outcome',
    )
    return page(ctx, c, {
      title: 'Overview',
      at: '/console',
      body: html`<h1>Overview</h1>
${beginning(policy)}
<section id="waiting" data-live>${await waiting(ctx)}</section>
<section><h2>${spans[span].words}</h2>${spanLinks(span)}<div id="plot" data-live>${plot(lately.all, spans[span].words)}</div></section>
<div class="cols"><div id="by" data-live>${series(lately, 'environment')}${series(lately, 'agent')}</div><div id="by-operation" data-live>${series(lately, 'operation')}</div></div>
<section><h2>Environments</h2>${
        policy.environments.size === 0
          ? nothing('None yet: valetkey environment add staging')
          : table(
              ['Name', '', 'Owns', 'Scopes'],
              [...policy.environments.values()].map((one) => [
                html`<a href="/console/environments">${one.name}</a>`,
                one.protected
                  ? html`<span class="tag">protected</span>`
                  : html`<span class="tag warn">unprotected</span>`,
                policy.bindings.filter((b) => b.environment === one.name && b.mode === 'owns')
                  .length,
                [...policy.scopes.values()].filter((s) => s.environment === one.name).length,
              ]),
            )
      }</section>
<section><h2>Just now</h2><div id="feed" data-live>${entries.length === 0 ? nothing('Nothing has happened yet.') : feed(entries.slice(0, 25))}</div></section>`,
    })
  })
  return app
}

/** Where nobody may do anything yet, that is what to do first. */
function beginning({ agents }: Pick<Snapshot, 'agents'>): Html {
  return [...agents.values()].some(({ scopes }) => scopes.size > 0)
    ? html``
    : html`<p><a class="button" href="/console/setup">Set up a connection, environments and an agent</a></p>`
}

function spanOf(given: string | undefined): Span {
  return given !== undefined && Object.hasOwn(spans, given) ? (given as Span) : '6h'
}

function spanLinks(now: Span): Html {
  return html`<p class="spans">${Object.keys(spans).map((span) => html`<a href="/console?span=${span}"${span === now ? html` aria-current="true"` : ''}>${span}</a> `)}</p>`
}

/** Nothing where nothing happened. */
export async function lastDay(ctx: Context, kind: By): Promise<Html> {
  const lately = await activityOf(ctx, '1d')
  return lately.by[kind].length === 0
    ? html``
    : html`<h2>${spans['1d'].words}</h2>${series(lately, kind)}`
}

function series({ by }: Awaited<ReturnType<typeof activityOf>>, kind: By): Html {
  const link = (name: string) =>
    html`<a href="/console/audit?${kind}=${encodeURIComponent(name)}">${visible(name)
      .split('.')
      .map((part, i) => html`${i === 0 ? '' : html`.<wbr>`}${part}`)}</a>`
  return by[kind].length === 0 ? html`` : html`<h3>By ${kind}</h3>${rows(by[kind], link)}`
}

/** Entries in a line each, newest first. */
export function feed(entries: readonly Found[]): Html {
  return table(
    ['When', 'What', 'Who', 'Where', 'Outcome'],
    entries.map(({ seq, body }) => {
      if (body['unreadable'] === true) return unreadable(seq)
      const say = (name: string) => {
        const value = body[name]
        return typeof value === 'string' ? visible(value) : ''
      }
      const facts = body['facts']
      const what =
        facts instanceof Object && 'what' in facts ? visible(String(facts.what)) : say('kind')
      const request = say('request')
      const road = request === '' ? `/console/audit?before=${seq + 1}` : `/console/audit/${request}`
      return [
        time(new Date(say('at'))),
        html`<a href="${road}">${say('operation') || what}</a>`,
        say('agent') || say('operator'),
        say('environment'),
        outcome(say('outcome')),
      ]
    }),
  )
}

/** Somebody wrote into the database: the page must still be there to say so. */
function unreadable(seq: number): Html[] {
  const words = html`<span class="bad">entry ${seq} cannot be read: see what valetkey audit verify says</span>`
  return [html``, words, html``, html``, html``]
}

export function outcome(word: string): Html {
  const kind = ['allow', 'ok', 'confirmed', 'approved'].includes(word)
    ? 'good'
    : ['unknown', 'approval-required', 'waits', 'one of several'].includes(word)
      ? 'warn'
      : 'bad'
  return word === '' ? html`` : html`<span class="${kind}">${word}</span>`
}
