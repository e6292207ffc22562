/** A description that an operator writes: one line for each operation. Guesses nothing. */
import { z } from 'zod'
import { BrokerError } from '../../errors.ts'
import { effects } from '../../policy/operation.ts'
import { type Described, type Description, methods, OperationName } from './description.ts'
import { readTemplate, routeName, specific, writeTemplate } from './template.ts'

export const Written = z.strictObject({
  /** Else its route is its name. */
  name: OperationName.optional(),
  /** `GET /v1/things/{thing_id}` */
  route: z.string().max(1_200),
  effects: z.array(z.enum(effects)).min(1).max(effects.length),
  /** All query parameters that it takes; unless they are listed, whichever, and then none of them confines it. */
  query: z.array(z.string().max(200)).max(500).optional(),
  /** The same of the fields of its body: `name`, or `branch.name` for one that lies in another. */
  fields: z.array(z.string().max(200)).max(5_000).optional(),
})

/** Throws `malformed-request` for a route that cannot be read. */
export function describeByHand(written: readonly z.infer<typeof Written>[]): Description {
  return { base_url: null, placement: 'bearer', operations: written.map(describedBy) }
}

function describedBy({
  name,
  route,
  effects: given,
  query,
  fields,
}: z.infer<typeof Written>): Described {
  const [, verb = '', path = ''] = /^([A-Z]+) +(\/\S*)$/.exec(route) ?? []
  const method = methods.find((one) => one === verb)
  const template = readTemplate(path)
  if (method === undefined || 'problem' in template) {
    const why = method === undefined ? `it begins with none of ${methods.join(', ')}` : ''
    throw new BrokerError(
      'malformed-request',
      `"${route.slice(0, 100)}" is no route: ${'problem' in template ? template.problem : why}.`,
      { hint: 'Write it as GET /v1/things/{thing_id}' },
    )
  }
  const exact = writeTemplate(specific(template))
  return {
    ...{ name: name ?? routeName(method, exact), method, template: exact },
    ...{ effects: [...new Set(given)], guessed: null },
    ...{ query: query?.map(anywhere) ?? null, fields: fields?.map(anywhere) ?? null },
  }
}

/** `branch.name` lies in a branch, `.name` at the top, and `name` wherever it is. */
function anywhere(name: string): string {
  return name.includes('.') ? name : `*.${name}`
}
