/** What goes when something is deleted: a volume takes its backups along, an environment all that is in it. Never asks who calls. */

import type { VolumeInstance, World } from './world.ts'

const twoDays = 48 * 60 * 60 * 1000

/** Instances go with their backups, which lie on them; a volume without instances goes too. */
export function removeVolumeInstances(
  world: World,
  doomed: (instance: VolumeInstance) => boolean,
): void {
  const gone = world.volumeInstances.filter(doomed)
  if (world.deletion === 'scheduled') {
    for (const instance of gone) schedule(instance)
    return
  }
  const dead = new Set(gone.map(({ id }) => id))
  world.volumeInstances = world.volumeInstances.filter(({ id }) => !dead.has(id))
  world.backups = world.backups.filter(({ volumeInstanceId }) => !dead.has(volumeInstanceId))
  const emptied = new Set(gone.map(({ volumeId }) => volumeId))
  for (const { volumeId } of world.volumeInstances) emptied.delete(volumeId)
  world.volumes = world.volumes.filter(({ id }) => !emptied.has(id))
}

function schedule(instance: VolumeInstance): void {
  instance.isPendingDeletion = true
  instance.deletedAt = new Date(Date.now() + twoDays).toISOString()
}

/** A volume goes everywhere at once: there is no way to name one environment's share of it. */
export function removeVolume(world: World, volumeId: string): void {
  removeVolumeInstances(world, (instance) => instance.volumeId === volumeId)
  const kept = world.volumeInstances.some((instance) => instance.volumeId === volumeId)
  if (!kept) world.volumes = world.volumes.filter(({ id }) => id !== volumeId)
}

/** A service leaves the environments given; its volumes stay, detached. Without any instance left it is gone. */
export function removeService(world: World, serviceId: string, environmentIds: string[]): void {
  const stays = (one: { serviceId: string | null; environmentId: string }) =>
    one.serviceId !== serviceId || !environmentIds.includes(one.environmentId)
  for (const instance of world.volumeInstances) {
    if (!stays(instance)) instance.serviceId = null
  }
  world.serviceInstances = world.serviceInstances.filter(stays)
  world.variables = world.variables.filter(stays)
  world.customDomains = world.customDomains.filter(stays)
  world.serviceDomains = world.serviceDomains.filter(stays)
  world.tcpProxies = world.tcpProxies.filter(stays)
  world.deployments = world.deployments.filter(stays)
  const left = world.serviceInstances.some((one) => one.serviceId === serviceId)
  if (!left) world.services = world.services.filter(({ id }) => id !== serviceId)
}

export function removeEnvironment(world: World, environmentId: string): void {
  const services = world.serviceInstances.filter((one) => one.environmentId === environmentId)
  for (const { serviceId } of services) removeService(world, serviceId, [environmentId])
  removeVolumeInstances(world, (one) => one.environmentId === environmentId)
  const stays = (one: { environmentId: string }) => one.environmentId !== environmentId
  world.variables = world.variables.filter(stays)
  world.patches = world.patches.filter(stays)
  world.sandboxes = world.sandboxes.filter(stays)
  world.environments = world.environments.filter(({ id }) => id !== environmentId)
  world.tokens = world.tokens.filter((one) => one.kind === 'workspace' || stays(one))
}

export function removeProject(world: World, projectId: string): void {
  const inside = world.environments.filter((one) => one.projectId === projectId)
  for (const { id } of inside) removeEnvironment(world, id)
  const stays = (one: { projectId: string }) => one.projectId !== projectId
  world.services = world.services.filter(stays)
  world.volumes = world.volumes.filter(stays)
  world.buckets = world.buckets.filter(stays)
  world.members = world.members.filter(stays)
  world.projects = world.projects.filter(({ id }) => id !== projectId)
}
