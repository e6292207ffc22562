/** The pages before one is in: signing in, enrolling, recovering. Each hands over to the passkey and shows nothing of the broker. */
import { Hono } from 'hono'
import { html } from 'hono/html'
import type { Context } from '../context.ts'
import type { ConsoleEnv } from './api/session.ts'
import { page } from './page.ts'

const noScript = html`<noscript><p class="bad">A passkey can only be used with scripts on. Everything that needs none works without them, once you are signed in.</p></noscript>`

export function entryPages(ctx: Context) {
  const app = new Hono<ConsoleEnv>()

  app.get('/console/sign-in', (c) =>
    page(ctx, c, {
      title: 'Sign in',
      body: html`<h1>Sign in</h1>
${noScript}
<p>Your passkey says who you are. A session of the command line does not open the console.</p>
<div data-next="${ownPath(c.req.query('next'))}"></div>
<p class="actions"><button class="main big" data-do="sign-in" data-next="${ownPath(c.req.query('next'))}">Use a passkey</button></p>
<p class="said" role="status"></p>
<p class="note"><a href="/console/enrol">You have a one-time code</a> · <a href="/console/recover">Your passkey is lost</a></p>`,
    }),
  )

  app.get('/console/enrol', (c) =>
    page(ctx, c, {
      title: 'Enrol a passkey',
      body: html`<h1>Enrol your passkey</h1>
${noScript}
<p>The one-time code was printed where the broker started, or given to you by an admin. It is good for one passkey.</p>
<form class="stack" data-do="enrol">
<label><span>Your name</span><input name="name" required autocomplete="username" pattern="[a-z][a-z0-9\\-]{0,62}" autocapitalize="none" spellcheck="false"></label>
<label><span>One-time code</span><input name="code" required autocomplete="one-time-code" autocapitalize="characters" spellcheck="false" class="mono"></label>
<label><span>What to call this passkey</span><input name="label" required maxlength="60" value="My passkey"></label>
<p class="actions"><button class="main">Make the passkey</button></p>
<p class="said" role="status"></p>
</form>
${codesPlace(true)}`,
    }),
  )

  app.get('/console/recover', (c) =>
    page(ctx, c, {
      title: 'Recover',
      body: html`<h1>Your passkey is lost</h1>
${noScript}
<p>A recovery code enrols a new passkey. It is good after 24 hours and not before: until then everybody is told, and anyone who is signed in can cancel it.</p>
<form class="stack" data-do="recover">
<label><span>Your name</span><input name="name" required autocomplete="username" autocapitalize="none" spellcheck="false"></label>
<label><span>Recovery code</span><input name="code" required autocomplete="off" autocapitalize="characters" spellcheck="false" class="mono"></label>
<label><span>What to call this passkey</span><input name="label" required maxlength="60" value="My new passkey"></label>
<p class="actions"><button class="main">Begin</button></p>
<p class="said" role="status"></p>
</form>`,
    }),
  )

  return app
}

/** Where recovery codes appear, once. */
export function codesPlace(leads: boolean) {
  return html`<section class="panel" data-codes hidden>
<h2 tabindex="-1">Your recovery codes</h2>
<p>Each works once, if your passkey is lost. They are shown now and never again: print them, or write them down, and keep them where no program can read them.</p>
<ol class="codes"></ol>
<p class="actions"><button data-do="print">Print</button>${leads ? html` <a class="button" href="/console">Go on to the console</a>` : ''}</p>
</section>`
}

/** Only within the console: whoever makes a link must not choose where a sign-in ends. */
function ownPath(next: string | undefined): string {
  return next !== undefined && /^\/console(\/[\w\-/?=&]*)?$/.test(next) ? next : '/console'
}
