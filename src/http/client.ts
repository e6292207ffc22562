/** Who asks at a token endpoint: an agent that proves it, or somebody who only presents a token. Never tells which part was wrong. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { authenticateAgent } from '../identity/agents.ts'
import { authenticateByAssertion } from '../identity/assertions.ts'
import type { AgentPolicy } from '../realm/realm.ts'
import type { Proving } from '../tokens/dpop.ts'
import { clientProof } from './client-proof.ts'
import type { Form } from './form.ts'

/** What a request brings beside its form. */
export type Asking = {
  authorization: string | null
  /** Of a key that the token is to be bound to (RFC 9449 section 5). */
  proof: Proving
  address: string
  request: string
}

export async function authenticated(
  ctx: Context,
  form: Form,
  { authorization, address, request }: Asking,
): Promise<AgentPolicy> {
  const proof = clientProof(authorization, form)
  try {
    return 'assertion' in proof
      ? await authenticateByAssertion(ctx, proof)
      : await authenticateAgent(ctx, { ...proof, address })
  } catch (error) {
    // The client's id is not logged: people paste the secret into that field.
    if (error instanceof BrokerError) {
      ctx.log.warn({ address, code: error.code, request }, 'a client was refused')
    }
    throw error
  }
}

/** The name of whoever says so: proven where there is a proof, claimed where there is only an id, null where there is neither. */
export async function claimed(ctx: Context, form: Form, asking: Asking): Promise<string | null> {
  const proves =
    asking.authorization !== null || form.has('client_secret') || form.has('client_assertion')
  if (proves) return (await authenticated(ctx, form, asking)).name
  return form.get('client_id') ?? null
}
