/**
 * What goes onto a request to GitHub where the connection's secret is an App's: an installation token for the repositories of the
 * call, that only reads where the call does. It is kept in memory for as long as it lives, and never leaves the broker.
 */
import { LRUCache } from 'lru-cache'
import type { Dial } from '../exchange/dial.ts'
import { secretIsApp } from '../providers/github/provider.ts'
import { type Secret, secret } from '../seal/secret.ts'
import { credentialRejected } from '../vault/lookup.ts'
import { appToken, mint, send, unfit } from './installation.ts'
import type { KeyMaker, Native, Need } from './kind.ts'

type Permissions = Readonly<Record<string, string>>
type Kept = { permissions: Promise<Permissions>; keys: LRUCache<string, Promise<Secret>> }

/** A token lives for an hour; one that a call begins with outlives the call. */
const keptMs = 50 * 60_000

/** Permissions that have no level of reading. */
const writeOnly = new Set(['workflows', 'profile'])

/** What operations of a category change; those of any other may change whatever the App may. */
const changed: Readonly<Record<string, readonly string[]>> = {
  issues: ['issues', 'pull_requests'],
  reactions: ['issues', 'pull_requests', 'contents'],
  pulls: ['pull_requests', 'contents', 'workflows'],
  git: ['contents', 'workflows'],
  checks: ['checks'],
}

export function githubKeys(dial: Dial): KeyMaker {
  // By the secret as it was opened: another one is another App, or another installation.
  const kept = new WeakMap<Secret, Kept>()
  return async (native, need) => {
    const { credential } = native
    if (!secretIsApp(credential.reveal())) return credential
    const held = kept.get(credential) ?? begin(dial, native)
    kept.set(credential, held)
    held.permissions.catch(() => kept.delete(credential))
    const narrowed = {
      ...repositoriesIn(need),
      permissions: narrowedTo(await held.permissions, need),
    }
    const name = JSON.stringify(narrowed)
    const known = held.keys.get(name)
    if (known !== undefined) return known
    const making = make(dial, native, narrowed)
    held.keys.set(name, making)
    making.catch(() => held.keys.delete(name))
    return making
  }
}

function begin(dial: Dial, native: Native): Kept {
  return {
    permissions: installed(dial, native),
    keys: new LRUCache<string, Promise<Secret>>({ max: 1_000, ttl: keptMs }),
  }
}

/** What the installation may at most. */
async function installed(dial: Dial, native: Native): Promise<Permissions> {
  const { jwt, installation } = await appToken(native)
  const { status, json } = await send(dial, native, {
    method: 'GET',
    path: `/app/installations/${installation}`,
    authorization: `Bearer ${jwt}`,
  })
  if (status === 401 || status === 404) throw credentialRejected(native.target)
  const permissions: unknown =
    typeof json === 'object' && json !== null && Reflect.get(json, 'permissions')
  if (typeof permissions !== 'object' || permissions === null) {
    throw new Error(`GitHub answered with ${status}`)
  }
  return Object.fromEntries(
    Object.entries(permissions).filter(
      (pair): pair is [string, string] => typeof pair[1] === 'string',
    ),
  )
}

/** All repositories only where something is not about any of them. */
function repositoriesIn({ places }: Need): { repository_ids?: number[] } {
  const ids = (places ?? [[]]).map((place) => place.find(({ kind }) => kind === 'repository')?.id)
  if (ids.length === 0 || ids.some((id) => id === undefined)) return {}
  return { repository_ids: [...new Set(ids.map(Number))].sort((a, b) => a - b) }
}

function narrowedTo(all: Permissions, { reads, operations }: Need): Permissions {
  const needed = operations.map((one) => changed[one.split('/')[0] ?? ''])
  const changes = (name: string) =>
    !reads && needed.some((names) => names === undefined || names.includes(name))
  return Object.fromEntries(
    Object.entries(all)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, level]) => {
        if (changes(name)) return [[name, level]]
        return writeOnly.has(name) ? [] : [[name, 'read']]
      }),
  )
}

async function make(dial: Dial, native: Native, narrowed: object): Promise<Secret> {
  const { status, token } = await mint(dial, native, narrowed)
  if (token !== null) return secret(token.token)
  if (status === 401) throw credentialRejected(native.target)
  if (status === 422 || status === 403 || status === 404) throw unfit()
  throw new Error(`GitHub answered with ${status}`)
}
