/**
 * Where what a call to GitHub names lies: by the numbers of owner and repository, since a name is given to somebody else once it is
 * free. Asks GitHub, and takes only an answer about the very thing.
 */
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import type { Located, Place, Resource, Step } from '../../policy/operation.ts'
import type { Described, Discovered, Kind, Lookup } from '../provider.ts'
import { whole } from '../rest/kinds.ts'
import type { NamingKind } from './names.ts'

const below = (...path: string[]) => [whole.kind, ...path]

export const kinds: readonly Kind[] = [
  { kind: whole.kind, bind: 'owns', path: below() },
  { kind: 'owner', bind: 'owns', path: below('owner') },
  { kind: 'repository', bind: 'owns', path: below('owner', 'repository') },
  { kind: 'ref', bind: 'owns', path: below('owner', 'repository', 'ref') },
  {
    kind: 'deployment-environment',
    bind: 'owns',
    path: below('owner', 'repository', 'deployment-environment'),
  },
]

const Owner = z.object({ id: z.int().positive(), login: z.string() })
const Repository = z.object({
  id: z.int().positive(),
  full_name: z.string(),
  default_branch: z.string().optional(),
  delete_branch_on_merge: z.boolean().optional(),
  owner: Owner,
})
type Repository = z.infer<typeof Repository>
const Refs = z.array(z.object({ ref: z.string() }))
const Side = z.object({ ref: z.string(), repo: z.object({ id: z.int() }).nullable() })
const Pull = z.object({ number: z.int(), base: Side, head: Side })
const Deployment = z.object({ id: z.int(), environment: z.string() })

/** As GitHub lets names be. */
const nameForm = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/
/** A part of what git allows (git-check-ref-format): whatever has one spelling. */
const refForm =
  /^refs\/(?:heads|tags)\/(?!.*(?:\.\.|\/\/|\/\.|\.lock(?:\/|$)))[\p{L}\p{N}_+@=,#!-][\p{L}\p{N}._/+@=,#!-]{0,240}(?<![./])$/u
const environmentForm = /^(?!\.{1,2}$)[\x20-\x7e]{1,255}$/
const numberForm = /^[1-9]\d{0,17}$/

class Unknown extends Error {}

export async function locate(
  { kind, id }: Pick<Resource, 'kind' | 'id'>,
  lookup: Lookup,
): Promise<Located> {
  try {
    const [home, ...others] = await placesOf(kind, id, lookup)
    if (home === undefined) throw new Unknown('GitHub does not show where it is')
    return { known: true, home, places: [home, ...others] }
  } catch (error) {
    if (error instanceof Unknown) return { known: false, why: error.message }
    throw error
  }
}

async function placesOf(kind: string, id: string, lookup: Lookup): Promise<Place[]> {
  if (kind === whole.kind) {
    if (id !== whole.id) throw new Unknown('there is one API')
    return [[whole]]
  }
  if (kind === 'owner') return [ownerPlace(await ownerOf(id, lookup))]
  const [, name = '', within] = /^([^:]*)(?::(.*))?$/su.exec(id) ?? []
  const repository = await repositoryOf(name, lookup)
  const at = repositoryPlace(repository)
  if (kind === 'repository') {
    if (within === undefined) return [at]
    throw new Unknown('that is no name of a repository')
  }
  const steps = await insideOf(kind as NamingKind, within ?? '', { name, repository, lookup })
  return steps.map((step) => [...at, step])
}

type Around = { name: string; repository: Repository; lookup: Lookup }

async function insideOf(kind: NamingKind, id: string, around: Around): Promise<Step[]> {
  const { repository } = around
  switch (kind) {
    case 'ref':
      return [refStep(repository, id)]
    case 'branch':
      return [refStep(repository, branchRef(id))]
    case 'default-branch': {
      const branch = repository.default_branch
      if (branch === undefined) throw new Unknown('GitHub does not say which branch is the default')
      return [refStep(repository, branchRef(branch))]
    }
    case 'revision':
      return [refStep(repository, await revisionRef(id, around))]
    case 'pull-base':
    case 'pull-head':
      return pullSteps(kind, id, around)
    case 'deployment-environment':
      return [environmentStep(repository, id)]
    case 'deployment':
      return [environmentStep(repository, await deploymentEnvironment(id, around))]
    default:
      throw new Unknown(`GitHub has no ${kind satisfies never}`)
  }
}

async function asked<T>(lookup: Lookup, path: string, shape: z.ZodType<T>): Promise<T> {
  const answer = await lookup(path, {})
  if (!answer.ok) throw new Unknown(answer.why)
  const read = shape.safeParse(answer.data)
  if (read.success) return read.data
  throw new Unknown('GitHub answered with something else')
}

async function ownerOf(name: string, lookup: Lookup): Promise<z.infer<typeof Owner>> {
  if (!nameForm.test(name)) throw new Unknown('that is no name of an owner')
  const owner = await asked(lookup, `/users/${name}`, Owner)
  if (!sameName(owner.login, name)) throw new Unknown('GitHub answered with another owner')
  return owner
}

async function repositoryOf(name: string, lookup: Lookup): Promise<Repository> {
  const [owner = '', repo = '', ...more] = name.split('/')
  if (more.length > 0 || !nameForm.test(owner) || !nameForm.test(repo)) {
    throw new Unknown('that is no name of a repository')
  }
  const repository = await asked(lookup, `/repos/${owner}/${repo}`, Repository)
  if (!sameName(repository.full_name, name)) {
    throw new Unknown('GitHub answered with another repository')
  }
  return repository
}

function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}

