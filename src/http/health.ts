/** Says whether the broker lives, and whether it can serve: database, policy and audit. Tells nothing of what it holds. */
import { Hono } from 'hono'
import type { Context } from '../context.ts'

const checkMs = 2_000

export function liveness() {
  return new Hono().get('/healthz', (c) => c.json({ status: 'alive' }))
}

export function readiness(ctx: Context) {
  return new Hono().get('/readyz', async (c) => {
    const checks = {
      database: await passes(() => ctx.realm.refresh()),
      policy: await passes(async () => ctx.realm.now()),
      audit: ctx.journal.writable() ? 'ok' : 'failing',
    }
    const ready = Object.values(checks).every((check) => check === 'ok')
    return c.json({ status: ready ? 'ready' : 'not ready', checks }, ready ? 200 : 503)
  })
}

async function passes(check: () => Promise<unknown>): Promise<'ok' | 'failing'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it took too long')), checkMs)
  })
  try {
    await Promise.race([check(), late])
    return 'ok'
  } catch {
    // The reason is in the log of whoever failed; a stranger who asks gets the one word.
    return 'failing'
  } finally {
    clearTimeout(timer)
  }
}
