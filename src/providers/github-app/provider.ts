/**
 * A GitHub App, of which nothing is relayed: what it offers is a lease, an installation token for the repositories and the
 * permissions that a scope lists. Data and pure functions; it never opens a connection.
 */
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import { leased, readLease, secretReader, templateReader } from '../leased.ts'
import type { Lookup, Provider } from '../provider.ts'

/** By id: a name is given to another repository once it is free. */
const Template = z.strictObject({
  repositories: z.array(z.int().positive()).min(1).max(500),
  permissions: z
    .record(z.string().regex(/^[a-z][a-z_]{0,62}$/), z.enum(['read', 'write', 'admin']))
    .refine((all) => Object.keys(all).length > 0, 'names no permission'),
})
export type GithubTemplate = z.infer<typeof Template>

const readTemplate = templateReader(Template)

/** What an operator gives as the connection's secret: a JSON file. */
const Secret = z.strictObject({
  app_id: z.string().regex(/^[A-Za-z0-9.]{1,40}$/),
  installation_id: z.string().regex(/^\d{1,20}$/),
  private_key: z.string().startsWith('-----BEGIN').max(8_000),
})
export const readSecret = secretReader(Secret)

const Found = z.array(z.object({ id: z.string(), name: z.string() }))

export const githubApp: Provider<null> = {
  ...leased,
  name: 'github-app',
  baseUrl: 'https://api.github.com',
  scheme: 'https',
  kinds: [{ kind: 'repository', bind: 'owns', path: ['repository'] }],
  secret: (text) =>
    readSecret(text) === null
      ? 'The secret of a GitHub App is a JSON file: {"app_id":"…","installation_id":"…","private_key":"-----BEGIN RSA PRIVATE KEY-----\\n…"}'
      : null,
  template: readTemplate,
  read: (_, call) =>
    readLease(call, ({ template: given }) => {
      const template = readTemplate(given)
      if ('problem' in template) throw new BrokerError('malformed-request', `${template.problem}.`)
      return template.repositories.map((id) => ({
        ...{ kind: 'repository', id: String(id), argument: 'repositories' },
        role: 'target' as const,
      }))
    }),
  locate: async ({ kind, id }, _pinned, lookup) => {
    if (kind !== 'repository') return { known: false, why: `a GitHub App has no ${kind}` }
    const found = await repositories(lookup)
    if ('why' in found) return { known: false, why: found.why }
    if (!found.some((one) => one.id === id)) {
      return { known: false, why: 'the installation does not have it' }
    }
    const place = [{ kind, id }]
    return { known: true, home: place, places: [place] }
  },
  describe: async ({ id }, _home, lookup) => {
    const found = await repositories(lookup)
    if ('why' in found) throw new Error(found.why)
    return { facts: [['Repository', found.find((one) => one.id === id)?.name ?? id]], hangs: [] }
  },
  discover: async (lookup) => {
    const found = await repositories(lookup)
    if ('why' in found) {
      throw new BrokerError(
        'upstream-unreachable',
        `The repositories could not be read: ${found.why}.`,
      )
    }
    return found.map(({ id, name }) => ({
      kind: 'repository',
      address: name,
      place: [{ kind: 'repository', id }],
    }))
  },
}

async function repositories(lookup: Lookup): Promise<z.infer<typeof Found> | { why: string }> {
  const answer = await lookup('repositories', {})
  if (!answer.ok) return { why: answer.why }
  const parsed = Found.safeParse(answer.data)
  return parsed.success ? parsed.data : { why: 'the answer could not be read' }
}
