import { generateKeyPair } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Head, hashOf, link } from '../../src/audit/chain.ts'
import { type Sign, signCheckpoint } from '../../src/audit/checkpoint.ts'
import { checked } from '../../src/audit/entry.ts'
import { auditKeys, exportChunks } from '../../src/audit/export.ts'
import { verifyStore } from '../../src/audit/inspect.ts'
import type { Key } from '../../src/audit/line.ts'
import { type Report, verifyExport } from '../../src/audit/verify.ts'
import type { Store } from '../../src/store/open.ts'
import { freshStore, stores } from '../support/stores.ts'
import { call, clock, journalOn, signer } from './journals.ts'

type Exported = { store: Store; sign: Sign; lines: string[]; keys: Key[] }

async function textOf(store: Store, sign: Sign): Promise<string[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of exportChunks({ db: store.db, clock, sign })) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8').trimEnd().split('\n')
}

/** Six entries, with checkpoints at the second and the sixth. */
async function exported(): Promise<Exported> {
  const store = await freshStore('embedded')
  const sign = await signer(store)
  const first = await journalOn(store, { sign })
  await first.append(call(1))
  await first.append({ kind: 'outcome', request: 'req_1', outcome: 'ok' })
  await first.drain()
  const journal = await journalOn(store, { sign })
  for (const number of [2, 3, 4]) await journal.append(call(number))
  await journal.append({ kind: 'outcome', request: 'req_3', outcome: 'failed' })
  await journal.drain()
  return { store, sign, lines: await textOf(store, sign), keys: await auditKeys(store.db) }
}

type Entry = { type: 'entry'; seq: number; hash: string; body: string }

const isEntry = (line: string) => line.startsWith('{"type":"entry"')

/** The file with entry `seq` replaced by others, or by none. */
function replaced(lines: string[], seq: number, by: (entry: Entry) => Entry[]): string[] {
  return lines.flatMap((line) => {
    if (!isEntry(line)) return [line]
    const entry: Entry = JSON.parse(line)
    return entry.seq === seq ? by(entry).map((next) => JSON.stringify(next)) : [line]
  })
}

/** What somebody would do who can write the whole file, but has no key: entry `from` is changed and all after it follow. */
function rewritten(lines: string[], from: number): string[] {
  let head: Head | null = null
  return lines.map((line) => {
    if (!isEntry(line)) return line
    const { seq, hash, body }: Entry = JSON.parse(line)
    if (seq < from) {
      head = { seq, hash }
      return line
    }
    const { v: _, seq: __, prev: ___, at, ...said } = JSON.parse(body)
    const changed = seq === from ? { ...said, operation: 'Query.me' } : said
    const next = link(head ?? { seq: 0, hash: '0'.repeat(64) }, Date.parse(at), checked(changed))
    head = next
    return JSON.stringify({ type: 'entry', seq, hash: next.hash, body: next.body })
  })
}

const first = (report: Report) => report.problems[0]

describe.each(stores)('%s', (kind) => {
  it('an export verifies with the keys alone, and says which calls have no outcome', async () => {
    const store = await freshStore(kind)
    const sign = await signer(store)
    const journal = await journalOn(store, { sign })
    await Promise.all(Array.from({ length: 2_500 }, (_, number) => journal.append(call(number))))
    await journal.append({ kind: 'outcome', request: 'req_7', outcome: 'ok' })
    await journal.drain()
    const report = await verifyExport(await textOf(store, sign), {
      keys: await auditKeys(store.db),
    })
    expect(report).toMatchObject({ ok: true, entries: 2_501, calls: 2_500, problems: [] })
    expect(report.checkpoints).toBe(2)
    expect(report.head).toEqual(journal.head())
    expect(report.unknown).toHaveLength(2_499)
    expect(report.unknown.some(({ request }) => request === 'req_7')).toBe(false)
  })

  it('tampering in the database is found there, and the entry is named', async () => {
    const store = await freshStore(kind)
    const sign = await signer(store)
    const journal = await journalOn(store, { sign })
    for (const number of [1, 2, 3, 4, 5]) await journal.append(call(number))
    await journal.drain()
    await store.run('drop trigger audit_entries_rows_stay on audit_entries', [])
    expect(await verifyStore(store.db)).toMatchObject({ ok: true, entries: 5 })

    await store.run(`update audit_entries set agent = 'nobody' where seq = 4`, [])
    expect((await verifyStore(store.db)).problems).toMatchObject([{ seq: 4, how: 'edited' }])
    await store.run(`update audit_entries set agent = 'cursor' where seq = 4`, [])

    await store.run(
      `update audit_entries set body = replace(body, 'cursor', 'nobody') where seq = 3`,
      [],
    )
    expect((await verifyStore(store.db)).problems[0]).toMatchObject({ seq: 3, how: 'edited' })
    await store.run(
      `update audit_entries set body = replace(body, 'nobody', 'cursor') where seq = 3`,
      [],
    )

    await store.run('update audit_entries set seq = 99 where seq = 2', [])
    expect((await verifyStore(store.db)).problems[0]).toMatchObject({ seq: 2, how: 'missing' })
    await store.run('update audit_entries set seq = 2 where seq = 99', [])
    expect(await verifyStore(store.db)).toMatchObject({ ok: true })

    await store.run('delete from audit_entries where seq = 5', [])
    expect((await verifyStore(store.db)).problems).toMatchObject([
      { seq: 5, how: 'cut' },
      { seq: 5, how: 'cut' },
    ])
    await store.run(
      `update audit_head set seq = 4, hash = (select hash from audit_entries where seq = 4)`,
      [],
    )
    expect((await verifyStore(store.db)).problems).toMatchObject([{ seq: 5, how: 'cut' }])
  })
})

