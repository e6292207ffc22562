/** Breaks text into lines of a width, and rows into columns. Pure; it never drops a character of what it is given. */

/** Keeps two words on one line. */
export const noBreak = '\u00a0'

/** Words on lines: `first` leads the first one, `rest` those below. */
export function wrapped(text: string, first: string, rest: string, width: number): string[] {
  const lines: string[] = []
  let line = first
  let empty = true
  const end = () => {
    lines.push(line)
    line = rest
    empty = true
  }
  for (const word of text.split(/[ \n]+/).filter(Boolean)) {
    let left = word
    if (!empty && line.length + 1 + left.length > width) end()
    while (empty && line.length + left.length > width) {
      const at = breakIn(left, width - line.length)
      line += left.slice(0, at)
      left = left.slice(at)
      end()
    }
    line += empty ? left : ` ${left}`
    empty = false
  }
  return [...lines, line].map((one) => one.replaceAll(noBreak, ' '))
}

/** A word too long for a line breaks after a mark in its later half, so that its parts can still be read. */
function breakIn(word: string, room: number): number {
  const marks = [...word.slice(0, room).matchAll(/[./:_,"({-]/g)]
  const last = marks.at(-1)?.index ?? -1
  return last >= room / 2 ? last + 1 : Math.max(1, room)
}

/** Least room for the last column, which is the one that wraps. */
const lastColumn = 21

/** Columns beside each other, or null where there is no room for them. */
export function aligned(
  rows: readonly (readonly string[])[],
  margin: string,
  width: number,
): string[] | null {
  const widths = columnWidths(rows)
  const needed = widths.reduce((sum, one) => sum + one, margin.length + lastColumn)
  const between = [2, 1].find((gap) => needed + widths.length * gap <= width)
  if (between === undefined) return null
  return rows.flatMap((row) => {
    const lead = row.slice(0, -1).map((cell, i) => cell.padEnd((widths[i] ?? 0) + between))
    const start = margin + lead.join('')
    return wrapped(row.at(-1) ?? '', start, ' '.repeat(start.length), width)
  })
}

/** Of all columns but the last. */
function columnWidths(rows: readonly (readonly string[])[]): number[] {
  const columns = (rows[0]?.length ?? 1) - 1
  return Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.length ?? 0)),
  )
}

/** Each row as a block of its own: the short cells in one line, the last two below it. */
export function stacked(
  rows: readonly (readonly string[])[],
  margin: string,
  width: number,
): string[] {
  return rows.flatMap((row) => [
    ...wrapped(row.slice(0, -2).join(' '), margin, margin, width),
    ...wrapped(row.slice(-2).join(': '), `${margin}  `, `${margin}    `, width),
  ])
}

const plainer: Readonly<Record<string, string>> = {
  '…': '...',
  '·': '-',
  '→': '->',
  '—': '-',
  '–': '-',
  '’': "'",
  '“': '"',
  '”': '"',
  '∩': 'and',
  '×': 'x',
}

/** For terminals without Unicode. */
export function ascii(text: string): string {
  return text.replace(/[^\n\u00a0 -~]/gu, (glyph) => plainer[glyph] ?? '?')
}
