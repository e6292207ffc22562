/** What everything needs, built once at start and passed first. Holds no request's state. */
import type { Journal } from './audit/journal.ts'
import type { Config } from './config.ts'
import type { Dial } from './exchange/dial.ts'
import type { Keys, LeaseKinds } from './leases/kind.ts'
import type { Logger } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Realm } from './realm/realm.ts'
import type { Keyring } from './seal/keyring.ts'
import type { Events } from './store/events.ts'
import type { Db } from './store/open.ts'
import type { SigningKeys } from './tokens/keys.ts'

/** Database time, made monotonic. Everything that expires is judged by it. */
export type Clock = {
  /** Milliseconds since the epoch. */
  now(): number
  /** Whether the machine's own clock has left the database's by more than may be: then nothing is served. */
  astray?(): boolean
}

export type Context = {
  config: Config
  /** Origins as the outside names them. */
  publicUrl: string
  consoleUrl: string
  db: Db
  keyring: Keyring
  clock: Clock
  log: Logger
  metrics: Metrics
  realm: Realm
  events: Events
  journal: Journal
  signing: SigningKeys
  dial: Dial
  leasing: LeaseKinds
  keys: Keys
}

/** State that lives as long as the context does, made when first asked for: caches, counters. */
export function perContext<T>(make: (ctx: Context) => T): (ctx: Context) => T {
  const made = new WeakMap<Context, T>()
  return (ctx) => {
    const held = made.get(ctx)
    if (held !== undefined) return held
    const fresh = make(ctx)
    made.set(ctx, fresh)
    return fresh
  }
}
