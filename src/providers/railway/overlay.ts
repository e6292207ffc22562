/**
 * Valetkey's knowledge of Railway, laid over its schema: what each operation does, what its arguments name, what reveals,
 * how far types reach. Data; it never holds the schema itself, and what Railway adds is unknown until it stands here.
 */
import type { Overlay, RootRule } from '../graphql/overlay.ts'
import { accountMutations } from './account-mutations.ts'
import { environmentMutations } from './mutations.ts'
import { outputs } from './outputs.ts'
import { plain } from './plain.ts'
import { queries, subscriptions } from './queries.ts'
import { reveals } from './reveals.ts'

function under(type: string, table: Readonly<Record<string, RootRule>>) {
  return Object.fromEntries(
    Object.entries(table).map(([name, rule]): [string, RootRule] => [`${type}.${name}`, rule]),
  )
}

export const overlay: Overlay = {
  provider: 'railway',
  roots: {
    ...under('Mutation', environmentMutations),
    ...under('Mutation', accountMutations),
    ...under('Query', queries),
    ...under('Subscription', subscriptions),
  },
  plain,
  types: outputs,
  fields: {
    ...reveals,
    // From a fork it leads to what it was copied from, usually production.
    'Environment.sourceEnvironment': { effects: ['read'], elsewhere: true },
  },
  scalars: {
    BigInt: 'plain',
    DateTime: 'plain',
    // Names and values of variables and nothing else; those who write existing ones are classed for it.
    EnvironmentVariables: 'plain',
    DisplayConfig: 'untyped',
    EnvironmentConfig: 'untyped',
    JSON: 'untyped',
    NotificationChannelConfig: 'untyped',
    SerializedTemplateConfig: 'untyped',
    TemplateVolume: 'untyped',
    Upload: 'untyped',
  },
}
