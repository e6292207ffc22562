/** Who is in charge, with which passkeys; one's own are added and removed here. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Context } from '../context.ts'
import { listOperators } from '../identity/operators.ts'
import { cancelRecovery } from '../identity/own-passkeys.ts'
import { passkeysOf } from '../identity/passkeys.ts'
import { unusedRecoveryCodes } from '../identity/recovery-codes.ts'
import { decideSignIn, showSignIn } from '../identity/sign-ins.ts'
import { type ConsoleEnv, consoleOperator, demandFormToken } from './api/session.ts'
import { codesPlace } from './entry.ts'
import { facts, page, table, time, token, visible } from './page.ts'

export function operatorPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/operators', async (c) => {
    const { name } = consoleOperator(c)
    const operators = await listOperators(ctx)
    const keys = await Promise.all(operators.map((one) => passkeysOf(ctx.db, one.name)))
    const own = keys[operators.findIndex((one) => one.name === name)] ?? []
    return page(ctx, c, {
      title: 'Operators',
      at: '/console/operators',
      body: html`<h1>Operators</h1>
${table(
  ['Name', 'Role', 'Passkeys', 'Sessions', 'Since'],
  operators.map((one, i) => [
    one.name,
    one.role,
    keys[i]?.length ?? 0,
    one.sessions,
    time(one.createdAt),
  ]),
)}
<p class="note">Others are invited with <code>valetkey operator invite</code>.</p>
<h2>Your passkeys</h2>
${table(
  ['Name', 'Added', 'Last used', ''],
  own.map((key) => [
    html`${key.name}${key.recovery && key.usableFrom.getTime() > ctx.clock.now() ? html` <span class="tag warn">waits until ${time(key.usableFrom)}</span>` : ''}`,
    time(key.createdAt),
    key.lastUsedAt === null ? html`<span class="soft">never</span>` : time(key.lastUsedAt),
    html`<button data-do="remove-passkey" data-id="${key.id}">Remove</button>`,
  ]),
)}
<form class="row" data-do="add-passkey">
<label><span>What to call a further passkey</span><input name="label" required maxlength="60"></label>
<button>Add a passkey</button>
</form>
<p class="said" role="status"></p>
<p class="note">Adding or removing one takes a touch of one that you have.</p>
<h2>Your recovery codes</h2>
<p>${await unusedRecoveryCodes(ctx.db, name)} are left. New ones take the place of all that are left.</p>
<p class="actions"><button data-do="recovery-codes">Make new recovery codes</button></p>
${codesPlace(false)}`,
    })
  })

  app.post('/console/recoveries/cancel', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    const by = { name: consoleOperator(c).name, request: c.get('requestId') }
    await cancelRecovery(ctx, by, String(form['passkey']))
    return c.redirect('/console/operators', 303)
  })

  app.get('/console/cli', async (c) => {
    const code = c.req.query('code') ?? ''
    const waits = code === '' ? null : await showSignIn(ctx, code)
    return page(ctx, c, {
      title: 'Sign a command line in',
      body: html`<h1>Sign a command line in</h1>
${
  waits === null
    ? html`<form class="row" method="get" action="/console/cli"><label><span>The code that it shows</span><input name="code" class="mono" required autocapitalize="characters" spellcheck="false" autocomplete="off"></label><button>Go on</button></form>`
    : html`<p class="shortcode">${waits.userCode}</p>
${facts([
  ['Asked', time(waits.createdAt)],
  ['From', visible(waits.address)],
])}
<p>Say yes only if you ran <code>valetkey login</code> just now and it shows this very code. What it gets is a session of yours: it sees what you see, denies and freezes, and proposes changes. It cannot approve or confirm.</p>
<form method="post" action="/console/cli" class="actions">${token(ctx, c)}<input type="hidden" name="code" value="${waits.userCode}">
<button class="main" name="decision" value="yes">Sign it in</button><button name="decision" value="no">Refuse</button></form>`
}`,
    })
  })

  app.post('/console/cli', async (c) => {
    const form = await c.req.parseBody()
    demandFormToken(ctx, c, form['token'])
    const confirm = form['decision'] === 'yes'
    const request = c.get('requestId')
    await decideSignIn(ctx, consoleOperator(c), String(form['code']), { confirm, request })
    return page(ctx, c, {
      title: 'Sign a command line in',
      body: html`<h1>${confirm ? 'Signed in' : 'Refused'}</h1><p>${confirm ? 'The command line goes on by itself. You may close this page.' : 'The command line was told.'}</p>`,
    })
  })

  return app
}
