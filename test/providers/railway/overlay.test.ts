import { describe, expect, it } from 'vitest'
import { effects, ordinary } from '../../../src/policy/operation.ts'
import { addedEffect, parseArgumentRule } from '../../../src/providers/graphql/arguments.ts'
import { kinds } from '../../../src/providers/railway/kinds.ts'
import { overlay } from '../../../src/providers/railway/overlay.ts'

const roots = Object.entries(overlay.roots).map(([name, rule]) => ({
  name,
  effects: rule.effects,
  harmless: rule.harmless === true,
  args: Object.entries(rule.args ?? {})
    .filter(([, written]) => addedEffect(written) === null)
    .map(([path, written]) => ({ path, ...parseArgumentRule(written) })),
}))
const mutations = roots.filter(({ name }) => name.startsWith('Mutation.'))
const fields = Object.entries(overlay.types).flatMap(([type, rule]) =>
  words(rule.fields).map((name) => `${type}.${name}`),
)
const inEnvironment = new Set(
  kinds.filter(({ path }) => path.includes('environment')).map(({ kind }) => kind),
)

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '')
}

function namesOf(found: readonly { name: string }[]): string[] {
  return found.map(({ name }) => name).sort()
}

function effectsOf(name: string): readonly string[] {
  return overlay.roots[name]?.effects ?? []
}

describe('the rules about arguments', () => {
  it('are about kinds that Railway has', () => {
    const known = new Set(['none', ...kinds.map(({ kind }) => kind)])
    const strange = roots.flatMap(({ args }) => args.filter(({ kind }) => !known.has(kind)))
    expect(strange).toEqual([])
  })

  it('take an argument at its word when it says what it names', () => {
    const said: Record<string, string> = {
      environmentId: 'environment',
      projectId: 'project',
      serviceId: 'service',
      volumeId: 'volume',
      volumeInstanceId: 'volume-instance',
      deploymentId: 'deployment',
      workspaceId: 'workspace',
    }
    const otherwise = roots
      .filter(({ harmless }) => !harmless)
      .flatMap(({ name, args }) => args.map((argument) => ({ name, ...argument })))
      .filter(({ path, kind }) => {
        const word = said[path.split('.').at(-1) ?? '']
        return word !== undefined && word !== kind
      })
    expect(otherwise).toEqual([])
  })

  it('let a context stand only beside a target that lies in one environment', () => {
    const loose = roots.filter(
      ({ args }) =>
        args.some(({ role }) => role === 'context') &&
        !args.some(({ role, kind }) => role === 'target' && inEnvironment.has(kind)),
    )
    expect(namesOf(loose)).toEqual([])
  })

  it('never take a volume for a context', () => {
    const volumes = roots.flatMap(({ args }) => args.filter(({ kind }) => kind === 'volume'))
    expect(volumes.length).toBeGreaterThan(3)
    expect(volumes.filter(({ role }) => role === 'context')).toEqual([])
  })

  it('require the environment where Railway would otherwise act on more', () => {
    const required = mutations.filter(({ args }) => args.some((one) => one.required))
    expect(namesOf(required)).toEqual(
      expect.arrayContaining([
        'Mutation.bucketCreate',
        'Mutation.serviceCreate',
        'Mutation.serviceDelete',
        'Mutation.serviceInstanceUpdate',
        'Mutation.volumeCreate',
        'Mutation.volumeInstanceUpdate',
      ]),
    )
  })

  it('say that an environment is not the whole blast radius where Railway acts on all that are not forks', () => {
    const spread = mutations.filter(({ args }) => args.some((one) => one.spread))
    expect(namesOf(spread)).toEqual([
      'Mutation.serviceCreate',
      'Mutation.serviceDelete',
      'Mutation.serviceDuplicate',
      'Mutation.serviceInstanceUpdate',
    ])
  })
})

