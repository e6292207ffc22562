/** The route that `railway up` posts an archive to. It runs the caller's code, so it is judged as execute. Opens nothing. */
import { BrokerError } from '../../errors.ts'
import type { Operation } from '../../policy/operation.ts'
import type { Call, Reading } from '../provider.ts'

export const uploadName = 'POST /project/{projectId}/environment/{environmentId}/up'
export const uploadBytes = 64_000_000

const parameters = new Set(['serviceId', 'message'])
const archiveType = /^application\/(?:gzip|x-gzip)$/i

export function isUpload(segments: readonly string[]): boolean {
  return (
    segments.length === 5 &&
    segments[0] === 'project' &&
    segments[2] === 'environment' &&
    segments[4] === 'up'
  )
}

/** Railway picks the service by a query parameter; without it, it picks one itself, so the broker demands it. */
export function readUpload(call: Call): Reading {
  const [, project, , environment] = call.segments
  if (call.method !== 'POST') {
    throw new BrokerError('method-not-allowed', `An upload is sent with POST, not ${call.method}.`)
  }
  if (call.contentType === null || !archiveType.test(call.contentType)) {
    throw new BrokerError('malformed-request', 'The upload is not declared as a gzip archive.', {
      hint: 'Send Content-Type: application/gzip.',
    })
  }
  if (project === undefined || environment === undefined) throw new Error('not an upload route')
  const service = parameter(call, 'serviceId')
  const message = parameter(call, 'message')
  const operation: Operation = {
    name: uploadName,
    own: ['execute'],
    effects: ['execute'],
    unknown: false,
    mustName: [],
    resources: [
      { kind: 'environment', id: environment, role: 'target', argument: 'environmentId' },
      { kind: 'project', id: project, role: 'context', argument: 'projectId' },
      ...(service === null
        ? []
        : [{ kind: 'service', id: service, role: 'context' as const, argument: 'serviceId' }]),
    ],
    missing: service === null ? ['serviceId'] : [],
    harmless: false,
    reachesOut: null,
    leadsOn: null,
  }
  return {
    kind: 'call',
    operations: [operation],
    request: {
      method: 'POST',
      path: `/project/${encodeURIComponent(project)}/environment/${encodeURIComponent(environment)}/up`,
      query: new URLSearchParams({
        ...(service === null ? {} : { serviceId: service }),
        ...(message === null ? {} : { message }),
      }).toString(),
      contentType: 'application/gzip',
      accept: 'application/json',
      body: call.body,
    },
    form: null,
  }
}

function parameter(call: Call, name: string): string | null {
  const stranger = call.query.find(([key]) => !parameters.has(key))
  if (stranger !== undefined) {
    throw new BrokerError(
      'malformed-request',
      `The upload has an unknown parameter ${stranger[0].slice(0, 60)}.`,
      {
        hint: 'Send serviceId, and message if you like.',
      },
    )
  }
  const values = call.query.filter(([key]) => key === name).map(([, value]) => value)
  if (values.length > 1) {
    throw new BrokerError('ambiguous-request', `The upload gives ${name} ${values.length} times.`, {
      hint: 'Give it once.',
    })
  }
  return values[0] ?? null
}