it('an untouched file is whole, whether its keys are given or its own, and the report says which', async () => {
  const { lines, keys } = await exported()
  const kids = keys.map(({ kid }) => kid)
  expect(await verifyExport(lines, { keys })).toMatchObject({
    ...{ ok: true, entries: 6, checkpoints: 3, calls: 4, keys: { from: 'given', kids } },
    unknown: [
      { seq: 3, request: 'req_2' },
      { seq: 5, request: 'req_4' },
    ],
  })
  expect(await verifyExport(lines)).toMatchObject({ ok: true, keys: { from: 'file', kids } })
})

it('an empty log is whole', async () => {
  const store = await freshStore('embedded')
  const lines = await textOf(store, await signer(store))
  expect(await verifyExport(lines)).toMatchObject({ ok: true, entries: 0 })
})

it('an edited entry is named', async () => {
  const { lines, keys } = await exported()
  for (const seq of [1, 3, 6]) {
    const edited = replaced(lines, seq, (entry) => [
      { ...entry, body: entry.body.replace('"kind":"', '"kind":"x') },
    ])
    expect(first(await verifyExport(edited, { keys }))).toMatchObject({ seq, how: 'edited' })
  }
})

it('an entry that was edited and hashed again is found at its successor', async () => {
  const { lines, keys } = await exported()
  const edited = replaced(lines, 3, (entry) => {
    const body = entry.body.replace('cursor', 'nobody')
    return [{ ...entry, body, hash: hashOf(body) }]
  })
  expect(first(await verifyExport(edited, { keys }))).toMatchObject({ seq: 4, how: 'edited' })
})

it('a chain that was recomputed to its end is not the one that was signed', async () => {
  const { lines, keys } = await exported()
  const late = await verifyExport(rewritten(lines, 4), { keys })
  expect(first(late)).toMatchObject({ seq: 6, how: 'rewritten' })
  expect(first(late)?.detail).toContain('it, or another after entry 2, was rewritten')
  const early = await verifyExport(rewritten(lines, 1), { keys })
  expect(first(early)).toMatchObject({ seq: 2, how: 'rewritten' })
})

it('a removed entry is named', async () => {
  const { lines, keys } = await exported()
  for (const seq of [1, 2, 5]) {
    const report = await verifyExport(
      replaced(lines, seq, () => []),
      { keys },
    )
    expect(first(report)).toMatchObject({ seq, how: 'missing' })
  }
})

it('entries in another order are named', async () => {
  const { lines, keys } = await exported()
  const third = lines.findIndex((line) => isEntry(line) && line.includes('"seq":3,"hash"'))
  const [line = ''] = lines.slice(third, third + 1)
  const swapped = lines.toSpliced(third, 1).toSpliced(third + 1, 0, line)
  expect(first(await verifyExport(swapped, { keys }))).toMatchObject({ seq: 3, how: 'reordered' })
})

