/** What every command is given: settings, a voice, and the broker once it is needed. Never opens anything by itself. */
import type { hc } from 'hono/client'
import type { AdminApp } from '../http/admin/admin.ts'
import { agentPlane, operatorPlane, type Plane, refusal, send, within } from './client.ts'
import { Failure } from './failure.ts'
import { readSession, type Session } from './session.ts'
import { origin, type Settings } from './settings.ts'
import type { Speak } from './speak.ts'
import { waitingIn } from './waiting.ts'

/** What lives outside this folder and is loaded only when it is asked for. */
export type Start = {
  serve(overrides: Readonly<Record<string, string>>): Promise<void>
  demo(options: {
    out: NodeJS.WritableStream
    json: boolean
    color: boolean
    width: number
    unicode: boolean
    pace: boolean
  }): Promise<number>
}

/** What a command line runs in. `process` fits. */
export type Terminal = {
  stdin: NodeJS.ReadStream
  stdout: NodeJS.WriteStream
  stderr: NodeJS.WriteStream
  env: Readonly<Record<string, string | undefined>>
}

export type Cli = {
  terminal: Terminal
  settings: Settings
  speak: Speak
  start: Start
  /** For what was said in full on stdout and still is no success: `explain` found a refusal. */
  endWith(code: 0 | 1): void
  /** With whatever a command that was started ended with. */
  exitWith(code: number): void
}

export const defaultAdminUrl = 'http://localhost:8421'
export const defaultUrl = 'http://localhost:8420'

/** The operators' API with the types of its own routes. */
export type Admin = ReturnType<typeof hc<AdminApp>>['admin']

/** The operator plane, signed in. */
export type Broker = { session: Session; plane: Plane; admin: Admin }

export async function signedIn({ settings }: Cli): Promise<Broker> {
  const session = await readSession(settings.directory)
  if (session === null) {
    throw new Failure('not-signed-in', 'Nobody is signed in on this machine.', {
      hint: 'Sign in with: valetkey login',
    })
  }
  const named = settings.adminUrl && origin(settings.adminUrl, 'VALETKEY_ADMIN_URL')
  if (named !== undefined && named !== session.adminUrl) {
    // The session's token must never be sent to another address than the one that gave it.
    throw new Failure(
      'not-signed-in',
      `VALETKEY_ADMIN_URL is ${named}, and the session is for ${session.adminUrl}.`,
      { hint: 'Sign in there with "valetkey login", or unset VALETKEY_ADMIN_URL.' },
    )
  }
  const plane = operatorPlane(session.adminUrl)
  return { session, plane, admin: await adminAt(plane, session.token) }
}

/** Whatever is not a 2xx is thrown, so that commands read only what a route promises. */
export async function adminAt(plane: Plane, token?: string): Promise<Admin> {
  const { hc } = await import('hono/client')
  const client = hc<AdminApp>(plane.url, {
    headers: {
      accept: 'application/json, application/problem+json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    fetch: async (input: string | URL | Request, init?: RequestInit) => {
      const response = await send(plane, input, init)
      if (!response.ok) throw await refusal(plane, response)
      const waiting = await waitingIn(response)
      if (waiting !== null) throw waiting
      return response
    },
  })
  return client.admin
}

/** For routes that ask an upstream meanwhile. */
export function patiently() {
  return { init: within(120_000) }
}

export async function told<T>(response: Promise<{ json(): Promise<T> }>): Promise<T> {
  return await (await response).json()
}

/** The agent plane: what the environment says, else what the broker said when somebody signed in. */
export async function agents({ settings }: Cli): Promise<Plane> {
  if (settings.url !== undefined) return agentPlane(origin(settings.url, 'VALETKEY_URL'))
  const session = await readSession(settings.directory)
  return agentPlane(session?.url ?? defaultUrl)
}
