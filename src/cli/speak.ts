/**
 * Everything the CLI says. Data goes to stdout, words go to stderr; with `--json` each command puts one JSON value on
 * stdout, and an error as one JSON object on stderr. Colour only where a terminal shows it. Never prints a character
 * that could steer the terminal.
 */
import { styleText } from 'node:util'
import type { Failure } from './failure.ts'
import { json, printable, relative } from './printable.ts'

type Style = Parameters<typeof styleText>[0]

export type Column<T> = (row: T) => string | undefined

/** What a person gets to see of a result. */
export type Page = {
  facts(pairs: Readonly<Record<string, string | undefined>>): void
  table<T>(rows: readonly T[], columns: Readonly<Record<string, Column<T>>>): void
  line(text: string): void
  when(iso: string | null | undefined): string | undefined
}

export type Speak = {
  readonly json: boolean
  /** One result: JSON for machines, a page for people. */
  result(value: unknown, page: (page: Page) => void): void
  /** A list, which may be empty: `none` says so, and what to do. */
  list<T>(rows: readonly T[], none: string, columns: Readonly<Record<string, Column<T>>>): void
  /** Something was done: a sentence for people, and for machines what it came to. */
  done(value: unknown, sentence: string): void
  /** Data as it is: a token, a script, a line of an export. */
  raw(text: string): Promise<void>
  words(text: string): void
  warn(text: string): void
  failure(failure: Failure): void
  /** Shows on a terminal that something takes a while. */
  during<T>(what: string, work: Promise<T>): Promise<T>
}

type Stream = NodeJS.WriteStream

export function speaker(options: {
  json: boolean
  out: Stream
  err: Stream
  columns: number | undefined
}): Speak {
  const { out, err } = options
  // A terminal that does not know its width says 0.
  const width = (out.isTTY && out.columns) || options.columns || Number.POSITIVE_INFINITY
  const say = (text: string) => err.write(`${text}\n`)
  const page = pageOn(out, width)
  const result: Speak['result'] = (value, show) => {
    if (options.json) out.write(`${json(value, 2)}\n`)
    else show(page)
  }
  return {
    json: options.json,
    result,
    list: (rows, none, columns) => {
      if (rows.length === 0 && !options.json) say(none)
      else result(rows, () => page.table(rows, columns))
    },
    done: (value, sentence) => {
      if (options.json) out.write(`${json(value, 2)}\n`)
      else say(`${paint('green', '✓', err)} ${printable(sentence)}`)
    },
    raw: (text) =>
      written(out, `${out.isTTY ? text.split('\n').map(printable).join('\n') : text}\n`),
    words: (text) => void say(printable(text)),
    warn: (text) => void say(`${paint('yellow', 'warning:', err)} ${printable(text)}`),
    failure: (failure) => {
      if (options.json) return void say(json(failure.document, 2))
      say(`${paint('red', 'error:', err)} ${printable(failure.message)}`)
      if (failure.hint !== undefined) say(printable(failure.hint))
      if (failure.exit !== 2) say(paint('dim', `(${printable(failure.code)})`, err))
    },
    during: (what, work) => (err.isTTY && !options.json ? turning(err, what, work) : work),
  }
}

function pageOn(out: Stream, width: number): Page {
  const line = (text: string) => void out.write(`${text}\n`)
  return {
    line: (text) => line(printable(text)),
    when: (iso) => (iso === null || iso === undefined ? undefined : relative(iso, Date.now())),
    facts: (pairs) => {
      const shown = Object.entries(pairs).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, printable(value)] as const],
      )
      const longest = Math.max(0, ...shown.map(([name]) => name.length))
      for (const [name, value] of shown)
        line(`${paint('dim', name.padEnd(longest), out)}  ${value}`)
    },
    table: (rows, columns) => {
      const titles = Object.keys(columns)
      const cells = rows.map((row) =>
        Object.values(columns).map((read) => printable(read(row) || '-')),
      )
      for (const text of tabled(titles, cells, width, (title) => paint('dim', title, out)))
        line(text)
    },
  }
}

/** Aligned columns; where the terminal is too narrow for them, each row becomes a block of its own. */
function tabled(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  width: number,
  dim: (text: string) => string,
): string[] {
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  )
  const total = widths.reduce((sum, one) => sum + one + 2, -2)
  const aligned = (row: readonly string[]) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  ')
  if (total <= width) return [dim(aligned(titles)), ...rows.map(aligned)]
  const longest = Math.max(...titles.map((title) => title.length))
  return rows.flatMap((row, i) => [
    ...(i === 0 ? [] : ['']),
    ...row.map((cell, j) => `${dim((titles[j] ?? '').padEnd(longest))}  ${cell}`),
  ])
}

function paint(style: Style, text: string, stream: Stream): string {
  return styleText(style, text, { stream })
}

/** Waits for a slow reader, so that an export never piles up in memory. */
function written(out: Stream, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    out.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

const frames = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'

async function turning<T>(err: Stream, what: string, work: Promise<T>): Promise<T> {
  let frame = 0
  const timer = setInterval(() => {
    frame = (frame + 1) % frames.length
    err.write(`\r${frames[frame]} ${what}…`)
  }, 100)
  try {
    return await work
  } finally {
    clearInterval(timer)
    err.write('\r\u001b[K')
  }
}
