/** The hash chain: each entry's canonical body names the hash of the one before. Pure; knows no database and no clock. */
import { hash } from 'node:crypto'
import { canonical } from './canonical.ts'
import type { Checked } from './entry.ts'

/** The end of a chain, or the beginning of an empty one. */
export type Head = { seq: number; hash: string }

/** An entry in its place. `body` is exactly what was hashed. */
export type Link = { seq: number; prev: string; hash: string; body: string }

/** The fields of an entry, as its body says them. */
export type Body = Readonly<Record<string, unknown>>

export type Break = {
  /** The first entry that is wrong, or that should be there and is not. */
  seq: number
  how: 'edited' | 'missing' | 'reordered' | 'cut'
  detail: string
}

export const genesis: Head = { seq: 0, hash: '0'.repeat(64) }

export function hashOf(body: string): string {
  return hash('sha256', body, 'hex')
}

/** The entry's link after `head`, at `at` milliseconds since the epoch. */
export function link(head: Head, at: number, entry: Checked): Link {
  const seq = head.seq + 1
  const body = bodyOf(entry, seq, head.hash, new Date(at).toISOString())
  return { seq, prev: head.hash, hash: hashOf(body), body }
}

/** The members in their canonical order, each in its canonical spelling (RFC 8785), which `readBody` holds it to. */
function bodyOf(entry: Checked, seq: number, prev: string, at: string): string {
  const { agent, connection, environment, facts, kind } = entry
  const { operation, operator, outcome, request } = entry
  return (
    `{${member('agent', agent)}"at":"${at}",${member('connection', connection)}` +
    `${member('environment', environment)}${facts === undefined ? '' : `"facts":${facts},`}` +
    `"kind":"${kind}",${member('operation', operation)}${member('operator', operator)}` +
    `${member('outcome', outcome)}"prev":"${prev}",${member('request', request)}"seq":${seq},"v":1}`
  )
}

function member(name: string, value: string | undefined): string {
  return value === undefined ? '' : `"${name}":${JSON.stringify(value)},`
}

/** Follows a chain from its first entry and keeps the first break. `expected` is a head the chain must reach. */
export async function verifyChain(
  links: AsyncIterable<Link> | Iterable<Link>,
  expected?: Head,
): Promise<{ head: Head; broken: Break | null }> {
  const chain = followChain()
  for await (const next of links) chain.take(next)
  return { head: chain.head(), broken: chain.broken() ?? cut(chain.head(), expected) }
}

/** The same, one link at a time. */
export function followChain(): {
  /** Gives back what the body says, null if it cannot be read. */
  take(next: Link): Body | null
  head(): Head
  broken(): Break | null
} {
  let last = genesis
  let broken: Break | null = null
  return {
    take(next) {
      if (broken?.how === 'missing' && next.seq === broken.seq) {
        const detail = `entry ${next.seq} stands after entry ${last.seq}`
        broken = { seq: next.seq, how: 'reordered', detail }
      }
      const said = readBody(next.body)
      broken ??= fault(last, next, said)
      last = { seq: next.seq, hash: next.hash }
      return said
    },
    head: () => last,
    broken: () => broken,
  }
}

/** Entries that were there when the head was signed, and are not any more. */
export function cut(head: Head, expected: Head | undefined): Break | null {
  if (expected === undefined || head.seq >= expected.seq) return null
  const detail = `the chain ends at entry ${head.seq}, but entry ${expected.seq} was recorded`
  return { seq: head.seq + 1, how: 'cut', detail }
}

function fault(last: Head, next: Link, said: Body | null): Break | null {
  const { seq } = next
  const own = ownFault(next, said)
  if (own !== null) return own
  if (seq <= last.seq) {
    return { seq, how: 'reordered', detail: `entry ${seq} stands after entry ${last.seq}` }
  }
  if (seq > last.seq + 1) {
    const detail = `entry ${last.seq + 1} is missing: entry ${last.seq} is followed by entry ${seq}`
    return { seq: last.seq + 1, how: 'missing', detail }
  }
  if (next.prev !== last.hash) {
    const detail = `entry ${seq} does not follow from entry ${last.seq}: one of the two was replaced`
    return { seq, how: 'edited', detail }
  }
  return null
}

/** What is wrong with a link by itself. */
function ownFault({ seq, prev, hash, body }: Link, said: Body | null): Break | null {
  if (hashOf(body) !== hash) {
    return { seq, how: 'edited', detail: `the body of entry ${seq} does not have its hash` }
  }
  if (said === null) {
    return { seq, how: 'edited', detail: `the body of entry ${seq} is not canonical JSON` }
  }
  if (said['seq'] !== seq) {
    const detail = `in the place of entry ${seq} stands entry ${String(said['seq'])}`
    return { seq, how: 'reordered', detail }
  }
  if (said['prev'] !== prev) {
    return { seq, how: 'edited', detail: `entry ${seq} and its body name different predecessors` }
  }
  return null
}

/** The fields of a body, or null if it is not the one spelling that we write: another has two readings. */
export function readBody(body: string): Body | null {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
    return canonical(value) === body ? { ...value } : null
  } catch {
    return null
  }
}
