/** Which jobs a trust takes for its agent: conditions on the claims of a job's token, compiled once, then only compared. Pure. */

/** Several values of one claim are alternatives; every claim that is named has to fit. */
export type Conditions = Readonly<Record<string, readonly string[]>>

export type Trust = {
  /** The agent that its jobs are, which has no other way in. */
  agent: string
  system: string
  issuer: string
  audience: string
  /** Addresses of the issuer may be private, and plain http there. */
  allowPrivate: boolean
  algorithms: readonly string[]
  tests: readonly Test[]
}

/** One claim, and what it may be. */
export type Test = {
  claim: string
  /** As a human wrote it, or what the CI system makes prudent. */
  wanted: string
  fits: (value: Claim) => boolean
}

/** A claim as far as it can be compared: a text, or, where the system gives lists, several of which one has to fit. */
export type Claim = string | readonly string[] | null

const claimName = /^[A-Za-z][A-Za-z0-9_./-]{0,99}$/
const longestValue = 500

/** `claim=value`, or what is wrong with it. */
export function parseCondition(
  source: string,
): { claim: string; value: string } | { problem: string } {
  const at = source.indexOf('=')
  const [claim, value] = [source.slice(0, Math.max(at, 0)), source.slice(at + 1)]
  if (at < 1 || value === '') {
    return { problem: `"${source}" is not of the form claim=value, such as ref=refs/heads/main` }
  }
  if (!claimName.test(claim)) return { problem: `"${claim}" is no name of a claim` }
  if (value.length > longestValue || /\p{Cc}/u.test(value)) {
    return {
      problem: `what ${claim} has to be is no single line of at most ${longestValue} characters`,
    }
  }
  const wild = value.includes('*') ? wildcardProblem(value) : null
  return wild === null ? { claim, value } : { problem: `${claim}=${value}: ${wild}` }
}

/** A star is one whole segment, never the first and never a part of one: `acme/*` is clear, `acme*` takes `acme-evil` too. */
function wildcardProblem(value: string): string | null {
  const segments = value.split(/[/:]/)
  if (segments[0] === '*' || segments[0]?.includes('*')) {
    return 'a * may not stand in the first segment'
  }
  return segments.every((one) => one === '*' || !one.includes('*'))
    ? null
    : 'a * stands for one whole segment between slashes or colons, and not for a part of one'
}

/** The test of one claim against its alternatives. */
export function testOf(claim: string, values: readonly string[]): Test {
  const each = values.map(matcher)
  return {
    claim,
    wanted: values.join(' or '),
    fits: (value) =>
      typeof value === 'string'
        ? each.some((fits) => fits(value))
        : (value ?? []).some((one) => each.some((fits) => fits(one))),
  }
}

function matcher(value: string): (text: string) => boolean {
  if (!value.includes('*')) return (text) => text === value
  const pieces = value.split('*')
  const form = new RegExp(`^${pieces.map(escaped).join('[^/:]+')}$`)
  return (text) => text.length <= longestValue && form.test(text)
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

export type Finding = { claim: string; wanted: string; found: string | null; fits: boolean }

/** Claim by claim, whether a job is one of the trust's. `lists` are the claims that may have several values. */
export function findings(
  trust: Pick<Trust, 'tests'>,
  claims: Readonly<Record<string, unknown>>,
  lists: readonly string[],
): Finding[] {
  return trust.tests.map(({ claim, wanted, fits }) => {
    const value = readClaim(claims, claim, lists)
    return { claim, wanted, found: shown(value), fits: fits(value) }
  })
}

/** Texts, and what has one spelling as a text. Anything else fits nothing: it would have to be interpreted. */
function readClaim(
  claims: Readonly<Record<string, unknown>>,
  claim: string,
  lists: readonly string[],
): Claim {
  const value = Object.hasOwn(claims, claim) ? claims[claim] : undefined
  if (typeof value === 'string') return value
  if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value)
  if (Array.isArray(value) && lists.includes(claim)) {
    return value.filter((one): one is string => typeof one === 'string')
  }
  return null
}

function shown(value: Claim): string | null {
  return value === null || typeof value === 'string' ? value : value.join(', ')
}
