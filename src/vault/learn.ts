/** Tries a credential before it is kept, and learns the upstream's schema with it. Keeps nothing. */
import { createHash } from 'node:crypto'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Provider } from '../providers/provider.ts'
import { type Asking, ask, credentialRejected, lookupWith } from './lookup.ts'

export type Learned = { hash: string; sdl: string }

/** Enough to see whether anything can be seen; finding everything is what discover is for. */
const maxLookups = 8

export async function learnSchema(
  ctx: Pick<Context, 'dial' | 'leasing' | 'keys'>,
  provider: Pick<Provider, 'engine' | 'introspection' | 'rejectsCredential' | 'compile'>,
  asking: Omit<Asking, 'provider'>,
): Promise<Learned> {
  const { introspection } = provider
  if (introspection === null) return learned('')
  const answer = await ask(ctx, { ...asking, provider }, introspection.document)
  if (answer.kind === 'rejected') throw credentialRejected(asking.target)
  if (answer.kind !== 'data') throw unlearned(asking.target.name, answer.why)
  const sdl = introspection.toSdl(answer.data)
  provider.compile(sdl)
  return learned(sdl)
}

function learned(sdl: string): Learned {
  return { hash: createHash('sha256').update(sdl).digest('hex'), sdl }
}

function unlearned(connection: string, why: string): BrokerError {
  return new BrokerError('upstream-unreachable', `The schema could not be learned: ${why}.`, {
    connection,
    hint: 'Check the base URL, and that the upstream lets this credential read its schema.',
  })
}

/**
 * How many things of each kind the credential sees. An API may show its schema to anybody, so a schema proves nothing
 * about the credential.
 */
export async function tryCredential(
  ctx: Pick<Context, 'dial' | 'leasing' | 'keys'>,
  provider: Pick<Provider, 'engine' | 'introspection' | 'rejectsCredential' | 'discover'>,
  asking: Omit<Asking, 'provider'>,
): Promise<Record<string, number>> {
  let left = maxLookups
  let rejected = false
  const lookup = lookupWith(ctx, {
    ...asking,
    provider: {
      engine: provider.engine,
      introspection: provider.introspection,
      rejectsCredential: (status, body) => {
        const refused = provider.rejectsCredential(status, body)
        rejected ||= refused
        return refused
      },
    },
  })
  try {
    const found = await provider.discover(async (document, variables) => {
      if (left === 0) return { ok: false, why: 'enough was seen' }
      left -= 1
      return lookup(document, variables)
    })
    const byKind = Object.groupBy(found, (one) => one.kind)
    return Object.fromEntries(
      Object.entries(byKind).map(([kind, things]) => [kind, things?.length ?? 0]),
    )
  } catch (error) {
    // A kind of token that may not ask one question may answer another, so only the end decides.
    if (rejected && error instanceof BrokerError && error.code === 'not-found') {
      throw credentialRejected(asking.target)
    }
    throw error
  }
}
