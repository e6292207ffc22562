/** Mutations on custom domains, generated domains and TCP proxies: what makes a service reachable. Never resolves a name. */

import { randomUUID } from 'node:crypto'
import { GraphQLError } from 'graphql'
import { type Call, environmentFor, placed, serviceFor, serviceInstanceFor } from './access.ts'
import { born } from './world.ts'

type CustomInput = {
  projectId: string
  environmentId: string
  serviceId: string
  domain: string
  targetPort?: number | null
}
type ServiceInput = { environmentId: string; serviceId: string; targetPort?: number | null }
type ProxyInput = { environmentId: string; serviceId: string; applicationPort: number }

export const domainMutations = {
  customDomainCreate({ input }: { input: CustomInput }, call: Call) {
    environmentFor(call, input.environmentId, input.projectId)
    serviceInstanceFor(call, input.serviceId, input.environmentId)
    if (call.world.customDomains.some(({ domain }) => domain === input.domain)) {
      throw new GraphQLError('Domain is not available')
    }
    const targetPort = input.targetPort ?? null
    const domain = { ...born(), ...input, id: randomUUID(), targetPort }
    call.world.customDomains.push(domain)
    return domain
  },

  customDomainUpdate(
    args: { id: string; environmentId: string; targetPort?: number | null },
    call: Call,
  ) {
    environmentFor(call, args.environmentId)
    const domain = placed(call, call.world.customDomains, args.id, 'Custom domain')
    domain.targetPort = args.targetPort ?? null
    return true
  },

  customDomainDelete({ id }: { id: string }, call: Call) {
    const doomed = placed(call, call.world.customDomains, id, 'Custom domain')
    call.world.customDomains = call.world.customDomains.filter((one) => one !== doomed)
    return true
  },

  serviceDomainCreate({ input }: { input: ServiceInput }, call: Call) {
    const { projectId } = environmentFor(call, input.environmentId)
    serviceInstanceFor(call, input.serviceId, input.environmentId)
    const id = randomUUID()
    const suffix = 'up.railway.example'
    const label = `${serviceFor(call, input.serviceId).name}-${id.slice(0, 4)}`
    const targetPort = input.targetPort ?? null
    const place = { id, projectId, domain: `${label}.${suffix}`, suffix, targetPort }
    const domain = { ...born(), ...input, ...place }
    call.world.serviceDomains.push(domain)
    return domain
  },

  serviceDomainDelete({ id }: { id: string }, call: Call) {
    const doomed = placed(call, call.world.serviceDomains, id, 'Service domain')
    call.world.serviceDomains = call.world.serviceDomains.filter((one) => one !== doomed)
    return true
  },

  tcpProxyCreate({ input }: { input: ProxyInput }, call: Call) {
    serviceInstanceFor(call, input.serviceId, input.environmentId)
    const proxyPort = 20_000 + call.world.tcpProxies.length
    const place = { id: randomUUID(), domain: 'tramway.proxy.example', proxyPort }
    const proxy = { ...born(), ...input, ...place }
    call.world.tcpProxies.push(proxy)
    return proxy
  },

  tcpProxyDelete({ id }: { id: string }, call: Call) {
    const doomed = placed(call, call.world.tcpProxies, id, 'TCP proxy')
    call.world.tcpProxies = call.world.tcpProxies.filter((one) => one !== doomed)
    return true
  },
}
