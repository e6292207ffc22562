/** Makes text from elsewhere safe to show on a terminal, and numbers and times short. Never prints. */

/** Controls, bidirectional overrides and other invisible characters: names and reasons come from agents and upstreams. */
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

export function printable(text: string): string {
  return text.replace(invisible, '\u{fffd}')
}

/** JSON that a terminal cannot be steered with: what `JSON.stringify` leaves raw is escaped, and reads back the same. */
export function json(value: unknown, indent?: number): string {
  return (JSON.stringify(value, null, indent) ?? 'null').replace(invisible, (character) =>
    character === '\n'
      ? character
      : Array.from({ length: character.length }, (_, i) => unit(character.charCodeAt(i))).join(''),
  )
}

function unit(code: number): string {
  return `\\u${code.toString(16).padStart(4, '0')}`
}

const steps = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const

/** `3 h ago`, `in 14 min`; what is no time is shown as it came. */
export function relative(iso: string, now: number): string {
  const then = Date.parse(iso)
  if (Number.isNaN(then)) return printable(iso)
  const seconds = Math.round(Math.abs(then - now) / 1000)
  const [name, size] = steps.find(([, size]) => seconds >= size) ?? ['s', 1]
  if (seconds === 0) return 'now'
  const amount = `${Math.floor(seconds / size)} ${name}`
  return then < now ? `${amount} ago` : `in ${amount}`
}

/** `15 min` for 900. */
export function duration(seconds: number): string {
  const [name, size] = steps.find(([, size]) => seconds >= size && seconds % size === 0) ?? ['s', 1]
  return `${seconds / size} ${name}`
}
