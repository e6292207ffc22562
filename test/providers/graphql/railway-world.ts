/** Values that the simulated Railway knows, for random requests, and a world of it in which nothing is missing. */
import fc from 'fast-check'
import { type GraphQLNamedType, isEnumType } from 'graphql'
import { ids, type World } from '../../../src/demo/railway/world.ts'
import type { Json } from '../../../src/providers/json.ts'
import type { Choose, Leaf } from './documents.ts'

const text = (...items: string[]) => fc.constantFrom(...items)

const { staging, production } = ids.environments

/** By the last word of an argument's path; the first is what lies in staging and fits the others. */
const named: Record<string, readonly string[]> = {
  environmentId: [staging, production],
  sourceEnvironmentId: [staging, production],
  baseEnvironmentId: [production, staging],
  projectId: [ids.projects.rentals, ids.projects.website],
  serviceId: [ids.services.postgres, ids.services.web],
  replicaServiceIds: [ids.services.web, ids.services.postgres],
  wipeServiceIds: [ids.services.web, ids.services.postgres],
  volumeId: [ids.volumes.postgresData, ids.volumes.scratch],
  volumeInstanceId: [
    ids.volumeInstances.postgresDataStaging,
    ids.volumeInstances.postgresDataProduction,
  ],
  volumeInstanceBackupId: [ids.backups.staging, ids.backups.nightlyMonday],
  deploymentId: [ids.deployments.webStaging, ids.deployments.webProduction],
  bucketId: [ids.buckets.uploads],
  workspaceId: [ids.workspace],
  userId: [ids.user],
}

/** What a plain `id` means, by the field that takes it. */
const byRoot: readonly [RegExp, readonly string[]][] = [
  [/\.customDomain/, [ids.customDomains.staging, ids.customDomains.production]],
  [/\.serviceDomain/, [ids.serviceDomains.staging, ids.serviceDomains.production]],
  [/\.tcpProxy/, [ids.tcpProxies.production]],
  [/\.deployment/, [ids.deployments.webStaging, ids.deployments.webProduction]],
  [/\.environmentPatch/, [ids.patches.staging]],
  [/\.environment/, [staging, production]],
  [/\.project/, [ids.projects.rentals, ids.projects.website]],
  [/\.sandbox/, [ids.sandboxes.staging]],
  [/\.service/, [ids.services.web, ids.services.postgres]],
  [/\.volumeInstance/, [ids.volumeInstances.postgresDataStaging]],
]

export const worldIds = new Set(flatten(ids))

function flatten(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(flatten) : []
}

export const railwayLeaf: Leaf = (coordinate, path, type, g) => {
  const last = path.split('.').at(-1) ?? path
  const known =
    named[last] ?? (last === 'id' ? byRoot.find(([at]) => at.test(coordinate))?.[1] : undefined)
  if (known !== undefined) return known[g(fc.nat, { max: 9 }) < 8 ? 0 : known.length - 1] ?? staging
  return plain(last, type, g)
}

function plain(name: string, type: GraphQLNamedType, g: Choose): Json {
  if (isEnumType(type)) {
    return g(text, ...type.getValues().map((one) => one.name))
  }
  switch (type.name) {
    case 'Boolean':
      return g(fc.boolean)
    case 'Int':
      return 1 + g(fc.nat, { max: 4 })
    case 'DateTime':
      return '2026-04-20T10:00:00.000Z'
    case 'EnvironmentVariables':
      return { LOG_LEVEL: 'debug' }
    case 'EnvironmentConfig':
      return { sharedVariables: { LOG_LEVEL: { value: 'warn' } } }
    case 'JSON':
      return { a: [1, { b: null }] }
    default:
      // Text that would end a string, a line or a comment, were it not escaped; a log holds the first.
      return name === 'filter' ? 'on' : g(text, 'plain', '"""', '} # \n{', 'ü\\"{x}')
  }
}

/** Without nulls and empty lists, as far as the simulation can fill them. */
export function fullWorld(world: World): void {
  const { rentals } = ids.projects
  const here = [staging, production] as const
  world.adminRoots = true
  world.projects = world.projects.filter(({ id }) => id === rentals)
  world.environments = world.environments.filter(({ id }) => id === staging || id === production)
  world.services = world.services.filter(({ projectId }) => projectId === rentals)
  const inside = ({ environmentId }: { environmentId: string }) =>
    environmentId === staging || environmentId === production
  world.serviceInstances = world.serviceInstances.filter(inside)
  world.deployments = world.deployments.filter(inside)
  world.variables = world.variables.filter((one) => inside(one) && one.serviceId !== null)
  for (const one of world.environments) {
    one.sourceEnvironmentId = one.id === staging ? production : staging
    Object.assign(one, { meta: { baseBranch: 'main' } })
  }
  for (const one of [...world.projects, ...world.workspaces]) {
    Object.assign(one, { team: { id: 'team', name: 'acme' } })
  }
  const [domain] = world.customDomains
  const [serviceDomain] = world.serviceDomains
  const [proxy] = world.tcpProxies
  const [sandbox] = world.sandboxes
  const [patch] = world.patches
  const [backup] = world.backups
  if (!domain || !serviceDomain || !proxy || !sandbox || !patch || !backup) {
    throw new Error('the seed lacks what the full world copies')
  }
  for (const environmentId of here) {
    for (const { id: serviceId } of world.services) {
      const at = { environmentId, serviceId }
      const id = `${serviceId.slice(0, 8)}-${environmentId.slice(0, 8)}`
      world.customDomains.push({ ...domain, ...at, id: `d-${id}`, domain: `${id}.example` })
      world.serviceDomains.push({ ...serviceDomain, ...at, id: `s-${id}` })
      world.tcpProxies.push({ ...proxy, ...at, id: `t-${id}` })
    }
    world.sandboxes.push({ ...sandbox, environmentId, id: `b-${environmentId}` })
    world.patches.push({ ...patch, environmentId, id: `p-${environmentId}`, status: 'COMMITTED' })
  }
  for (const { id } of world.volumeInstances) {
    world.backups.push({ ...backup, id: `k-${id}`, volumeInstanceId: id })
  }
}
