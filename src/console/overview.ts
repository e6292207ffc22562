/** The first page: what there is, what happens, and what waits for somebody. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import { activity, busiest } from '../audit/activity.ts'
import { type Found, search } from '../audit/search.ts'
import type { Context } from '../context.ts'
import type { Snapshot } from '../realm/realm.ts'
import type { ConsoleEnv } from './api/session.ts'
import { type Html, nothing, page, table, time, visible } from './page.ts'
import { plot } from './plot.ts'
import { waiting } from './waiting.ts'

const minute = 60_000

export function overviewPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()
  app.get('/console', async (c) => {
    const policy = ctx.realm.now()
    const lately = await activity(ctx.db, { now: ctx.clock.now(), stepMs: 5 * minute, steps: 72 })
    const entries = (await search(ctx.db, { limit: 60 })).filter(
      ({ body }) => body['kind'] !== 'outcome',
    )
    return page(ctx, c, {
      title: 'Overview',
      at: '/console',
      body: html`<h1>Overview</h1>
${beginning(policy)}
<section id="waiting" data-live>${await waiting(ctx)}</section>
<div class="cols">
<section><h2>The last six hours</h2><div id="plot" data-live>${plot(lately, 'The last six hours')}</div>
<div id="by" data-live>${await byColumn(ctx, lately.since)}</div></section>
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
</div>
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

async function byColumn(ctx: Context, since: Date): Promise<Html> {
  const parts = await Promise.all(
    (['environment', 'agent', 'operation'] as const).map(async (by) => ({
      by,
      rows: (await busiest(ctx.db, by, since)).slice(0, 5),
    })),
  )
  return html`${parts
    .filter(({ rows }) => rows.length > 0)
    .map(({ by, rows }) =>
      table(
        [by, 'calls', 'refused'],
        rows.map(({ name, calls, refused }) => [
          html`<a href="/console/audit?${by}=${encodeURIComponent(name)}">${visible(name)}</a>`,
          calls,
          refused === 0 ? '0' : html`<span class="bad">${refused}</span>`,
        ]),
      ),
    )}`
}

/** Entries in a line each, newest first. */
export function feed(entries: readonly Found[]): Html {
  return table(
    ['When', 'What', 'Who', 'Where', 'Outcome'],
    entries.map(({ seq, body }) => {
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

export function outcome(word: string): Html {
  const kind = ['allow', 'ok', 'confirmed', 'approved'].includes(word)
    ? 'good'
    : ['unknown', 'approval-required', 'waits', 'one of several'].includes(word)
      ? 'warn'
      : 'bad'
  return word === '' ? html`` : html`<span class="${kind}">${word}</span>`
}
