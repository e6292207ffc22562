/** Speaks to GitHub as an App and as its installation: the tokens that an installation gives, narrowed. Keeps none of them. */
import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import { z } from 'zod'
import { BrokerError } from '../errors.ts'
import type { Dial, Direct } from '../exchange/dial.ts'
import { readSecret } from '../providers/github-app/provider.ts'
import type { Native } from './kind.ts'

const maxBytes = 4_000_000
const timeoutMs = 10_000

const Token = z.object({
  token: z.string().min(1),
  expires_at: z.string(),
  permissions: z.record(z.string(), z.string()),
  repository_selection: z.string(),
  repositories: z.array(z.object({ id: z.number() })).optional(),
})
export type Token = z.infer<typeof Token>

type Asked = Pick<Direct, 'method'> & { path: string; authorization: string; json?: unknown }

export async function send(dial: Dial, { target }: Native, asked: Asked) {
  const { status, headers, body } = await dial.direct({
    ...{
      url: target.baseUrl + asked.path,
      allowPrivate: target.allowPrivate,
      method: asked.method,
    },
    headers: [
      ['accept', 'application/vnd.github+json'],
      ['authorization', asked.authorization],
      ['x-github-api-version', '2022-11-28'],
      ...(asked.json === undefined ? [] : [['content-type', 'application/json'] as const]),
    ],
    body: asked.json === undefined ? null : new TextEncoder().encode(JSON.stringify(asked.json)),
    ...{ maxBytes, timeoutMs },
  })
  return { status, headers, json: parsed(body) }
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body))
  } catch {
    // An empty answer, or one that is no JSON: its status says enough.
    return null
  }
}

/** A JWT of the App's own, for a minute: GitHub takes ten at most, and clocks may differ. */
export async function appToken({
  credential,
}: Native): Promise<{ jwt: string; installation: string }> {
  const secret = readSecret(credential.reveal())
  if (secret === null) throw new Error('the secret of the connection cannot be read')
  const now = Math.floor(Date.now() / 1000)
  const jwt = await new SignJWT({ iss: secret.app_id, iat: now - 30, exp: now + 60 })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .sign(createPrivateKey(secret.private_key))
  return { jwt, installation: secret.installation_id }
}

/** `narrowed` as GitHub takes it: `repository_ids`, `permissions`. Null where there is no token, and the status says why. */
export async function mint(
  dial: Dial,
  native: Native,
  narrowed: object,
): Promise<{ status: number; token: Token | null }> {
  const { jwt, installation } = await appToken(native)
  const { status, json } = await send(dial, native, {
    method: 'POST',
    path: `/app/installations/${installation}/access_tokens`,
    authorization: `Bearer ${jwt}`,
    json: narrowed,
  })
  const read = Token.safeParse(json)
  return { status, token: status === 201 && read.success ? read.data : null }
}

export function unfit(): BrokerError {
  return new BrokerError(
    'conflict',
    'The GitHub App gives no such token: it lacks a repository or a permission.',
    {
      hint: 'Ask a human to look at what the App is installed on, and what it may do.',
    },
  )
}

export async function end(dial: Dial, native: Native, token: string): Promise<void> {
  const { status } = await send(dial, native, {
    method: 'DELETE',
    path: '/installation/token',
    authorization: `Bearer ${token}`,
  })
  // One that GitHub does not know any more has ended.
  if (status !== 204 && status !== 401) throw new Error(`GitHub answered with ${status}`)
}

/** What came back is looked at, not only what was asked for. */
export function within(
  token: Token,
  repositories: readonly number[],
  permissions: Readonly<Record<string, string>>,
): boolean {
  // GitHub adds metadata to whatever is asked for, and it tells what a repository is.
  const narrow = Object.entries(token.permissions).every(
    ([name, level]) => permissions[name] === level || (name === 'metadata' && level === 'read'),
  )
  const ids = token.repositories?.map(({ id }) => id) ?? []
  return (
    narrow &&
    token.repository_selection === 'selected' &&
    ids.length > 0 &&
    ids.every((id) => repositories.includes(id))
  )
}