it('a cut tail is found, with the final head, without it, and at every line', async () => {
  const { lines, keys } = await exported()
  const withoutLast = replaced(lines, 6, () => [])
  expect(first(await verifyExport(withoutLast, { keys }))).toMatchObject({ seq: 6, how: 'cut' })
  for (let length = 0; length < lines.length; length++) {
    const report = await verifyExport(lines.slice(0, length), { keys })
    expect(report.problems, `${length} lines`).toContainEqual(
      expect.objectContaining({ how: 'cut' }),
    )
  }
})

it('a tail that was cut before an honest export is found by a head that was kept elsewhere', async () => {
  const { store, lines, keys, sign } = await exported()
  const kept = JSON.parse(lines.at(-1) ?? '').signed
  for (const statement of [
    'drop trigger audit_entries_rows_stay on audit_entries',
    'drop trigger audit_checkpoints_rows_stay on audit_checkpoints',
    'delete from audit_entries where seq > 4',
    'delete from audit_checkpoints where seq > 4',
    'update audit_head set seq = 4, hash = (select hash from audit_entries where seq = 4)',
  ]) {
    await store.run(statement, [])
  }
  const cut = await textOf(store, sign)
  expect(await verifyExport(cut, { keys })).toMatchObject({ ok: true, entries: 4 })
  const report = await verifyExport(cut, { keys, heads: [kept] })
  expect(first(report)).toMatchObject({ seq: 5, how: 'cut' })
})

it('a signature by another key, or over something else, is forged', async () => {
  const { lines, keys } = await exported()
  const [kid = ''] = keys.map((key) => key.kid)
  const { privateKey } = await generateKeyPair('Ed25519')
  const end = JSON.parse(lines.findLast(isEntry) ?? '')
  const at = new Date().toISOString()
  const signed = await signCheckpoint(
    { kid, key: privateKey },
    { seq: end.seq, hash: end.hash, at },
  )
  const forged = [...lines.slice(0, -1), JSON.stringify({ type: 'head', signed })]
  expect(first(await verifyExport(forged, { keys }))).toMatchObject({ how: 'forged' })

  const [header = '', payload = '', signature = ''] = JSON.parse(lines.at(-1) ?? '').signed.split(
    '.',
  )
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const other = Buffer.from(JSON.stringify({ ...claims, seq: 5 })).toString('base64url')
  const head = { type: 'head', signed: [header, other, signature].join('.') }
  const changed = [...lines.slice(0, -1), JSON.stringify(head)]
  expect(first(await verifyExport(changed, { keys }))).toMatchObject({ how: 'forged' })
})

it('a file signed with keys that it brings itself does not pass for one signed with the given keys', async () => {
  const [ours, theirs] = [await exported(), await exported()]
  expect(await verifyExport(theirs.lines)).toMatchObject({ ok: true, keys: { from: 'file' } })
  const report = await verifyExport(theirs.lines, { keys: ours.keys })
  expect(first(report)).toMatchObject({ how: 'forged' })
})

it('a final head that is not signed proves nothing', async () => {
  const { lines, keys } = await exported()
  const unsigned = [...lines.slice(0, -1), '{"type":"head","signed":null}']
  expect(first(await verifyExport(unsigned, { keys }))).toMatchObject({ seq: 7, how: 'cut' })
})

it('what follows the final head is not covered by it', async () => {
  const { lines, keys } = await exported()
  const last: Entry = JSON.parse(lines.findLast(isEntry) ?? '')
  const next = link(last, Date.now(), checked(call(9)))
  const longer = [...lines, JSON.stringify({ type: 'entry', ...next })]
  expect(first(await verifyExport(longer, { keys }))).toMatchObject({ seq: 8, how: 'cut' })
})

it('lines that cannot be read are reported by number, and a checkpoint is no capability', async () => {
  const { lines, keys } = await exported()
  const [header = '', ...rest] = lines
  const report = await verifyExport([header, 'nonsense', ...rest], { keys })
  expect(report.problems).toEqual([
    { seq: null, how: 'unreadable', detail: 'line 2 is not a line of an export' },
  ])
  const { signed } = JSON.parse(lines.at(-1) ?? '')
  const protectedHeader = JSON.parse(Buffer.from(signed.split('.')[0], 'base64url').toString())
  expect(protectedHeader).toMatchObject({ alg: 'EdDSA', typ: 'valetkey-checkpoint+jwt' })
})
