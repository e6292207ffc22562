/** Gets a capability: by a secret, by a key, by a CI job's token, or out of a wider capability. Shared by `token` and `run`. */
import type { KeyObject } from 'node:crypto'
import type { Command } from 'commander'
import { gather, readCount, readDuration } from './amounts.ts'
import { readSecret } from './ask.ts'
import { jobToken } from './ci-token.ts'
import { agents, type Cli } from './cli.ts'
import { answerOf, call, type Plane, record, refusal } from './client.ts'
import { Failure, usage } from './failure.ts'
import { algorithmOf, readPrivateKey } from './key-files.ts'
import { readName, readNames } from './names.ts'
import type { Prover } from './prover.ts'

export type ObtainOptions = {
  clientId?: string
  secretFile?: string
  keyFile?: string
  oidc?: string
  audience?: string
  from?: string
  scope?: string[]
  ttl?: number
  operation?: string[]
  resource?: string[]
  maxCalls?: number
  maxWrites?: number
  actor?: string
  reason?: string
}

export function obtainOptions(command: Command): Command {
  return command
    .option('--scope <scope>', 'a scope that was granted; may be given several times', readNames)
    .option(
      '--client-id <name>',
      'the agent; of a job, the trust where several would take it',
      readName,
    )
    .option('--secret-file <file>', 'read the client secret from a file')
    .option('--key-file <file>', 'sign in with this private key instead of a secret')
    .option('--oidc <system>', 'in a CI job: github, gitlab, buildkite, circleci or env:NAME')
    .option('--audience <text>', "what the job's token is requested for; else the broker")
    .option('--from <file>', 'take less of the capability in this file, or in - on stdin')
    .option('--actor <name>', 'with --from: the sub-agent that it is for; recorded', readName)
    .option('--ttl <duration>', 'how long it lives, such as 10m', readDuration)
    .option(
      '--operation <connection:operation>',
      'ask for less than the scope allows; may be given several times',
      gather,
    )
    .option(
      '--resource <connection:kind:id>',
      'only for this resource, such as railway:service:ID; may be given several times',
      gather,
    )
    .option('--max-calls <count>', 'good for so many calls', readCount)
    .option('--max-writes <count>', 'good for so many calls that do more than read', readCount)
    .option('--reason <text>', 'what it is for; recorded, never judged')
}

export type Obtained = {
  token: string
  /** Milliseconds since the epoch. */
  expiresAt: number
  answer: Record<string, unknown>
}

/** Gives a fresh capability each time; whoever has to be asked is asked once. */
export type Obtain = (prover?: Prover) => Promise<Obtained>

export async function obtaining(
  cli: Cli,
  options: ObtainOptions,
): Promise<{ plane: Plane; obtain: Obtain }> {
  const form = common(options)
  const plane = await agents(cli)
  const proof = await proofOf(cli, plane, options)
  const obtain: Obtain = async (prover) => {
    const whole = new URLSearchParams([...form, ...(await proof())])
    const answer = record(await (await asked(plane, whole, prover)).json()) ?? {}
    const { access_token: token, expires_in: seconds } = answer
    if (typeof token !== 'string' || typeof seconds !== 'number') {
      throw new Failure('not-a-broker', `${plane.url} answered without a token.`, {
        hint: 'Check VALETKEY_URL: it names the agent plane.',
      })
    }
    return { token, expiresAt: Date.now() + seconds * 1000, answer }
  }
  return { plane, obtain }
}

/** The first request with a proof learns the nonce from its refusal (RFC 9449 section 8). */
async function asked(
  plane: Plane,
  form: URLSearchParams,
  prover: Prover | undefined,
): Promise<Response> {
  const path = '/oauth/token'
  if (prover === undefined) return call(plane, path, { method: 'POST', form })
  for (let tries = 2; ; tries -= 1) {
    const headers = { dpop: await prover.proof('POST', path) }
    const response = await answerOf(plane, path, { method: 'POST', form, headers })
    prover.learn(response.headers.get('dpop-nonce'))
    if (response.ok) return response
    const failure = await refusal(plane, response)
    if (tries === 1 || failure.code !== 'use_dpop_nonce') throw failure
  }
}

type Pairs = [string, string][]

