/** Revokes single capabilities, and with them what grew from them, on every replica, and tells which were minted. Never handles a token itself. */
import { and, desc, eq, gt, sql } from 'drizzle-orm'
import type { Entry } from '../audit/journal.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { edit } from '../realm/edit.ts'
import { capabilities, revocations } from '../store/schema.ts'

export type MintedCapability = typeof capabilities.$inferSelect & { revoked: boolean }

const mostListed = 1_000

/** Alive ones, or all that are still recorded; newest first. */
export async function listCapabilities(
  ctx: Context,
  wanted: { agent?: string; all?: boolean },
): Promise<MintedCapability[]> {
  const rows = await ctx.db
    .select({ capability: capabilities, revokedJti: revocations.jti })
    .from(capabilities)
    .leftJoin(revocations, eq(revocations.jti, capabilities.jti))
    .where(
      and(
        wanted.agent === undefined ? undefined : eq(capabilities.agent, wanted.agent),
        wanted.all === true ? undefined : gt(capabilities.expiresAt, new Date(ctx.clock.now())),
        wanted.all === true ? undefined : sql`${revocations.jti} is null`,
      ),
    )
    .orderBy(desc(capabilities.issuedAt), desc(capabilities.jti))
    .limit(mostListed)
  const { revoked } = ctx.realm.now()
  const parents = new Map(rows.map(({ capability: { jti, parent } }) => [jti, parent]))
  const isFallen = (jti: string | null | undefined): boolean =>
    jti != null && (revoked.has(jti) || isFallen(parents.get(jti)))
  return rows.map(({ capability, revokedJti }) => ({
    ...capability,
    revoked: revokedJti !== null || isFallen(capability.parent),
  }))
}

/** An operator's revocation, by the id that `capability list` shows. */
export async function revokeByOperator(
  ctx: Context,
  by: { name: string; request?: string },
  jti: string,
): Promise<void> {
  const [row] = await ctx.db.select().from(capabilities).where(eq(capabilities.jti, jti))
  if (row === undefined) {
    throw new BrokerError('not-found', 'There is no such capability on record.', {
      hint: 'See those that are alive with: valetkey capability list',
    })
  }
  await revoke(
    ctx,
    { jti, agent: row.agent, expiresAt: row.expiresAt.getTime() },
    {
      operator: by.name,
      ...(by.request === undefined ? {} : { request: by.request }),
    },
  )
}

/** An agent's own. Whether the capability is the agent's is for the caller to know. */
export async function revokeOwn(
  ctx: Context,
  capability: { jti: string; agent: string; expiresAt: number },
  request: string,
): Promise<void> {
  const { jti, agent } = capability
  await revoke(ctx, { jti, agent, expiresAt: capability.expiresAt * 1000 }, { request })
}

/** Whether revoking it would do anything. */
export function revocable(
  ctx: Context,
  { jti, expiresAt }: { jti: string; expiresAt: number },
): boolean {
  const over = expiresAt * 1000 + ctx.config.approvalMs <= ctx.clock.now()
  return !over && !ctx.realm.now().revoked.has(jti)
}

/**
 * What it asked for may wait for an approval after it has expired, so a revocation is kept for as long as one can live. Nothing to do
 * for what is older or was revoked before: each edit makes every replica read the policy anew.
 */
async function revoke(
  ctx: Context,
  what: { jti: string; agent: string; expiresAt: number },
  by: Pick<Entry, 'operator' | 'request'>,
): Promise<void> {
  const now = ctx.clock.now()
  const matters = what.expiresAt + ctx.config.approvalMs
  if (!revocable(ctx, { jti: what.jti, expiresAt: what.expiresAt / 1000 })) return
  await edit(
    ctx,
    { kind: 'revoke', ...by, agent: what.agent, outcome: 'ok', facts: { jti: what.jti } },
    async (tx) => {
      await tx
        .insert(revocations)
        .values({ jti: what.jti, expiresAt: new Date(matters), revokedAt: new Date(now) })
        .onConflictDoNothing()
    },
  )
}
