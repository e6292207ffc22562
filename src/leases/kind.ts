/** The contract of a lease's kind: how a native credential is made, kept going and ended at the upstream. One file for each. */

import type { Place } from '../policy/operation.ts'
import type { Secret } from '../seal/secret.ts'
import type { Answer, Target } from '../vault/lookup.ts'

/** A connection with its own credential, opened. */
export type Native = { target: Target; credential: Secret }

export type Lease = {
  /** Names everything that it makes upstream, so that what a crash left behind is found. */
  id: string
  /** The scope's, as its provider has read it. */
  template: object
  until: Date
  /** Who holds it, for what the upstream writes down. */
  agent: string
  capability: string
  /** What `create` gave to be kept, where something is needed to end it. */
  handle: Secret | null
}

export type LeaseKind = {
  /** Answers one of the provider's questions. A failure is an answer too. */
  ask(
    native: Native,
    question: string,
    variables: Readonly<Record<string, string>>,
    timeoutMs: number,
  ): Promise<Answer>
  /** `credential` goes to the holder and is kept nowhere. Whatever it throws, `revoke` may be called for it. */
  create(
    native: Native,
    lease: Lease,
  ): Promise<{ credential: Record<string, string>; handle: string | null; until: Date }>
  /** Null where the upstream cannot: then a new one is made. */
  extend: ((native: Native, lease: Lease) => Promise<void>) | null
  /** Whether a lease by this template can be ended before it expires. */
  revocable(template: object): boolean
  /** Takes the access alone, and at once, where ending all of it may take long. */
  cut?(native: Native, lease: Lease): Promise<void>
  /** Done when it resolves, also where there was nothing to end. Asked only of what is revocable. */
  revoke(native: Native, lease: Lease): Promise<void>
}

/** What a request is for, to make a credential for no more. `places` is null where it may be about anything. */
export type Need = {
  reads: boolean
  operations: readonly string[]
  places: readonly Place[] | null
}

/** What goes onto a request in the place of a connection's secret. */
export type KeyMaker = {
  /** Throws `conflict` where there is nothing as narrow as that, `upstream-unreachable`, `upstream-credential-rejected`. */
  keyFor(native: Native, need: Need): Promise<Secret>
  /** The upstream has refused what was made of it: the next is made anew. */
  forget(credential: Secret): void
}

/** By provider: those of which the secret itself never leaves. */
export type Keys = ReadonlyMap<string, KeyMaker>

/** By provider. */
export type LeaseKinds = ReadonlyMap<string, LeaseKind>
