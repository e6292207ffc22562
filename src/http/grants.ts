/** What each grant of the token endpoint takes, and the capability that it gives. Never decides how wide that may be. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { demandLeft } from '../exchange/limits.ts'
import { authenticateJob, type Job, JobRefused } from '../identity/job-tokens.ts'
import { Name } from '../ids.ts'
import type { Capability } from '../policy/capability.ts'
import { readJson } from '../providers/json.ts'
import { attenuate } from '../tokens/attenuate.ts'
import { type Proof, readProof, thumbprintForm } from '../tokens/dpop.ts'
import type { Minted } from '../tokens/issue.ts'
import { mint, type Wanted } from '../tokens/mint.ts'
import { OauthError } from '../tokens/oauth-error.ts'
import { otherKey } from '../tokens/presented.ts'
import { demandStands, verifyCapability } from '../tokens/verify.ts'
import { type Asking, authenticated, claimed } from './client.ts'
import type { Form } from './form.ts'

const exchanging = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const idToken = 'urn:ietf:params:oauth:token-type:id_token'
const jwtToken = 'urn:ietf:params:oauth:token-type:jwt'
export const grantTypes = ['client_credentials', exchanging]

const longestReason = 500

/** `issued` is what kind of token an exchange gave (RFC 8693 section 2.2.1). */
export type Granted = Minted & { issued?: string }

export async function granted(ctx: Context, form: Form, asking: Asking): Promise<Granted> {
  if (ctx.clock.astray?.() === true) {
    throw new BrokerError('policy-stale', "The broker's clock differs from its database's.", {
      hint: 'Whoever runs it has to set the clock of its machine.',
    })
  }
  const grant = form.get('grant_type')
  switch (grant) {
    case 'client_credentials':
      return byCredentials(ctx, form, asking)
    case exchanging:
      return { ...(await byExchange(ctx, form, asking)), issued: accessToken }
    case undefined:
      throw new OauthError('invalid_request', 'Say grant_type=client_credentials in the body.')
    default:
      throw new OauthError(
        'unsupported_grant_type',
        `The grant types here are ${grantTypes.join(' and ')}.`,
      )
  }
}

async function byCredentials(ctx: Context, form: Form, asking: Asking): Promise<Minted> {
  const proof = await offeredProof(ctx, asking)
  const agent = await authenticated(ctx, form, asking)
  demandLeft(ctx, agent.name, 'tokens', ctx.config.limits.mintsPerMinute)
  await proof?.spend()
  return mint(ctx, {
    agent,
    request: asking.request,
    ...optional('key', proof?.key),
    ...wantedIn(form),
  })
}

/**
 * Read before anything is spent that the client could not present again: it learns the nonce only from a refusal. Null where
 * no key is offered.
 */
async function offeredProof(ctx: Context, { proof }: Asking): Promise<Proof | null> {
  return proof.proofs.length === 0 ? null : readProof(ctx, proof, null)
}

/** RFC 8693. A client need not prove who it is beside what it presents; if it does, it has to be who that says. */
async function byExchange(ctx: Context, form: Form, asking: Asking): Promise<Minted> {
  const subject = form.get('subject_token')
  const type = form.get('subject_token_type')
  if (subject === undefined || type === undefined) {
    throw new OauthError(
      'invalid_request',
      `Send what you hold as subject_token, with subject_token_type=${accessToken} for a capability.`,
    )
  }
  const requested = form.get('requested_token_type')
  if (requested !== undefined && requested !== accessToken) {
    throw new OauthError('invalid_request', `An exchange gives ${accessToken} and nothing else.`)
  }
  if (form.has('actor_token')) {
    throw new OauthError(
      'invalid_request',
      'No actor_token is taken here: name the sub-agent in the parameter actor.',
    )
  }
  if (type === idToken || type === jwtToken) return byJob(ctx, form, asking, subject)
  if (type !== accessToken) {
    throw new OauthError(
      'invalid_request',
      `The subject_token_type here is ${accessToken} for a capability, or ${idToken} for a CI job.`,
    )
  }
  const proof = await offeredProof(ctx, asking)
  const agent = await claimed(ctx, form, asking)
  const parent = await presentedParent(ctx, subject)
  if (parent.key !== undefined && parent.key !== proof?.key) throw otherKey()
  if (agent !== null && agent !== parent.agent) {
    throw new OauthError('invalid_grant', 'This capability is of another agent than the client.')
  }
  demandLeft(ctx, parent.agent, 'tokens', ctx.config.limits.mintsPerMinute)
  await proof?.spend()
  return attenuate(ctx, {
    parent,
    ...optional('key', keyIn(form) ?? proof?.key),
    request: asking.request,
    ...wantedIn(form),
    ...optional('actor', actorIn(form)),
  })
}

