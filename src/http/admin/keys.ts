/** Admin routes about keys, by their ids. No key is ever shown. */
import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from '../../context.ts'
import { listSigningKeys } from '../../tokens/keys.ts'
import { rotateMaster } from '../../vault/master.ts'
import { editor, gives, operatorApp, takes } from './operator.ts'

const KeyShown = z
  .object({
    kid: z.string(),
    purpose: z.enum(['capability', 'audit', 'master']),
    created_at: z.iso.datetime().nullable().describe('Not known of master keys.'),
    retired_at: z.iso.datetime().nullable(),
  })
  .openapi('Key')

const list = createRoute({
  method: 'get',
  path: '/admin/keys',
  responses: { 200: gives(z.object({ keys: z.array(KeyShown) }), 'Every key, by its id') },
})

const Which = z.enum(['signing', 'audit', 'master'])

const rotate = createRoute({
  method: 'post',
  path: '/admin/keys/rotate',
  request: { body: takes(z.strictObject({ which: Which })) },
  responses: {
    200: gives(
      z.object({
        which: Which,
        kid: z.string(),
        resealed: z.int().describe('How many sealed values moved to the new master key.'),
      }),
      'A new key is in use; what the old one signed stays valid until it expires',
    ),
  },
})

export function keyRoutes(ctx: Context) {
  return operatorApp()
    .openapi(list, async (c) => {
      const signing = await listSigningKeys(ctx.db)
      const keys: z.infer<typeof KeyShown>[] = signing.map((key) => ({
        kid: key.kid,
        purpose: key.purpose,
        created_at: key.createdAt.toISOString(),
        retired_at: key.retiredAt?.toISOString() ?? null,
      }))
      for (const kid of ctx.keyring.kids) {
        keys.push({ kid, purpose: 'master', created_at: null, retired_at: null })
      }
      return c.json({ keys }, 200)
    })
    .openapi(rotate, async (c) => {
      const by = editor(c)
      const { which } = c.req.valid('json')
      const rotated = await rotateKey(ctx, which)
      await ctx.journal.append({
        kind: 'change',
        operator: by.name,
        request: c.get('requestId'),
        outcome: 'ok',
        facts: { what: 'key.rotate', which, ...rotated },
      })
      return c.json({ which, ...rotated }, 200)
    })
}

async function rotateKey(ctx: Context, which: z.infer<typeof Which>) {
  if (which === 'master') return rotateMaster(ctx)
  const { kid } = await ctx.signing.rotate(which === 'signing' ? 'capability' : 'audit')
  return { kid, resealed: 0 }
}
