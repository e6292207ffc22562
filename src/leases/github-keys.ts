/**
 * What goes onto a request to GitHub where the connection's secret is an App's: an installation token for the repositories of the
 * call, that only reads where the call does. It is kept in memory for as long as it lives, and never leaves the broker.
 */
import { LRUCache } from 'lru-cache'
import { BrokerError } from '../errors.ts'
import type { Dial } from '../exchange/dial.ts'
import { secretIsApp } from '../providers/github/provider.ts'
import { type Secret, secret } from '../seal/secret.ts'
import { credentialRejected } from '../vault/lookup.ts'
import { appToken, end, mint, send, unfit, within } from './installation.ts'
import type { KeyMaker, Native, Need } from './kind.ts'

type Permissions = Readonly<Record<string, string>>
type Key = { key: Secret; until: number }
type Kept = { permissions: Promise<Permissions>; until: number }

/** What the installation may changes when somebody changes it. */
const permissionsMs = 300_000
/** A call that begins with a token ends before that does. */
const marginMs = 300_000

/** Permissions that have no level of reading. */
const writeOnly = new Set(['workflows', 'profile'])

/** What look-ups read: repositories, refs, pull requests, deployments. */
const lookedUp = ['metadata', 'contents', 'pull_requests', 'deployments']

/** By the beginning of an operation's name what it changes. Any other may change whatever the App may, and no pattern covers it. */
const changed: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^issues\//, ['issues', 'pull_requests']],
  [/^reactions\/[a-z-]*-(?:commit-comment|release)$/, ['contents']],
  [/^reactions\/[a-z-]*-pull-request/, ['pull_requests']],
  [/^reactions\//, ['issues', 'pull_requests']],
  [/^pulls\/(?:merge|update-branch)/, ['pull_requests', 'contents', 'workflows']],
  [/^pulls\//, ['pull_requests']],
  [/^git\/create-(?:blob|commit|tag)$/, ['contents']],
  [/^git\//, ['contents', 'workflows']],
  [/^checks\//, ['checks']],
  [/^repos\/(?:create|update)-commit-comment$/, ['contents']],
  [/^repos\/create-commit-status$/, ['statuses']],
  [/^repos\/generate-release-notes$/, ['contents']],
  [
    /^repos\/(?:create-or-update-file-contents|delete-file|merge|merge-upstream)$/,
    ['contents', 'workflows'],
  ],
  [/^repos\/(?:create|update|delete)-deployment/, ['deployments']],
  [/^code-scanning\//, ['security_events']],
]

export function githubKeys(dial: Dial): KeyMaker {
  // By the secret as it was opened: another one is another App, or another installation.
  const installations = new WeakMap<Secret, Kept>()
  const made = new WeakMap<Secret, LRUCache<string, Promise<Key>>>()
  const forget = (credential: Secret) => {
    installations.delete(credential)
    made.delete(credential)
  }

  const permissionsOf = (native: Native): Promise<Permissions> => {
    const held = installations.get(native.credential)
    if (held !== undefined && held.until > performance.now()) return held.permissions
    const permissions = installed(dial, native)
    installations.set(native.credential, { permissions, until: performance.now() + permissionsMs })
    permissions.catch(() => installations.delete(native.credential))
    return permissions
  }

  const freshest = async (native: Native, need: Need): Promise<Secret> => {
    const { credential } = native
    const narrowed = {
      ...repositoriesIn(need),
      permissions: narrowedTo(await permissionsOf(native), need),
    }
    const keys = made.get(credential) ?? new LRUCache<string, Promise<Key>>({ max: 1_000 })
    made.set(credential, keys)
    const name = JSON.stringify(narrowed)
    const known = await keys.get(name)
    if (known !== undefined && known.until > Date.now()) return known.key
    const making = make(dial, native, narrowed)
    keys.set(name, making)
    making.catch(() => keys.delete(name))
    return (await making).key
  }

  return {
    keyFor: async (native, need) => {
      if (!secretIsApp(native.credential.reveal())) return native.credential
      try {
        return await freshest(native, need)
      } catch (error) {
        // What the App may was changed meanwhile, perhaps.
        if (!(error instanceof BrokerError) || error.code !== 'conflict') throw error
        forget(native.credential)
        return freshest(native, need)
      }
    },
    forget,
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
  if ([401, 403, 404].includes(status)) throw credentialRejected(native.target)
  const permissions: unknown =
    typeof json === 'object' && json !== null && Reflect.get(json, 'permissions')
  if (typeof permissions !== 'object' || permissions === null) throw unanswered(native, status)
  return Object.fromEntries(
    Object.entries(permissions).filter(
      (pair): pair is [string, string] => typeof pair[1] === 'string',
    ),
  )
}

/** All repositories only where something is not about any of them. */
function repositoriesIn({ places }: Need): { repository_ids?: number[] } {
  const ids = (places ?? []).map((place) => place.find(({ kind }) => kind === 'repository')?.id)
  if (ids.length === 0 || ids.some((id) => id === undefined)) return {}
  return { repository_ids: [...new Set(ids.map(Number))].sort((a, b) => a - b) }
}

function narrowedTo(all: Permissions, { reads, operations, places }: Need): Permissions {
  const needed = operations.map((one) => changed.find(([name]) => name.test(one))?.[1])
  const changes = (name: string) =>
    !reads && needed.some((names) => names === undefined || names.includes(name))
  // A look-up reads what it has to; what is about nothing tells nothing.
  const read = (name: string) =>
    places === null ? lookedUp.includes(name) : places.length > 0 || name === 'metadata'
  return Object.fromEntries(
    Object.entries(all)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([name, level]) => {
        if (changes(name)) return [[name, level]]
        return writeOnly.has(name) || !read(name) ? [] : [[name, 'read']]
      }),
  )
}

type Narrowed = { repository_ids?: number[]; permissions: Permissions }

async function make(dial: Dial, native: Native, narrowed: Narrowed): Promise<Key> {
  const { status, token } = await mint(dial, native, narrowed)
  if (token !== null) {
    const ids = narrowed.repository_ids
    if (ids !== undefined && !within(token, ids, narrowed.permissions)) {
      await end(dial, native, token.token).catch(() => {})
      throw unfit()
    }
    return { key: secret(token.token), until: Date.parse(token.expires_at) - marginMs }
  }
  if (status === 401) throw credentialRejected(native.target)
  if ([403, 404, 422].includes(status)) throw unfit()
  throw unanswered(native, status)
}

function unanswered({ target }: Native, status: number): BrokerError {
  return new BrokerError(
    'upstream-unreachable',
    `GitHub gave ${target.name} no token: it answered ${status}.`,
    { connection: target.name, hint: 'Try again later; nothing was sent.' },
  )
}
