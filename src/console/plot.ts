/** Calls and refusals over time, drawn on the server. The same numbers stand in its description, for those who do not see it. */
import { html } from 'hono/html'
import type { Activity } from '../audit/activity.ts'
import type { Html } from './page.ts'

const width = 720
const height = 120
const floor = height - 18

export function plot({ since, stepMs, steps }: Activity, title: string): Html {
  const most = Math.max(1, ...steps.map(({ calls, refused }) => calls + refused))
  const slot = width / steps.length
  const bar = (count: number) => (count / most) * (floor - 16)
  const total = steps.reduce(
    (sum, one) => ({ calls: sum.calls + one.calls, refused: sum.refused + one.refused }),
    { calls: 0, refused: 0 },
  )
  const words = `${title}: ${total.calls} calls and ${total.refused} refusals since ${hour(since)}, at most ${most} in ${Math.round(stepMs / 60_000)} minutes.`
  return html`<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${words}">
<line class="axis" x1="0" y1="${floor + 0.5}" x2="${width}" y2="${floor + 0.5}"/>
${steps.map(({ calls, refused }, i) => {
  const [up, over] = [bar(calls), bar(refused)]
  const x = (i * slot + 1).toFixed(1)
  const w = Math.max(1, slot - 2).toFixed(1)
  return html`${up === 0 ? '' : html`<rect class="calls" x="${x}" y="${(floor - up).toFixed(1)}" width="${w}" height="${up.toFixed(1)}"/>`}${over === 0 ? '' : html`<rect class="refused" x="${x}" y="${(floor - up - over).toFixed(1)}" width="${w}" height="${over.toFixed(1)}"/>`}`
})}
<text x="0" y="${height - 4}">${hour(since)}</text>
<text x="${width}" y="${height - 4}" text-anchor="end">now, UTC</text>
<text x="${width}" y="10" text-anchor="end">${most}</text>
</svg><p class="note">${total.calls} calls, ${total.refused === 0 ? 'none refused' : html`<span class="bad">${total.refused} refused</span>`}</p>`
}

function hour(at: Date): string {
  return at.toISOString().slice(11, 16)
}
