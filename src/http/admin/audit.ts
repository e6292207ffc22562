/** Admin routes about the audit log: search, follow, export, keys, verification. None of them writes to it. */
import { createRoute, z } from '@hono/zod-openapi'
import { type Sign, signCheckpoint } from '../../audit/checkpoint.ts'
import { kinds } from '../../audit/entry.ts'
import { auditKeys, exportChunks } from '../../audit/export.ts'
import { verifyStore } from '../../audit/inspect.ts'
import { type Found, maxLimit, maxWaitMs, type Search, searchWaiting } from '../../audit/search.ts'
import type { Context } from '../../context.ts'
import { gives, operatorApp } from './operator.ts'

const EntryShown = z
  .looseObject({
    seq: z.int(),
    hash: z.string(),
    prev: z.string(),
    at: z.iso.datetime(),
    kind: z.enum(kinds),
    request: z.string().optional(),
    agent: z.string().optional(),
    operator: z.string().optional(),
    environment: z.string().optional(),
    connection: z.string().optional(),
    operation: z.string().optional(),
    outcome: z.string().optional(),
    facts: z.record(z.string(), z.unknown()).optional(),
  })
  .openapi('AuditEntry')

const Seq = z.coerce.number().int().min(0)
const Text = z.string().min(1).max(300)

const Asked = z.strictObject({
  after: Seq.optional().describe('Oldest first, from the entry after this one.'),
  before: Seq.optional().describe('Newest first, from the entry before this one.'),
  limit: z.coerce.number().int().min(1).max(maxLimit).default(100),
  kind: z.enum(kinds).optional(),
  agent: Text.optional(),
  environment: Text.optional(),
  connection: Text.optional(),
  operation: Text.optional(),
  outcome: Text.optional(),
  request: Text.optional(),
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
  wait: z.coerce
    .number()
    .min(0)
    .max(maxWaitMs / 1_000)
    .default(0)
    .describe('Seconds to wait for a first entry.'),
})

const list = createRoute({
  method: 'get',
  path: '/admin/audit',
  request: { query: Asked },
  responses: {
    200: gives(
      z.object({
        entries: z.array(EntryShown),
        head: z.object({ seq: z.int(), hash: z.string() }),
      }),
      'Entries, newest first unless `after` is given',
    ),
  },
})

const exported = createRoute({
  method: 'get',
  path: '/admin/audit/export',
  responses: {
    200: { description: 'The whole log as NDJSON, which verifies without the broker' },
  },
})

const KeyShown = z
  .object({ kid: z.string(), kty: z.string(), crv: z.string(), x: z.string() })
  .openapi('AuditKey')

const keys = createRoute({
  method: 'get',
  path: '/admin/audit/keys',
  responses: {
    200: gives(z.object({ keys: z.array(KeyShown) }), 'Public keys that verify signed heads'),
  },
})

const Verified = z
  .object({
    ok: z.boolean(),
    head: z.object({ seq: z.int(), hash: z.string() }),
    entries: z.int(),
    checkpoints: z.int(),
    proofs: z.int().describe('Signatures of passkeys that hold.'),
    problems: z.array(z.object({ seq: z.int().nullable(), how: z.string(), detail: z.string() })),
    calls: z.int(),
    unknown: z
      .array(z.object({ seq: z.int(), request: z.string().nullable() }))
      .describe('Calls of which nobody knows what became.'),
  })
  .openapi('AuditVerification')

const verification = createRoute({
  method: 'get',
  path: '/admin/audit/verification',
  responses: { 200: gives(Verified, 'The log in the database, followed from its first entry') },
})

export function auditRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const { wait, ...asked } = c.req.valid('query')
      const { signal } = c.req.raw
      const { entries, head } = await searchWaiting(ctx.db, wanted(asked), wait * 1_000, signal)
      return c.json({ entries: entries.map(shown), head }, 200)
    })
    .openapi(exported, (c) => {
      const lines = exportChunks({ db: ctx.db, clock: ctx.clock, sign: signed(ctx) })
      return c.body(ReadableStream.from(lines), 200, {
        'Content-Type': 'application/x-ndjson',
        'Content-Disposition': 'attachment; filename="valetkey-audit.ndjson"',
      })
    })
    .openapi(keys, async (c) => c.json({ keys: await auditKeys(ctx.db) }, 200))
    .openapi(verification, async (c) => c.json(await verifyStore(ctx.db), 200))
}

function wanted({ since, until, ...same }: Omit<z.infer<typeof Asked>, 'wait'>): Search {
  const named = Object.entries(same).filter(([, value]) => value !== undefined)
  return {
    ...Object.fromEntries(named),
    ...(since === undefined ? {} : { since: new Date(since) }),
    ...(until === undefined ? {} : { until: new Date(until) }),
  }
}

function signed(ctx: Context): Sign {
  return async (claims) => signCheckpoint(await ctx.signing.current('audit'), claims)
}

function shown({ body, seq, hash }: Found): z.infer<typeof EntryShown> {
  return EntryShown.parse({ ...body, seq, hash })
}
