/** The one route that is not GraphQL: source code posted for an environment becomes a deployment. Never unpacks it. */

import { GraphQLError } from 'graphql'
import { type Call, environmentFor, notFound, serviceInstanceFor } from './access.ts'
import type { Executed } from './execution.ts'
import type { Outcome } from './faults.ts'
import { deploy } from './services.ts'

export type Upload = {
  projectId: string
  environmentId: string
  serviceId: string | null
  bytes: number
}

const route = /^\/project\/([^/]+)\/environment\/([^/]+)\/up$/

export function uploadOf(path: string, search: URLSearchParams, bytes: number): Upload | undefined {
  const [, projectId, environmentId] = route.exec(path) ?? []
  if (projectId === undefined || environmentId === undefined) return undefined
  return { projectId, environmentId, serviceId: search.get('serviceId'), bytes }
}

export function upload(one: Upload, call: Call, record: (one: Executed) => void): Outcome {
  if (call.viewer === undefined) return { status: 401, body: { message: 'Unauthorized' } }
  try {
    record({ coordinate: 'POST /project/{projectId}/environment/{environmentId}/up', args: one })
    return { status: 200, body: accept(one, call) }
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error
    const status = error.message === 'Not Authorized' ? 403 : 404
    return { status, body: { message: error.message } }
  }
}

function accept({ projectId, environmentId, serviceId, bytes }: Upload, call: Call) {
  environmentFor(call, environmentId, projectId)
  const { id } = deploy(call.world, target(call, environmentId, serviceId), 'upload')
  call.world.uploads.push({ deploymentId: id, bytes })
  return {
    deploymentId: id,
    url: `https://railway.example/project/${projectId}/deployments/${id}`,
    logsUrl: `https://railway.example/project/${projectId}/deployments/${id}/logs`,
    deploymentDomain: 'web-staging.up.railway.example',
  }
}

/** Without a service the environment must have exactly one. */
function target(call: Call, environmentId: string, serviceId: string | null) {
  if (serviceId !== null) return serviceInstanceFor(call, serviceId, environmentId)
  const own = call.world.serviceInstances.filter((one) => one.environmentId === environmentId)
  const [only] = own
  if (only === undefined || own.length > 1) throw notFound('Service')
  return only
}