/** A CI job's ID token. What it gets lives no longer than what the token says of the job. */
async function byJob(ctx: Context, form: Form, asking: Asking, token: string): Promise<Minted> {
  if (asking.authorization !== null || form.has('client_secret') || form.has('client_assertion')) {
    throw new OauthError('invalid_request', 'A job has no credential beside its ID token.')
  }
  const proof = await offeredProof(ctx, asking)
  const { agent, expiresAt, facts } = await provenJob(ctx, token, form.get('client_id'), asking)
  demandLeft(ctx, agent.name, 'tokens', ctx.config.limits.mintsPerMinute)
  const longest = expiresAt - Math.ceil(ctx.clock.now() / 1000)
  if (longest < 1) throw new OauthError('invalid_grant', 'The token of this job expires now.')
  await proof?.spend()
  const about = { request: asking.request, longest, facts, ...optional('key', proof?.key) }
  return mint(ctx, { agent, ...about, ...wantedIn(form) })
}

async function provenJob(
  ctx: Context,
  token: string,
  named: string | undefined,
  { address, request }: Asking,
): Promise<Job> {
  try {
    return await authenticateJob(ctx, token, named)
  } catch (error) {
    if (!(error instanceof JobRefused)) throw error
    ctx.log.warn({ address, request, why: error.message }, 'a job was refused')
    throw new OauthError('invalid_grant', error.message)
  }
}

async function presentedParent(ctx: Context, token: string): Promise<Capability> {
  try {
    const capability = await verifyCapability(ctx, token)
    demandStands(ctx, capability)
    return capability
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code === 'policy-stale') throw error
    const words = [error.message, error.facts.hint].filter(Boolean).join(' ')
    throw new OauthError(error.code === 'frozen' ? 'access_denied' : 'invalid_grant', words)
  }
}

function wantedIn(form: Form): Wanted {
  return {
    scopes: (form.get('scope') ?? '').split(' ').filter((name) => name !== ''),
    ...optional('details', detailsIn(form)),
    ...optional('ttl', ttlIn(form)),
    ...optional('reason', reasonIn(form)),
  }
}

/** The key of a sub-agent, which can prove it only once it has something to prove it with (RFC 9449 section 10). */
function keyIn(form: Form): string | undefined {
  const key = form.get('dpop_jkt')
  if (key === undefined || thumbprintForm.test(key)) return key
  throw new OauthError(
    'invalid_request',
    'The dpop_jkt has to be the thumbprint of a key (RFC 7638).',
  )
}

function actorIn(form: Form): string | undefined {
  const name = form.get('actor')
  if (name === undefined || Name.safeParse(name).success) return name
  throw new OauthError(
    'invalid_request',
    'The actor has to be a name: small letters, digits and hyphens, such as tests.',
  )
}

function detailsIn(form: Form): unknown {
  const text = form.get('authorization_details')
  if (text === undefined) return undefined
  try {
    return readJson(Buffer.from(text))
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    throw new OauthError(
      'invalid_authorization_details',
      'The authorization_details cannot be read in exactly one way: send a JSON array of objects, each key once.',
    )
  }
}

function ttlIn(form: Form): number | undefined {
  const text = form.get('ttl')
  if (text === undefined) return undefined
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text)
  throw new OauthError(
    'invalid_request',
    'The ttl has to be a whole number of seconds, such as 600.',
  )
}

function reasonIn(form: Form): string | undefined {
  const text = form.get('reason')
  if (text === undefined) return undefined
  if (text.length <= longestReason && !/\p{Cc}/u.test(text)) return text
  throw new OauthError(
    'invalid_request',
    `The reason has to be one line of at most ${longestReason} characters.`,
  )
}

/** Absent stays absent: `undefined` is not a value of an optional parameter. */
function optional<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  // A computed name widens to string, so the type has to be said.
  return (value === undefined ? {} : { [name]: value }) as { [key in K]?: V }
}
