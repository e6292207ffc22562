/** What the bench prints: the table, and below it what has to hold. Measures nothing. */
import { type Row, rate } from './rows.ts'

const headings = ['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs', 'database CPU µs', 'peak MB']

export function table(rows: readonly Row[]): string {
  const cells = [headings, ...rows.map(cellsOf)]
  const widths = headings.map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  )
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join('  '),
    )
    .join('\n')
}

function cellsOf(row: Row): string[] {
  return [
    row.name,
    whole(rate(row)),
    row.p50.toFixed(1),
    row.p99.toFixed(1),
    shown(row.cpu, row.requests),
    shown(row.databaseCpu, row.requests),
    shown(row.peak, 1_000_000),
  ]
}

function shown(total: number | null, by: number): string {
  return total === null ? '–' : whole(total / by)
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en')
}

/** One thing that must hold. `goal` is its words; null has none to meet. */
/** The middle and the worst of many times, in milliseconds. */
export function percentiles(times: readonly number[]): { words: string; p99: number } {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? 0
  const [p50, p99] = [at(0.5), at(0.99)]
  return { words: `p50 ${p50.toFixed(0)}, p99 ${p99.toFixed(0)} ms`, p99 }
}

export type Claim = { what: string; value: string; goal: { words: string; met: boolean } | null }

export function claims(all: readonly Claim[]): string {
  const width = Math.max(...all.map(({ what }) => what.length))
  return all
    .map(({ what, value, goal }) => {
      const verdict = goal === null ? '' : `  ${goal.met ? 'met' : 'MISSED'}: ${goal.words}`
      return `${what.padEnd(width)}  ${value.padStart(14)}${verdict}`
    })
    .join('\n')
}
