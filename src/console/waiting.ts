/** What waits for a human, in a line each. */
import { html } from 'hono/html'
import { type ApprovalRow, listApprovals } from '../approvals/approvals.ts'
import { listChanges } from '../approvals/changes.ts'
import { shortCode } from '../approvals/digest.ts'
import type { Context } from '../context.ts'
import { type Html, nothing, table, time } from './page.ts'

export async function waiting(ctx: Context): Promise<Html> {
  const rows = await listApprovals(ctx, { waiting: true })
  const changes = await listChanges(ctx, { waiting: true })
  if (rows.length + changes.length === 0) return nothing('Nothing waits for you.')
  return html`${rows.length === 0 ? '' : approvalsIn(rows)}${
    changes.length === 0
      ? ''
      : html`<p>${changes.length === 1 ? 'A change of policy waits' : `${changes.length} changes of policy wait`} for an admin’s passkey. <a href="/console/changes">Look</a></p>`
  }`
}

function approvalsIn(rows: readonly ApprovalRow[]): Html {
  return html`<h2>Waits for you</h2>${table(
    ['Asked', 'What', 'Agent', 'In', 'Code', ''],
    rows
      .slice(0, 10)
      .map((row) => [
        time(row.createdAt),
        row.operation,
        row.agent,
        html`<strong>${row.environment}</strong>`,
        html`<span class="mono">${shortCode(row.digest)}</span>`,
        html`<a class="button" href="/console/approvals/${row.id}">Look</a>`,
      ]),
  )}${rows.length > 10 ? html`<p><a href="/console/approvals">All ${rows.length}</a></p>` : ''}`
}
