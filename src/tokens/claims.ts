/** The claims of a capability on the wire, and how they are read and written. Never signs or verifies. */
import { z } from 'zod'
import { Name } from '../ids.ts'
import { type Capability, type Detail, deepest, restricts } from '../policy/capability.ts'
import type { Step } from '../policy/operation.ts'
import { type Pattern, parsePattern, writePattern } from '../policy/pattern.ts'

export const tokenType = 'at+jwt'
export const algorithm = 'EdDSA'
/** Seconds. No scope may allow a longer life. */
export const longestLife = 3_600

const Jti = z.string().regex(/^cap_[0-9a-f]{32}$/)
/** `railway:service:<id>`: a connection, a kind of its provider, and the id in its one spelling. */
const WireResource = z.string().regex(/^[a-z][a-z0-9-]{0,62}:[a-z][a-z0-9-]{0,62}:[!-~]{1,200}$/)
const Count = z.int().min(1).max(1_000_000_000)

/** One entry of `authorization_details` (RFC 9396), strict: a field that we do not know might be meant to restrict. */
export const WireDetail = z.strictObject({
  type: z.literal('valetkey'),
  environment: Name,
  connection: Name,
  operations: z.array(z.string().min(1).max(200)).min(1).max(256),
  resources: z.array(WireResource).min(1).max(64).optional(),
  max_calls: Count.optional(),
  max_writes: Count.or(z.literal(0)).optional(),
})
export type WireDetail = z.infer<typeof WireDetail>

/** As a client may ask for it: the scopes say which environment and operations, so these need not be repeated. */
export const RequestedDetail = WireDetail.partial({ environment: true, operations: true })

/** Who acts for whom (RFC 8693 section 4.1): the latest outermost. */
type Act = { sub: string; act?: Act | undefined }
const Act: z.ZodType<Act> = z.lazy(() => z.strictObject({ sub: Name, act: Act.optional() }))

const Seconds = z.int().positive()

export const Claims = z.strictObject({
  iss: z.string(),
  aud: z.string(),
  sub: Name,
  client_id: Name,
  jti: Jti,
  iat: Seconds,
  exp: Seconds,
  environment: Name,
  scope: z.string().min(1),
  authorization_details: z.array(WireDetail),
  /** The capabilities that it grew from, the nearest first, and when the first of them was issued. */
  parent: z.array(Jti).min(1).max(deepest).optional(),
  auth_time: Seconds.optional(),
  act: Act.optional(),
  cnf: z.strictObject({ jkt: z.string().regex(/^[A-Za-z0-9_-]{43}$/) }).optional(),
})
export type Claims = z.infer<typeof Claims>

/** The reason why the details cannot be read, or the details. `operations` are those of an entry that lists none. */
export function readDetails(
  wire: readonly z.infer<typeof RequestedDetail>[],
  unlisted: (connection: string) => readonly Pattern[] = () => [],
): Detail[] | { problem: string } {
  const details: Detail[] = []
  for (const entry of wire) {
    const detail = readDetail(entry, unlisted)
    if ('problem' in detail) return detail
    details.push(detail)
  }
  return details
}

function readDetail(
  { connection, operations, resources, max_calls, max_writes }: z.infer<typeof RequestedDetail>,
  unlisted: (connection: string) => readonly Pattern[],
): Detail | { problem: string } {
  const patterns: Pattern[] = []
  for (const source of operations ?? []) {
    const pattern = parsePattern(source)
    if ('problem' in pattern) return pattern
    patterns.push(pattern)
  }
  const astray = resources?.find((one) => !one.startsWith(`${connection}:`))
  if (astray !== undefined) {
    return { problem: `the resource ${astray} is of another connection than ${connection}` }
  }
  return {
    connection,
    operations: operations === undefined ? unlisted(connection) : patterns,
    ...(resources === undefined ? {} : { resources: resources.map(readResource) }),
    ...(max_calls === undefined ? {} : { maxCalls: max_calls }),
    ...(max_writes === undefined ? {} : { maxWrites: max_writes }),
  }
}

/** Of the form that the shape demands. */
function readResource(source: string): Step {
  const [, kind = '', ...id] = source.split(':')
  return { kind, id: id.join(':') }
}

export function writeDetails(environment: string, details: readonly Detail[]): WireDetail[] {
  return details.map(({ connection, operations, resources, maxCalls, maxWrites }) => ({
    type: 'valetkey',
    environment,
    connection,
    operations: [...new Set(operations.map(writePattern))],
    ...(resources === undefined
      ? {}
      : { resources: resources.map(({ kind, id }) => `${connection}:${kind}:${id}`) }),
    ...(maxCalls === undefined ? {} : { max_calls: maxCalls }),
    ...(maxWrites === undefined ? {} : { max_writes: maxWrites }),
  }))
}

/** Claims that say who it was made for, who it grew from and whose it is alone; none where there is nothing to say. */
export function writeLineage(
  capability: Pick<Capability, 'parents' | 'rootedAt' | 'actors' | 'key'>,
): Pick<Claims, 'parent' | 'auth_time' | 'act' | 'cnf'> {
  const { parents = [], rootedAt, actors = [], key } = capability
  const act = actors.reduceRight<Act | undefined>(
    (inner, sub) => (inner === undefined ? { sub } : { sub, act: inner }),
    undefined,
  )
  return {
    ...(parents.length === 0 ? {} : { parent: [...parents] }),
    ...(rootedAt === undefined ? {} : { auth_time: rootedAt }),
    ...(act === undefined ? {} : { act }),
    ...(key === undefined ? {} : { cnf: { jkt: key } }),
  }
}

function actorsIn(act: Act | undefined): string[] {
  return act === undefined ? [] : [act.sub, ...actorsIn(act.act)]
}

/** What verified claims say, or null where they contradict themselves. */
export function capabilityOf(claims: Claims): Capability | null {
  const details = readDetails(claims.authorization_details)
  const astray = claims.authorization_details.some((one) => one.environment !== claims.environment)
  if ('problem' in details || astray || claims.sub !== claims.client_id) return null
  if ((claims.parent === undefined) !== (claims.auth_time === undefined)) return null
  const connections = details.map(({ connection }) => connection)
  if (new Set(connections).size !== connections.length && details.some(restricts)) return null
  return {
    jti: claims.jti,
    agent: claims.sub,
    environment: claims.environment,
    scopes: claims.scope.split(' '),
    details,
    issuedAt: claims.iat,
    expiresAt: claims.exp,
    ...(claims.parent === undefined ? {} : { parents: claims.parent }),
    ...(claims.auth_time === undefined ? {} : { rootedAt: claims.auth_time }),
    ...(claims.act === undefined ? {} : { actors: actorsIn(claims.act) }),
    ...(claims.cnf === undefined ? {} : { key: claims.cnf.jkt }),
  }
}
