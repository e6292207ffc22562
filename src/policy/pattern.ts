/**
 * The allowlist's little language: an exact name, a glob (`Query.*`) or an effect (`@read`), after `connection:`.
 * Globs and effects cover only known operations that read or write; everything else must be named exactly.
 */
import { type Effect, effects, type Operation, ordinary } from './operation.ts'

export type Pattern =
  | { form: 'exact'; name: string }
  | { form: 'glob'; source: string; pieces: readonly string[] }
  | { form: 'effect'; effect: 'read' | 'write' }
  /** What each of them covers, written `Query.project&Query.*`. Only capabilities carry it, where one was narrowed. */
  | { form: 'all'; of: readonly Pattern[] }

/** A pattern with the connection it is about, as an operator writes it: `railway:Query.*`. */
export type Allow = { connection: string; pattern: Pattern }

const allowForm = /^([a-z][a-z0-9-]{0,62}):(.{1,200})$/
const nameForm = /^[A-Za-z0-9_./{} -]+$/

/** The reason why `source` is no pattern, or the pattern. */
export function parsePattern(source: string): Pattern | { problem: string } {
  if (source.includes('&')) return parseAll(source.split('&'))
  if (source.startsWith('@')) {
    const effect = source.slice(1)
    if (effect === 'read' || effect === 'write') return { form: 'effect', effect }
    return effects.some((known) => known === effect)
      ? {
          problem: `operations that are ${effect} must be named exactly; only @read and @write are patterns`,
        }
      : { problem: `unknown effect ${source}; the patterns by effect are @read and @write` }
  }
  if (!source.includes('*')) {
    return nameForm.test(source)
      ? { form: 'exact', name: source }
      : { problem: `"${source}" is no operation name` }
  }
  const pieces = source.split('*')
  return pieces.every((piece) => piece === '' || nameForm.test(piece))
    ? { form: 'glob', source, pieces }
    : { problem: `"${source}" is no glob; only letters, digits, . _ / { } and * may stand in one` }
}

function parseAll(sources: readonly string[]): Pattern | { problem: string } {
  const of: Pattern[] = []
  for (const source of sources) {
    const one = parsePattern(source)
    if ('problem' in one) return one
    of.push(one)
  }
  return { form: 'all', of }
}

/** What a scope wants approved wherever it happens: one operation by its name, or everything of an effect. */
export type Demand = {
  connection: string
  of: { form: 'exact'; name: string } | { form: 'effect'; effect: Effect }
}

/** Reads `connection:Mutation.x` or `connection:@destructive`, for `approve`. */
export function parseDemand(source: string): Demand | { problem: string } {
  const match = allowForm.exec(source)
  const [, connection, rest] = match ?? []
  if (connection === undefined || rest === undefined) {
    return {
      problem: `"${source}" is not of the form connection:operation or connection:@effect, such as railway:@destructive`,
    }
  }
  if (rest.startsWith('@')) {
    const effect = effects.find((known) => known === rest.slice(1))
    return effect === undefined
      ? {
          problem: `unknown effect ${rest}; there are ${effects.map((one) => `@${one}`).join(', ')}`,
        }
      : { connection, of: { form: 'effect', effect } }
  }
  return nameForm.test(rest)
    ? { connection, of: { form: 'exact', name: rest } }
    : { problem: `"${rest}" is no operation name, and what needs approval is no glob` }
}

/** Whether an operation is what has to be approved: by its own name or that of a field in it, or by any of its effects. */
export function demanded({ of }: Demand, operation: Operation): boolean {
  if (of.form === 'effect') return operation.effects.includes(of.effect)
  return of.name === operation.name || operation.mustName.some(({ field }) => field === of.name)
}

/** Reads `connection:pattern`. */
export function parseAllow(source: string): Allow | { problem: string } {
  const match = allowForm.exec(source)
  if (match?.[1] === undefined || match[2] === undefined) {
    return {
      problem: `"${source}" is not of the form connection:operation, such as railway:Query.*`,
    }
  }
  const pattern = parsePattern(match[2])
  if ('problem' in pattern) return pattern
  if (pattern.form === 'all')
    return { problem: `"${source}" has a &, and a scope lists its patterns` }
  return { connection: match[1], pattern }
}

