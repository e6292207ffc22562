/** One spelling for plain data (RFC 8785), so that a hash means one thing. Never repairs: what JSON would drop, round or rewrite is refused. */
import canonicalize from 'canonicalize'

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** Deeper than any entry we write; a bound, because every recursion has one. */
const maxDepth = 32

/** The canonical JSON text of plain data. Throws a TypeError that names the place, never the value. */
export function canonical(value: unknown): string {
  return spelled(plain(value))
}

/** The same for what `plain` gave already. */
export function spelled(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('the value has no canonical JSON')
  return text
}

/** A deep copy, so that what was checked is what is hashed even if the caller goes on changing the original. */
export function plain(value: unknown, path = '$', depth = 0): Json {
  if (depth > maxDepth) throw new TypeError(`${path} is nested more than ${maxDepth} levels deep`)
  if (value === null || typeof value === 'boolean') return value
  if (typeof value === 'number') return finite(value, path)
  if (typeof value === 'string') return wellFormed(value, path)
  if (Array.isArray(value)) {
    return Array.from(value, (item, index) => plain(item, `${path}[${index}]`, depth + 1))
  }
  if (typeof value === 'object' && isPlain(value)) {
    // fromEntries defines properties, so that a key `__proto__` stays a key.
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        wellFormed(key, `${path}, a key`),
        plain(item, `${path}.${key}`, depth + 1),
      ]),
    )
  }
  throw new TypeError(`${path} is not plain JSON data`)
}

function finite(value: number, path: string): number {
  if (!Number.isFinite(value)) throw new TypeError(`${path} is not a finite number`)
  return value
}

/** A lone surrogate has no UTF-8: two different strings would be hashed as one. */
function wellFormed(value: string, path: string): string {
  if (!value.isWellFormed()) throw new TypeError(`${path} holds a lone surrogate`)
  return value
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
