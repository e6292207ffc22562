/** Rotates the master key: a new one seals, every sealed value moves to it, and what nothing needs is dropped. Never shows a key. */
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { addKey, keepKeys } from '../seal/master-key.ts'
import { kidsInUse, reseal } from './reseal.ts'

/** How many values moved, and to which key. */
export type Rotated = { kid: string; resealed: number }

/**
 * A key file that one broker alone uses gets its new key here. Where several share a key, each must have the new one
 * before anything is sealed with it, and only whoever gives it to them can see to that.
 */
export async function rotateMaster(
  ctx: Pick<Context, 'config' | 'db' | 'keyring' | 'realm' | 'signing'>,
): Promise<Rotated> {
  const path = ownKeyFile(ctx)
  if (path === null) {
    const resealed = await resealAll(ctx)
    if (resealed === 0) throw nothingToMove()
    return { kid: ctx.keyring.current, resealed }
  }
  ctx.keyring.replace(await addKey(path))
  const resealed = await resealAll(ctx)
  // What is remembered may still be sealed with the key that goes.
  await Promise.all([ctx.realm.refresh(), ctx.signing.refresh()])
  ctx.keyring.replace(await keepKeys(path, await kidsInUse(ctx.db)))
  return { kid: ctx.keyring.current, resealed }
}

function ownKeyFile({ config }: Pick<Context, 'config'>): string | null {
  return config.masterKey.kind === 'file' && config.store.kind === 'embedded'
    ? config.masterKey.path
    : null
}

async function resealAll(ctx: Pick<Context, 'db' | 'keyring'>): Promise<number> {
  let moved = 0
  for await (const _ of reseal(ctx)) moved += 1
  return moved
}

function nothingToMove(): BrokerError {
  return new BrokerError(
    'conflict',
    'Every sealed value is under the current master key already.',
    {
      hint: 'Give every replica a new key first (VALETKEY_MASTER_KEY: the new key, then the old one), restart them, and rotate again.',
    },
  )
}
