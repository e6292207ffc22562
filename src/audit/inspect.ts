/** Verifies the audit log in the database, the searchable columns included. Only reads. */
import type { Db } from '../store/open.ts'
import { type Body, cut } from './chain.ts'
import { publicKeys } from './checkpoint.ts'
import { searchable } from './entry.ts'
import { examine, type Findings, type Problem } from './examine.ts'
import {
  auditKeys,
  type StoredEntry,
  storedCheckpoints,
  storedEntries,
  storedHead,
} from './export.ts'

/** The keys are the database's own: one who could edit those too is found only with an export and keys kept elsewhere. */
export async function verifyStore(db: Db): Promise<Findings & { ok: boolean }> {
  const examination = examine(await publicKeys(await auditKeys(db)))
  for await (const signed of storedCheckpoints(db)) await examination.expect(signed)
  // Read after the checkpoints, so that none of them speaks of an entry beyond it.
  const head = await storedHead(db)
  let differs: Problem | null = null
  for await (const entry of storedEntries(db, head.seq)) {
    const said = await examination.entry(entry)
    if (said !== null) differs ??= columnFault(entry, said)
  }
  const findings = examination.findings()
  const problems = [...findings.problems, differs, cut(findings.head, head)].filter(
    (problem) => problem !== null,
  )
  return { ...findings, problems, ok: problems.length === 0 }
}

/** The columns are for searching; the body is what was hashed. */
function columnFault(entry: StoredEntry, said: Body): Problem | null {
  const { seq, at, kind } = entry
  const same =
    said['kind'] === kind &&
    said['at'] === at.toISOString() &&
    searchable.every((name) => (said[name] ?? null) === entry[name])
  if (same) return null
  return {
    seq,
    how: 'edited',
    detail: `the columns of entry ${seq} say something else than its body`,
  }
}
