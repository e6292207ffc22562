/** Railway's untyped EnvironmentConfig: written from the rows, and applied to them as a patch. Never checks who calls. */

import { randomUUID } from 'node:crypto'
import { removeService, removeVolumeInstances } from './removal.ts'
import {
  born,
  type CustomDomain,
  deployment,
  type ServiceInstance,
  serviceInstance,
  variable,
  volumeInstance,
  type World,
} from './world.ts'

type Json = Record<string, unknown>
/** Where a patch lands. */
type Place = { world: World; environmentId: string; projectId: string }

const mask = '*****'

/** The configuration of one environment. Values of variables are masked unless asked for in clear. */
export function configOf(world: World, environmentId: string, decrypt: boolean): Json {
  const here = <T extends { environmentId: string }>(rows: T[]) =>
    rows.filter((one) => one.environmentId === environmentId)
  const services = here(world.serviceInstances).map((one) => [
    one.serviceId,
    serviceConfig(world, one),
  ])
  const volumes = here(world.volumeInstances).map(({ volumeId, sizeMB, region }) => [
    volumeId,
    { sizeMB, region },
  ])
  const config = {
    services: Object.fromEntries(services),
    sharedVariables: variablesOf(world, environmentId, null),
    volumes: Object.fromEntries(volumes),
    buckets: {},
    privateNetworkDisabled: false,
  }
  return decrypt ? config : masked(config)
}

function serviceConfig(world: World, instance: ServiceInstance): Json {
  const own = <T extends { environmentId: string; serviceId: string | null }>(rows: T[]) =>
    rows.filter(
      (one) => one.environmentId === instance.environmentId && one.serviceId === instance.serviceId,
    )
  const ports = (rows: CustomDomain[]) =>
    Object.fromEntries(rows.map(({ domain, targetPort }) => [domain, { port: targetPort }]))
  const { source, startCommand, preDeployCommand, numReplicas } = instance
  return {
    source,
    variables: variablesOf(world, instance.environmentId, instance.serviceId),
    deploy: { startCommand, preDeployCommand, numReplicas },
    networking: {
      customDomains: ports(own(world.customDomains)),
      serviceDomains: ports(own(world.serviceDomains)),
      tcpProxies: Object.fromEntries(
        own(world.tcpProxies).map(({ applicationPort }) => [applicationPort, {}]),
      ),
    },
    volumeMounts: Object.fromEntries(
      own(world.volumeInstances).map(({ volumeId, mountPath }) => [volumeId, { mountPath }]),
    ),
  }
}

function variablesOf(world: World, environmentId: string, serviceId: string | null): Json {
  const own = world.variables.filter(
    (one) => one.environmentId === environmentId && one.serviceId === serviceId,
  )
  return Object.fromEntries(
    own.map(({ name, value, isSealed }) => [name, { value: isSealed ? mask : value, isSealed }]),
  )
}

/** The same configuration with every variable's value hidden. */
export function masked(config: Json): Json {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => {
      if (key === 'variables' || key === 'sharedVariables') return [key, hidden(record(value))]
      return [key, isRecord(value) ? masked(value) : value]
    }),
  )
}

function hidden(variables: Json): Json {
  return Object.fromEntries(
    Object.entries(variables).map(([name, value]) => [
      name,
      isRecord(value) ? { ...value, value: mask } : value,
    ]),
  )
}

/** Applies a patch to one environment. `isDeleted` deletes, and a `null` variable is removed. */
export function applyConfig(place: Place, patch: Json): void {
  applyVariables(place, null, record(patch['sharedVariables']))
  for (const [id, change] of Object.entries(record(patch['services']))) {
    applyService(place, id, record(change))
  }
  for (const [id, change] of Object.entries(record(patch['volumes']))) {
    applyVolume(place, id, record(change))
  }
  for (const [id, change] of Object.entries(record(patch['buckets']))) {
    if (record(change)['isDeleted'] === true) {
      place.world.buckets = place.world.buckets.filter((one) => one.id !== id)
    }
  }
}

