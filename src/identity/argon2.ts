/** argon2id for what people and agents prove themselves with: bounded in memory, in length and in how many run at once. */
import { availableParallelism } from 'node:os'
import { hash, verify } from '@node-rs/argon2'
import { BrokerError } from '../errors.ts'

/** 19 MiB and two passes, the lower end of what OWASP advises: tens of milliseconds, and little memory per try. */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const longestSecret = 1_024
const most = Math.max(1, Math.min(4, availableParallelism() - 1))
const mostWaiting = 128

let running = 0
const waiting: (() => void)[] = []

export async function hashSecret(value: string): Promise<string> {
  return oneOfFew(() => hash(value, cost))
}

/** Whether the value fits any of the hashes. It costs the same for every list up to `slots`, an empty one included. */
export async function fitsAny(
  value: string,
  hashes: readonly string[],
  slots: number,
): Promise<string | undefined> {
  const decoy = await decoyHash()
  let fitting: string | undefined
  for (let slot = 0; slot < Math.max(slots, hashes.length); slot++) {
    const candidate = hashes[slot]
    const fits = await oneOfFew(() => check(candidate ?? decoy, value))
    if (fits && candidate !== undefined) fitting ??= candidate
  }
  return fitting
}

async function check(hashed: string, value: string): Promise<boolean> {
  return Buffer.byteLength(value) <= longestSecret && (await verify(hashed, value))
}

let decoy: Promise<string> | undefined

/** What an unknown name is compared with, so that it takes as long as a known one. */
function decoyHash(): Promise<string> {
  decoy ??= hash('no secret has this value', cost)
  return decoy
}

async function oneOfFew<T>(work: () => Promise<T>): Promise<T> {
  if (running < most) running++
  else await turn()
  try {
    return await work()
  } finally {
    // The place is handed over rather than given up, or a newcomer could take it as well.
    const next = waiting.shift()
    if (next === undefined) running--
    else next()
  }
}

async function turn(): Promise<void> {
  if (waiting.length >= mostWaiting) {
    throw new BrokerError('limit-exceeded', 'Too many sign-ins are being checked at once.', {
      hint: 'Try again in a second.',
      retryAfter: 1,
    })
  }
  return new Promise((resolve) => waiting.push(resolve))
}
