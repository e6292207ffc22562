/** What people should know of a Railway resource before they agree to lose it: read, never guessed. Decides nothing. */
import { z } from 'zod'
import type { Place, Resource } from '../../policy/operation.ts'
import type { Described, Lookup } from '../provider.ts'
import { ask } from './answers.ts'

type Describe = (id: string, home: Place, lookup: Lookup) => Promise<Described>

/** Kinds that are more than their id. */
const byKind: Readonly<Record<string, Describe>> = {
  volume: describeVolume,
  service: describeService,
  environment: describeEnvironment,
}

/** Throws an Error that says why it cannot be read. */
export async function describe(
  { kind, id }: Pick<Resource, 'kind' | 'id'>,
  home: Place,
  lookup: Lookup,
): Promise<Described> {
  return (await byKind[kind]?.(id, home, lookup)) ?? { facts: [], hangs: [] }
}

const edges = <T extends z.ZodType>(node: T) => z.object({ edges: z.array(z.object({ node })) })

const Volumes = z.object({
  project: z.object({
    name: z.string(),
    volumes: edges(
      z.object({
        id: z.string(),
        name: z.string(),
        createdAt: z.string(),
        volumeInstances: edges(
          z.object({
            id: z.string(),
            mountPath: z.string(),
            sizeMB: z.number(),
            currentSizeMB: z.number(),
            environment: z.object({ name: z.string() }),
            serviceId: z.string().nullable(),
          }),
        ),
      }),
    ),
    services: edges(z.object({ id: z.string(), name: z.string() })),
  }),
})

const volumesDocument = `query($id: String!) { project(id: $id) { name
  volumes(first: 200) { edges { node { id name createdAt volumeInstances(first: 50) { edges { node {
    id mountPath sizeMB currentSizeMB environment { name } serviceId } } } } } }
  services(first: 200) { edges { node { id name } } } } }`

const Backups = z.object({
  volumeInstanceBackupList: z.array(z.object({ createdAt: z.string() })),
})

const backupsDocument = `query($id: String!) { volumeInstanceBackupList(volumeInstanceId: $id) { createdAt } }`

async function describeVolume(id: string, home: Place, lookup: Lookup): Promise<Described> {
  const project = home.find(({ kind }) => kind === 'project')?.id
  if (project === undefined) throw new Error('its project is not known')
  const answer = await ask(lookup, volumesDocument, { id: project }, Volumes)
  const volume = answer.project.volumes.edges.find(({ node }) => node.id === id)?.node
  if (volume === undefined) throw new Error('its project does not list it')
  const services = new Map(answer.project.services.edges.map(({ node }) => [node.id, node.name]))
  const instances = volume.volumeInstances.edges.map(({ node }) => node)
  const backups = await Promise.all(
    instances.map(({ id: instance }) => ask(lookup, backupsDocument, { id: instance }, Backups)),
  )
  return {
    facts: [
      ['name', volume.name],
      ['project', answer.project.name],
      ['made', volume.createdAt],
      ...instances.map((one): [string, string] => [
        `in ${one.environment.name}`,
        `${megabytes(one.currentSizeMB)} of ${megabytes(one.sizeMB)}, mounted at ${one.mountPath}`,
      ]),
    ],
    hangs: instances.flatMap((one, i) => {
      const list = backups[i]?.volumeInstanceBackupList ?? []
      const newest = list
        .map(({ createdAt }) => createdAt)
        .toSorted()
        .at(-1)
      return [
        ...(one.serviceId === null
          ? []
          : [
              `the service ${services.get(one.serviceId) ?? one.serviceId} in ${one.environment.name} uses it`,
            ]),
        ...(newest === undefined
          ? []
          : [
              `${list.length} backup${list.length === 1 ? '' : 's'} in ${one.environment.name} would go with it, the newest of ${newest}`,
            ]),
      ]
    }),
  }
}

function megabytes(count: number): string {
  return count >= 1_000 ? `${(count / 1_000).toFixed(1)} GB` : `${Math.round(count)} MB`
}

const Service = z.object({
  service: z.object({
    name: z.string(),
    createdAt: z.string(),
    project: z.object({ name: z.string() }),
  }),
})

async function describeService(id: string, _home: Place, lookup: Lookup): Promise<Described> {
  const document = 'query($id: String!) { service(id: $id) { name createdAt project { name } } }'
  const { service } = await ask(lookup, document, { id }, Service)
  return {
    facts: [
      ['name', service.name],
      ['project', service.project.name],
      ['made', service.createdAt],
    ],
    hangs: [],
  }
}

const Environment = z.object({
  environment: z.object({ name: z.string(), createdAt: z.string() }),
})

async function describeEnvironment(id: string, _home: Place, lookup: Lookup): Promise<Described> {
  const document = 'query($id: String!) { environment(id: $id) { name createdAt } }'
  const { environment } = await ask(lookup, document, { id }, Environment)
  return {
    facts: [
      ['name', environment.name],
      ['made', environment.createdAt],
    ],
    hangs: [],
  }
}
