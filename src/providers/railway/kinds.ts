/**
 * The kinds of resources that Railway has, where a place of each lies, and the one spelling of its ids. Data and pure
 * functions; it never asks Railway whether an id exists.
 */
import type { Kind } from '../provider.ts'

/** A kind of the environment itself, which only an environment binding can own. */
function inside(kind: string): Kind {
  return { kind, bind: null, path: ['project', 'environment', kind] }
}

/** Shared by every environment of a project, so that an environment sees it and never owns it. */
function shared(kind: string): Kind {
  return { kind, bind: null, path: ['project', kind] }
}

/** Of people or workspaces: it has no place in any environment. */
function apart(kind: string): Kind {
  return { kind, bind: null, path: [kind] }
}

export const kinds: readonly Kind[] = [
  { kind: 'project', bind: 'sees', path: ['project'] },
  { kind: 'environment', bind: 'owns', path: ['project', 'environment'] },
  shared('service'),
  shared('volume'),
  shared('bucket'),
  shared('plugin'),
  shared('integration'),
  shared('group'),
  inside('service-instance'),
  inside('deployment'),
  inside('deployment-instance'),
  inside('volume-instance'),
  inside('backup'),
  inside('custom-domain'),
  inside('service-domain'),
  inside('tcp-proxy'),
  inside('deployment-trigger'),
  inside('private-network'),
  inside('private-network-endpoint'),
  inside('environment-patch'),
  inside('change-set'),
  inside('sandbox'),
  inside('sandbox-checkpoint'),
  inside('sandbox-template-build'),
  inside('cloud-agent'),
  inside('dashboard'),
  inside('dashboard-item'),
  inside('project-token'),
  inside('notification-rule'),
  inside('egress-gateway'),
  apart('workspace'),
  apart('workflow'),
  apart('template'),
  apart('user'),
  apart('customer'),
  apart('account'),
]

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Names, hashes and numbers that Railway hands out beside UUIDs. No spaces, braces or separators that a place could hide in. */
const opaque = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,199}$/

/** Kinds whose ids the API does not promise to be UUIDs: a checkpoint has a name, a template build a content hash. */
const opaqueKinds = new Set([
  'backup',
  'change-set',
  'sandbox',
  'sandbox-checkpoint',
  'sandbox-template-build',
  'cloud-agent',
  'egress-gateway',
  'workflow',
  'template',
  'user',
  'customer',
  'account',
])

const known = new Set(kinds.map((one) => one.kind))

/**
 * Whether `id` is the one spelling of an id of this kind. Another spelling could be the same thing upstream and a
 * different one to a binding, so it is refused rather than translated.
 */
export function canonicalId(kind: string, id: string): boolean {
  if (!known.has(kind)) return false
  if (uuid.test(id)) return true
  return opaqueKinds.has(kind) && opaque.test(id) && !uuid.test(id.toLowerCase())
}
