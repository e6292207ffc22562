/** One line of an exported audit log, as it is written and as it is read back. Never trusts a file that it reads. */
import { z } from 'zod'

const Key = z.object({ kid: z.string(), kty: z.string(), crv: z.string(), x: z.string() })

/** Checkpoints come before the entries that they speak of, so that a reader need not remember those. */
const Line = z.discriminatedUnion('type', [
  z.object({ type: z.literal('header'), v: z.literal(1), exported_at: z.string() }),
  z.object({ type: z.literal('key'), key: Key }),
  z.object({ type: z.literal('checkpoint'), signed: z.string() }),
  z.object({
    type: z.literal('entry'),
    seq: z.int(),
    hash: z.string(),
    body: z.string(),
  }),
  z.object({ type: z.literal('head'), signed: z.string().nullable() }),
])
export type Line = z.infer<typeof Line>
export type Key = z.infer<typeof Key>

/** Null for what is not a line of an export. */
export function readLine(text: string): Line | null {
  try {
    return Line.parse(JSON.parse(text))
  } catch {
    return null
  }
}
