/** One spelling for plain data (RFC 8785), so that a hash means one thing. Never repairs: what JSON would drop, round or rewrite is refused. */

/** Deeper than any entry we write; a bound, because every recursion has one. */
const maxDepth = 32

/** The canonical JSON text of plain data. Throws a TypeError that names the place, below `root`, never the value. */
export function canonical(value: unknown, root: readonly string[] = []): string {
  return spelled(value, [...root])
}

/**
 * Checks and spells in one walk. `path` leads to the value, one step for each level: it grows and shrinks with the walk,
 * because a text for each place would cost more than all the rest.
 */
function spelled(value: unknown, path: (string | number)[]): string {
  switch (typeof value) {
    case 'string':
      return quoted(value, path)
    case 'number':
      // ECMAScript's own spelling is the RFC's (section 3.2.2.3), and of its two zeros JSON has one.
      if (!Number.isFinite(value)) throw unfit(path, 'is not a finite number')
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
  }
  if (value === null) return 'null'
  if (path.length > maxDepth) throw unfit(path, `is nested more than ${maxDepth} levels deep`)
  if (Array.isArray(value)) return list(value, path)
  if (typeof value === 'object' && isPlain(value)) return record(value, path)
  throw unfit(path, 'is not plain JSON data')
}

function list(value: readonly unknown[], path: (string | number)[]): string {
  let text = '['
  // By index: a hole must be met, and refused.
  for (let index = 0; index < value.length; index += 1) {
    path.push(index)
    text += `${index === 0 ? '' : ','}${spelled(value[index], path)}`
    path.pop()
  }
  return `${text}]`
}

/** Members in the order of their keys' UTF-16 code units (RFC 8785, section 3.2.3), which is that of `sort`. */
function record(value: object, path: (string | number)[]): string {
  let text = '{'
  for (const key of Object.keys(value).sort()) {
    path.push(key)
    text += `${text === '{' ? '' : ','}${quoted(key, path)}:${spelled(Reflect.get(value, key), path)}`
    path.pop()
  }
  return `${text}}`
}

/** A lone surrogate has no UTF-8: two different strings would be hashed as one. */
function quoted(text: string, path: readonly (string | number)[]): string {
  if (!text.isWellFormed()) throw unfit(path, 'holds a lone surrogate')
  return JSON.stringify(text)
}

function unfit(path: readonly (string | number)[], why: string): TypeError {
  const place = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`)).join('')
  return new TypeError(`$${place} ${why}`)
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
