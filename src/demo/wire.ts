/** Requests of the replay: as curl sends them to a GraphQL API, and as JSON to the operators' API. Never retries. */
import { z } from 'zod'

const patienceMs = 15_000

export type Answer = { status: number; text: string; ms: number }

/** With the content type that curl sets when nobody says another. */
export async function send(url: string, bearer: string, document: unknown): Promise<Answer> {
  return timed(url, {
    method: 'POST',
    headers: {
      accept: '*/*',
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: JSON.stringify(document),
  })
}

export async function timed(url: string, init: RequestInit): Promise<Answer> {
  const began = performance.now()
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(patienceMs) })
  const text = await response.text()
  return { status: response.status, text, ms: performance.now() - began }
}

/** Any JSON, which an answer may fail to be. */
export function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

export type Ask = <T>(
  method: string,
  path: string,
  shape: z.ZodType<T>,
  body?: unknown,
) => Promise<T>

/** The operators' API. Throws what was asked and what came back, where that is no success. */
export function asking(url: string, session: string | null): Ask {
  return async (method, path, shape, body) => {
    const { status, text } = await timed(url + path, {
      method,
      headers: {
        ...(session === null ? {} : { authorization: `Bearer ${session}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    if (status >= 300) throw new Error(`${method} ${path} was answered ${status}: ${text}`)
    return shape.parse(json(text))
  }
}

export const anything = z.unknown()
