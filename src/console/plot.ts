/** Calls and refusals over time, drawn on the server. The same numbers stand in its description, for those who do not see it. */
import { html } from 'hono/html'
import { type Activity, type Named, type Step, totalOf } from '../audit/activity.ts'
import { type Html, visible } from './page.ts'

/** The most of each in one step: plots that are to be compared share it. */
export type Scale = { calls: number; refused: number }

export function scaleOf(all: readonly Activity[]): Scale {
  const most = (of: (step: Step) => number) =>
    Math.max(0, ...all.flatMap(({ steps }) => steps.map(of)))
  return { calls: most(({ calls }) => calls), refused: most(({ refused }) => refused) }
}

const width = 720

export function plot(activity: Activity, title: string): Html {
  const scale = scaleOf([activity])
  const { calls, refused } = totalOf(activity.steps)
  return html`<svg class="plot tall" viewBox="0 0 ${width} 100" preserveAspectRatio="none" role="img" aria-label="${inWords(activity, title)}">${bars(activity, scale, { top: 0, bottom: 100 })}</svg>
<p class="note ends"><span>${hour(activity)}</span><span>now, UTC</span></p>
<p class="note"><span class="key calls"></span> ${calls} passed <span class="key refused"></span> ${refused === 0 ? 'none refused' : html`<span class="bad">${refused} refused</span>`} · at most ${scale.calls} and ${scale.refused} in ${interval(activity)}</p>`
}

/** A line of its own for each name, all on one scale. */
export function rows(named: readonly Named[], link: (name: string) => Html): Html {
  const scale = scaleOf(named)
  const height = 34
  return html`<table class="series"><thead><tr><th scope="col"></th><th scope="col"></th><th scope="col" class="num">passed</th><th scope="col" class="num">refused</th></tr></thead><tbody>${named.map(
    (one) => {
      const { calls, refused } = totalOf(one.steps)
      return html`<tr><th scope="row">${link(one.name)}</th><td class="line"><svg class="plot" viewBox="0 0 ${width / 2} ${height}" preserveAspectRatio="none" role="img" aria-label="${inWords(one, visible(one.name))}">${bars(one, scale, { top: 1, bottom: height - 1, width: width / 2 })}</svg></td><td class="num">${calls}</td><td class="num">${refused === 0 ? html`<span class="soft">0</span>` : html`<span class="bad">${refused}</span>`}</td></tr>`
    },
  )}</tbody></table>`
}

/** What passed stands on the line, what was refused hangs from it: the difference is to be seen without colours. */
function bars(
  { steps }: Activity,
  scale: Scale,
  box: { top: number; bottom: number; width?: number },
): Html {
  const whole = box.width ?? width
  const slot = whole / steps.length
  const unit = (box.bottom - box.top) / Math.max(1, scale.calls + scale.refused)
  const line = scale.calls + scale.refused === 0 ? box.bottom : box.top + scale.calls * unit
  const bar = (kind: string, i: number, y: number, count: number) =>
    count === 0
      ? ''
      : html`<rect class="${kind}" x="${(i * slot + 0.5).toFixed(1)}" y="${y.toFixed(1)}" width="${Math.max(1, slot - 1.5).toFixed(1)}" height="${(count * unit).toFixed(1)}"/>`
  return html`<line class="axis" x1="0" y1="${line.toFixed(1)}" x2="${whole}" y2="${line.toFixed(1)}"/>${steps.map(
    ({ calls, refused }, i) =>
      html`${bar('calls', i, line - calls * unit, calls)}${bar('refused', i, line, refused)}`,
  )}`
}

function inWords(activity: Activity, title: string): string {
  const { calls, refused } = totalOf(activity.steps)
  return `${title}: ${calls} passed and ${refused} refused since ${hour(activity)} UTC`
}

function interval({ stepMs }: Activity): string {
  const minutes = stepMs / 60_000
  return minutes === 1 ? 'a minute' : minutes < 60 ? `${minutes} minutes` : `${minutes / 60} hours`
}

/** With its day, where that is another one. */
function hour({ since, stepMs, steps }: Activity): string {
  const text = since.toISOString()
  return stepMs * steps.length > 12 * 3_600_000
    ? `${text.slice(5, 10)} ${text.slice(11, 16)}`
    : text.slice(11, 16)
}
