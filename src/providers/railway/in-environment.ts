/**
 * The kinds that have no look-up by their id alone: whether one of them is in a given environment. Each says yes only of
 * what the environment itself lists under that id.
 */
import { z } from 'zod'
import type { Lookup } from '../provider.ts'
import { ask, everyPage, page, selectPage } from './answers.ts'
import { environmentList, type Spot } from './projects.ts'

type IsThere = (lookup: Lookup, spot: Spot, id: string) => Promise<boolean>

const anyId = z.object({ id: z.string() })

function has(id: string, nodes: readonly { id: string }[]): boolean {
  return nodes.some((node) => node.id === id)
}

/** Services, by their instances in one environment. What is still listed there lives there, however it is marked. */
export async function servicesIn(
  lookup: Lookup,
  spot: Spot,
): Promise<{ id: string; serviceId: string }[]> {
  const node = z.object({
    id: z.string(),
    serviceId: z.string(),
    environmentId: z.literal(spot.environment),
  })
  return environmentList(lookup, spot, 'serviceInstances', 'id serviceId environmentId', node)
}

/**
 * Volumes, by their instances in one environment. What is pending deletion is listed and counts: deleting it again, or
 * restoring it, touches that environment.
 */
export async function volumesIn(
  lookup: Lookup,
  spot: Spot,
): Promise<{ id: string; volumeId: string }[]> {
  const node = z.object({
    id: z.string(),
    volumeId: z.string(),
    environmentId: z.literal(spot.environment),
    volume: z.object({ projectId: z.literal(spot.project) }),
  })
  const selection = 'id volumeId environmentId volume { projectId }'
  return environmentList(lookup, spot, 'volumeInstances', selection, node)
}

const serviceInstance: IsThere = async (lookup, spot, id) => has(id, await servicesIn(lookup, spot))

const serviceDomain: IsThere = async (lookup, spot, id) => {
  const domains = z.array(z.object({ id: z.string(), environmentId: z.literal(spot.environment) }))
  const node = z.object({ domains: z.object({ serviceDomains: domains }) })
  const selection = 'domains { serviceDomains { id environmentId } }'
  const nodes = await environmentList(lookup, spot, 'serviceInstances', selection, node)
  return nodes.some((one) => has(id, one.domains.serviceDomains))
}

const deploymentTrigger: IsThere = async (lookup, spot, id) => {
  const node = z.object({
    id: z.string(),
    environmentId: z.literal(spot.environment),
    projectId: z.literal(spot.project),
  })
  const selection = 'id environmentId projectId'
  return has(id, await environmentList(lookup, spot, 'deploymentTriggers', selection, node))
}

const tcpProxy: IsThere = async (lookup, spot, id) => {
  const document =
    'query ($environmentId: String!, $serviceId: String!) { tcpProxies(environmentId: $environmentId, serviceId: $serviceId) { id environmentId } }'
  const shape = z.object({
    tcpProxies: z.array(z.object({ id: z.string(), environmentId: z.literal(spot.environment) })),
  })
  for (const { serviceId } of await servicesIn(lookup, spot)) {
    const variables = { environmentId: spot.environment, serviceId }
    if (has(id, (await ask(lookup, document, variables, shape)).tcpProxies)) return true
  }
  return false
}

const backup: IsThere = async (lookup, spot, id) => {
  const document = 'query ($id: String!) { volumeInstanceBackupList(volumeInstanceId: $id) { id } }'
  const shape = z.object({ volumeInstanceBackupList: z.array(anyId) })
  for (const instance of await volumesIn(lookup, spot)) {
    const answer = await ask(lookup, document, { id: instance.id }, shape)
    if (has(id, answer.volumeInstanceBackupList)) return true
  }
  return false
}

async function networksIn(lookup: Lookup, spot: Spot): Promise<{ publicId: string }[]> {
  const document =
    'query ($environmentId: String!) { privateNetworks(environmentId: $environmentId) { publicId environmentId projectId } }'
  const shape = z.object({
    privateNetworks: z.array(
      z.object({
        publicId: z.string(),
        environmentId: z.literal(spot.environment),
        projectId: z.literal(spot.project),
      }),
    ),
  })
  const { environment } = spot
  return (await ask(lookup, document, { environmentId: environment }, shape)).privateNetworks
}

const privateNetwork: IsThere = async (lookup, spot, id) =>
  (await networksIn(lookup, spot)).some((network) => network.publicId === id)

