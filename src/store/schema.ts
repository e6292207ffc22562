/** Every table. Rows are shaped here and nowhere else; what crosses the wire is shaped where it crosses. */
import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  uniqueIndex,
} from 'drizzle-orm/pg-core'
import type { Place } from '../policy/operation.ts'

const at = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' })
const sequence = (name: string) => bigint(name, { mode: 'number' })

/** One row. Every edit of policy counts it up in its own transaction; a call opens its audit entry only under it. */
export const policy = pgTable(
  'policy',
  {
    id: integer().primaryKey(),
    version: sequence('version').notNull(),
    /** The lowest policy format that a replica must understand to serve. */
    reader: integer().notNull(),
  },
  (table) => [check('policy_one_row', sql`${table.id} = 1`)],
)

/** One sealed value that only the right master key opens: a wrong key stops the start instead of failing later. */
export const sealCheck = pgTable('seal_check', {
  id: integer().primaryKey(),
  sealed: text().notNull(),
})

export const operators = pgTable('operators', {
  name: text().primaryKey(),
  role: text({ enum: ['admin', 'approver', 'auditor'] }).notNull(),
  /** argon2id. */
  passphrase: text().notNull(),
  createdAt: at('created_at').notNull(),
})

/** One-time codes: the first operator's, and invitations. Only their SHA-256 is kept. */
export const enrolments = pgTable('enrolments', {
  codeHash: text('code_hash').primaryKey(),
  role: text({ enum: ['admin', 'approver', 'auditor'] }).notNull(),
  createdBy: text('created_by'),
  expiresAt: at('expires_at').notNull(),
  usedAt: at('used_at'),
})

