/**
 * What a call to GitHub names: repositories and owners by name, and the branches, tags and deployment environments that it changes.
 * Pure; whether they are there, and under which number, is for locate.
 */
import type { Resource } from '../../policy/operation.ts'
import type { RestOperation } from '../rest/catalogue.ts'
import type { Field } from '../rest/fields.ts'
import { type Named, type Naming, undeclared } from '../rest/read.ts'
import { writeTemplate } from '../rest/template.ts'

/**
 * How a call may name something inside a repository, before the colon `owner/repo` in small letters: GitHub tells names of both
 * apart no more than by their letters.
 */
export const namings = [
  /** `refs/heads/main`, whole. */
  'ref',
  /** `main`. */
  'branch',
  /** `main` or `v1`: a branch or a tag. */
  'revision',
  /** Nothing: the branch that is meant where none is named. */
  'default-branch',
  /** A pull request's number: the branch that it would be merged into, or the one that it is made of. */
  'pull-base',
  'pull-head',
  /** A deployment's number: the environment that it goes to. */
  'deployment',
  'deployment-environment',
] as const
export type NamingKind = (typeof namings)[number]

type Inside = { kind: NamingKind; id: string; argument: string }

/** `field` gives every value that the body has under a name: none, or more than the one that GitHub takes. */
type Given = {
  parameter: (name: string) => string
  field: (name: string) => string[]
}

const inBody =
  (kind: NamingKind, name: string) =>
  ({ field }: Given): Inside[] =>
    field(name).map((id) => ({ kind, id, argument: `body.${name}` }))

const branchOrDefault = (given: Given): Inside[] => {
  const named = inBody('branch', 'branch')(given)
  return named.length > 0
    ? named
    : [{ kind: 'default-branch', id: '', argument: 'the default branch' }]
}

const pathRef = ({ parameter }: Given): Inside[] => [
  { kind: 'ref', id: `refs/${parameter('ref')}`, argument: 'ref' },
]

const pull =
  (...kinds: NamingKind[]) =>
  ({ parameter }: Given): Inside[] =>
    kinds.map((kind) => ({ kind, id: parameter('pull_number'), argument: 'pull_number' }))

/** The operations that change no more of a repository than these; every other one is about all of it. */
const changes: Readonly<Record<string, (given: Given) => Inside[]>> = {
  'git/create-ref': inBody('ref', 'ref'),
  'git/update-ref': pathRef,
  'git/delete-ref': pathRef,
  'repos/create-or-update-file-contents': branchOrDefault,
  'repos/delete-file': branchOrDefault,
  'repos/merge': inBody('branch', 'base'),
  'repos/merge-upstream': inBody('branch', 'branch'),
  'pulls/merge': pull('pull-base'),
  'pulls/merge-async': pull('pull-base'),
  'pulls/update-branch': pull('pull-head'),
  'actions/create-workflow-dispatch': inBody('revision', 'ref'),
  'repos/create-deployment': (given) => {
    const named = inBody('deployment-environment', 'environment')(given)
    // GitHub's own default.
    const usual = { kind: 'deployment-environment', id: 'production' } as const
    return [
      ...inBody('revision', 'ref')(given),
      ...(named.length > 0 ? named : [{ ...usual, argument: 'the default environment' }]),
    ]
  },
  'repos/create-deployment-status': (given) => [
    { kind: 'deployment', id: given.parameter('deployment_id'), argument: 'deployment_id' },
    ...inBody('deployment-environment', 'environment')(given),
  ],
  'repos/delete-deployment': ({ parameter }) => [
    { kind: 'deployment', id: parameter('deployment_id'), argument: 'deployment_id' },
  ],
}

/** Names of what may stand for something outside the repository in the path, in bodies and as further parameters of a path. */
const outward =
  /(?:^|_)(?:owners?|orgs?|organizations?|user|repos?|repositor(?:y|ies)|issues?|lists|teams?|project|runner|integration|actor)(?:_|$)|^(?:head_repo|before_id|after_id|url|ecosystem|deployment_branch_policy|maintainer_can_modify)$/