describe('the effects of operations', () => {
  it('are never missing and never made up', () => {
    const known = new Set<string>(effects)
    expect(namesOf(roots.filter((one) => one.effects.length === 0))).toEqual([])
    expect(namesOf(roots.filter((one) => !one.effects.every((e) => known.has(e))))).toEqual([])
  })

  it('are destructive for whatever is named after a loss', () => {
    const loss = /delete|remove|reset|restore|destroy|wipe|revoke|disable|rollback|stop/i
    // It calls a deletion off.
    const saving = 'Mutation.projectScheduleDeleteCancel'
    const mild = mutations.filter(
      (one) => loss.test(one.name) && one.name !== saving && !one.effects.includes('destructive'),
    )
    expect(namesOf(mild)).toEqual([])
  })

  it('reveal for whatever is named after a secret, a log or a trail', () => {
    const telling = /variables|secret|token|credential|logs?$|events$|invit/i
    const closed = roots.filter(
      ({ name, effects: own }) =>
        telling.test(name) && !own.includes('reveal') && !own.includes('destructive'),
    )
    // These show names and masked ends of tokens, who was invited, or steps whose payload reveals on its own.
    expect(namesOf(closed)).toEqual([
      'Query.apiToken',
      'Query.apiTokens',
      'Query.deploymentEvents',
      'Query.projectInvitation',
      'Query.projectInvitations',
      'Query.projectToken',
      'Query.projectTokens',
      'Subscription.deploymentEvents',
    ])
  })

  it('reveal for the fields that are named after a secret', () => {
    const telling = /secret|token|password|credential|accessKey|privateKey|recoveryCodes|payload$/i
    const open = fields.filter(
      (one) => telling.test(one.split('.')[1] ?? '') && overlay.fields[one] === undefined,
    )
    // Masked, a public DNS record, an id, a yes or no, a limit.
    expect(open.sort()).toEqual([
      'ApiToken.displayToken',
      'CustomDomainStatus.verificationToken',
      'Passkey.credentialId',
      'ProjectToken.displayToken',
      'Service.hasHiddenRegistryCredentialsFromTemplate',
      'Team.apiTokenRateLimit',
      'TwoFactorInfo.hasRecoveryCodes',
      'User.apiTokenRateLimit',
      'Workspace.apiTokenRateLimit',
    ])
  })

  it('make the fields that hold settings in clear text be named', () => {
    for (const field of [
      'Environment.config',
      'EnvironmentPatch.patch',
      'DeploymentSnapshot.variables',
      'NotificationChannel.config',
      'Integration.config',
      'Event.payload',
    ]) {
      expect(overlay.fields[field]?.effects, field).toContain('reveal')
    }
  })

  it('leave the deletion of the incident to a human, wherever the volume lies', () => {
    expect(overlay.roots['Mutation.volumeDelete']).toMatchObject({
      effects: ['destructive'],
      args: { volumeId: 'volume' },
    })
  })

  it('count untyped settings as destructive', () => {
    for (const name of [
      'Mutation.environmentPatchCommit',
      'Mutation.environmentPatchCommitStaged',
      'Mutation.environmentStageChanges',
      'Mutation.environmentApplyChangeSet',
      'Mutation.volumeInstanceUpdate',
      'Mutation.variableCollectionUpsert',
    ]) {
      expect(effectsOf(name), name).toContain('destructive')
    }
  })

  it('count running what the caller picks as execution', () => {
    for (const name of [
      'Mutation.serviceConnect',
      'Mutation.serviceCreate',
      'Mutation.serviceInstanceUpdate',
      'Mutation.sandboxExec',
      'Mutation.dockerComposeImport',
      'Mutation.templateDeployV2',
      'Mutation.githubRepoDeploy',
    ]) {
      expect(effectsOf(name), name).toContain('execute')
    }
  })

  it('keep what every environment of a project uses and costs from those who see the project', () => {
    // The caller groups by environment, service or deployment, and no argument confines it to one.
    for (const name of ['Query.usage', 'Query.estimatedUsage']) {
      expect(effectsOf(name), name).toContain('admin')
    }
  })

  it('let @read and @write do the daily work of an environment', () => {
    for (const name of [
      'Query.project',
      'Query.environment',
      'Query.service',
      'Query.serviceInstance',
      'Query.deployment',
      'Query.deployments',
      'Query.domains',
      'Query.volumeInstance',
      'Query.tcpProxies',
      'Mutation.deploymentRedeploy',
      'Mutation.deploymentRestart',
      'Mutation.serviceInstanceRedeploy',
      'Mutation.serviceInstanceDeployV2',
      'Mutation.customDomainCreate',
      'Mutation.serviceDomainCreate',
      'Mutation.variableUpsert',
      'Mutation.volumeInstanceBackupCreate',
    ]) {
      expect(overlay.roots[name], name).toBeDefined()
      expect(ordinary(overlay.roots[name]?.effects ?? []), name).toBe(true)
    }
  })
})

