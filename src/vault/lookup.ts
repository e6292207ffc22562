/** Asks an upstream on an operator's behalf, with the connection's credential. Tells in a word what went wrong, never what the upstream wrote. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Need } from '../leases/kind.ts'
import type { Lookup, Provider } from '../providers/provider.ts'
import type { ConnectionPolicy } from '../realm/realm.ts'
import type { Secret } from '../seal/secret.ts'

/** A connection that may not be written down yet. */
export type Target = Pick<
  ConnectionPolicy,
  'name' | 'provider' | 'baseUrl' | 'placement' | 'allowPrivate'
>

export type Asking = {
  provider: Pick<Provider, 'engine' | 'introspection' | 'rejectsCredential'>
  target: Target
  credential: Secret
}

export type Answer =
  | { kind: 'data'; data: unknown }
  | { kind: 'rejected' }
  /** The upstream's own word that there is no such thing, which holds for a while; a failure may pass at once. */
  | { kind: 'absent'; why: string }
  | { kind: 'failed'; why: string }

/** How long one answer may take, and who wants to see its headers. */
export type Bounds = {
  timeoutMs?: number
  answered?: (headers: ReadonlyMap<string, string>) => void
}

const operatorMs = 20_000
/** A large API's schema is several megabytes. */
const maxBytes = 32_000_000

/** One query. What the upstream wrote stays here: it may repeat the credential. */
export async function ask(
  ctx: Pick<Context, 'dial' | 'leasing' | 'keys'>,
  { provider, target, credential }: Asking,
  document: string,
  variables: Readonly<Record<string, string>> = {},
  { timeoutMs = operatorMs, answered }: Bounds = {},
): Promise<Answer> {
  const { introspection } = provider
  if (provider.engine === 'rest') {
    return get(ctx, { provider, target, credential }, document, {
      timeoutMs,
      ...(answered === undefined ? {} : { answered }),
    })
  }
  if (introspection === null) {
    const kind = ctx.leasing.get(target.provider)
    if (kind === undefined) throw new Error(`nothing leases ${target.provider}`)
    return kind.ask({ target, credential }, document, variables, timeoutMs)
  }
  const { status, headers, body } = await ctx.dial.request({
    connection: target,
    method: 'POST',
    path: introspection.path,
    query: '',
    headers: [
      ['content-type', 'application/json'],
      ['accept', 'application/json'],
    ],
    body: new TextEncoder().encode(JSON.stringify({ query: document, variables })),
    credential,
    timeoutMs,
    maxBytes,
  })
  answered?.(new Map(headers))
  const answer = parse(body)
  if (provider.rejectsCredential(status, answer)) return { kind: 'rejected' }
  if (status !== 200) return { kind: 'failed', why: `the upstream answered ${status}` }
  if (answer === undefined) return { kind: 'failed', why: 'the upstream did not answer with JSON' }
  if (answer.errors !== undefined) {
    return saysNotFound(answer.errors)
      ? notFound
      : { kind: 'failed', why: 'the upstream answered with errors' }
  }
  return answer.data == null
    ? { kind: 'failed', why: 'the upstream answered nothing' }
    : { kind: 'data', data: answer.data }
}

const notFound: Answer = { kind: 'absent', why: 'the upstream does not have it' }

/** What goes onto a request: the connection's secret, or what it is exchanged for. */
export async function keyFor(
  { keys }: Pick<Context, 'keys'>,
  native: Pick<Asking, 'target' | 'credential'>,
  need: Need,
): Promise<Secret> {
  return keys.get(native.target.provider)?.keyFor(native, need) ?? native.credential
}

/** The question is a path below the base URL, and may have a query. */
async function get(
  ctx: Pick<Context, 'dial' | 'keys'>,
  { provider, target, credential }: Asking,
  question: string,
  { timeoutMs = operatorMs, answered }: Bounds,
): Promise<Answer> {
  const [path = '', query = ''] = question.split('?')
  const need = { reads: true, operations: [], places: null }
  const send = async () => {
    const key = await keyFor(ctx, { target, credential }, need)
    const answer = await ctx.dial.request({
      connection: target,
      method: 'GET',
      path,
      query,
      headers: [['accept', 'application/json']],
      body: null,
      credential: key,
      timeoutMs,
      maxBytes,
    })
    return { ...answer, made: key !== credential }
  }
  let { status, headers, body, made } = await send()
  if (made && provider.rejectsCredential(status, parse(body))) {
    // GitHub ends tokens early, and another one may be good.
    ctx.keys.get(target.provider)?.forget(credential)
    ;({ status, headers, body, made } = await send())
  }
  answered?.(new Map(headers))
  const data = parse(body)
  if (provider.rejectsCredential(status, data)) return { kind: 'rejected' }
  if (status === 404 || status === 410) return notFound
  if (status !== 200) return { kind: 'failed', why: `the upstream answered ${status}` }
  if (data === undefined) return { kind: 'failed', why: 'the upstream did not answer with JSON' }
  return { kind: 'data', data }
}

function saysNotFound(errors: unknown): boolean {
  return (
    Array.isArray(errors) &&
    errors.length > 0 &&
    errors.every((error) => /^[\w ]{1,60} not found$/i.test(String(error?.message)))
  )
}

function parse(body: Uint8Array): { data?: unknown; errors?: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    // Not JSON, which the caller is told.
    return undefined
  }
}

/** Throws when the upstream cannot be asked at all; a question that it does not answer is an answer too. */
export function lookupWith(
  ctx: Pick<Context, 'dial' | 'leasing' | 'keys'>,
  asking: Asking,
): Lookup {
  return async (document, variables) => {
    const answer = await ask(ctx, asking, document, variables)
    if (answer.kind === 'data') return { ok: true, data: answer.data }
    return answer.kind === 'rejected'
      ? { ok: false, why: "the upstream refused the connection's credential" }
      : { ok: false, why: answer.why }
  }
}

/** The refusal of the credential itself. */
export function credentialRejected(target: Target): BrokerError {
  return new BrokerError(
    'upstream-credential-rejected',
    `${new URL(target.baseUrl).host} refused the secret of ${target.name}.`,
    {
      connection: target.name,
      hint: 'Check that it is the whole secret, that it has not expired, and that its kind of token fits the placement.',
    },
  )
}
