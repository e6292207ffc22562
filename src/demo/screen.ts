/** Puts the story on a terminal of any width, with or without colour and Unicode. Never writes a line beyond the edge. */
import { styleText } from 'node:util'
import { aligned, ascii, stacked, wrapped } from './layout.ts'

type Style = Parameters<typeof styleText>[0]

export type Mark = 'yes' | 'refused' | 'gone'

export type Screen = {
  title(text: string): void
  /** A heading with a rule to the edge. */
  act(text: string): void
  say(text: string): void
  /** Asides that may be skipped. */
  quietly(text: string): void
  gap(): void
  /** What is typed or sent. A line that is too long goes on below, further in. */
  code(lines: readonly string[]): void
  facts(pairs: readonly (readonly [string, string])[]): void
  mark(mark: Mark, text: string): void
  /** What belongs to the mark above: `reason` is what the broker said of itself. */
  under(text: string, how?: 'plain' | 'quiet' | 'reason'): void
  table(titles: readonly string[], rows: readonly (readonly string[])[]): void
}

const margin = '  '
const inner = '    '
/** Longer lines are hard to read, however wide the terminal is. */
const widest = 100
const narrowest = 24

export function createScreen(options: {
  out: NodeJS.WritableStream
  width: number
  color: boolean
  unicode: boolean
}): Screen {
  const { out, color, unicode } = options
  const width = Math.max(narrowest, Math.min(widest, options.width))
  const dash = unicode ? '─' : '-'
  const marks: Record<Mark, [string, Style]> = {
    yes: [unicode ? '✓' : '+', 'green'],
    refused: [unicode ? '✗' : 'x', 'yellow'],
    gone: [unicode ? '✗' : 'x', 'red'],
  }
  const plain = unicode ? (text: string) => text : ascii

  function paint(style: Style | undefined, text: string): string {
    if (!color || style === undefined || text === '') return text
    return styleText(style, text, { validateStream: false })
  }
  function print(line: string, style?: Style): void {
    out.write(`${paint(style, line.trimEnd())}\n`)
  }
  function block(text: string, first: string, rest: string, style?: Style): void {
    for (const line of wrapped(plain(text), first, rest, width)) print(line, style)
  }
  /** A lead in a style of its own, and plain text that hangs from it. */
  function led(lead: string, text: string, style: Style, textStyle?: Style): void {
    const below = ' '.repeat(lead.length)
    const lines = wrapped(plain(text), lead, below, width)
    lines.forEach((line, i) => {
      const start = i === 0 ? paint(style, lead) : below
      out.write(`${start}${paint(textStyle, line.slice(lead.length).trimEnd())}\n`)
    })
  }

  return {
    title: (text) => block(text, '', '', 'bold'),
    act: (text) => {
      const lines = wrapped(plain(text), `${dash}${dash} `, '   ', width)
      const last = lines.length - 1
      print('')
      lines.forEach((line, i) => {
        print(i === last ? `${line} `.padEnd(width, dash).slice(0, width) : line, 'bold')
      })
      print('')
    },
    say: (text) => block(text, margin, margin),
    quietly: (text) => block(text, margin, margin, 'dim'),
    gap: () => print(''),
    code: (lines) => {
      for (const line of lines) {
        const start = inner + (/^ */.exec(line)?.[0] ?? '')
        block(line, start, `${start}  `, 'cyan')
      }
    },
    facts: (pairs) => {
      const longest = Math.max(...pairs.map(([name]) => name.length))
      const beside = inner.length + longest + 26 <= width
      for (const [name, text] of pairs) {
        if (beside) led(`${inner}${name.padEnd(longest)}  `, text, 'dim')
        else {
          block(name, inner, inner, 'dim')
          block(text, `${inner}  `, `${inner}  `)
        }
      }
    },
    mark: (mark, text) => led(`${margin}${marks[mark][0]} `, text, marks[mark][1], 'bold'),
    under: (text, how = 'plain') =>
      block(
        text,
        inner,
        inner,
        { plain: undefined, quiet: 'dim' as const, reason: 'yellow' as const }[how],
      ),
    table: (titles, rows) => {
      const cells = rows.map((row) => row.map(plain))
      const beside = aligned([titles, ...cells], margin, width)
      if (beside === null) {
        for (const line of stacked(cells, margin, width)) print(line)
        return
      }
      const [head = '', ...body] = beside
      print(head, 'dim')
      for (const line of body) print(line)
    },
  }
}
