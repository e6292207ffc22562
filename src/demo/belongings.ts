/** What the company has to lose on one volume, read from the simulation's state. Only reads. */
import type { World } from './railway/server.ts'

/** The part of a volume that lies in one environment, with the backups on it. */
export type Share = { environment: string; bookings: number; backups: number }

export function sharesOf(world: World, volumeId: string): Share[] {
  return world.volumeInstances
    .filter((one) => one.volumeId === volumeId)
    .map(({ id, environmentId, bookings }) => ({
      environment: world.environments.find((one) => one.id === environmentId)?.name ?? '?',
      bookings,
      backups: world.backups.filter((one) => one.volumeInstanceId === id).length,
    }))
}

export function hasVolume(world: World, volumeId: string): boolean {
  return world.volumes.some(({ id }) => id === volumeId)
}

/** To be the same before and after. */
export function stateOf({ volumes, volumeInstances, backups }: World): string {
  return JSON.stringify({ volumes, volumeInstances, backups })
}

export function inWords({ bookings, backups }: Share): string {
  return `${counted(bookings, 'booking')}, ${counted(backups, 'backup')}`
}

/** In digits that are the same in every locale. */
function counted(n: number, one: string): string {
  return `${n.toLocaleString('en-US')} ${one}${n === 1 ? '' : 's'}`
}
