/** Admin routes that stop things and let them go on. Stopping is for every admin and approver, and waits for nothing. */
import { createRoute, z } from '@hono/zod-openapi'
import { make } from '../../approvals/changes.ts'
import { addFreeze, type FreezeRow, listFreezes } from '../../approvals/freezes.ts'
import type { Context } from '../../context.ts'
import { leasesOut } from '../../leases/leases.ts'
import type { Capability } from '../../policy/capability.ts'
import { type Freeze, type FreezeSubject, freezeOn } from '../../policy/freeze.ts'
import { editor, gives, operatorApp, requireRole, takes } from './operator.ts'

const subjectForm =
  /^(all|(agent|environment|connection|scope):[a-z][a-z0-9-]{0,62}|capability:cap_[0-9a-f]{32})$/

export const FreezeAsked = z
  .strictObject({
    subject: z
      .string()
      .regex(
        subjectForm,
        'it is agent:NAME, environment:NAME, connection:NAME, scope:NAME, capability:ID, or all',
      ),
    reason: z
      .string()
      .min(1)
      .max(500)
      .regex(/^\P{Cc}*$/u, 'it has to be one line')
      .optional()
      .describe('Shown to the agents that are refused.'),
  })
  .openapi('FreezeAsked')

export const FreezeShown = z
  .object({
    id: z.string(),
    subject: z.string(),
    reason: z.string().nullable(),
    by: z.string().describe('The operator, or valetkey for one that began by itself.'),
    since: z.iso.datetime(),
    lifted_at: z.iso.datetime().nullable(),
  })
  .openapi('Freeze')

const add = createRoute({
  method: 'post',
  path: '/admin/freezes',
  request: { body: takes(FreezeAsked) },
  responses: {
    201: gives(
      FreezeShown.extend({
        still_out: z
          .array(
            z.object({ lease: z.string(), connection: z.string(), expires_at: z.iso.datetime() }),
          )
          .describe('Credentials that nobody can end before they expire.'),
      }),
      'Frozen; what was frozen before is shown as it is',
    ),
  },
})

const list = createRoute({
  method: 'get',
  path: '/admin/freezes',
  request: {
    query: z.strictObject({
      all: z.enum(['true', 'false']).optional().describe('Also those that were lifted.'),
    }),
  },
  responses: {
    200: gives(z.object({ freezes: z.array(FreezeShown) }), 'The newest first, a thousand at most'),
  },
})

const lift = createRoute({
  method: 'delete',
  path: '/admin/freezes/{id}',
  request: { params: z.object({ id: z.string() }) },
  responses: { 200: gives(FreezeShown, 'Lifted') },
})

export function freezeRoutes(ctx: Context) {
  return operatorApp()
    .openapi(add, async (c) => {
      const { name } = requireRole(c, 'admin', 'approver')
      const by = { name, request: c.get('requestId') }
      const freeze = await addFreeze(ctx, by, asked(c.req.valid('json')))
      return c.json({ ...freezeShown(freeze), still_out: await stillOut(ctx, freeze) }, 201)
    })
    .openapi(list, async (c) => {
      const rows = await listFreezes(ctx, { all: c.req.valid('query').all === 'true' })
      return c.json({ freezes: rows.map(freezeShown) }, 200)
    })
    .openapi(lift, async (c) => {
      return c.json(
        freezeShown(await make(ctx, editor(c), 'freeze.lift', c.req.valid('param'))),
        200,
      )
    })
}

/** What a freeze cannot reach: leases that the upstream ends by itself, and not earlier. */
export async function stillOut(ctx: Context, freeze: Freeze) {
  const { connections } = ctx.realm.now()
  const stops = new Map([[freeze.subject, freeze]])
  const still = []
  for await (const row of leasesOut(ctx, ['making', 'active', 'ending'])) {
    const { id, connection, capability, template, expiresAt } = row
    const kind = ctx.leasing.get(connections.get(connection)?.provider ?? '')
    const ends = kind?.revocable(template) ?? true
    // As it was written: the claims of a capability.
    const held = capability as unknown as Capability
    if (ends || freezeOn(stops, held, connection) === null) continue
    still.push({ lease: id, connection, expires_at: expiresAt.toISOString() })
  }
  return still
}

export function asked({ subject, reason }: z.infer<typeof FreezeAsked>) {
  // The form that was demanded says no less than the type.
  return { subject: subject as FreezeSubject, reason: reason ?? null }
}

export function freezeShown(
  row: Freeze & Partial<Pick<FreezeRow, 'liftedAt'>>,
): z.infer<typeof FreezeShown> {
  return {
    id: row.id,
    subject: row.subject,
    reason: row.reason,
    by: row.createdBy,
    since: row.createdAt.toISOString(),
    lifted_at: row.liftedAt?.toISOString() ?? null,
  }
}
