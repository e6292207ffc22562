/**
 * An installation token of a GitHub App for each lease, narrowed by GitHub itself to the repositories and permissions that the
 * scope lists. It is kept, sealed, for nothing but to be ended early.
 */
import { createPrivateKey } from 'node:crypto'
import { SignJWT } from 'jose'
import { z } from 'zod'
import { BrokerError } from '../errors.ts'
import type { Dial, Direct } from '../exchange/dial.ts'
import { type GithubTemplate, readSecret } from '../providers/github-app/provider.ts'
import type { Answer } from '../vault/lookup.ts'
import type { Lease, LeaseKind, Native } from './kind.ts'

const maxBytes = 4_000_000
const timeoutMs = 10_000
/** GitHub's own page size, and more repositories than a lease may name. */
const pageSize = 100
const mostPages = 10

const Token = z.object({
  token: z.string().min(1),
  expires_at: z.string(),
  permissions: z.record(z.string(), z.string()),
  repository_selection: z.string(),
  repositories: z.array(z.object({ id: z.number() })).optional(),
})
const Page = z.object({
  repositories: z.array(z.object({ id: z.number(), full_name: z.string() })),
})

export function githubAppLeases(dial: Dial): LeaseKind {
  return {
    ask: async (native, question) => {
      if (question !== 'repositories') return { kind: 'failed', why: 'GitHub is not asked that' }
      return listed(dial, native)
    },
    create: (native, lease) => create(dial, native, lease),
    // A token lasts an hour at most, and no longer.
    extend: null,
    revocable: () => true,
    revoke: async (native, { handle }) => {
      // Without it there was no token, or nobody ever saw it.
      if (handle !== null) await end(dial, native, handle.reveal())
    },
  }
}

type Asked = Pick<Direct, 'method'> & { path: string; authorization: string; json?: unknown }

async function send(dial: Dial, { target }: Native, asked: Asked) {
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
async function appToken({ credential }: Native): Promise<{ jwt: string; installation: string }> {
  const secret = readSecret(credential.reveal())
  if (secret === null) throw new Error('the secret of the connection cannot be read')
  const now = Math.floor(Date.now() / 1000)
  const jwt = await new SignJWT({ iss: secret.app_id, iat: now - 30, exp: now + 60 })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT' })
    .sign(createPrivateKey(secret.private_key))
  return { jwt, installation: secret.installation_id }
}

async function mint(
  dial: Dial,
  native: Native,
  narrowed: object,
): Promise<{ status: number; token: z.infer<typeof Token> | null }> {
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

async function create(dial: Dial, native: Native, { template, until }: Lease) {
  const { repositories, permissions } = template as GithubTemplate
  const { status, token } = await mint(dial, native, { repository_ids: repositories, permissions })
  if (token === null) {
    if (status === 422 || status === 403) throw unfit()
    throw new Error(`GitHub answered with ${status}`)
  }
  if (!within(token, repositories, permissions)) {
    await end(dial, native, token.token)
    throw unfit()
  }
  const expires = new Date(Math.min(until.getTime(), Date.parse(token.expires_at)))
  return { credential: { token: token.token }, handle: token.token, until: expires }
}

/** What came back is looked at, not only what was asked for. */
function within(
  token: z.infer<typeof Token>,
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

function unfit(): BrokerError {
  return new BrokerError(
    'conflict',
    'The GitHub App gives no such token: it lacks a repository or a permission.',
    {
      hint: 'Ask a human to look at what the App is installed on, and what it may do.',
    },
  )
}

async function end(dial: Dial, native: Native, token: string): Promise<void> {
  const { status } = await send(dial, native, {
    method: 'DELETE',
    path: '/installation/token',
    authorization: `Bearer ${token}`,
  })
  // One that GitHub does not know any more has ended.
  if (status !== 204 && status !== 401) throw new Error(`GitHub answered with ${status}`)
}

async function listed(dial: Dial, native: Native): Promise<Answer> {
  const { status, token } = await mint(dial, native, { permissions: { metadata: 'read' } })
  if (token === null) {
    return status === 401
      ? { kind: 'rejected' }
      : { kind: 'failed', why: `GitHub answered ${status}` }
  }
  try {
    const all: { id: string; name: string }[] = []
    for (let page = 1; page <= mostPages; page += 1) {
      const answer = await send(dial, native, {
        method: 'GET',
        path: `/installation/repositories?per_page=${pageSize}&page=${page}`,
        authorization: `Bearer ${token.token}`,
      })
      const read = Page.safeParse(answer.json)
      if (!read.success) return { kind: 'failed', why: `GitHub answered ${answer.status}` }
      const { repositories } = read.data
      all.push(...repositories.map(({ id, full_name: name }) => ({ id: String(id), name })))
      if (repositories.length < pageSize) return { kind: 'data', data: all }
    }
    return { kind: 'failed', why: 'the installation has too many repositories' }
  } finally {
    await end(dial, native, token.token).catch(() => {})
  }
}