describe('what belongs to no environment', () => {
  it('is of people and workspaces, or names a resource', () => {
    const nameless = mutations.filter(
      ({ args, effects: own, harmless }) =>
        !own.includes('admin') &&
        !harmless &&
        !args.some(({ role, kind }) => role === 'target' && kind !== 'none'),
    )
    expect(namesOf(nameless)).toEqual([])
  })

  it('is harmless only where it reads', () => {
    const harmless = roots.filter((one) => one.harmless)
    expect(namesOf(harmless)).toContain('Query.platformStatus')
    expect(namesOf(harmless.filter((one) => !one.effects.every((e) => e === 'read')))).toEqual([])
  })

  it('is not harmless because it names nobody', () => {
    for (const name of ['me', 'projects', 'apiTokens', 'sessions', 'projectToken', 'workspace']) {
      expect(overlay.roots[`Query.${name}`]?.harmless, name).toBeUndefined()
    }
  })
})

describe('the types of answers', () => {
  it('are told apart by how far they reach', () => {
    const reach = (name: string) => overlay.types[name]?.reach
    expect(['Project', 'Service', 'Volume', 'Bucket'].map(reach)).toEqual(Array(4).fill('shared'))
    expect(
      ['Environment', 'ServiceInstance', 'VolumeInstance', 'Deployment', 'Variable'].map(reach),
    ).toEqual(Array(5).fill('environment'))
    expect(['Workspace', 'User', 'ApiToken', 'AuditLog'].map(reach)).toEqual(
      Array(4).fill('account'),
    )
    expect(
      ['PageInfo', 'ProjectEnvironmentsConnection', 'ProjectEnvironmentsConnectionEdge'].map(reach),
    ).toEqual(Array(3).fill('value'))
  })

  it('call harmless only what they have', () => {
    const made = Object.entries(overlay.types).flatMap(([type, rule]) => {
      const known = new Set(words(rule.fields))
      return words(rule.harmless ?? '')
        .filter((name) => !known.has(name))
        .map((name) => `${type}.${name}`)
    })
    expect(made).toEqual([])
  })

  it('never call harmless what reveals', () => {
    const told = Object.entries(overlay.types).flatMap(([type, rule]) =>
      words(rule.harmless ?? '').map((name) => `${type}.${name}`),
    )
    const revealing = told.filter((one) => overlay.fields[one]?.effects.includes('reveal'))
    expect(told.length).toBeGreaterThan(50)
    expect(revealing).toEqual([])
  })

  it('have every field that a rule is about', () => {
    const known = new Set(fields)
    expect(Object.keys(overlay.fields).filter((one) => !known.has(one))).toEqual([])
  })

  it('say that a fork leads to another environment', () => {
    expect(overlay.fields['Environment.sourceEnvironment']?.elsewhere).toBe(true)
  })
})
