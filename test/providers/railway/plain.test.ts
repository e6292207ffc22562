/** What becomes of a known operation when Railway gives it an argument that nobody here has looked at. */
import { buildSchema } from 'graphql'
import { describe, expect, it } from 'vitest'
import { sdl } from '../../../src/demo/railway/schema.ts'
import { ids } from '../../../src/demo/railway/world.ts'
import { ordinary } from '../../../src/policy/operation.ts'
import { covers } from '../../../src/policy/pattern.ts'
import { coverage } from '../../../src/providers/graphql/coverage.ts'
import { overlay } from '../../../src/providers/railway/overlay.ts'
import { plain } from '../../../src/providers/railway/plain.ts'
import { railway } from '../../../src/providers/railway/provider.ts'
import { reading } from '../graphql/reading.ts'

const grown = sdl
  .replace('input VariableUpsertInput {', 'input VariableUpsertInput { allEnvironments: Boolean')
  .replace(
    'serviceInstanceDeployV2(commitSha: String,',
    'serviceInstanceDeployV2(everywhere: Boolean = false, reach: [String!], commitSha: String,',
  )
const catalogue = railway.compile(grown)
const { staging } = ids.environments
const write = { form: 'effect', effect: 'write' } as const

function judged(query: string, variables: Record<string, unknown> = {}) {
  const [operation] = reading(catalogue, { query, variables }).operations
  if (operation === undefined) throw new Error('no operation')
  return operation
}

function deploy(more: string) {
  return judged(
    `mutation { serviceInstanceDeployV2(${more} serviceId: "${ids.services.web}", environmentId: "${staging}") }`,
  )
}

function upsert(more: Record<string, unknown>) {
  return judged('mutation ($input: VariableUpsertInput!) { variableUpsert(input: $input) }', {
    input: {
      environmentId: staging,
      projectId: ids.projects.rentals,
      name: 'LOG_LEVEL',
      value: 'debug',
      ...more,
    },
  })
}

it('an argument that Railway added to a field makes the field one to be named', () => {
  const more = sdl.replace(
    /(type Environment [^}]*?\bserviceInstances\()/,
    '$1everywhere: Boolean, ',
  )
  expect(more).not.toBe(sdl)
  const [operation] = reading(railway.compile(more), {
    query: `{ environment(id: "${staging}") { serviceInstances(everywhere: true) { edges { node { id } } } } }`,
  }).operations
  expect(operation?.mustName).toEqual([
    { field: 'Environment.serviceInstances', effect: 'unknown' },
  ])
})

describe('an argument that Railway added to a write', () => {
  it('changes nothing while nobody gives it', () => {
    for (const operation of [deploy(''), upsert({})]) {
      expect(operation.unknown).toBe(false)
      expect(covers(write, operation)).toBe(true)
    }
  })

  it('takes the operation out of every pattern when it is given', () => {
    const given = [
      deploy('everywhere: true,'),
      deploy('reach: ["all"],'),
      upsert({ allEnvironments: true }),
      upsert({ allEnvironments: false }),
    ]
    for (const operation of given) {
      expect(operation.unknown).toBe(true)
      expect(covers(write, operation)).toBe(false)
    }
  })

  it('is refused even where the scope names the operation, since nothing can locate what it means', () => {
    expect(upsert({ allEnvironments: true }).resources).toContainEqual({
      kind: 'unknown',
      id: 'true',
      role: 'target',
      argument: 'input.allEnvironments',
    })
  })

  it('may be given as what it is anyway', () => {
    expect(deploy('everywhere: false,').unknown).toBe(false)
  })

  it('is named by coverage', () => {
    const gaps = coverage(buildSchema(grown), overlay).filter(({ gap }) => gap === 'argument')
    expect(gaps.map(({ coordinate }) => coordinate).sort()).toEqual([
      'Mutation.serviceInstanceDeployV2(everywhere)',
      'Mutation.serviceInstanceDeployV2(reach)',
      'Mutation.variableUpsert(input.allEnvironments)',
    ])
    expect(gaps[0]?.reason).toContain('Nothing says what it does')
  })
})

describe('the arguments that were looked at', () => {
  it('are those of operations that only read and write', () => {
    const others = Object.keys(plain)
      .filter((name) => /^(Query|Mutation)\./.test(name))
      .filter((name) => !ordinary(overlay.roots[name]?.effects ?? ['admin']))
    expect(others).toEqual([])
  })

  it('have no rule beside', () => {
    const both = Object.entries(plain).flatMap(([name, paths]) =>
      paths
        .trim()
        .split(/\s+/)
        .filter((path) => overlay.roots[name]?.args?.[path] !== undefined)
        .map((path) => `${name}(${path})`),
    )
    expect(both).toEqual([])
  })
})
