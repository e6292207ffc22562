/** What everyday operations turn into by what the caller chooses in them. */
import { describe, expect, it } from 'vitest'
import { sdl } from '../../../src/demo/railway/schema.ts'
import { ids } from '../../../src/demo/railway/world.ts'
import { covers, parsePattern } from '../../../src/policy/pattern.ts'
import { railway } from '../../../src/providers/railway/provider.ts'
import { reading } from '../graphql/reading.ts'

const catalogue = railway.compile(sdl)
const deploy = `mutation ($commit: String, $service: String!, $environment: String!) {
  serviceInstanceDeployV2(commitSha: $commit, serviceId: $service, environmentId: $environment)
}`
const here = { service: ids.services.web, environment: ids.environments.staging }

function judged(query: string, variables: Record<string, unknown>) {
  const [operation] = reading(catalogue, { query, variables }).operations
  if (operation === undefined) throw new Error('no operation')
  return operation
}

function covered(source: string, operation: ReturnType<typeof judged>): boolean {
  const pattern = parsePattern(source)
  if ('problem' in pattern) throw new Error(pattern.problem)
  return covers(pattern, operation)
}

describe('a deployment', () => {
  it.each([
    ['without a commit', {}],
    ['with null for a commit', { commit: null }],
  ])('%s writes, and a pattern covers it', (_, commit) => {
    const operation = judged(deploy, { ...here, ...commit })
    expect(operation.effects).toEqual(['write'])
    expect(covered('@write', operation)).toBe(true)
  })

  it('of a commit that the caller picks runs code of the caller’s choosing, and only its name allows it', () => {
    const operation = judged(deploy, { ...here, commit: 'f'.repeat(40) })
    expect(operation.own).toEqual(['write', 'execute'])
    expect(covered('@write', operation)).toBe(false)
    expect(covered('Mutation.*', operation)).toBe(false)
    expect(covered('Mutation.serviceInstanceDeployV2', operation)).toBe(true)
  })

  it('of a picked commit is one however it is written', () => {
    const literal = deploy
      .replace('commitSha: $commit', 'commitSha: "abc"')
      .replace('$commit: String, ', '')
    const byDefault = deploy.replace('$commit: String', '$commit: String = "abc"')
    const renamed = deploy.replace(
      'serviceInstanceDeployV2(',
      'serviceInstanceRedeploy: serviceInstanceDeployV2(',
    )
    const emptied = { ...here, commit: '' }
    expect(judged(literal, here).effects).toContain('execute')
    expect(judged(byDefault, here).effects).toContain('execute')
    expect(judged(renamed, { ...here, commit: 'abc' }).effects).toContain('execute')
    expect(judged(deploy, emptied).effects).toContain('execute')
  })
})