export function writePattern(pattern: Pattern): string {
  switch (pattern.form) {
    case 'exact':
      return pattern.name
    case 'glob':
      return pattern.source
    case 'effect':
      return `@${pattern.effect}`
    case 'all':
      return pattern.of.map(writePattern).join('&')
  }
}

export function writeAllow(allow: Allow): string {
  return `${allow.connection}:${writePattern(allow.pattern)}`
}

/** Whether a pattern covers a root field or route. Nested fields are asked about with `names`. */
export function covers(pattern: Pattern, operation: Operation): boolean {
  if (pattern.form === 'all') return pattern.of.every((one) => covers(one, operation))
  if (pattern.form === 'exact') return pattern.name === operation.name
  if (operation.unknown || !ordinary(operation.own)) return false
  return pattern.form === 'glob'
    ? matches(pattern.pieces, operation.name)
    : includes(pattern.effect, operation.own)
}

/** Whether a pattern names this field exactly. */
export function names(pattern: Pattern, field: string): boolean {
  if (pattern.form === 'all') return pattern.of.every((one) => names(one, field))
  return pattern.form === 'exact' && pattern.name === field
}

/** `@read` covers what only reads; `@write` covers what writes, and what only reads not at all. */
function includes(effect: 'read' | 'write', own: readonly Effect[]): boolean {
  return effect === 'read' ? own.every((one) => one === 'read') : own.includes('write')
}

/** Linear in the text for each piece, so that no glob can be made to take long. */
function matches(pieces: readonly string[], text: string): boolean {
  const first = pieces[0] ?? ''
  const last = pieces.at(-1) ?? ''
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  let at = first.length
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return at <= text.length - last.length
}

/** Whether everything that `inner` covers is provably covered by `outer`. Unsure is no. */
export function narrower(inner: Pattern, outer: Pattern): boolean {
  if (writePattern(inner) === writePattern(outer)) return true
  if (outer.form !== 'glob') return false
  // An exact name may be destructive, and a glob never covers that: the call itself decides, so this only says that
  // the name lies in the glob.
  if (inner.form === 'exact') return matches(outer.pieces, inner.name)
  if (inner.form === 'effect' || inner.form === 'all') return false
  return outer.pieces.length === 2 && outer.pieces[1] === ''
    ? (inner.pieces[0] ?? '').startsWith(outer.pieces[0] ?? '')
    : false
}

/**
 * What `inner` covers of what `outer` does, or null where that cannot be anything, or not that anybody could tell. Unlike
 * `narrower` it holds for destructive operations too: a name taken out of a glob still covers no more than the glob.
 */
export function confined(inner: Pattern, outer: Pattern): Pattern | null {
  if (within(inner, outer)) return inner
  return mayMeet(inner, outer) ? { form: 'all', of: [...atoms(inner), ...atoms(outer)] } : null
}

/** Whether all that `inner` covers and names is covered and named by `outer`, whatever an operation turns out to do. */
function within(inner: Pattern, outer: Pattern): boolean {
  return atoms(outer).every((wide) => atoms(inner).some((tight) => sameOrLess(tight, wide)))
}

function sameOrLess(inner: Pattern, outer: Pattern): boolean {
  return inner.form === 'exact' && outer.form !== 'exact' ? false : narrower(inner, outer)
}

function mayMeet(inner: Pattern, outer: Pattern): boolean {
  return atoms(inner).every((one) => atoms(outer).every((other) => mayBoth(one, other)))
}

function mayBoth(one: Pattern, other: Pattern): boolean {
  if (other.form === 'effect') return one.form !== 'effect' || one.effect === other.effect
  return one.form === 'exact' && other.form === 'glob'
    ? matches(other.pieces, one.name)
    : narrower(one, other)
}

function atoms(pattern: Pattern): readonly Pattern[] {
  return pattern.form === 'all' ? pattern.of.flatMap(atoms) : [pattern]
}