/** Fields of which some values do: a fork's branch, and an agent that begins to work once it is assigned. */
const outwardValues: Readonly<Record<string, RegExp>> = {
  head: /:/,
  assignee: /\[bot\]$|copilot/i,
  assignees: /\[bot\]$|copilot/i,
  reviewers: /\[bot\]$|copilot/i,
}

export const naming: Naming = {
  names: namesOf,
  matters: (_, top) => top,
  // What its operations do to what they leave empty is known.
  clearing: false,
}

function namesOf(
  operation: RestOperation,
  parameters: ReadonlyMap<string, string>,
  given: readonly Field[],
): Named {
  const parameter = (name: string) => parameters.get(name) ?? ''
  const template = writeTemplate(operation.template)
  const repository =
    parameters.has('owner') && parameters.has('repo')
      ? `${parameter('owner')}/${parameter('repo')}`.toLowerCase()
      : null
  const targets: Pick<Resource, 'kind' | 'id' | 'argument'>[] = []
  for (const owner of ownersIn(template, parameters)) {
    targets.push({ kind: 'owner', id: parameter(owner), argument: owner })
  }
  const inside = repository === null ? [] : insideOf(operation, template, parameters, given)
  if (repository !== null) {
    targets.push(
      ...(inside.length === 0
        ? [{ kind: 'repository', id: repository, argument: 'repo' }]
        : inside.map((one) => ({ ...one, id: `${repository}:${one.id}` }))),
    )
  }
  const judged = new Set(inside.map(({ argument }) => argument))
  const others = given.filter(({ where, path }) => !judged.has(where + path))
  return {
    resources: targets.map((one) => ({ ...one, role: 'target' })),
    missing: [],
    anchored:
      targets.length > 0 &&
      /^\/(?:repos|orgs|users)\//.test(template) &&
      !copies.has(operation.name),
    unknown: [
      ...undeclared(operation, given),
      ...others.filter(pointsOutward).map(({ name }) => name),
      ...[...parameters].flatMap(([name, value]) =>
        leadsOut(name, value, template) ? [name] : [],
      ),
    ],
  }
}

/** To where the key itself belongs, unless somebody says where else. */
const copies = new Set(['repos/create-fork', 'security-advisories/create-fork'])

function pointsOutward({ name, values }: Field): boolean {
  if (outward.test(name)) return true
  const form = Object.hasOwn(outwardValues, name) ? outwardValues[name] : undefined
  return form !== undefined && [...values].some((value) => form.test(value))
}

/** A parameter behind those that were judged. `basehead` may compare with another repository of the network. */
function leadsOut(name: string, value: string, template: string): boolean {
  if (name === 'basehead') return value.includes(':')
  if (name === 'issue_number' || ['owner', 'repo', 'org', 'username'].includes(name)) return false
  return template.startsWith('/repos/') && outward.test(name)
}

/** The parameters that name whom everything in the path belongs to. */
function ownersIn(template: string, parameters: ReadonlyMap<string, string>): string[] {
  const first = /^\/(?:orgs|users)\/\{(org|username)\}(?:\/|$)/.exec(template)?.[1]
  if (first === undefined) return []
  return first === 'username' && parameters.has('org') ? [first, 'org'] : [first]
}

/** What is changed of a repository where that is less than all of it. */
function insideOf(
  operation: RestOperation,
  template: string,
  parameters: ReadonlyMap<string, string>,
  given: readonly Field[],
): Inside[] {
  const parameter = (name: string) => parameters.get(name) ?? ''
  if (/^\/repos\/\{owner\}\/\{repo\}\/environments\/\{environment_name\}/.test(template)) {
    const name = parameter('environment_name')
    return [{ kind: 'deployment-environment', id: name, argument: 'environment_name' }]
  }
  const protects = /^\/repos\/\{owner\}\/\{repo\}\/branches\/\{\+?branch\}\/protection/
  if (operation.method !== 'GET' && protects.test(template)) {
    return [{ kind: 'branch', id: parameter('branch'), argument: 'branch' }]
  }
  const field = (name: string) =>
    given.flatMap(({ where, path, values }) =>
      where === 'body' && path === `.${name}` ? [...values] : [],
    )
  return Object.hasOwn(changes, operation.name)
    ? (changes[operation.name]?.({ parameter, field }) ?? [])
    : []
}
