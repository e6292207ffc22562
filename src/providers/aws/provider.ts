/**
 * AWS, of which nothing is relayed: what it offers is a lease, fifteen minutes of a role, narrowed by a session policy that a scope
 * lists. Data and pure functions; it never opens a connection.
 */
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import { leased, readLease, secretReader, templateReader } from '../leased.ts'
import type { Provider } from '../provider.ts'

const arnForm = /^arn:aws[a-z-]*:iam::(\d{12}):role\/[\w+=,.@/-]{1,512}$/

const OneOrMore = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)])

/** What a session may do at most; what the role may not it cannot either. */
const Policy = z.strictObject({
  Version: z.literal('2012-10-17'),
  Statement: z
    .array(
      z
        .strictObject({
          Sid: z.string().optional(),
          Effect: z.enum(['Allow', 'Deny']),
          Action: OneOrMore,
          Resource: OneOrMore,
          Condition: z.record(z.string(), z.record(z.string(), z.unknown())).optional(),
        })
        .refine(
          ({ Effect, Action, Resource }) =>
            Effect === 'Deny' || ![Action, Resource].every((one) => [one].flat().includes('*')),
          'allows everything on everything, which narrows nothing',
        ),
    )
    .min(1),
})

/** STS takes no more characters of plain text. */
const longestPolicy = 2_048

const Template = z
  .strictObject({
    role_arn: z.string().regex(arnForm),
    policy: Policy,
    /** Ending one denies everything to all sessions of the role that began before, whoever holds them. */
    end_by_deny: z.boolean().default(false),
    external_id: z
      .string()
      .regex(/^[\w+=,.@:/-]{2,1224}$/)
      .optional(),
  })
  .refine(
    ({ policy }) => JSON.stringify(policy).length <= longestPolicy,
    `the session policy is longer than ${longestPolicy} characters`,
  )
export type AwsTemplate = z.infer<typeof Template>

const readTemplate = templateReader(Template)

/** What an operator gives as the connection's secret: a JSON file. */
const Secret = z.strictObject({
  access_key_id: z.string().regex(/^[A-Z0-9]{16,128}$/),
  secret_access_key: z.string().min(16).max(200),
})
export const readSecret = secretReader(Secret)

export const aws: Provider<null> = {
  ...leased,
  name: 'aws',
  baseUrl: 'https://sts.us-east-1.amazonaws.com',
  scheme: 'https',
  kinds: [{ kind: 'account', bind: 'owns', path: ['account'] }],
  clients: { urls: {}, tokens: [], credentials: 'AWS_CONTAINER_CREDENTIALS_FULL_URI' },
  secret: (text) =>
    readSecret(text) === null
      ? 'The secret of AWS is a JSON file: {"access_key_id":"…","secret_access_key":"…"}'
      : null,
  template: readTemplate,
  read: (_, call) =>
    readLease(call, ({ template: given }) => {
      const template = readTemplate(given)
      if ('problem' in template) throw new BrokerError('malformed-request', `${template.problem}.`)
      const [, id = ''] = arnForm.exec(template.role_arn) ?? []
      return [{ kind: 'account', id, role: 'target', argument: 'role_arn' }]
    }),
  // The account is in the role's own name, and STS gives it for no other.
  locate: async ({ kind, id }) => {
    if (kind !== 'account' || !/^\d{12}$/.test(id)) return { known: false, why: 'it is no account' }
    const place = [{ kind, id }]
    return { known: true, home: place, places: [place] }
  },
  describe: async ({ id }) => ({ facts: [['AWS account', id]], hangs: [] }),
  discover: async (lookup) => {
    const answer = await lookup('account', {})
    if (!answer.ok) {
      throw new BrokerError('upstream-unreachable', `The account could not be read: ${answer.why}.`)
    }
    const { account: id } = z.object({ account: z.string() }).parse(answer.data)
    return [{ kind: 'account', address: id, place: [{ kind: 'account', id }] }]
  },
}
