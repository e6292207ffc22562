/** Speaks to a broker over HTTP and turns every bad ending into a Failure that says what to do. Never retries a change. */
import { Failure } from './failure.ts'

export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export type Call = {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  query?: Query
  /** Sent as JSON. */
  body?: unknown
  /** Sent as a form, as OAuth wants it. */
  form?: URLSearchParams
  bearer?: string
  headers?: Readonly<Record<string, string>>
  timeoutMs?: number
}

/** What to do when nothing answers; the two planes differ in it. */
export type Plane = { url: string; start: string }

export function operatorPlane(url: string): Plane {
  return {
    url,
    start:
      'Start the broker with "valetkey serve"; if it runs elsewhere, sign in there with "valetkey login --url URL".',
  }
}

export function agentPlane(url: string): Plane {
  return {
    url,
    start:
      'Start the broker with "valetkey serve"; if its agent plane is elsewhere, say where with VALETKEY_URL.',
  }
}

/** One call; anything but a 2xx is thrown. */
export async function call(plane: Plane, path: string, options: Call = {}): Promise<Response> {
  const response = await answerOf(plane, path, options)
  if (!response.ok) throw await refusal(plane, response)
  return response
}

/** The response as it is, whatever its status. */
export async function answerOf(plane: Plane, path: string, options: Call = {}): Promise<Response> {
  const url = new URL(path, plane.url)
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return await send(plane, url, {
    method: options.method ?? 'GET',
    headers: headersOf(options),
    ...bodyOf(options),
    ...(options.timeoutMs !== undefined && within(options.timeoutMs)),
  })
}

/** The fetch of this folder: bounded in time, and it follows no redirect, which would carry a secret somewhere else. */
export async function send(
  plane: Plane,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  try {
    return await fetch(input, { ...within(30_000), ...init, redirect: 'error' })
  } catch (error) {
    throw unreachable(plane, error)
  }
}

export function within(timeoutMs: number): { signal: AbortSignal } {
  return { signal: AbortSignal.timeout(timeoutMs) }
}

function headersOf(options: Call): Record<string, string> {
  return {
    accept: 'application/json, application/problem+json',
    ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
    ...options.headers,
    ...(options.bearer === undefined ? {} : { authorization: `Bearer ${options.bearer}` }),
  }
}

function bodyOf(options: Call): { body?: string | URLSearchParams } {
  if (options.form !== undefined) return { body: options.form }
  return options.body === undefined ? {} : { body: JSON.stringify(options.body) }
}

function unreachable(plane: Plane, error: unknown): Failure {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new Failure('broker-timeout', `The broker at ${plane.url} did not answer in time.`, {
      hint: 'Whether it did what was asked is not known: look before trying again.',
    })
  }
  return new Failure('broker-unreachable', `Nothing answers at ${plane.url} (${reason(error)}).`, {
    hint: plane.start,
  })
}

function reason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (cause instanceof Error) {
    const code: unknown = Reflect.get(cause, 'code')
    return typeof code === 'string' ? code : cause.message
  }
  return error instanceof Error ? error.message : 'unknown reason'
}

export async function refusal(plane: Plane, response: Response): Promise<Failure> {
  const document = record(await response.json().catch(() => null))
  const text = (name: string) => {
    const value = document?.[name]
    return typeof value === 'string' ? value : undefined
  }
  const code = text('code') ?? text('error')
  if (document === undefined || code === undefined) {
    return new Failure(
      'not-a-broker',
      `${plane.url} answered ${response.status}, and not as a broker does.`,
      {
        hint: 'Check the address: operators talk to the operator plane (port 8421 unless changed), agents to the other.',
      },
    )
  }
  const hint =
    text('hint') ?? (code === 'not-signed-in' ? 'Sign in with: valetkey login' : undefined)
  const detail = text('detail') ?? text('error_description') ?? text('title') ?? code
  return new Failure(code, detail, {
    hint,
    document: { ...document, code, detail, ...(hint && { hint }) },
  })
}

export function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value))
    : undefined
}