export const sessions = pgTable(
  'sessions',
  {
    id: text().primaryKey(),
    operator: text()
      .notNull()
      .references(() => operators.name, { onDelete: 'cascade' }),
    /** SHA-256 of the session token. */
    tokenHash: text('token_hash').notNull().unique(),
    createdAt: at('created_at').notNull(),
    lastUsedAt: at('last_used_at').notNull(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [index('sessions_operator').on(table.operator)],
)

export const environments = pgTable('environments', {
  name: text().primaryKey(),
  protected: boolean().notNull(),
  createdAt: at('created_at').notNull(),
})

/** SDL by its SHA-256, so that equal schemas are kept and compiled once. */
export const schemas = pgTable('schemas', {
  hash: text().primaryKey(),
  sdl: text().notNull(),
  createdAt: at('created_at').notNull(),
})

export const connections = pgTable('connections', {
  name: text().primaryKey(),
  provider: text().notNull(),
  baseUrl: text('base_url').notNull(),
  placement: text().notNull(),
  allowPrivate: boolean('allow_private').notNull(),
  /** JWE bound to this row. */
  sealed: text().notNull(),
  secretVersion: integer('secret_version').notNull(),
  schema: text()
    .notNull()
    .references(() => schemas.hash),
  createdAt: at('created_at').notNull(),
  updatedAt: at('updated_at').notNull(),
})

/** Secrets that a connection had before. They are never used again, only looked for in what an upstream answers. */
export const formerSecrets = pgTable(
  'former_secrets',
  {
    connection: text()
      .notNull()
      .references(() => connections.name, { onDelete: 'cascade' }),
    version: integer().notNull(),
    /** JWE bound to the connection's row. */
    sealed: text().notNull(),
  },
  (table) => [primaryKey({ columns: [table.connection, table.version] })],
)

export const bindings = pgTable(
  'bindings',
  {
    id: text().primaryKey(),
    environment: text()
      .notNull()
      .references(() => environments.name, { onDelete: 'cascade' }),
    connection: text()
      .notNull()
      .references(() => connections.name, { onDelete: 'cascade' }),
    provider: text().notNull(),
    mode: text({ enum: ['owns', 'sees'] }).notNull(),
    kind: text().notNull(),
    resource: text().notNull(),
    place: jsonb().$type<Place>().notNull(),
    label: text().notNull(),
    createdAt: at('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('bindings_owned_once')
      .on(table.provider, table.kind, table.resource)
      .where(sql`${table.mode} = 'owns'`),
    uniqueIndex('bindings_once').on(table.environment, table.provider, table.kind, table.resource),
  ],
)

export const scopes = pgTable('scopes', {
  name: text().primaryKey(),
  environment: text()
    .notNull()
    .references(() => environments.name, { onDelete: 'cascade' }),
  version: integer().notNull(),
  /** As the operator wrote them: `railway:Query.*`. */
  allow: jsonb().$type<string[]>().notNull(),
  maxTtl: integer('max_ttl').notNull(),
  callsPerMinute: integer('calls_per_minute'),
  updatedAt: at('updated_at').notNull(),
})

export const agents = pgTable('agents', {
  name: text().primaryKey(),
  createdAt: at('created_at').notNull(),
})

/** An agent may have two secrets while one replaces the other. */
export const agentSecrets = pgTable(
  'agent_secrets',
  {
    id: text().primaryKey(),
    agent: text()
      .notNull()
      .references(() => agents.name, { onDelete: 'cascade' }),
    /** argon2id. */
    hash: text().notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at'),
  },
  (table) => [index('agent_secrets_agent').on(table.agent)],
)

export const grants = pgTable(
  'grants',
  {
    agent: text()
      .notNull()
      .references(() => agents.name, { onDelete: 'cascade' }),
    scope: text()
      .notNull()
      .references(() => scopes.name, { onDelete: 'cascade' }),
  },
  (table) => [primaryKey({ columns: [table.agent, table.scope] })],
)

/** Every capability ever minted and not yet swept, for `capability list` and introspection. */
export const capabilities = pgTable(
  'capabilities',
  {
    jti: text().primaryKey(),
    agent: text().notNull(),
    environment: text().notNull(),
    scopes: jsonb().$type<string[]>().notNull(),
    reason: text(),
    issuedAt: at('issued_at').notNull(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [
    index('capabilities_agent').on(table.agent),
    index('capabilities_expires').on(table.expiresAt),
  ],
)

/** Single revocations, kept until the capability would have expired anyway. */
export const revocations = pgTable('revocations', {
  jti: text().primaryKey(),
  expiresAt: at('expires_at').notNull(),
  revokedAt: at('revoked_at').notNull(),
})

/** Capabilities issued before this are void. `subject` is `agent:NAME`, `scope:NAME`, `connection:NAME` or `all`. */
export const watermarks = pgTable('watermarks', {
  subject: text().primaryKey(),
  notBefore: at('not_before').notNull(),
})

export const signingKeys = pgTable('signing_keys', {
  kid: text().primaryKey(),
  /** Capabilities and checkpoints are signed with different keys, so that neither can pass for the other. */
  purpose: text({ enum: ['capability', 'audit'] }).notNull(),
  publicJwk: jsonb('public_jwk').$type<Record<string, string>>().notNull(),
  /** JWE of the private JWK, bound to this row. */
  sealed: text().notNull(),
  createdAt: at('created_at').notNull(),
  /** Signs until then; verifies until everything it signed has expired (audit keys: for ever). */
  retiredAt: at('retired_at'),
})

/** One row: the end of the audit chain. Appending moves it by a conditional update, so that two writers cannot fork it. */
export const auditHead = pgTable(
  'audit_head',
  {
    id: integer().primaryKey(),
    seq: sequence('seq').notNull(),
    hash: text().notNull(),
  },
  (table) => [check('audit_head_one_row', sql`${table.id} = 1`)],
)

/** Append only; a trigger refuses UPDATE, DELETE and TRUNCATE. `body` is the canonical JSON that was hashed. */
export const auditEntries = pgTable(
  'audit_entries',
  {
    seq: sequence('seq').primaryKey(),
    prev: text().notNull().unique(),
    hash: text().notNull(),
    at: at('at').notNull(),
    kind: text().notNull(),
    request: text(),
    agent: text(),
    environment: text(),
    connection: text(),
    operation: text(),
    outcome: text(),
    body: text().notNull(),
  },
  (table) => [
    index('audit_entries_request').on(table.request),
    index('audit_entries_agent').on(table.agent, table.seq),
    index('audit_entries_at').on(table.at),
  ],
)

export const auditCheckpoints = pgTable('audit_checkpoints', {
  seq: sequence('seq').primaryKey(),
  /** Compact JWS over {seq, hash, at}. */
  signed: text().notNull(),
})
