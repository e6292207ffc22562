/** What a capability says, once its signature is known to be ours, and how one is narrowed. Pure. */
import type { Step } from './operation.ts'
import { confined, narrower, type Pattern, writePattern } from './pattern.ts'
import type { Scope } from './scope.ts'

/** One entry of `authorization_details` (RFC 9396), with its patterns read. */
export type Detail = {
  connection: string
  operations: readonly Pattern[]
  /** Good for nothing but these, and what lies in them. Absent for all of the environment. */
  resources?: readonly Step[]
  /** How many calls, and how many that do more than read, it is good for in its life, with all that grows from it. */
  maxCalls?: number
  maxWrites?: number
}

export type Capability = {
  jti: string
  agent: string
  environment: string
  scopes: readonly string[]
  details: readonly Detail[]
  /** Seconds since the epoch. */
  issuedAt: number
  expiresAt: number
  /** Of those it grew from, the nearest first. With any of them it falls. */
  parents?: readonly string[]
  /**
   * When the first of those was issued: a watermark that voids that one voids all that grew from it, save one of a scope that was
   * left behind on the way.
   */
  rootedAt?: number
  /** The sub-agents it was made for, by the names that their makers gave them, the latest first. */
  actors?: readonly string[]
  /** The SHA-256 thumbprint (RFC 7638) of the key whose holder alone may use it (RFC 9449). */
  key?: string
}

/** The longest line of capabilities that grow from each other: each is named in the next. */
export const deepest = 8

/** What the scopes allow together, connection by connection: the widest that a capability minted from them can be. */
export function detailsOf(scopes: readonly Scope[]): Detail[] {
  const byConnection = new Map<string, Pattern[]>()
  for (const { connection, pattern } of scopes.flatMap((scope) => scope.allow)) {
    const patterns = byConnection.get(connection)
    if (patterns === undefined) byConnection.set(connection, [pattern])
    else patterns.push(pattern)
  }
  return [...byConnection].map(([connection, operations]) => ({ connection, operations }))
}

/** The entry for a connection. Several that only list operations are one. */
export function detailFor(details: readonly Detail[], connection: string): Detail | null {
  const [first, ...more] = details.filter((one) => one.connection === connection)
  if (first === undefined) return null
  return { ...first, operations: [first, ...more].flatMap((one) => one.operations) }
}

/** Whether an entry says more than which operations: such a one stands alone for its connection. */
export function restricts({ resources, maxCalls, maxWrites }: Detail): boolean {
  return resources !== undefined || maxCalls !== undefined || maxWrites !== undefined
}

/**
 * What was asked for, confined to what is held: never wider, whatever the operations turn out to do. A problem says in words
 * what is not within it. `scopes` says that what is held is scopes, which every call is judged by as well: then a name that
 * lies in a glob needs not be confined again.
 */
export function narrowed(
  requested: readonly Detail[],
  held: readonly Detail[],
  { scopes = false }: { scopes?: boolean } = {},
): Detail[] | { problem: string } {
  const details: Detail[] = []
  for (const wanted of requested) {
    const outer = detailFor(held, wanted.connection)
    const alone = requested.every((one) => one === wanted || one.connection !== wanted.connection)
    if (!alone && (requested.some(restricts) || (outer !== null && restricts(outer)))) {
      return {
        problem: `${wanted.connection} has several entries, and one that lists resources or a budget stands alone`,
      }
    }
    const one = outer === null ? null : narrowedOne(wanted, outer, scopes)
    if (one === null) return { problem: notWithin(wanted, wanted.operations[0]) }
    if ('problem' in one) return one
    details.push(one)
  }
  return details
}

function narrowedOne(wanted: Detail, outer: Detail, scopes: boolean): Detail | { problem: string } {
  const operations: Pattern[] = []
  for (const pattern of wanted.operations) {
    const kept = confinedTo(pattern, outer.operations, scopes)
    if (kept.length === 0) return { problem: notWithin(wanted, pattern) }
    operations.push(...kept)
  }
  const stray = wanted.resources?.find(
    (one) => !(outer.resources ?? [one]).some((two) => same(one, two)),
  )
  if (stray !== undefined) {
    return {
      problem: `${stray.kind} ${stray.id} is none of the resources that the capability is for`,
    }
  }
  const resources = wanted.resources ?? outer.resources
  const calls = least(wanted.maxCalls, outer.maxCalls)
  const writes = least(wanted.maxWrites, outer.maxWrites)
  return {
    connection: wanted.connection,
    operations,
    ...(resources === undefined ? {} : { resources }),
    ...(calls === undefined ? {} : { maxCalls: calls }),
    ...(writes === undefined ? {} : { maxWrites: writes }),
  }
}

function confinedTo(pattern: Pattern, outer: readonly Pattern[], scopes: boolean): Pattern[] {
  if (scopes && outer.some((one) => narrower(pattern, one))) return [pattern]
  const each = outer.flatMap((one) => confined(pattern, one) ?? [])
  return each.includes(pattern) ? [pattern] : each
}

/** A smaller number of what the parent has; a larger one cannot be had, and is no more than the parent's. */
function least(wanted: number | undefined, outer: number | undefined): number | undefined {
  return wanted === undefined || outer === undefined ? (wanted ?? outer) : Math.min(wanted, outer)
}

function same(one: Step, other: Step): boolean {
  return one.kind === other.kind && one.id === other.id
}

function notWithin({ connection }: Detail, pattern: Pattern | undefined): string {
  const what = pattern === undefined ? connection : `${connection}:${writePattern(pattern)}`
  return `${what} is not within what is held`
}

/** Whether `one` is `other`, or what that grew from. */
export function isOrBegan(one: Capability, other: Capability): boolean {
  return one.jti === other.jti || other.parents?.includes(one.jti) === true
}

/**
 * Whether whoever holds `one` may have what came back for `other` on a connection: it is that one or what it grew from, or it carries
 * at least as much, as a fresh capability of the same agent does. What was worth nothing without a key is given to none without one.
 */
export function carries(one: Capability, other: Capability, connection: string): boolean {
  if (isOrBegan(one, other)) return true
  const [mine, theirs] = [one, other].map(({ details }) => detailFor(details, connection))
  if (!mine || !theirs) return false
  const patterns = new Set(mine.operations.map(writePattern))
  const held = (pattern: Pattern): boolean =>
    patterns.has(writePattern(pattern)) ||
    (pattern.form === 'all' && pattern.of.some((part) => held(part)))
  return (
    other.scopes.every((name) => one.scopes.includes(name)) &&
    theirs.operations.every(held) &&
    (mine.resources === undefined ||
      JSON.stringify(mine.resources) === JSON.stringify(theirs.resources)) &&
    (other.key === undefined || one.key !== undefined)
  )
}