function ownerPlace({ id }: { id: number }): Place {
  return [whole, { kind: 'owner', id: String(id) }]
}

function repositoryPlace({ id, owner }: Repository): Place {
  return [...ownerPlace(owner), { kind: 'repository', id: String(id) }]
}

function refStep({ id }: Repository, ref: string) {
  if (!refForm.test(ref)) throw new Unknown('that is no whole name of a branch or a tag')
  return { kind: 'ref', id: `${id}/${ref}` }
}

/** GitHub takes some longer spellings of a branch too; a short one has one meaning. */
function branchRef(name: string): string {
  if (/^(?:refs|heads|tags|remotes)(?:\/|$)/.test(name)) {
    throw new Unknown('a branch is named by its own name alone')
  }
  return `refs/heads/${name}`
}

/** A branch or a tag, whichever there is; never one that could be either. */
async function revisionRef(name: string, { name: repository, lookup }: Around): Promise<string> {
  const plain = name.replace(/^refs\/(?:heads|tags)\//, '')
  if (!refForm.test(branchRef(plain))) throw new Unknown('that is no branch or tag')
  const spelled = plain.split('/').map(encodeURIComponent).join('/')
  const found: string[] = []
  for (const kind of ['heads', 'tags']) {
    const refs = await asked(
      lookup,
      `/repos/${repository}/git/matching-refs/${kind}/${spelled}`,
      Refs,
    )
    found.push(...refs.flatMap(({ ref }) => (ref === `refs/${kind}/${plain}` ? [ref] : [])))
  }
  const meant = name === plain ? found : found.filter((ref) => ref === name)
  const [ref] = meant
  if (ref !== undefined && found.length === 1) return ref
  throw new Unknown(
    found.length > 1
      ? 'there is a branch and a tag of that name'
      : 'there is no branch and no tag of that name',
  )
}

/** A merge may delete the branch that was merged, where the repository is set so. */
async function pullSteps(
  kind: 'pull-base' | 'pull-head',
  id: string,
  around: Around,
): Promise<Step[]> {
  const { name, repository, lookup } = around
  if (!numberForm.test(id)) throw new Unknown('that is no number of a pull request')
  const pull = await asked(lookup, `/repos/${name}/pulls/${id}`, Pull)
  if (String(pull.number) !== id) throw new Unknown('GitHub answered with another pull request')
  const side = kind === 'pull-base' ? pull.base : pull.head
  if (side.repo?.id !== repository.id) throw new Unknown('its branch is in another repository')
  const also =
    kind === 'pull-base' &&
    repository.delete_branch_on_merge === true &&
    pull.head.repo?.id === repository.id
      ? [pull.head]
      : []
  return [side, ...also].map(({ ref }) => refStep(repository, branchRef(ref)))
}

async function deploymentEnvironment(id: string, { name, lookup }: Around): Promise<string> {
  if (!numberForm.test(id)) throw new Unknown('that is no number of a deployment')
  const deployment = await asked(lookup, `/repos/${name}/deployments/${id}`, Deployment)
  if (String(deployment.id) !== id) throw new Unknown('GitHub answered with another deployment')
  return deployment.environment
}

/** GitHub takes their names in any letters. */
function environmentStep({ id }: Repository, name: string) {
  if (!environmentForm.test(name) || /[/\\%?#]/.test(name))
    throw new Unknown('that is no name of a deployment environment')
  return { kind: 'deployment-environment', id: `${id}/${name.toLowerCase()}` }
}

const Repositories = z.array(Repository)
const Installed = z.object({ repositories: Repositories })

/** The repositories that were worked on last: of a hundred and more, the rest is found by name. */
export async function discover(lookup: Lookup): Promise<Discovered[]> {
  const installed = await lookup('/installation/repositories?per_page=100', {})
  const read = installed.ok ? Installed.safeParse(installed.data) : null
  const repositories = read?.success
    ? read.data.repositories
    : await asked(lookup, '/user/repos?per_page=100&sort=pushed', Repositories).catch(unlisted)
  const owners = new Map(repositories.map(({ owner }) => [owner.id, owner]))
  return [
    { kind: whole.kind, address: whole.id, place: [whole], note: 'all of it' },
    ...[...owners.values()].map(
      (owner): Discovered => ({ kind: 'owner', address: owner.login, place: ownerPlace(owner) }),
    ),
    ...repositories.map(
      (one): Discovered => ({
        kind: 'repository',
        address: one.full_name,
        place: repositoryPlace(one),
      }),
    ),
  ]
}

function unlisted(error: unknown): never {
  if (!(error instanceof Unknown)) throw error
  throw new BrokerError('not-found', `No repository can be listed: ${error.message}.`, {
    hint: 'Check the token, or the App and its installation.',
  })
}

/** `acme/app`, `acme/app@main`, `acme/app@refs/tags/v1`, and of a deployment environment `acme/app:staging`. */
export async function find(
  kind: string,
  address: string,
  lookup: Lookup,
): Promise<Discovered | null> {
  const named = addressed(kind, address)
  if (named === null) return null
  const located = await locate(named, lookup)
  return located.known ? { kind, address, place: located.home } : null
}

function addressed(kind: string, address: string): { kind: string; id: string } | null {
  if (kind === 'owner' || kind === 'repository') return { kind, id: address.toLowerCase() }
  const [, repository = '', , inside = ''] = /^([^@:]+)([@:])(.+)$/su.exec(address) ?? []
  if (kind === 'ref') {
    const ref = inside.startsWith('refs/') ? inside : `refs/heads/${inside}`
    return { kind, id: `${repository.toLowerCase()}:${ref}` }
  }
  if (kind !== 'deployment-environment') return null
  return { kind, id: `${repository.toLowerCase()}:${inside}` }
}

const Facts = z.object({
  full_name: z.string(),
  visibility: z.string().optional(),
  default_branch: z.string().optional(),
  pushed_at: z.string().nullish(),
})

/** `id` is as a call named it. */
export async function describe(
  { kind, id }: Pick<Resource, 'kind' | 'id'>,
  lookup: Lookup,
): Promise<Described> {
  if (kind === whole.kind) return { facts: [['API', 'all of it']], hangs: [] }
  const [name = '', inside] = id.split(/:(.*)/su)
  if (kind === 'owner') return { facts: [['owner', name]], hangs: [] }
  const facts = await asked(lookup, `/repos/${name}`, Facts)
  const hangs =
    kind === 'repository'
      ? ['its branches and tags', 'its issues and pull requests', 'its releases and packages']
      : []
  return {
    facts: [
      ['repository', facts.full_name],
      ...(inside === undefined || inside === ''
        ? []
        : [[kind.replaceAll('-', ' '), inside] as [string, string]]),
      ...Object.entries(facts).flatMap(([field, value]): [string, string][] =>
        field === 'full_name' || value == null ? [] : [[field.replaceAll('_', ' '), value]],
      ),
    ],
    hangs,
  }
}
