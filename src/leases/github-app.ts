/**
 * An installation token of a GitHub App for each lease, narrowed by GitHub itself to the repositories and permissions that the
 * scope lists. It is kept, sealed, for nothing but to be ended early.
 */
import { z } from 'zod'
import type { Dial } from '../exchange/dial.ts'
import type { GithubTemplate } from '../providers/github-app/provider.ts'
import type { Answer } from '../vault/lookup.ts'
import { end, mint, send, unfit, within } from './installation.ts'
import type { Lease, LeaseKind, Native } from './kind.ts'

/** GitHub's own page size, and more repositories than a lease may name. */
const pageSize = 100
const mostPages = 10

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
