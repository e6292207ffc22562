/** An agent that proves who it is with a signature (RFC 7523, `private_key_jwt`): each assertion once, on whichever replica. */
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { AgentKey, AgentPolicy } from '../realm/realm.ts'
import { keysAt } from './key-set.ts'
import { firstTime } from './once.ts'

export const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
/** EdDSA has two names since RFC 9864. */
export const assertionAlgorithms = ['EdDSA', 'Ed25519', 'ES256', 'PS256', 'RS256']

/** Seconds. Two clocks may differ so much. */
const tolerance = 30
/** Each is remembered until it expires. */
const longestLife = 600

/** Throws `invalid-client`, saying what an honest client has to mend. `client` is who the request says it is, if it does. */
export async function authenticateByAssertion(
  ctx: Context,
  { assertion, client }: { assertion: string; client: string | undefined },
): Promise<AgentPolicy> {
  const named = subjectOf(assertion)
  if (client !== undefined && client !== named) {
    throw refused('The client_id is another than the assertion speaks of.')
  }
  const agent = ctx.realm.now().agents.get(named)
  const claims = await signedBy(ctx, agent?.keys ?? [], assertion, named)
  demandOurs(ctx, claims)
  const { jti = '', exp = 0 } = claims
  if (exp * 1000 - ctx.clock.now() > (longestLife + tolerance) * 1000) {
    throw refused(`The assertion lives longer than ${longestLife} s.`)
  }
  if (agent === undefined || !(await firstTime(ctx, 'assertion', [named, jti], exp + tolerance))) {
    throw refused('This assertion was presented before.', 'Sign a new one for every request.')
  }
  return agent
}

function subjectOf(assertion: string): string {
  try {
    return decodeJwt(assertion).sub ?? ''
  } catch {
    throw refused('The client assertion is no JWT.')
  }
}

async function signedBy(
  ctx: Context,
  keys: readonly AgentKey[],
  assertion: string,
  agent: string,
): Promise<JWTPayload> {
  const now = ctx.clock.now()
  const expected = {
    ...{ issuer: agent, subject: agent, algorithms: assertionAlgorithms },
    ...{ clockTolerance: tolerance, requiredClaims: ['exp', 'jti'], currentDate: new Date(now) },
  }
  let last: unknown
  for (const key of keys.filter((one) => one.expiresAt === null || one.expiresAt > now)) {
    try {
      const verified =
        'jwk' in key
          ? await jwtVerify(assertion, key.jwk, expected)
          : await jwtVerify(
              assertion,
              keysAt(ctx, { url: key.jwksUrl, allowPrivate: key.allowPrivate }),
              expected,
            )
      return verified.payload
    } catch (error) {
      if (error instanceof BrokerError) throw error
      last = error
      // It is signed with this key, so no other will do.
      if (error instanceof errors.JWTExpired || error instanceof errors.JWTClaimValidationFailed)
        break
    }
  }
  throw refused(whyNot(last), undefined, last)
}

function whyNot(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'The assertion has expired.'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return `The assertion's ${error.claim} is not as it has to be.`
  }
  return 'The assertion is not signed with a key that this agent has.'
}

/** For this broker alone: an assertion that is good elsewhere too could be taken there and brought here. */
function demandOurs(ctx: Context, { aud }: JWTPayload): void {
  const audience = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud
  if (audience === ctx.publicUrl || audience === `${ctx.publicUrl}/oauth/token`) return
  throw refused(`The assertion's aud has to be ${ctx.publicUrl} and nothing else.`)
}

function refused(detail: string, hint?: string, cause?: unknown): BrokerError {
  const usual =
    'Sign a JWT with iss and sub the client id, aud this broker, exp soon, and a fresh jti. A human can register another key with: valetkey agent rotate --key'
  return new BrokerError('invalid-client', detail, { hint: hint ?? usual }, cause)
}
