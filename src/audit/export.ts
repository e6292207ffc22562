/** The whole audit log as NDJSON that verifies without the broker. Never changes anything, never holds a private key. */
import { and, asc, eq, gt, lte } from 'drizzle-orm'
import type { Clock } from '../context.ts'
import type { Db } from '../store/open.ts'
import { auditCheckpoints, auditEntries, auditHead, signingKeys } from '../store/schema.ts'
import type { Head } from './chain.ts'
import type { Sign } from './checkpoint.ts'
import type { Key, Line } from './line.ts'

const pageSize = 1_000
const chunkSize = 65_536

/** Ends with the head, signed, so that a file that was cut short is told from a whole one. */
export async function* exportLines(options: {
  db: Db
  clock: Clock
  sign: Sign
}): AsyncGenerator<Line> {
  const { db, clock, sign } = options
  const at = new Date(clock.now()).toISOString()
  yield { type: 'header', v: 1, exported_at: at }
  for (const key of await auditKeys(db)) yield { type: 'key', key }
  for await (const signed of storedCheckpoints(db)) yield { type: 'checkpoint', signed }
  // Read after the checkpoints, so that none of them speaks of an entry beyond it.
  const head = await storedHead(db)
  for await (const { seq, hash, body } of storedEntries(db, head.seq)) {
    yield { type: 'entry', seq, hash, body }
  }
  yield { type: 'head', signed: head.seq === 0 ? null : await sign({ ...head, at }) }
}

/** The same as bytes, many lines at a time. */
export async function* exportChunks(
  options: Parameters<typeof exportLines>[0],
): AsyncGenerator<Uint8Array> {
  let chunk = ''
  for await (const line of exportLines(options)) {
    chunk += `${JSON.stringify(line)}\n`
    if (chunk.length < chunkSize) continue
    yield Buffer.from(chunk)
    chunk = ''
  }
  yield Buffer.from(chunk)
}

/** Public halves of every key that ever signed a checkpoint. */
export async function auditKeys(db: Db): Promise<(Key & { alg: 'EdDSA'; use: 'sig' })[]> {
  const rows = await db
    .select({ kid: signingKeys.kid, jwk: signingKeys.publicJwk })
    .from(signingKeys)
    .where(eq(signingKeys.purpose, 'audit'))
    .orderBy(asc(signingKeys.createdAt))
  return rows.map(({ kid, jwk: { kty, crv, x } }) => {
    if (kty === undefined || crv === undefined || x === undefined) {
      throw new Error(`audit key ${kid} is stored without its public half`)
    }
    return { kty, crv, x, kid, alg: 'EdDSA', use: 'sig' }
  })
}

export async function storedHead(db: Db): Promise<Head> {
  const [head] = await db
    .select({ seq: auditHead.seq, hash: auditHead.hash })
    .from(auditHead)
    .where(eq(auditHead.id, 1))
  if (head === undefined) throw new Error('the audit log has no head')
  return head
}

export async function* storedCheckpoints(db: Db): AsyncGenerator<string> {
  for (let after = 0; ; ) {
    const page = await db
      .select()
      .from(auditCheckpoints)
      .where(gt(auditCheckpoints.seq, after))
      .orderBy(asc(auditCheckpoints.seq))
      .limit(pageSize)
    for (const { signed } of page) yield signed
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return
    after = last.seq
  }
}

export type StoredEntry = typeof auditEntries.$inferSelect

export async function* storedEntries(db: Db, upTo: number): AsyncGenerator<StoredEntry> {
  for (let after = 0; ; ) {
    const page = await db
      .select()
      .from(auditEntries)
      .where(and(gt(auditEntries.seq, after), lte(auditEntries.seq, upTo)))
      .orderBy(asc(auditEntries.seq))
      .limit(pageSize)
    yield* page
    const last = page.at(-1)
    if (last === undefined || page.length < pageSize) return
    after = last.seq
  }
}
