/** What an approval keeps of a call and of its answer: sealed to its row, because either may hold what only the agent should see. */
import { eq } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import type { Call } from '../providers/provider.ts'
import { announce } from '../store/events.ts'
import { approvals } from '../store/schema.ts'

export function rowOf(approval: string): string {
  return `approvals/${approval}`
}

const CallShape = z.object({
  method: z.string(),
  segments: z.array(z.string()),
  query: z.array(z.tuple([z.string(), z.string()])),
  contentType: z.string().nullable(),
  body: z.base64(),
  idempotencyKey: z.string().optional(),
})

export function sealedCall(
  ctx: Pick<Context, 'keyring'>,
  approval: string,
  call: Call,
): Promise<string> {
  const body = Buffer.from(call.body).toString('base64')
  return ctx.keyring.seal(rowOf(approval), JSON.stringify({ ...call, body }))
}

export async function openCall(
  ctx: Pick<Context, 'keyring'>,
  approval: string,
  sealed: string,
): Promise<Call> {
  const opened = await ctx.keyring.open(rowOf(approval), sealed)
  const { body, idempotencyKey, ...rest } = CallShape.parse(JSON.parse(opened.reveal()))
  return {
    ...rest,
    body: new Uint8Array(Buffer.from(body, 'base64')),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  }
}

const OutcomeShape = z.object({
  status: z.int(),
  content_type: z.string().nullable(),
  /** Null where the answer was streamed, or larger than what is kept. */
  body: z.string().nullable(),
})

/** The answer as the agent got it, or would have: redacted. */
export type Outcome = z.infer<typeof OutcomeShape>

export async function keepOutcome(ctx: Context, approval: string, outcome: Outcome): Promise<void> {
  const sealed = await ctx.keyring.seal(rowOf(approval), JSON.stringify(outcome))
  await ctx.db.transaction(async (tx) => {
    await tx.update(approvals).set({ outcome: sealed }).where(eq(approvals.id, approval))
    await announce(tx, `approval:${approval}`)
  })
}

export async function openOutcome(
  ctx: Pick<Context, 'keyring'>,
  approval: string,
  sealed: string,
): Promise<Outcome> {
  const opened = await ctx.keyring.open(rowOf(approval), sealed)
  return OutcomeShape.parse(JSON.parse(opened.reveal()))
}
