/** The admin route that says how the broker stands. Counts and names, no content. */
import { createRoute, z } from '@hono/zod-openapi'
import { listApprovals } from '../../approvals/approvals.ts'
import { storedHead } from '../../audit/export.ts'
import type { Context } from '../../context.ts'
import { pendingRecoveries } from '../../identity/passkeys.ts'
import { countLeases } from '../../leases/leases.ts'
import { isHealthy } from '../../vault/health.ts'
import { version } from '../../version.ts'
import { FreezeShown, freezeShown } from './freezes.ts'
import { gives, operatorApp } from './operator.ts'

const StatusShown = z
  .object({
    version: z.string(),
    set_up: z.boolean().describe('In set-up mode: edits are taken from a session.'),
    recoveries: z
      .array(z.object({ operator: z.string(), usable_from: z.iso.datetime() }))
      .describe(
        'Passkeys that a recovery code enrolled and that wait. Anybody in the console cancels one.',
      ),
    approvals_waiting: z.int(),
    leases: z.object({
      alive: z.int(),
      failing: z.int().describe('That have to end and could not be ended yet.'),
    }),
    store: z.enum(['embedded', 'postgres']),
    public_url: z.string(),
    console_url: z.string(),
    policy_version: z.int(),
    audit: z.object({ seq: z.int(), hash: z.string() }),
    environments: z.int(),
    scopes: z.int(),
    agents: z.int(),
    connections: z.array(
      z.object({ name: z.string(), provider: z.string(), healthy: z.boolean() }),
    ),
    freezes: z.array(FreezeShown),
  })
  .openapi('Status')

const show = createRoute({
  method: 'get',
  path: '/admin/status',
  responses: { 200: gives(StatusShown, 'How the broker stands') },
})

export function statusRoutes(ctx: Context) {
  return operatorApp().openapi(show, async (c) => {
    const policy = ctx.realm.now()
    return c.json(
      {
        version,
        set_up: !policy.guarded,
        recoveries: (await pendingRecoveries(ctx)).map(({ operator, usableFrom }) => ({
          operator,
          usable_from: usableFrom.toISOString(),
        })),
        approvals_waiting: (await listApprovals(ctx, { waiting: true })).length,
        leases: await countLeases(ctx),
        store: ctx.config.store.kind,
        public_url: ctx.publicUrl,
        console_url: ctx.consoleUrl,
        policy_version: policy.version,
        audit: await storedHead(ctx.db),
        environments: policy.environments.size,
        scopes: policy.scopes.size,
        agents: policy.agents.size,
        connections: [...policy.connections.values()]
          .map(({ name, provider }) => ({ name, provider, healthy: isHealthy(ctx, name) }))
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
        freezes: [...policy.freezes.values()].map(freezeShown),
      },
      200,
    )
  })
}
