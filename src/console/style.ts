/** The console's one style sheet. Nothing in it comes from data. */
export const style = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#fbfbf9, #16181b);
  --panel: light-dark(#ffffff, #1c1f23);
  --ink: light-dark(#1d2126, #e4e6e8);
  --soft: light-dark(#5b636c, #a0a7ae);
  --line: light-dark(#dfe1dd, #31363c);
  --accent: light-dark(#1f5f8b, #7ab8e0);
  --good: light-dark(#1c6b3c, #77c795);
  --warn: light-dark(#8a5a00, #e0b35c);
  --bad: light-dark(#ab1f1f, #f28b82);
  --bad-fill: light-dark(#ab1f1f, #9c2c2c);
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
* { box-sizing: border-box; }
html { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
body { margin: 0; background: var(--paper); color: var(--ink); font-variant-numeric: tabular-nums; }
a { color: var(--accent); text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--panel); padding: .25rem .5rem; z-index: 1; }
header.top { border-bottom: 1px solid var(--line); background: var(--panel); }
header.top > div, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header.top > div { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.5rem; padding-block: .6rem; }
.mark { font-weight: 650; letter-spacing: .01em; color: var(--ink); text-decoration: none; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .1rem 1rem; }
nav a { color: var(--soft); text-decoration: none; padding: .2rem 0; display: inline-block; }
nav a:hover { color: var(--ink); }
nav a[aria-current] { color: var(--ink); box-shadow: inset 0 -2px 0 var(--accent); }
.who { margin-left: auto; color: var(--soft); display: flex; gap: .75rem; align-items: baseline; }
.who form { display: inline; }
main { padding-block: 1.5rem 4rem; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 1rem; font-weight: 620; }
h2 { font-size: 1rem; margin: 2rem 0 .5rem; font-weight: 620; }
.panel > h3:first-child { font-size: 1rem; color: var(--ink); font-weight: 620; }
h3 { font-size: .87rem; font-weight: 500; color: var(--soft); margin: 1rem 0 .25rem; }
h1 + h2, .panel > h2:first-child, .panel > h3:first-child, #waiting > h2:first-child { margin-top: 0; }
time { white-space: nowrap; }
p { margin: 0 0 .75rem; max-width: 44rem; }
.soft, small, .note { color: var(--soft); }
small, .note { font-size: .87rem; }
code, pre, .mono { font-family: var(--mono); font-size: .87em; overflow-wrap: anywhere; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .75rem; overflow-x: auto; white-space: pre-wrap; margin: 0 0 .75rem; }
.banner { border-bottom: 1px solid var(--line); background: var(--panel); padding: .5rem 1.25rem; }
.banner > div { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; }
.banner.warn { border-left: 4px solid var(--warn); }
.banner.bad { border-left: 4px solid var(--bad); }
.scroll { overflow-x: auto; margin-bottom: .75rem; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: .87rem; }
th, td { padding: .35rem 1rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.num, th.num { text-align: right; }
tr:last-child > td, tbody tr:last-child > th { border-bottom: 0; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .3rem 1.25rem; margin: 0 0 1rem; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
section.panel > :last-child { margin-bottom: 0; }
.panel { background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: 1rem 1.25rem; margin: 0 0 1rem; }
.cols { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 0 2.5rem; }
.tag { font-size: .8rem; border: 1px solid var(--line); border-radius: 3px; padding: 0 .35rem; color: var(--soft); white-space: nowrap; }
.tag.good { color: var(--good); border-color: currentColor; }
.tag.warn { color: var(--warn); border-color: currentColor; }
.tag.bad { color: var(--bad); border-color: currentColor; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }
.where { font-size: 1.9rem; font-weight: 680; letter-spacing: .01em; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
.shortcode { font-family: var(--mono); font-size: 1.3rem; letter-spacing: .12em; }
.claim { border-left: 3px solid var(--line); padding-left: .75rem; color: var(--soft); max-width: 44rem; }
.claim q { color: var(--ink); }
form.stack { display: grid; gap: .75rem; max-width: 26rem; }
label { display: grid; gap: .2rem; }
label > span { font-size: .87rem; color: var(--soft); }
input, select, textarea { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: 3px; padding: .4rem .5rem; width: 100%; }
input[type=checkbox], input[type=radio] { width: auto; }
label.tick { display: flex; gap: .5rem; align-items: baseline; }
form.row { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: end; margin: 0 0 1rem; }
fieldset { border: 1px solid var(--line); min-width: 0; }
legend { float: left; width: 100%; font-weight: 620; padding: 0; margin-bottom: .5rem; }
legend + * { clear: both; }
.row { display: flex; flex-wrap: wrap; gap: .5rem .75rem; align-items: end; }
.row label { min-width: 9rem; flex: 1 1 9rem; max-width: 18rem; }
.row label.tick { flex: 0 0 auto; min-width: 0; padding-bottom: .45rem; }
label.stack { max-width: 18rem; margin-top: 1rem; }
details > label { margin-top: .75rem; }
summary { cursor: pointer; color: var(--soft); }
form.row label { min-width: 9rem; flex: 1 1 9rem; max-width: 16rem; }
button, .button { font: inherit; cursor: pointer; border-radius: 3px; padding: .4rem .9rem; border: 1px solid var(--soft); background: var(--panel); color: var(--ink); text-decoration: none; display: inline-block; }
button:hover, .button:hover { border-color: var(--ink); }
button.main { background: var(--accent); border-color: var(--accent); color: var(--paper); }
button.stop { background: var(--bad-fill); border-color: var(--bad-fill); color: #fff; }
button.big { font-size: 1.1rem; padding: .8rem 1.6rem; }
button.link { border: 0; background: none; padding: 0; color: var(--accent); text-decoration: underline; text-underline-offset: 2px; }
button[disabled] { opacity: .55; cursor: default; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; margin: 1rem 0; }
[data-hold] { position: relative; overflow: hidden; touch-action: none; user-select: none; }
[data-hold]::after { content: ""; position: absolute; inset: auto 0 0 0; height: 4px; background: currentColor; transform: scaleX(0); transform-origin: left; }
[data-hold].holding::after { transform: scaleX(1); transition: transform 1.2s linear; }
.said { min-height: 1.5rem; margin: .5rem 0; }
.said.bad { color: var(--bad); }
ol.codes { columns: 2; font-family: var(--mono); padding-left: 2rem; max-width: 30rem; }
ul.plain { list-style: none; margin: 0; padding: 0; }
ul.diff { list-style: none; padding: 0; margin: 0 0 .75rem; }
ul.diff li { padding-left: 1.4rem; text-indent: -1.4rem; }
ul.diff li::before { display: inline-block; width: 1.4rem; text-indent: 0; font-family: var(--mono); }
ul.diff li.added::before { content: "+"; color: var(--bad); }
ul.diff li.removed::before { content: "\\2212"; color: var(--good); }
svg.plot { width: 100%; height: auto; display: block; }
svg.plot.tall { height: 7rem; }
.ends { display: flex; justify-content: space-between; max-width: none; margin-bottom: .25rem; }
svg.plot .calls { fill: var(--accent); } svg.plot .refused { fill: var(--bad); } svg.plot .axis { stroke: var(--line); }
table.series { table-layout: fixed; margin-bottom: .5rem; }
table.series th, table.series td { padding: .15rem .5rem .15rem 0; vertical-align: middle; }
table.series th { width: 42%; color: var(--ink); font-weight: 400; font-size: .93rem; overflow-wrap: anywhere; }
table.series thead th { color: var(--soft); font-size: .8rem; width: auto; } table.series thead th:first-child { width: 42%; } table.series thead th.num { width: 4rem; padding-right: 0; }
table.series td.num { width: 3.2rem; padding-right: 0; font-size: .93rem; }
table.series svg { height: 2rem; }
.spans { margin: -.25rem 0 .5rem; font-size: .93rem; display: flex; gap: .9rem; }
.spans a { color: var(--soft); text-decoration: none; }
.spans a[aria-current] { color: var(--ink); box-shadow: inset 0 -2px 0 var(--accent); }
.key { display: inline-block; width: .6rem; height: .6rem; } .key.calls { background: var(--accent); } .key.refused { background: var(--bad); margin-left: .75rem; transform: translateY(.2rem); }
svg.qr { width: 11rem; height: 11rem; background: #fff; padding: .5rem; border-radius: 4px; }
footer { color: var(--soft); font-size: .87rem; padding-block: 1rem 2rem; }
@media (max-width: 40rem) {
  html { font-size: 16px; }
  header.top > div, main, footer, .banner > div { padding-inline: 1rem; }
  nav { order: 3; width: 100%; overflow-x: auto; }
  nav ul { flex-wrap: nowrap; white-space: nowrap; }
  dl.facts { grid-template-columns: 1fr; gap: 0; }
  dl.facts dd { margin-bottom: .5rem; }
  ol.codes { columns: 1; }
  button, .button { padding-block: .55rem; }
}
@media (prefers-reduced-motion: reduce) { [data-hold].holding::after { transition-timing-function: steps(4); } }
@media print { header.top, .banner, .actions, footer { display: none; } body { background: #fff; color: #000; } }
`
