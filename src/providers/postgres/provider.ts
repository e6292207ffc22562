/**
 * PostgreSQL, of which nothing is relayed: what it offers is a lease, a role for a while with the grants that a scope lists. Data
 * and pure functions; it never opens a connection.
 */
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import type { Located } from '../../policy/operation.ts'
import { type LeaseAsked, leased, readLease, templateReader } from '../leased.ts'
import type { Lookup, Provider } from '../provider.ts'

/** A name as PostgreSQL keeps it: 63 bytes, and no NUL. */
const Identifier = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= 63 && !name.includes('\0'), 'at most 63 bytes')

const privileges = <const T extends [string, ...string[]]>(...names: T) =>
  z.array(z.enum(names)).min(1).max(names.length)

const Grant = z.discriminatedUnion('on', [
  z.strictObject({
    on: z.literal('schema'),
    schema: Identifier,
    privileges: privileges('USAGE', 'CREATE'),
  }),
  z.strictObject({
    on: z.literal('tables'),
    schema: Identifier,
    /** Absent for all that there are when the lease begins. */
    tables: z.array(Identifier).min(1).max(200).optional(),
    /** No TRIGGER: that would be code that runs as whoever writes, on a table that stays. */
    privileges: privileges('SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES'),
  }),
  z.strictObject({
    on: z.literal('sequences'),
    schema: Identifier,
    sequences: z.array(Identifier).min(1).max(200).optional(),
    privileges: privileges('USAGE', 'SELECT', 'UPDATE'),
  }),
])
export type Grant = z.infer<typeof Grant>

const Template = z
  .strictObject({
    database: Identifier,
    connection_limit: z.int().min(1).max(100).default(5),
    /** A role that creates leaves things behind that run with somebody's rights. */
    allow_create: z.boolean().default(false),
    /** What everybody may use in its schemas, every lease may: else a database where there is such a thing is refused. */
    allow_public: z.boolean().default(false),
    grants: z.array(Grant).min(1).max(100),
  })
  .refine(
    ({ allow_create, grants }) =>
      allow_create ||
      !grants.some(({ privileges }) =>
        privileges.some((one) => ['CREATE', 'REFERENCES'].includes(one)),
      ),
    'CREATE and REFERENCES let a role leave things behind: ask for that with "allow_create": true',
  )
export type PostgresTemplate = z.infer<typeof Template>

const readTemplate = templateReader(Template)

const Found = z.array(z.object({ id: z.string(), name: z.string() }))

export const postgres: Provider<null> = {
  ...leased,
  name: 'postgres',
  baseUrl: 'postgresql://localhost/postgres',
  scheme: 'postgresql',
  /** The cluster's own number is part of a database's id: a name alone is given twice. */
  kinds: [{ kind: 'database', bind: 'owns', path: ['database'] }],
  secret: null,
  template: readTemplate,
  read: (_, call) =>
    readLease(call, (asked: LeaseAsked) => {
      const template = readTemplate(asked.template)
      if ('problem' in template) throw new BrokerError('malformed-request', `${template.problem}.`)
      const { database: id } = template
      return [{ kind: 'database', id, role: 'target', argument: 'database' }]
    }),
  locate: async ({ kind, id }, _pinned, lookup): Promise<Located> => {
    if (kind !== 'database') return { known: false, why: `PostgreSQL has no ${kind}` }
    const found = await databases(lookup)
    if (!('known' in found)) {
      const one = found.find(({ name }) => name === id)
      if (one === undefined) return { known: false, why: 'there is no such database' }
      const place = [{ kind: 'database', id: one.id }]
      return { known: true, home: place, places: [place] }
    }
    return found
  },
  describe: async ({ id }, _home, lookup) => {
    const answer = await lookup('size', { database: id })
    if (!answer.ok) throw new Error(answer.why)
    const { size } = z.object({ size: z.string() }).parse(answer.data)
    return {
      facts: [
        ['Database', id],
        ['Size', size],
      ],
      hangs: [],
    }
  },
  discover: async (lookup) => {
    const found = await databases(lookup)
    if ('known' in found) {
      throw new BrokerError(
        'upstream-unreachable',
        `The databases could not be read: ${found.why}.`,
      )
    }
    return found.map(({ id, name }) => ({
      kind: 'database',
      address: name,
      place: [{ kind: 'database', id }],
    }))
  },
}

async function databases(
  lookup: Lookup,
): Promise<z.infer<typeof Found> | Extract<Located, { known: false }>> {
  const answer = await lookup('databases', {})
  if (!answer.ok) return { known: false, why: answer.why }
  const parsed = Found.safeParse(answer.data)
  return parsed.success ? parsed.data : { known: false, why: 'the answer could not be read' }
}
