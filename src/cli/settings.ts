/** What the surroundings say: the environment, read once for the CLI. Nothing else in this folder reads it. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { usage } from './failure.ts'

export type Settings = {
  /** The operator plane and the agent plane, where the environment names them; read with `origin` where they are used. */
  adminUrl: string | undefined
  url: string | undefined
  /** A capability for `explain`, and a client secret for `token`. */
  capability: string | undefined
  clientSecret: string | undefined
  /** Where the session is kept. */
  directory: string
  columns: number | undefined
  /** Whether the locale writes UTF-8. */
  unicode: boolean
  /** Any other variable, for what a CI system says of itself. Undefined where it is empty. */
  variable(name: string): string | undefined
}

export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const columns = Number(env.COLUMNS)
  return {
    adminUrl: env.VALETKEY_ADMIN_URL || undefined,
    url: env.VALETKEY_URL || undefined,
    capability: env.VALETKEY_TOKEN || undefined,
    clientSecret: env.VALETKEY_CLIENT_SECRET || undefined,
    directory: join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'valetkey'),
    columns: Number.isInteger(columns) && columns > 0 ? columns : undefined,
    variable: (name) => env[name] || undefined,
    unicode: /utf-?8/i.test(env.LC_ALL || env.LC_CTYPE || env.LANG || ''),
  }
}

/** An address as this CLI keeps it: an http(s) origin. `what` names where it came from. */
export function origin(text: string, what: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw usage(`${what} is no address of a broker.`, 'Give one such as http://localhost:8421.')
  }
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '') {
    throw usage(`${what} must be an address alone, without path or user.`, `Give ${url.origin}.`)
  }
  return url.origin
}
