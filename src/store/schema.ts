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
    /** Whether there has ever been a passkey. It ends set-up mode, and never goes back. */
    guarded: boolean().notNull().default(false),
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
  /** argon2id. Null for whoever enrolled with a passkey. */
  passphrase: text(),
  createdAt: at('created_at').notNull(),
})

/** One-time codes: the first operator's, and invitations. Only their SHA-256 is kept. */
export const enrolments = pgTable('enrolments', {
  codeHash: text('code_hash').primaryKey(),
  role: text({ enum: ['admin', 'approver', 'auditor'] }).notNull(),
  createdBy: text('created_by'),
  expiresAt: at('expires_at').notNull(),
  usedAt: at('used_at'),
  /** Who used it. Until it expires they may enrol their first passkey with it, once. */
  operator: text(),
  passkeyAt: at('passkey_at'),
})

/** WebAuthn credentials. The id is the credential's own, base64url. */
export const passkeys = pgTable(
  'passkeys',
  {
    id: text().primaryKey(),
    operator: text()
      .notNull()
      .references(() => operators.name, { onDelete: 'cascade' }),
    name: text().notNull(),
    /** COSE, base64url. */
    publicKey: text('public_key').notNull(),
    counter: sequence('counter').notNull(),
    transports: jsonb().$type<string[]>().notNull(),
    /** Enrolled with a recovery code: until `usableFrom` it may neither sign in nor approve, and anyone may cancel it. */
    recovery: boolean().notNull(),
    usableFrom: at('usable_from').notNull(),
    createdAt: at('created_at').notNull(),
    lastUsedAt: at('last_used_at'),
  },
  (table) => [index('passkeys_operator').on(table.operator)],
)

export const recoveryCodes = pgTable(
  'recovery_codes',
  {
    id: text().primaryKey(),
    operator: text()
      .notNull()
      .references(() => operators.name, { onDelete: 'cascade' }),
    /** argon2id. */
    hash: text().notNull(),
    createdAt: at('created_at').notNull(),
    usedAt: at('used_at'),
  },
  (table) => [index('recovery_codes_operator').on(table.operator)],
)

/** What a passkey is asked to sign, once: the row is deleted by whoever presents the assertion. */
export const challenges = pgTable('challenges', {
  /** base64url, as the authenticator signs it. */
  challenge: text().primaryKey(),
  purpose: text().notNull(),
  operator: text(),
  /** What it was made from, so that it can be recomputed: ids, digests, nonces. */
  facts: jsonb().$type<Record<string, unknown>>().notNull(),
  expiresAt: at('expires_at').notNull(),
})