function applyService(place: Place, serviceId: string, change: Json): void {
  const { world, environmentId, projectId } = place
  if (change['isDeleted'] === true) {
    removeService(world, serviceId, [environmentId])
    return
  }
  const existing = world.serviceInstances.find(
    (one) => one.serviceId === serviceId && one.environmentId === environmentId,
  )
  if (existing === undefined && change['isCreated'] !== true) return
  const instance = existing ?? serviceInstance(randomUUID(), serviceId, environmentId, null, null)
  if (existing === undefined) world.serviceInstances.push(instance)
  applyDeploy(instance, change)
  applyVariables(place, serviceId, record(change['variables']))
  applyDomains(place, serviceId, record(record(change['networking'])['customDomains']))
  world.deployments.push(deployment(randomUUID(), projectId, environmentId, serviceId))
}

function applyDeploy(instance: ServiceInstance, change: Json): void {
  const { startCommand, preDeployCommand } = record(change['deploy'])
  if (typeof startCommand === 'string') instance.startCommand = startCommand
  if (Array.isArray(preDeployCommand)) instance.preDeployCommand = preDeployCommand.map(String)
  if (!isRecord(change['source'])) return
  const { image, repo } = change['source']
  instance.source = {
    image: typeof image === 'string' ? image : null,
    repo: typeof repo === 'string' ? repo : null,
  }
}

function applyVariables(place: Place, serviceId: string | null, changes: Json): void {
  const { world, environmentId } = place
  for (const [name, change] of Object.entries(changes)) {
    const value = record(change)['value']
    if (change === null) removeVariable(world, environmentId, serviceId, name)
    else if (typeof value === 'string') setVariable(world, environmentId, serviceId, name, value)
  }
}

function applyDomains(place: Place, serviceId: string, changes: Json): void {
  const { world, environmentId, projectId } = place
  for (const [domain, change] of Object.entries(changes)) {
    world.customDomains = world.customDomains.filter(
      (one) => one.domain !== domain || one.environmentId !== environmentId,
    )
    if (change === null) continue
    const port = record(change)['port']
    const targetPort = typeof port === 'number' ? port : null
    const place = { id: randomUUID(), projectId, environmentId, serviceId }
    world.customDomains.push({ ...born(), ...place, domain, targetPort })
  }
}

function applyVolume({ world, environmentId }: Place, volumeId: string, change: Json): void {
  const mine = (one: { volumeId: string; environmentId: string }) =>
    one.volumeId === volumeId && one.environmentId === environmentId
  if (change['isDeleted'] === true) {
    removeVolumeInstances(world, mine)
    return
  }
  const existing = world.volumeInstances.find(mine)
  if (existing === undefined && change['isCreated'] === true) {
    world.volumeInstances.push(volumeInstance(randomUUID(), environmentId, { volumeId }))
  }
  const { sizeMB } = change
  if (existing !== undefined && typeof sizeMB === 'number') existing.sizeMB = sizeMB
}

export function setVariable(
  world: World,
  environmentId: string,
  serviceId: string | null,
  name: string,
  value: string,
): void {
  removeVariable(world, environmentId, serviceId, name)
  world.variables.push(variable(environmentId, serviceId, name, value))
}

export function removeVariable(
  world: World,
  environmentId: string,
  serviceId: string | null,
  name: string,
): void {
  world.variables = world.variables.filter(
    (one) =>
      one.environmentId !== environmentId || one.serviceId !== serviceId || one.name !== name,
  )
}

/** Two patches as one: the later wins, key by key. */
export function merged(first: Json, second: Json): Json {
  const result: Json = { ...first }
  for (const [key, value] of Object.entries(second)) {
    const before = result[key]
    result[key] = isRecord(before) && isRecord(value) ? merged(before, value) : value
  }
  return result
}

function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function record(value: unknown): Json {
  return isRecord(value) ? value : {}
}
