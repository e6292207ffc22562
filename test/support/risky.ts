/** An agent that may delete volumes in staging, where the scope asks for approval; and an operator with a passkey. */
import { expectOk, type Front, front } from './broker.ts'
import { type Key, passkey } from './passkey.ts'

export const remove = 'mutation($v: String!) { volumeDelete(volumeId: $v) }'

export type Ready = { at: Front; key: Key; capability: string; volume: string; other: string }

export async function ready(kind: 'embedded' | 'postgres' = 'embedded'): Promise<Ready> {
  const at = await front(kind)
  expectOk(
    await at.admin('PUT', '/admin/scopes/risky', {
      environment: 'staging',
      allow: ['railway:@read', 'railway:Mutation.volumeDelete', 'railway:Mutation.volumeUpdate'],
      approve: ['railway:@destructive'],
    }),
  )
  expectOk(await at.admin('PUT', '/admin/agents/cursor/grants/risky'))
  await at.scope('elsewhere', ['railway:@read'], { environment: 'production' })
  const key = await passkey(at)
  const capability = await at.capability({ scope: 'risky' })
  const scratch = at.railway.world.volumes.filter(({ id }) => livesOnlyInStaging(at, id))
  const [first, second] = scratch
  if (first === undefined) throw new Error('the simulation has no volume of staging alone')
  return { at, key, capability, volume: first.id, other: second?.id ?? first.id }
}

export function livesOnlyInStaging({ railway: { world } }: Front, volume: string): boolean {
  const staging = world.environments.find(({ name }) => name === 'staging')
  const instances = world.volumeInstances.filter(({ volumeId }) => volumeId === volume)
  return (
    instances.length > 0 && instances.every(({ environmentId }) => environmentId === staging?.id)
  )
}

export const approve = (key: Key, id: string, how = {}) =>
  key.touch(`/console/api/approvals/${id}/options`, `/console/api/approvals/${id}/approve`, { how })
