/** Who calls and what that token may see: Railway's own boundary, which is the workspace or one environment. Never narrower. */

import type { IncomingHttpHeaders } from 'node:http'
import { GraphQLError } from 'graphql'
import type { Environment, Project, Token, VolumeInstance, World } from './world.ts'

/** What every resolver gets. `viewer` undefined is a caller without a known token. */
export type Call = {
  world: World
  viewer: Token | undefined
  /** Rows a connection yields at most; undefined is Railway's own generous page. */
  pageSize: number | undefined
}

export function notAuthorized(): GraphQLError {
  return new GraphQLError('Not Authorized')
}

export function notFound(what: string): GraphQLError {
  return new GraphQLError(`${what} not found`)
}

/** A project token wins when both headers come, as nothing says that Railway would look at both. */
export function viewerOf(world: World, headers: IncomingHttpHeaders): Token | undefined {
  const scoped = headers['project-access-token']
  if (scoped !== undefined) {
    return world.tokens.find(({ kind, token }) => kind === 'project' && token === scoped)
  }
  const bearer = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1]
  return world.tokens.find(({ kind, token }) => kind === 'workspace' && token === bearer)
}

export function row<T extends { id: string }>(rows: T[], id: string, what: string): T {
  const found = rows.find((one) => one.id === id)
  if (found === undefined) throw notFound(what)
  return found
}

/** Whether the token's scope contains the environment. */
export function inScope({ viewer }: Call, environmentId: string): boolean {
  if (viewer === undefined) return false
  return viewer.kind === 'workspace' || viewer.environmentId === environmentId
}

/** Whether the environment's inside is open to the token: in scope, and not hidden from it. */
export function readable(call: Call, environment: Environment): boolean {
  const token = call.viewer?.token ?? ''
  return inScope(call, environment.id) && !environment.hiddenFrom.includes(token)
}

export function readableId(call: Call, environmentId: string): boolean {
  const environment = call.world.environments.find(({ id }) => id === environmentId)
  return environment !== undefined && readable(call, environment)
}

/** An environment the caller names. Hidden ones and foreign ones are refused alike. */
export function environmentFor(call: Call, id: string, projectId?: string | null): Environment {
  const environment = row(call.world.environments, id, 'Environment')
  if (!readable(call, environment)) throw notAuthorized()
  if (projectId && environment.projectId !== projectId) throw notFound('Environment')
  return environment
}

export function projectFor(call: Call, id: string): Project {
  const project = row(call.world.projects, id, 'Project')
  if (call.viewer?.kind === 'project' && call.viewer.projectId !== id) throw notAuthorized()
  return project
}

/** For what touches more than one environment: a project token never may. */
export function workspaceOnly(call: Call): void {
  if (call.viewer?.kind !== 'workspace') throw notAuthorized()
}

/** For an effect that spreads: each environment must be in scope. What is hidden from the token is hit all the same. */
export function allInScope(call: Call, environmentIds: string[]): void {
  if (!environmentIds.every((id) => inScope(call, id))) throw notAuthorized()
}

/** A row that lies in one environment, found by its own id. */
export function placed<T extends { id: string; environmentId: string }>(
  call: Call,
  rows: T[],
  id: string,
  what: string,
): T {
  const found = row(rows, id, what)
  environmentFor(call, found.environmentId)
  return found
}

export function volumeInstanceFor(call: Call, id: string): VolumeInstance {
  return placed(call, call.world.volumeInstances, id, 'Volume instance')
}

/** A service the caller names: a project token sees those with an instance in its environment. */
export function serviceFor(call: Call, id: string) {
  const service = row(call.world.services, id, 'Service')
  const instances = call.world.serviceInstances.filter(({ serviceId }) => serviceId === id)
  const seen = instances.some(({ environmentId }) => inScope(call, environmentId))
  if (!seen && call.viewer?.kind !== 'workspace') throw notAuthorized()
  return service
}

export function serviceInstanceFor(call: Call, serviceId: string, environmentId: string) {
  environmentFor(call, environmentId)
  const found = call.world.serviceInstances.find(
    (one) => one.serviceId === serviceId && one.environmentId === environmentId,
  )
  if (found === undefined) throw notFound('ServiceInstance')
  return found
}