/** A CLI that asks to be signed in, until an operator confirms its code in the console. */
export const signIns = pgTable('sign_ins', {
  /** SHA-256 of what only the CLI that asked knows. */
  id: text().primaryKey(),
  /** What it shows, to be typed or compared in the console. */
  userCode: text('user_code').notNull().unique(),
  address: text().notNull(),
  createdAt: at('created_at').notNull(),
  expiresAt: at('expires_at').notNull(),
  operator: text().references(() => operators.name, { onDelete: 'cascade' }),
  confirmedAt: at('confirmed_at'),
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
    /** A console session begins with a passkey and lives in a cookie; a CLI's is a file that an agent may read. */
    kind: text({ enum: ['cli', 'console'] })
      .notNull()
      .default('cli'),
    /** The passkey that began it. */
    passkey: text().references(() => passkeys.id, { onDelete: 'cascade' }),
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

/** APIs that operators described. What comes with the program is in no table. */
export const describedProviders = pgTable('providers', {
  name: text().primaryKey(),
  /** Where the description came from, for people. */
  source: text().notNull(),
  description: jsonb().$type<Record<string, unknown>>().notNull(),
  overrides: jsonb().$type<Record<string, unknown>>().notNull(),
  /** SHA-256 of both. */
  hash: text().notNull(),
  createdAt: at('created_at').notNull(),
  updatedAt: at('updated_at').notNull(),
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
      .on(table.connection, table.kind, table.resource)
      .where(sql`${table.mode} = 'owns'`),
    uniqueIndex('bindings_once').on(
      table.environment,
      table.connection,
      table.kind,
      table.resource,
    ),
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
  /** What needs an approval wherever it happens: exact names or effects, `railway:@destructive`. */
  approve: jsonb().$type<string[]>().notNull().default([]),
  /** How many operators have to approve what needs it. */
  approvers: integer().notNull().default(1),
  /** Only for capabilities that are bound to a key (RFC 9449). */
  bound: boolean().notNull().default(false),
  /** By connection, what a lease under it may do: the template of that provider. */
  leases: jsonb().$type<Record<string, Record<string, unknown>>>().notNull().default({}),
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

/** What an agent signs assertions with instead (RFC 7523): one public key, or where its keys are published. */
export const agentKeys = pgTable(
  'agent_keys',
  {
    id: text().primaryKey(),
    agent: text()
      .notNull()
      .references(() => agents.name, { onDelete: 'cascade' }),
    /** The public JWK with nothing but what makes it one, or null where there is an address. */
    jwk: jsonb().$type<Record<string, string>>(),
    jwksUrl: text('jwks_url'),
    allowPrivate: boolean('allow_private').notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at'),
  },
  (table) => [
    index('agent_keys_agent').on(table.agent),
    check('agent_keys_one', sql`(${table.jwk} is null) <> (${table.jwksUrl} is null)`),
  ],
)

/** Whose jobs an agent is: it has no credential of its own, and they have none but what their CI system says of them. */
export const trusts = pgTable('trusts', {
  agent: text()
    .primaryKey()
    .references(() => agents.name, { onDelete: 'cascade' }),
  system: text().notNull(),
  issuer: text().notNull(),
  audience: text().notNull(),
  allowPrivate: boolean('allow_private').notNull(),
  /** By claim, what it may be. */
  conditions: jsonb().$type<Record<string, readonly string[]>>().notNull(),
  createdAt: at('created_at').notNull(),
})

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
    /** The capability that it grew from. */
    parent: text(),
    /** The sub-agent that it was made for, by the name that its maker gave it. */
    actor: text(),
    issuedAt: at('issued_at').notNull(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [
    index('capabilities_agent').on(table.agent),
    index('capabilities_expires').on(table.expiresAt),
  ],
)

/** What a capability has left of its budget on a connection; null for no bound. A call takes from it and from all that it grew from. */
export const budgets = pgTable(
  'budgets',
  {
    jti: text().notNull(),
    connection: text().notNull(),
    calls: integer(),
    writes: integer(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.jti, table.connection] }),
    index('budgets_expires').on(table.expiresAt),
  ],
)

/** What may be presented once and was: SHA-256 marks of assertions, proofs and job tokens, until they would have expired. */
export const presented = pgTable(
  'presented',
  {
    mark: text().primaryKey(),
    expiresAt: at('expires_at').notNull(),
  },
  (table) => [index('presented_expires').on(table.expiresAt)],
)

/** Single revocations, kept until the capability would have expired anyway. */
export const revocations = pgTable('revocations', {
  jti: text().primaryKey(),
  /** When nothing of it can be waiting any more. */
  expiresAt: at('expires_at').notNull(),
  revokedAt: at('revoked_at').notNull(),
})

/** Capabilities issued before this are void. `subject` is `agent:NAME`, `scope:NAME`, `connection:NAME` or `all`. */
export const watermarks = pgTable('watermarks', {
  subject: text().primaryKey(),
  notBefore: at('not_before').notNull(),
})

/** One live freeze per subject: `agent:NAME`, `environment:NAME`, `connection:NAME`, `scope:NAME` or `all`. */
export const freezes = pgTable(
  'freezes',
  {
    id: text().primaryKey(),
    subject: text().notNull(),
    reason: text(),
    /** The operator, or `valetkey` for one that began by itself. */
    createdBy: text('created_by').notNull(),
    createdAt: at('created_at').notNull(),
    liftedAt: at('lifted_at'),
  },
  (table) => [uniqueIndex('freezes_once').on(table.subject).where(sql`${table.liftedAt} is null`)],
)

/** A request that waits for a human. It fits one digest, and is spent by the transaction that opens the call's audit entry. */
export const approvals = pgTable(
  'approvals',
  {
    id: text().primaryKey(),
    state: text({ enum: ['pending', 'approved', 'denied', 'used', 'void'] }).notNull(),
    agent: text().notNull(),
    environment: text().notNull(),
    connection: text().notNull(),
    operation: text().notNull(),
    effect: text().notNull(),
    /** SHA-256 over everything that rule 9 of the design names. */
    digest: text().notNull(),
    /** The claims of the capability that asked: its revocation voids this, its expiry does not. */
    capability: jsonb().$type<Record<string, unknown>>().notNull(),
    /** The audit id of the request that asked. */
    request: text().notNull(),
    /** The agent's own words. */
    reason: text(),
    /** The call as it was read, a JWE bound to this row. */
    call: text().notNull(),
    /** Whether the broker executes it as soon as it is approved. */
    deferred: boolean().notNull(),
    /** What the approver is shown: resolved facts. */
    shown: jsonb().$type<Record<string, unknown>>().notNull(),
    approvers: integer().notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    decidedAt: at('decided_at'),
    /** Why it was denied, or is void. */
    because: text(),
    usedAt: at('used_at'),
    /** The audit id of the call that spent it. */
    usedBy: text('used_by'),
    /** The redacted answer, a JWE bound to this row; null while there is none, and for ever where nobody can tell. */
    outcome: text(),
  },
  (table) => [
    uniqueIndex('approvals_once')
      .on(table.agent, table.digest)
      .where(sql`${table.state} in ('pending', 'approved')`),
    index('approvals_state').on(table.state, table.createdAt),
    index('approvals_agent').on(table.agent, table.createdAt),
  ],
)

/** Who said yes or no, with the signed assertion that proves a yes. */
export const approvalVotes = pgTable(
  'approval_votes',
  {
    approval: text()
      .notNull()
      .references(() => approvals.id, { onDelete: 'cascade' }),
    operator: text().notNull(),
    vote: text({ enum: ['approve', 'deny'] }).notNull(),
    proof: jsonb().$type<Record<string, unknown>>(),
    at: at('at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.approval, table.operator] })],
)

/** An edit of policy that waits for a passkey. */
export const changes = pgTable(
  'changes',
  {
    id: text().primaryKey(),
    state: text({ enum: ['pending', 'confirmed', 'rejected', 'void'] }).notNull(),
    /** The edit by its audit name, `scope.set`. */
    action: text().notNull(),
    /** Its parameters, a JWE bound to this row: a connection's secret may be among them. */
    params: text().notNull(),
    proposedBy: text('proposed_by').notNull(),
    /** The policy version that the diff was computed under. */
    version: sequence('version').notNull(),
    /** Effective authority: what is added, removed and changed. */
    diff: jsonb().$type<Record<string, unknown>>().notNull(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    decidedAt: at('decided_at'),
    decidedBy: text('decided_by'),
    because: text(),
  },
  (table) => [index('changes_state').on(table.state, table.createdAt)],
)

/** Native credentials that were given for a while. A row is there before anything is made upstream, and says when it is gone. */
export const leases = pgTable(
  'leases',
  {
    id: text().primaryKey(),
    state: text({ enum: ['making', 'active', 'ending', 'ended'] }).notNull(),
    connection: text().notNull(),
    agent: text().notNull(),
    environment: text().notNull(),
    /** The claims of the capability that it was given for: it ends with that. */
    capability: jsonb().$type<Record<string, unknown>>().notNull(),
    /** The scope's, as it was. */
    template: jsonb().$type<Record<string, unknown>>().notNull(),
    /** Where what it is about lived: it ends when the environment owns that no longer. */
    places: jsonb().$type<Place[]>().notNull(),
    /** What is needed to end it, a JWE bound to this row; null where nothing is. */
    handle: text(),
    createdAt: at('created_at').notNull(),
    expiresAt: at('expires_at').notNull(),
    endedAt: at('ended_at'),
    /** Why it ended, or has to. */
    because: text(),
    attempts: integer().notNull().default(0),
    /** Nobody else tries before then. */
    tryAt: at('try_at').notNull(),
    lastError: text('last_error'),
  },
  (table) => [
    index('leases_alive').on(table.tryAt).where(sql`${table.state} <> 'ended'`),
    index('leases_agent').on(table.agent, table.createdAt),
  ],
)

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
