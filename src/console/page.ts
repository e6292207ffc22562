/** What every page of the console has around it. It shows data and never trusts it: everything is escaped, and what cannot be seen is made visible. */
import { html } from 'hono/html'
import type { HtmlEscapedString } from 'hono/utils/html'
import type { Context } from '../context.ts'
import { pendingRecoveries } from '../identity/passkeys.ts'
import { countLeases } from '../leases/leases.ts'
import { version } from '../version.ts'
import { type ConsoleContext, formToken } from './api/session.ts'
import { assets } from './assets.ts'

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>

/** Nothing but our own files, and nobody may frame it. */
export const contentPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const places = [
  ['/console', 'Overview'],
  ['/console/approvals', 'Approvals'],
  ['/console/changes', 'Changes'],
  ['/console/agents', 'Agents'],
  ['/console/environments', 'Environments'],
  ['/console/scopes', 'Scopes'],
  ['/console/connections', 'Connections'],
  ['/console/audit', 'Audit'],
  ['/console/operators', 'Operators'],
  ['/console/freezes', 'Freezes'],
] as const

export type Place = (typeof places)[number][0]

export async function page(
  ctx: Context,
  c: ConsoleContext,
  { title, at, body, status = 200 }: { title: string; at?: Place; body: Html; status?: 200 | 404 },
): Promise<Response> {
  const operator = c.get('operator')
  const top = operator === null ? '' : await banners(ctx, c)
  c.header('Content-Security-Policy', contentPolicy)
  c.header('Cache-Control', 'no-store')
  c.header('X-Content-Type-Options', 'nosniff')
  c.header('X-Frame-Options', 'DENY')
  // With no-referrer a browser would say Origin: null for our own forms.
  c.header('Referrer-Policy', 'same-origin')
  c.header('Cross-Origin-Opener-Policy', 'same-origin')
  return c.html(
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Valetkey</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${assets.style.path}">
<script defer src="${assets.webauthn.path}"></script>
<script defer src="${assets.script.path}"></script>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header class="top"><div>
<a class="mark" href="/console">Valetkey</a>
${
  operator === null
    ? ''
    : html`<nav aria-label="Console"><ul>${places.map(([path, name]) => html`<li><a href="${path}"${path === at ? html` aria-current="page"` : ''}>${name}</a></li>`)}</ul></nav>
<div class="who"><span>${operator.name} <small>${operator.role}</small></span>
<form method="post" action="/console/sign-out"><input type="hidden" name="token" value="${formToken(ctx, c)}"><button class="link">Sign out</button></form></div>`
}
</div></header>
${top}
<main id="content">${body}</main>
<footer>Valetkey ${version}</footer>
</body>
</html>`,
    status,
  )
}

/** What nobody should miss, wherever they are. */
async function banners(ctx: Context, c: ConsoleContext): Promise<Html> {
  const { guarded, freezes } = ctx.realm.now()
  const recoveries = await pendingRecoveries(ctx)
  const { failing } = await countLeases(ctx)
  return html`${guarded ? '' : html`<div class="banner warn"><div><strong>Set-up mode.</strong> Nothing passes but reads and writes until an operator has a passkey.</div></div>`}
${failing === 0 ? '' : html`<div class="banner bad"><div><strong>${failing === 1 ? 'A lease' : `${failing} leases`} could not be ended.</strong> What was given may still work; it is tried again. <a href="/console/agents">See which.</a></div></div>`}
${recoveries.map(
  ({
    operator,
    passkey,
    usableFrom,
  }) => html`<div class="banner bad"><div><strong>A recovery code of ${operator} was used.</strong>
<span>The passkey that it enrolled is good from ${time(usableFrom)} on.</span>
<form method="post" action="/console/recoveries/cancel"><input type="hidden" name="token" value="${formToken(ctx, c)}"><input type="hidden" name="passkey" value="${passkey}"><button>Cancel it</button></form></div></div>`,
)}
${freezes.size === 0 ? '' : html`<div class="banner bad"><div><strong>${freezes.has('all') ? 'Everything is frozen.' : `Frozen: ${[...freezes.keys()].join(', ')}.`}</strong> <a href="/console/freezes">See freezes</a></div></div>`}`
}

/** In the same words on every page; the browser's own are in its title. */
export function time(at: Date): Html {
  const text = `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`
  return html`<time datetime="${at.toISOString()}">${text}</time>`
}

/** The hidden field that a form of this session carries. */
export function token(ctx: Context, c: ConsoleContext): Html {
  return html`<input type="hidden" name="token" value="${formToken(ctx, c)}">`
}

/** Characters that hide or turn text around, and spaces that are none (Unicode UAX 9, UAX 44); not line ends and tabs. */
const unseen =
  /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u00a0\u2000-\u200a\u202f\u205f\u2800\u3000]/gu

/** Text that an agent, or an upstream, chose: what cannot be seen is shown as its number. */
export function visible(text: string): string {
  return text.replace(
    unseen,
    (one) => `⟨U+${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  )
}

/** A table that scrolls by itself on a narrow screen. */
export function table(titles: readonly string[], rows: readonly (readonly unknown[])[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead><tr>${titles.map((title) => html`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>`)}</tbody></table></div>`
}

export function facts(pairs: readonly (readonly [string, unknown])[]): Html {
  return html`<dl class="facts">${pairs.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`
}

export function nothing(words: string): Html {
  return html`<p class="soft">${words}</p>`
}
