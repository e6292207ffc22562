/** Load from a process of its own: many connections that send the same few requests, and check what comes back. */
import autocannon from 'autocannon'
import { given, say, startScript } from './children.ts'

export type Request = { method: string; headers: Readonly<Record<string, string>>; body: string }

export type Load = {
  url: string
  /** Sent in turn by each connection. */
  requests: readonly Request[]
  seconds: number
  /** Every answer has to be this. */
  answer?: string
}

export type Loaded = { requests: number; seconds: number; p50: number; p99: number }

export const connections = 64

/** Throws unless every request was answered as it should be: a refusal is quick, and would look good. */
export async function load(asked: Load): Promise<Loaded> {
  const child = await startScript<autocannon.Result>('load.ts', asked)
  await child.stop()
  const { said } = child
  const wrong = said.non2xx + said.errors + said.timeouts + said.mismatches
  if (wrong > 0)
    throw new Error(`${wrong} of ${said['2xx'] + wrong} requests to ${asked.url} failed`)
  const { p50, p99 } = said.latency
  return { requests: said['2xx'], seconds: said.duration, p50, p99 }
}

if (import.meta.main) {
  const { url, requests, seconds, answer } = await given<Load>()
  say(
    await autocannon({
      url,
      requests,
      connections,
      duration: seconds,
      timeout: 10,
      ...(answer === undefined ? {} : { verifyBody: (body) => body === answer }),
    }),
  )
}