/** What a request says of who asks, made anew each time where it is good for one only. */
async function proofOf(
  cli: Cli,
  plane: Plane,
  options: ObtainOptions,
): Promise<() => Promise<Pairs>> {
  const { clientId, keyFile, oidc, from } = options
  const named = [keyFile, oidc, from].filter((one) => one !== undefined)
  if (named.length > 1) throw usage('Give one of --key-file, --oidc and --from.')
  if (options.actor !== undefined && from === undefined) throw usage('--actor goes with --from.')
  if (oidc !== undefined) return byJob(cli, plane, oidc, options)
  if (from !== undefined) return byCapability(cli, from)
  if (clientId === undefined) {
    throw usage(
      'Nothing says who asks.',
      'Give --client-id NAME; in a CI job --oidc SYSTEM; for a sub-agent --from FILE.',
    )
  }
  if ((options.scope ?? []).length === 0) throw usage('Name at least one --scope.')
  const grant: [string, string] = ['grant_type', 'client_credentials']
  if (keyFile !== undefined) {
    const key = await readPrivateKey(keyFile)
    const { issuer } = await describedBy(plane)
    return async () => [grant, ...(await assertion(key, clientId, issuer))]
  }
  const given = options.secretFile === undefined ? cli.settings.clientSecret : undefined
  const secret =
    given ?? (await readSecret(cli, `Client secret of ${clientId}`, options.secretFile))
  return async () => [grant, ['client_id', clientId], ['client_secret', secret]]
}

const exchange: [string, string] = ['grant_type', 'urn:ietf:params:oauth:grant-type:token-exchange']
const tokenType = (kind: string) => `urn:ietf:params:oauth:token-type:${kind}`

function byJob(cli: Cli, plane: Plane, oidc: string, { audience, clientId }: ObtainOptions) {
  const named: Pairs = clientId === undefined ? [] : [['client_id', clientId]]
  return async (): Promise<Pairs> => [
    exchange,
    ['subject_token_type', tokenType('id_token')],
    ['subject_token', await jobToken(oidc, audience ?? plane.url, cli.settings)],
    ...named,
  ]
}

async function byCapability(cli: Cli, from: string) {
  const file = from === '-' ? undefined : from
  const token = await readSecret(cli, 'Capability', file, '--from FILE')
  return async (): Promise<Pairs> => [
    exchange,
    ['subject_token_type', tokenType('access_token')],
    ['subject_token', token],
  ]
}

/** RFC 7523. */
async function assertion(key: KeyObject, client: string, audience: string): Promise<Pairs> {
  const { SignJWT } = await import('jose')
  const jwt = await new SignJWT({ jti: crypto.randomUUID() })
    .setProtectedHeader({ alg: algorithmOf(key) })
    .setIssuer(client)
    .setSubject(client)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime('60s')
    .sign(key)
  return [
    ['client_id', client],
    ['client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'],
    ['client_assertion', jwt],
  ]
}

/** How the broker names itself: what is signed for it has to say that, whatever address it is reached at. */
export async function describedBy(plane: Plane): Promise<{ issuer: string }> {
  const response = await call(plane, '/.well-known/oauth-authorization-server')
  const issuer = record(await response.json())?.['issuer']
  if (typeof issuer === 'string') return { issuer }
  throw new Failure('not-a-broker', `${plane.url} does not say who it is.`, {
    hint: 'Check VALETKEY_URL: it names the agent plane.',
  })
}

/** What is asked for is the same however it is asked. */
function common(options: ObtainOptions): [string, string][] {
  const details = narrowed(options)
  return [
    ...pair('scope', options.scope?.join(' ')),
    ...pair('ttl', options.ttl?.toString()),
    ...pair('reason', options.reason),
    ...pair('actor', options.actor),
    ...pair('authorization_details', details.length === 0 ? undefined : JSON.stringify(details)),
  ]
}

function pair(name: string, value: string | undefined): [string, string][] {
  return value === undefined || value === '' ? [] : [[name, value]]
}

/** `railway:Query.*` and its like, gathered by connection as RFC 9396 wants them. */
function narrowed({ operation = [], resource = [], maxCalls, maxWrites }: ObtainOptions) {
  const operations = operation.map((text) => split('--operation', text, 'railway:Query.project'))
  const resources = resource.map((text) => split('--resource', text, 'railway:service:ID'))
  const connections = [...new Set([...operations, ...resources].map(([connection]) => connection))]
  if (connections.length === 0 && (maxCalls !== undefined || maxWrites !== undefined)) {
    throw usage(
      'A budget is for a connection.',
      "Name what it is for too, for example: --operation 'railway:@read' --max-calls 10",
    )
  }
  return connections.map((connection) => {
    const listed = operations.filter(([one]) => one === connection).map(([, name]) => name)
    const only = resources.filter(([one]) => one === connection).map(([, name]) => name)
    return {
      type: 'valetkey',
      connection,
      ...(listed.length === 0 ? {} : { operations: listed }),
      ...(only.length === 0 ? {} : { resources: only.map((name) => `${connection}:${name}`) }),
      ...(maxCalls === undefined ? {} : { max_calls: maxCalls }),
      ...(maxWrites === undefined ? {} : { max_writes: maxWrites }),
    }
  })
}

function split(option: string, text: string, example: string): readonly [string, string] {
  const at = text.indexOf(':')
  if (at >= 1 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)]
  const form = option === '--operation' ? 'CONNECTION:OPERATION' : 'CONNECTION:KIND:ID'
  throw usage(`${option} ${text} is not of the form ${form}.`, `For example: ${option} ${example}`)
}
