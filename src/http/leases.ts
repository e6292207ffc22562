/** An agent's own leases: seen, and given up. What was given is not among what is shown. */
import { Hono } from 'hono'
import type { Context } from '../context.ts'
import {
  claimDue,
  endLease,
  gone,
  type LeaseRow,
  listLeases,
  mark,
  showLease,
} from '../leases/leases.ts'
import { type Capability, isOrBegan } from '../policy/capability.ts'
import { presentedCapability } from '../tokens/presented.ts'
import { demandStands } from '../tokens/verify.ts'
import { presenting } from './raw-headers.ts'

export function leaseRoutes(ctx: Context) {
  const holder = async (c: Parameters<typeof presenting>[0]): Promise<Capability> => {
    const capability = await presentedCapability(ctx, presenting(c))
    demandStands(ctx, capability)
    c.header('Cache-Control', 'no-store')
    return capability
  }
  return new Hono()
    .get('/v1/leases', async (c) => {
      const capability = await holder(c)
      const rows = await listLeases(ctx, { agent: capability.agent })
      return c.json({ leases: rows.filter((row) => isOf(capability, row)).map(leaseShown) })
    })
    .delete('/v1/leases/:id', async (c) => {
      const capability = await holder(c)
      const row = await showLease(ctx.db, c.req.param('id'), capability.agent)
      if (!isOf(capability, row)) throw gone()
      await endNow(ctx, row.id, 'its holder gave it up')
      return c.json(leaseShown(await showLease(ctx.db, row.id)))
    })
}

/** A sub-agent has to do with what was given to it, and with what it passed on. */
function isOf(capability: Capability, row: LeaseRow): boolean {
  // As it was written: the claims of a capability.
  const given = row.capability as unknown as Capability
  return (
    row.environment === capability.environment &&
    (capability.parents === undefined || isOrBegan(capability, given))
  )
}

/** Tried at once; what fails is tried again by the watch. */
export async function endNow(ctx: Context, id: string, because: string): Promise<void> {
  await mark(ctx, [id], because)
  const due = await claimDue(ctx, { id })
  await Promise.all(due.map((row) => endLease(ctx, row)))
}

export function leaseShown(row: LeaseRow) {
  return {
    id: row.id,
    state: row.state,
    connection: row.connection,
    agent: row.agent,
    environment: row.environment,
    capability: String(row.capability['jti']),
    created_at: row.createdAt.toISOString(),
    expires_at: row.expiresAt.toISOString(),
    ended_at: row.endedAt?.toISOString() ?? null,
    because: row.because,
    attempts: row.attempts,
    last_error: row.lastError,
  }
}
