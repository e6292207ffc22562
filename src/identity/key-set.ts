/**
 * Keys that others publish (RFC 7517), fetched from configured addresses only and remembered: renewed when they are old or a
 * key is missing, and in an outage good for an hour more. Never follows an address that a token names.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { type Context, perContext } from '../context.ts'
import { BrokerError } from '../errors.ts'

export type KeySource = { url: string; allowPrivate: boolean }

type Held = { keys: ReturnType<typeof createLocalJWKSet>; fetchedAt: number }
type Slot = { held: Held | null; triedAt: number; trying: Promise<void> | null }

const freshMs = 600_000
/** An issuer that cannot be reached for longer than that has nothing to say any more. */
const outageMs = 3_600_000
/** However often a key is missing, or an address does not answer. */
const cooldownMs = 30_000
const maxBytes = 262_144
const timeoutMs = 5_000

const KeySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(200) })

const slots = perContext(() => new LRUCache<string, Slot>({ max: 1_000 }))

/** For `jwtVerify`. Throws `upstream-unreachable` where there are no keys that are good enough. */
export function keysAt(ctx: Context, source: KeySource): JWTVerifyGetKey {
  return async (header, token) => {
    const slot = slotOf(ctx, source)
    const held = await good(ctx, source, slot)
    try {
      return await held.keys(header, token)
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
      if (!(await renewed(ctx, source, slot)) || slot.held === null) throw error
      return slot.held.keys(header, token)
    }
  }
}

function slotOf(ctx: Context, { url, allowPrivate }: KeySource): Slot {
  const all = slots(ctx)
  const key = `${url} ${allowPrivate}`
  const known = all.get(key)
  if (known !== undefined) return known
  const fresh: Slot = { held: null, triedAt: Number.NEGATIVE_INFINITY, trying: null }
  all.set(key, fresh)
  return fresh
}

async function good(ctx: Context, source: KeySource, slot: Slot): Promise<Held> {
  const age = () =>
    slot.held === null ? Number.POSITIVE_INFINITY : ctx.clock.now() - slot.held.fetchedAt
  if (age() > freshMs) await renewed(ctx, source, slot)
  if (slot.held !== null && age() <= outageMs) return slot.held
  throw new BrokerError(
    'upstream-unreachable',
    `The keys at ${new URL(source.url).host} could not be had, so nothing that they sign can be checked.`,
    {
      hint: 'Try again shortly; whoever runs the broker should look whether it can reach them.',
      retryAfter: 30,
    },
  )
}

/** Whether it was tried just now. Those who ask at once share one try. */
async function renewed(ctx: Context, source: KeySource, slot: Slot): Promise<boolean> {
  if (slot.trying === null) {
    if (ctx.clock.now() - slot.triedAt < cooldownMs) return false
    slot.triedAt = ctx.clock.now()
    slot.trying = renew(ctx, source, slot).finally(() => {
      slot.trying = null
    })
  }
  await slot.trying
  return true
}

async function renew(ctx: Context, source: KeySource, slot: Slot): Promise<void> {
  try {
    const found = KeySet.safeParse(await readJsonAt(ctx, source))
    if (!found.success) throw new Error('what is there is no key set')
    // Checked key by key where one is used.
    const set = found.data as JSONWebKeySet
    slot.held = { keys: createLocalJWKSet(set), fetchedAt: ctx.clock.now() }
  } catch (error) {
    ctx.log.warn({ err: error, keys: source.url }, 'keys could not be renewed')
  }
}

/** A document of a configured address. Throws whatever keeps it from being one. */
export async function readJsonAt(
  ctx: Pick<Context, 'dial'>,
  { url, allowPrivate }: KeySource,
): Promise<unknown> {
  const { status, body } = await ctx.dial.direct({
    ...{ url, allowPrivate, maxBytes, timeoutMs },
    method: 'GET',
    headers: [['accept', 'application/json']],
    body: null,
  })
  if (status !== 200) throw new Error(`${new URL(url).host} answered with ${status}`)
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
}
