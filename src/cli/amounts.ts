/** Reads durations and rates as people write them: `15m`, `60/m`. Throws a usage failure that shows the form. */
import { InvalidArgumentError } from 'commander'

const sizes: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 }

/** Seconds. */
export function readDuration(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/.exec(text)
  const seconds = Number(match?.[1]) * (sizes[match?.[2] || 's'] ?? Number.NaN)
  if (!Number.isSafeInteger(seconds) || seconds <= 0) {
    throw new InvalidArgumentError('Give a duration such as 90s, 15m or 1h.')
  }
  return seconds
}

/** Calls per minute. */
export function readRate(text: string): number {
  const match = /^(\d{1,9})\/m(in)?$/.exec(text)
  const calls = Number(match?.[1])
  if (!Number.isSafeInteger(calls) || calls <= 0) {
    throw new InvalidArgumentError('Give calls per minute, such as 60/m.')
  }
  return calls
}

export function readCount(text: string): number {
  const count = Number(text)
  if (!/^\d{1,9}$/.test(text) || count <= 0) {
    throw new InvalidArgumentError('Give a whole number greater than 0.')
  }
  return count
}

/** A moment: a date, or how long ago (`2h`). An ISO time comes back. */
export function readMoment(text: string): string {
  const age = /^\d{1,9}[smhd]$/.test(text) ? readDuration(text) : undefined
  const at = age === undefined ? Date.parse(text) : Date.now() - age * 1000
  if (Number.isNaN(at)) {
    throw new InvalidArgumentError(
      'Give a time such as 2026-05-01T12:00:00Z, or how long ago, such as 2h.',
    )
  }
  return new Date(at).toISOString()
}

/** For options that may be given several times. */
export function gather(text: string, before: string[] = []): string[] {
  return [...before, text]
}

/** The number of an audit entry. */
export function readSeq(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give the number of an entry.')
  return Number(text)
}