/** An endpoint is only answered for a network and a service together, so each pair of them is asked. */
const privateNetworkEndpoint: IsThere = async (lookup, spot, id) => {
  const document =
    'query ($environmentId: String!, $privateNetworkId: String!, $serviceId: String!) { privateNetworkEndpoint(environmentId: $environmentId, privateNetworkId: $privateNetworkId, serviceId: $serviceId) { publicId } }'
  const shape = z.object({
    privateNetworkEndpoint: z.object({ publicId: z.string() }).nullable(),
  })
  const services = await servicesIn(lookup, spot)
  for (const network of await networksIn(lookup, spot)) {
    for (const { serviceId } of services) {
      const variables = {
        environmentId: spot.environment,
        privateNetworkId: network.publicId,
        serviceId,
      }
      const { privateNetworkEndpoint } = await ask(lookup, document, variables, shape)
      if (privateNetworkEndpoint?.publicId === id) return true
    }
  }
  return false
}

const dashboard: IsThere = async (lookup, spot, id) => {
  const document = `query ($environmentId: String!, $after: String) { observabilityDashboards(environmentId: $environmentId, after: $after) ${selectPage('id')} }`
  const shape = z.object({ observabilityDashboards: page(anyId) })
  const nodes = await everyPage(async (after) => {
    const variables = { environmentId: spot.environment, ...after }
    return (await ask(lookup, document, variables, shape)).observabilityDashboards
  })
  return has(id, nodes)
}

const sandbox: IsThere = async (lookup, spot, id) => {
  const document =
    'query ($environmentId: String!, $id: String!) { sandbox(environmentId: $environmentId, id: $id) { id environmentId } }'
  const found = z.object({ id: z.literal(id), environmentId: z.literal(spot.environment) })
  const shape = z.object({ sandbox: found.nullable() })
  return (
    (await ask(lookup, document, { environmentId: spot.environment, id }, shape)).sandbox !== null
  )
}

const cloudAgent: IsThere = async (lookup, spot, id) => {
  const document =
    'query ($environmentId: ID!, $id: ID!) { cloudAgent(environmentId: $environmentId, id: $id) { id environmentId projectId } }'
  const found = z.object({
    id: z.literal(id),
    environmentId: z.literal(spot.environment),
    projectId: z.literal(spot.project),
  })
  const shape = z.object({ cloudAgent: found.nullable() })
  const answer = await ask(lookup, document, { environmentId: spot.environment, id }, shape)
  return answer.cloudAgent !== null
}

export const inEnvironment: Readonly<Record<string, IsThere>> = {
  'service-instance': serviceInstance,
  'service-domain': serviceDomain,
  'deployment-trigger': deploymentTrigger,
  'tcp-proxy': tcpProxy,
  backup,
  'private-network': privateNetwork,
  'private-network-endpoint': privateNetworkEndpoint,
  dashboard,
  sandbox,
  'cloud-agent': cloudAgent,
}

const sandboxCheckpoint: IsThere = async (lookup, spot, id) => {
  const document =
    'query ($environmentId: String!) { sandboxCheckpoints(environmentId: $environmentId) { id environmentId } }'
  const shape = z.object({
    sandboxCheckpoints: z.array(
      z.object({ id: z.string(), environmentId: z.literal(spot.environment) }),
    ),
  })
  const variables = { environmentId: spot.environment }
  return has(id, (await ask(lookup, document, variables, shape)).sandboxCheckpoints)
}

const sandboxTemplateBuild: IsThere = async (lookup, spot, id) => {
  const document =
    'query ($environmentId: String!, $id: ID!) { sandboxTemplateBuild(environmentId: $environmentId, id: $id) { id environmentId } }'
  const shape = z.object({
    sandboxTemplateBuild: z.object({
      id: z.literal(id),
      environmentId: z.literal(spot.environment),
    }),
  })
  await ask(lookup, document, { environmentId: spot.environment, id }, shape)
  return true
}

const changeSet: IsThere = async (lookup, spot, id) => {
  const document =
    'query ($environmentId: String!, $id: String!) { environmentChangeSetApply(environmentId: $environmentId, id: $id) { id } }'
  const shape = z.object({ environmentChangeSetApply: z.object({ id: z.literal(id) }) })
  await ask(lookup, document, { environmentId: spot.environment, id }, shape)
  return true
}

/** Names and hashes that may repeat from one environment to the next: they mean nothing without the environment. */
export const namedInEnvironment: Readonly<Record<string, IsThere>> = {
  'sandbox-checkpoint': sandboxCheckpoint,
  'sandbox-template-build': sandboxTemplateBuild,
  'change-set': changeSet,
}
