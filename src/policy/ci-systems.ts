/** What is particular about each CI system's tokens: issuer, ids, and the traps that a trust has to stay out of. Data and pure functions. */
import { type Conditions, type Test, testOf } from './trust.ts'

export type CiSystem = {
  name: string
  /** As people write it. */
  title: string
  /** Null where every installation or organisation has its own. */
  issuer: string | null
  issuerForm: RegExp
  algorithms: readonly string[]
  /** Ids of an owner or a repository, of which a trust names one: the issuer gives tokens to everybody. */
  ids: readonly string[]
  /** Names, which are given to others once they are free, with the id to use instead. */
  names: Readonly<Record<string, string>>
  /** Claims that may have several values. */
  lists: readonly string[]
  /** Conditions that a trust has unless it says something about the claim itself. */
  prudent(conditions: Conditions): Test[]
  /** Claims that say which code runs; with none of them any branch will do. */
  code: readonly string[]
  warn(conditions: Conditions): string[]
}

/** Events that run code which somebody with write access has put into the repository. */
const githubEvents = [
  'push',
  'workflow_dispatch',
  'schedule',
  'release',
  'deployment',
  'merge_group',
  'repository_dispatch',
]
const githubForeign = [
  'pull_request_target',
  'workflow_run',
  'issue_comment',
  'issues',
  'discussion',
]

const rs256 = ['RS256']

const github: CiSystem = {
  name: 'github',
  title: 'GitHub Actions',
  issuer: 'https://token.actions.githubusercontent.com',
  issuerForm:
    /^https:\/\/(token\.actions\.githubusercontent\.com(\/[A-Za-z0-9-]+)?|token\.actions\.[a-z0-9-]+\.ghe\.com|[a-z0-9.-]+\/_services\/token)$/,
  algorithms: rs256,
  ids: ['repository_id', 'repository_owner_id', 'enterprise_id'],
  names: {
    repository: 'repository_id',
    repository_owner: 'repository_owner_id',
    enterprise: 'enterprise_id',
    actor: 'actor_id',
    sub: 'repository_id',
  },
  lists: [],
  prudent: (conditions) => ('event_name' in conditions ? [] : [testOf('event_name', githubEvents)]),
  code: ['ref', 'environment', 'job_workflow_ref', 'workflow_ref', 'sha'],
  warn: (conditions) => [
    ...(conditions['event_name'] ?? [])
      .filter((event) => githubForeign.includes(event))
      .map(
        (event) =>
          `${event} runs with the rights of the repository, and its token says refs/heads/main, even where it runs what a stranger sent`,
      ),
    ...('environment' in conditions && !('ref' in conditions)
      ? [
          'environment alone is as good as its protection rules: anyone who may push can use one that has none, from any branch; add ref too',
        ]
      : []),
    ...('runner_environment' in conditions
      ? []
      : [
          'on a self-hosted runner a token can be taken from the machine; runner_environment=github-hosted excludes those',
        ]),
    ...('sub' in conditions
      ? [
          'the form of sub is for the repository to choose, and changed in July 2026 (repo:OWNER@ID/NAME@ID:…); claims by themselves are safer',
        ]
      : []),
  ],
}

const gitlab: CiSystem = {
  name: 'gitlab',
  title: 'GitLab CI',
  issuer: 'https://gitlab.com',
  issuerForm: /^https?:\/\/[A-Za-z0-9.:-]+(\/[A-Za-z0-9._-]+)*$/,
  algorithms: rs256,
  ids: ['project_id', 'namespace_id'],
  names: {
    project_path: 'project_id',
    namespace_path: 'namespace_id',
    user_login: 'user_id',
    user_email: 'user_id',
    sub: 'project_id',
  },
  lists: [],
  // A tag can be named like a branch.
  prudent: (conditions) =>
    'ref' in conditions && !('ref_type' in conditions) ? [testOf('ref_type', ['branch'])] : [],
  code: ['ref', 'ref_path', 'environment', 'ref_protected', 'ci_config_sha', 'sha'],
  warn: (conditions) => [
    ...(conditions['ref_protected']?.includes('true')
      ? []
      : [
          'whoever may push can run jobs on a branch that is not protected; ref_protected=true excludes those',
        ]),
    ...(conditions['ref'] ?? [])
      .filter((ref) => ref.startsWith('refs/'))
      .map(
        (ref) =>
          `GitLab writes ref without refs/heads/, so ${ref} will not match; ref_path has the long form`,
      ),
  ],
}

