/** The stop button, and what it stopped. Freezing takes a session; lifting waits for a passkey. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import { make } from '../approvals/changes.ts'
import { addFreeze, listFreezes } from '../approvals/freezes.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { type FreezeSubject, subjectInWords } from '../policy/freeze.ts'
import { type ConsoleEnv, consoleOperator, consoleRole, demandFormToken } from './api/session.ts'
import { nothing, page, table, time, token, visible } from './page.ts'

const longestReason = 500

export function freezePages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/freezes', async (c) => {
    const live = await listFreezes(ctx)
    const past = (await listFreezes(ctx, { all: true })).filter((one) => one.liftedAt !== null)
    const acts = consoleOperator(c).role !== 'auditor'
    return page(ctx, c, {
      title: 'Freezes',
      at: '/console/freezes',
      body: html`<h1>Freezes</h1>
${
  acts
    ? html`<form method="post" action="/console/freezes" class="panel">${token(ctx, c)}<input type="hidden" name="subject" value="all">
<p><strong>Stop everything.</strong> From then on no call of any agent passes, on any replica, and calls under way are cut. Going on again takes a passkey.</p>
<p class="actions"><button class="stop big">Freeze everything</button></p></form>
<h2>Freeze a part</h2>
<form class="row" method="post" action="/console/freezes">${token(ctx, c)}
<label><span>What</span><select name="subject">${subjects(ctx).map((one) => html`<option value="${one}"${one === c.req.query('subject') ? html` selected` : ''}>${one.replace(':', ' ')}</option>`)}</select></label>
<label><span>Why</span><input name="reason" maxlength="${longestReason}"></label>
<button>Freeze</button></form>`
    : ''
}
<h2>In force</h2>
${
  live.length === 0
    ? nothing('Nothing is frozen.')
    : table(
        ['What', 'Since', 'By', 'Why', ''],
        live.map((one) => [
          html`${subjectInWords(one.subject)} frozen`,
          time(one.createdAt),
          one.createdBy,
          visible(one.reason ?? ''),
          acts
            ? html`<form method="post" action="/console/freezes/lift">${token(ctx, c)}<input type="hidden" name="id" value="${one.id}"><button>Lift</button></form>`
            : '',
        ]),
      )
}
${
  past.length === 0
    ? ''
    : html`<h2>Lifted</h2>${table(
        ['What', 'Since', 'Until', 'By', 'Why'],
        past
          .slice(0, 50)
          .map((one) => [
            one.subject,
            time(one.createdAt),
            one.liftedAt === null ? '' : time(one.liftedAt),
            one.createdBy,
            visible(one.reason ?? ''),
          ]),
      )}`
}`,
    })
  })

  app.post('/console/freezes', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    const { name } = consoleRole(c, 'admin', 'approver')
    const subject = subjects(ctx).find((one) => one === form['subject'])
    if (subject === undefined) {
      throw new BrokerError('malformed-request', 'There is nothing of this name to freeze.')
    }
    const reason = String(form['reason'] ?? '')
      .trim()
      .slice(0, longestReason)
    await addFreeze(
      ctx,
      { name, request: c.get('requestId') },
      { subject, reason: reason === '' ? null : reason },
    )
    return c.redirect('/console/freezes', 303)
  })

  app.post('/console/freezes/lift', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    const { name } = consoleRole(c, 'admin')
    const by = { name, request: c.get('requestId') }
    await make(ctx, by, 'freeze.lift', { id: String(form['id']) })
    return c.redirect('/console/freezes', 303)
  })

  return app
}

function subjects(ctx: Context): FreezeSubject[] {
  const { agents, environments, connections, scopes } = ctx.realm.now()
  const named = <K extends 'agent' | 'environment' | 'connection' | 'scope'>(
    kind: K,
    of: ReadonlyMap<string, unknown>,
  ) => [...of.keys()].sort().map((name): `${K}:${string}` => `${kind}:${name}`)
  return [
    ...named('agent', agents),
    ...named('environment', environments),
    ...named('connection', connections),
    ...named('scope', scopes),
    'all',
  ]
}
