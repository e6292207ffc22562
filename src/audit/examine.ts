/** Follows an audit log entry by entry against signed heads, wherever both come from. Pure but for checking signatures. */

import { z } from 'zod'
import { type Body, type Break, cut, followChain, type Head, type Link } from './chain.ts'
import { type Claims, openCheckpoint, type PublicKeys } from './checkpoint.ts'
import { checkProof, digestOfChange, type Proof } from './proof.ts'

export type Problem = {
  /** The entry concerned, if one can be named. */
  seq: number | null
  /**
   * `rewritten`: the chain fits together but is not the one that was signed. `forged`: none of the keys made the signature.
   * `unproven`: a passkey is said to have signed something, and it did not.
   */
  how: Break['how'] | 'rewritten' | 'forged' | 'unreadable' | 'unproven'
  detail: string
}

export type Findings = {
  head: Head
  entries: number
  /** Signed heads that the log bears out. */
  checkpoints: number
  /** Signatures of passkeys that the entries bear, each of a key that was enrolled before. */
  proofs: number
  problems: Problem[]
  calls: number
  /** Calls of which nobody knows what became: the broker was stopped in between. Not an error of the log. */
  unknown: { seq: number; request: string | null }[]
}

export type Examination = {
  /** A signed head whose entry is still to come. */
  expect(signed: string): Promise<void>
  /** Gives back what the entry says, null if it cannot be read. */
  entry(next: Link): Promise<Body | null>
  /** The signed head of the entry that was last. */
  end(signed: string): Promise<void>
  findings(): Findings
}

const maxProblems = 100

export function examine(keys: PublicKeys): Examination {
  const problems: Problem[] = []
  const note = (problem: Problem) => {
    if (problems.length < maxProblems) problems.push(problem)
  }
  const chain = followChain()
  const heads = signedHeads(note)
  const calls = pairCalls()
  const touches = provenTouches(note)
  let entries = 0

  return {
    expect: async (signed) => {
      const claims = await open(signed, keys, note)
      if (claims !== null) heads.expect(claims)
    },
    entry: async (next) => {
      entries += 1
      const said = chain.take(next)
      heads.meet(next)
      if (said !== null) {
        calls.take(next.seq, said)
        await touches.take(next.seq, said)
      }
      return said
    },
    end: async (signed) => {
      const claims = await open(signed, keys, note)
      if (claims === null) return
      heads.expect(claims)
      if (claims.seq <= chain.head().seq) heads.meet(chain.head())
    },
    findings: () => {
      const head = chain.head()
      const found = [chain.broken(), ...problems, heads.unmet(head)]
      return {
        head,
        entries,
        checkpoints: heads.held(),
        proofs: touches.held(),
        problems: found.filter((problem) => problem !== null),
        ...calls.tally(),
      }
    },
  }
}

async function open(
  signed: string,
  keys: PublicKeys,
  note: (problem: Problem) => void,
): Promise<Claims | null> {
  try {
    return await openCheckpoint(signed, keys)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    note({ seq: null, how: 'forged', detail: `a signed head does not hold: ${why}` })
    return null
  }
}

/** Signed heads wait here until the entry comes by that they speak of. */
function signedHeads(note: (problem: Problem) => void) {
  const waiting = new Map<number, Claims>()
  let held = 0
  let sound = 0
  return {
    held: () => held,
    expect: (claims: Claims) => {
      const other = waiting.get(claims.seq)
      if (other !== undefined && other.hash !== claims.hash) {
        const detail = `two different entries ${claims.seq} were signed`
        note({ seq: claims.seq, how: 'rewritten', detail })
      }
      waiting.set(claims.seq, claims)
    },
    meet: ({ seq, hash }: Head) => {
      const claims = waiting.get(seq)
      if (claims === undefined) return
      waiting.delete(seq)
      if (claims.hash !== hash) {
        const detail = `entry ${seq} is not the one that was signed at ${claims.at}: it, or another after entry ${sound}, was rewritten`
        return note({ seq, how: 'rewritten', detail })
      }
      held += 1
      sound = seq
    },
    /** The furthest head that the log does not reach. */
    unmet: (head: Head) => cut(head, { seq: Math.max(0, ...waiting.keys()), hash: '' }),
  }
}

/** Whose key said yes to what: each proof by itself, of a key that an earlier entry enrolled, about what its entry says. */
function provenTouches(note: (problem: Problem) => void) {
  const enrolled = new Map<string, unknown>()
  let held = 0
  return {
    held: () => held,
    take: async (seq: number, { facts, operator }: Body) => {
      if (!(facts instanceof Object)) return
      const said = new Map<string, unknown>(Object.entries(facts))
      const key = said.get('public_key')
      if (typeof said.get('passkey') === 'string' && key !== undefined) {
        enrolled.set(`${said.get('operator')} ${said.get('passkey')}`, key)
      }
      const proof = said.get('proof')
      if (proof === undefined) return
      const why = (await checkProof(proof)) ?? foreign(proof, operator, said, enrolled)
      if (why === null) held += 1
      else note({ seq, how: 'unproven', detail: `the proof of entry ${seq} does not hold: ${why}` })
    },
  }
}

/** A sound proof of something else, or of somebody else. */
function foreign(
  value: unknown,
  operator: unknown,
  said: ReadonlyMap<string, unknown>,
  enrolled: ReadonlyMap<string, unknown>,
): string | null {
  // Its shape was checked with it.
  const proof = value as Proof
  if (proof.operator !== operator) return 'it is another operator’s'
  if (enrolled.get(`${proof.operator} ${proof.passkey}`) !== proof.public_key) {
    return 'no earlier entry enrolled the key'
  }
  if (proof.purpose === 'confirm') return otherChange(proof, said)
  for (const name of ['approval', 'digest'] as const) {
    const [claimed, signed] = [said.get(name), proof.facts[name]]
    if (signed !== undefined && claimed !== undefined && signed !== claimed) {
      return `it is for another ${name}`
    }
  }
  return null
}

const ChangeMade = z.object({
  change: z.string(),
  what: z.string(),
  agreed: z.object({ params: z.string(), diff: z.record(z.string(), z.unknown()) }),
})

/** One touch may be for several changes: the one that the entry made has to be among them, with the difference it tells. */
function otherChange({ facts }: Proof, said: ReadonlyMap<string, unknown>): string | null {
  const made = ChangeMade.safeParse(Object.fromEntries(said))
  if (!made.success) return 'the entry does not say what was agreed to'
  const { change: id, what: action, agreed } = made.data
  const signed = z
    .array(z.object({ id: z.string(), digest: z.string() }))
    .safeParse(facts['changes'])
  const digest = digestOfChange({ id, action, ...agreed })
  return signed.data?.some((one) => one.id === id && one.digest === digest)
    ? null
    : 'it is for another change'
}

function pairCalls() {
  const waiting = new Map<string, number>()
  const unnamed: number[] = []
  let calls = 0
  return {
    take: (seq: number, { kind, request }: Body) => {
      const name = typeof request === 'string' ? request : null
      if (kind === 'outcome' && name !== null) waiting.delete(name)
      if (kind !== 'call') return
      calls += 1
      if (name === null) unnamed.push(seq)
      else waiting.set(name, seq)
    },
    tally: () => {
      const named = [...waiting].map(([request, seq]) => ({ seq, request }))
      const unknown = [...unnamed.map((seq) => ({ seq, request: null })), ...named]
      return { calls, unknown: unknown.sort((a, b) => a.seq - b.seq) }
    },
  }
}