const buildkite: CiSystem = {
  name: 'buildkite',
  title: 'Buildkite',
  issuer: 'https://agent.buildkite.com',
  issuerForm: /^https:\/\/agent\.buildkite\.com$/,
  algorithms: rs256,
  ids: ['organization_id', 'pipeline_id', 'cluster_id'],
  names: { organization_slug: 'organization_id', pipeline_slug: 'pipeline_id', sub: 'pipeline_id' },
  lists: [],
  prudent: () => [],
  code: ['build_branch', 'build_tag', 'build_commit', 'step_key'],
  warn: (conditions) =>
    ['organization_id', 'pipeline_id'].some((id) => id in conditions)
      ? [
          'Buildkite puts ids into the token only when asked: request it with --claim organization_id,pipeline_id',
        ]
      : [],
}

const circle = 'oidc.circleci.com/'

const circleci: CiSystem = {
  name: 'circleci',
  title: 'CircleCI',
  issuer: null,
  issuerForm:
    /^https:\/\/oidc\.circleci\.com\/org\/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  algorithms: rs256,
  // The issuer itself is the organisation's.
  ids: [],
  names: { sub: `${circle}project-id` },
  lists: [`${circle}context-ids`],
  prudent: (conditions) =>
    `${circle}ssh-rerun` in conditions ? [] : [testOf(`${circle}ssh-rerun`, ['false'])],
  code: [`${circle}vcs-ref`, `${circle}context-ids`],
  warn: (conditions) => [
    ...(`${circle}project-id` in conditions
      ? []
      : [`every project of the organisation will do; ${circle}project-id=… is for one`]),
    ...(`${circle}vcs-origin` in conditions
      ? []
      : [`where forks get secrets their jobs will do too; ${circle}vcs-origin=… excludes them`]),
  ],
}

const other: CiSystem = {
  name: 'oidc',
  title: 'OpenID Connect',
  issuer: null,
  issuerForm: /^https?:\/\/[A-Za-z0-9.:[\]-]+(\/[A-Za-z0-9._~-]+)*\/?$/,
  algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519'],
  ids: [],
  names: {},
  lists: [],
  prudent: () => [],
  code: [],
  warn: () => [],
}

export const ciSystems: readonly CiSystem[] = [github, gitlab, buildkite, circleci, other]

export function ciSystemNamed(name: string): CiSystem | undefined {
  return ciSystems.find((one) => one.name === name)
}

/** The system whose tokens an issuer gives, by its address; what none recognises is any OpenID Connect. */
export function ciSystemOf(issuer: string): CiSystem {
  const known = [github, buildkite, circleci].find(({ issuerForm }) => issuerForm.test(issuer))
  return known ?? (issuer === gitlab.issuer ? gitlab : other)
}

export function testsOf(system: CiSystem, conditions: Conditions): Test[] {
  return [
    ...Object.entries(conditions).map(([claim, values]) => testOf(claim, values)),
    ...system.prudent(conditions),
  ]
}

/** Every token of an issuer has these (RFC 7519 section 4.1), and `sub` alone says of whom it is. */
const registered = new Set(['iss', 'aud', 'exp', 'nbf', 'iat', 'jti'])

/** Why conditions are too few to trust anybody by, or null. */
export function tooFew(system: CiSystem, conditions: Conditions): string | null {
  if (Object.keys(conditions).every((claim) => registered.has(claim))) {
    return 'it names no claim, so every token of the issuer would do'
  }
  if (system.ids.length === 0) return null
  const id = system.ids.find((one) => one in conditions)
  if (id === undefined) {
    return `${system.title} gives tokens to everybody, so it has to name an owner or a repository by id: ${system.ids.join(', ')}`
  }
  return conditions[id]?.some((value) => value.includes('*'))
    ? `${id} is an id, and an id has no *`
    : null
}

/** What a human should know before they agree, in sentences without a full stop. */
export function warnings(system: CiSystem, conditions: Conditions, audience: string): string[] {
  return [
    ...Object.keys(conditions).flatMap((claim) => {
      const id = system.names[claim]
      return id === undefined || id in conditions
        ? []
        : [`${claim} is a name, which can be given to somebody else once it is free; ${id} stays`]
    }),
    ...Object.entries(conditions).flatMap(([claim, values]) =>
      values.filter((one) => one.includes('*')).map((one) => `${claim}=${one} takes many`),
    ),
    ...(system.code.length > 0 && !system.code.some((claim) => claim in conditions)
      ? [
          `no claim says which code runs, so any branch will do; there are ${system.code.join(', ')}`,
        ]
      : []),
    ...(/^https:\/\/(github\.com|gitlab\.com|buildkite\.com)\b/.test(audience)
      ? [
          `the audience ${audience} is shared with every other service that the jobs sign in to; give this broker its own`,
        ]
      : []),
    ...system.warn(conditions),
  ]
}
