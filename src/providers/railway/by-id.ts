/** The kinds that Railway finds by their id alone, each with the look-up that does. It never trusts an answer about another id. */
import { z } from 'zod'
import type { Lookup } from '../provider.ts'
import { ask } from './answers.ts'
import { environmentId, projectId, type Spot } from './projects.ts'

async function deployment(lookup: Lookup, id: string): Promise<Spot> {
  const document = 'query ($id: String!) { deployment(id: $id) { id projectId environmentId } }'
  const shape = z.object({
    deployment: z.object({ id: z.literal(id), projectId, environmentId }),
  })
  const answer = await ask(lookup, document, { id }, shape)
  return { project: answer.deployment.projectId, environment: answer.deployment.environmentId }
}

async function volumeInstance(lookup: Lookup, id: string): Promise<Spot> {
  const document =
    'query ($id: String!) { volumeInstance(id: $id) { id environmentId volume { projectId } } }'
  const shape = z.object({
    volumeInstance: z.object({
      id: z.literal(id),
      environmentId,
      volume: z.object({ projectId }),
    }),
  })
  const { volumeInstance } = await ask(lookup, document, { id }, shape)
  return { project: volumeInstance.volume.projectId, environment: volumeInstance.environmentId }
}

async function environmentPatch(lookup: Lookup, id: string): Promise<Spot> {
  const document =
    'query ($id: String!) { environmentPatch(id: $id) { id environment { id projectId } } }'
  const shape = z.object({
    environmentPatch: z.object({
      id: z.literal(id),
      environment: z.object({ id: environmentId, projectId }),
    }),
  })
  const { environment } = (await ask(lookup, document, { id }, shape)).environmentPatch
  return { project: environment.projectId, environment: environment.id }
}

export const byId: Readonly<Record<string, (lookup: Lookup, id: string) => Promise<Spot>>> = {
  deployment,
  'volume-instance': volumeInstance,
  'environment-patch': environmentPatch,
}

/** The project of a service, or of a plugin: both are shared by all of its environments. */
export async function projectOfService(lookup: Lookup, id: string): Promise<string> {
  const document = 'query ($id: String!) { service(id: $id) { id projectId } }'
  const shape = z.object({ service: z.object({ id: z.literal(id), projectId }) })
  return (await ask(lookup, document, { id }, shape)).service.projectId
}

export async function projectOfPlugin(lookup: Lookup, id: string): Promise<string> {
  const document = 'query ($id: String!) { plugin(id: $id) { id project { id } } }'
  const shape = z.object({
    plugin: z.object({ id: z.literal(id), project: z.object({ id: projectId }) }),
  })
  return (await ask(lookup, document, { id }, shape)).plugin.project.id
}

/** A project that exists and that the credential may see. */
export async function findProject(lookup: Lookup, id: string): Promise<string> {
  const document = 'query ($id: String!) { project(id: $id) { id } }'
  const shape = z.object({ project: z.object({ id: z.literal(id) }) })
  return (await ask(lookup, document, { id }, shape)).project.id
}
