/** Mutations on volumes, their instances and backups, with Railway's reach. Never asks whether the reach was meant. */

import { randomUUID } from 'node:crypto'
import {
  allInScope,
  type Call,
  environmentFor,
  notFound,
  projectFor,
  row,
  serviceFor,
  volumeInstanceFor,
  workspaceOnly,
} from './access.ts'
import { removeVolume, removeVolumeInstances } from './removal.ts'
import { backup, type VolumeInstance, volumeInstance, type World } from './world.ts'

type CreateInput = {
  projectId: string
  environmentId?: string | null
  serviceId?: string | null
  mountPath: string
  region?: string | null
}
type InstanceInput = { mountPath?: string | null; serviceId?: string | null; state?: string | null }
type BackupArgs = { volumeInstanceId: string; volumeInstanceBackupId: string }

export const volumeMutations = {
  /** No environment given means every environment, `null` means none: the two differ in Railway. */
  volumeCreate({ input }: { input: CreateInput }, call: Call) {
    const environmentIds = chosenEnvironments(input, call)
    allInScope(call, environmentIds)
    if (input.serviceId) serviceFor(call, input.serviceId)
    const id = randomUUID()
    const { mountPath, serviceId = null } = input
    const createdAt = new Date().toISOString()
    const rest = { volumeId: id, mountPath, serviceId, createdAt, currentSizeMB: 0 }
    const instances = environmentIds.map((at) => volumeInstance(randomUUID(), at, rest))
    const volume = { id, projectId: input.projectId, name: `volume-${id.slice(0, 4)}`, createdAt }
    call.world.volumes.push(volume)
    call.world.volumeInstances.push(...instances)
    return volume
  },

  volumeDelete({ volumeId }: { volumeId: string }, call: Call) {
    workspaceOnly(call)
    row(call.world.volumes, volumeId, 'Volume')
    removeVolume(call.world, volumeId)
    return true
  },

  volumeUpdate({ volumeId, input }: { volumeId: string; input: { name?: string } }, call: Call) {
    workspaceOnly(call)
    const volume = row(call.world.volumes, volumeId, 'Volume')
    volume.name = input.name ?? volume.name
    return volume
  },

  /** Without an environment it acts on every instance, and a state of DELETED deletes them. */
  volumeInstanceUpdate(
    args: { volumeId: string; environmentId?: string | null; input: InstanceInput },
    call: Call,
  ) {
    const targets = instancesOf(args, call)
    const { mountPath, serviceId, state } = args.input
    if (state === 'DELETED' || state === 'DELETING') {
      removeVolumeInstances(call.world, (one) => targets.includes(one))
      return true
    }
    for (const target of targets) {
      if (mountPath) target.mountPath = mountPath
      if (serviceId !== undefined) target.serviceId = serviceId || null
      if (state) target.state = state
    }
    return true
  },

  volumeInstanceBackupCreate(
    { volumeInstanceId, name }: { volumeInstanceId: string; name?: string | null },
    call: Call,
  ) {
    const { id, bookings } = volumeInstanceFor(call, volumeInstanceId)
    const made = backup(randomUUID(), id, name ?? `backup-${Date.now()}`, bookings)
    call.world.backups.push({ ...made, createdAt: new Date().toISOString() })
    return workflow(call.world)
  },

  volumeInstanceBackupDelete(args: BackupArgs, call: Call) {
    const doomed = backupOf(args, call)
    call.world.backups = call.world.backups.filter((one) => one !== doomed)
    return workflow(call.world)
  },

  /** Restoring drops the newer backups of the instance, and wipes the volumes of the services named. */
  volumeInstanceBackupRestore(args: BackupArgs & { wipeServiceIds?: string[] | null }, call: Call) {
    const restored = backupOf(args, call)
    const instance = volumeInstanceFor(call, args.volumeInstanceId)
    const own = call.world.backups.filter((one) => one.volumeInstanceId === instance.id)
    const newer = new Set(own.slice(own.indexOf(restored) + 1))
    call.world.backups = call.world.backups.filter((one) => !newer.has(one))
    instance.bookings = restored.bookings
    wipe(call.world, instance.environmentId, args.wipeServiceIds ?? [])
    return workflow(call.world)
  },
}

function chosenEnvironments(input: CreateInput, call: Call): string[] {
  projectFor(call, input.projectId)
  if (input.environmentId === null) return []
  if (input.environmentId) return [environmentFor(call, input.environmentId, input.projectId).id]
  const all = call.world.environments.filter((one) => one.projectId === input.projectId)
  return all.map(({ id }) => id)
}

function instancesOf(
  { volumeId, environmentId }: { volumeId: string; environmentId?: string | null },
  call: Call,
): VolumeInstance[] {
  row(call.world.volumes, volumeId, 'Volume')
  if (environmentId) environmentFor(call, environmentId)
  const instances = call.world.volumeInstances.filter(
    (one) => one.volumeId === volumeId && (!environmentId || one.environmentId === environmentId),
  )
  if (instances.length === 0) throw notFound('Volume instance')
  const places = instances.map((one) => one.environmentId)
  allInScope(call, places)
  return instances
}

function backupOf({ volumeInstanceId, volumeInstanceBackupId }: BackupArgs, call: Call) {
  volumeInstanceFor(call, volumeInstanceId)
  const own = call.world.backups.filter((one) => one.volumeInstanceId === volumeInstanceId)
  return row(own, volumeInstanceBackupId, 'Backup')
}

function wipe(world: World, environmentId: string, serviceIds: string[]): void {
  const wiped = world.volumeInstances.filter(
    (one) => one.environmentId === environmentId && serviceIds.includes(one.serviceId ?? ''),
  )
  const places = new Set(wiped.map(({ id }) => id))
  for (const instance of wiped) instance.bookings = 0
  world.backups = world.backups.filter(({ volumeInstanceId }) => !places.has(volumeInstanceId))
}

/** Railway does this work in the background and hands out an id to ask after; here it is done already. */
function workflow(world: World): { workflowId: string } {
  const workflowId = randomUUID()
  world.workflows.push(workflowId)
  return { workflowId }
}
