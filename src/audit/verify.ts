/** Proves an exported audit log whole, or names what was done to it. Needs the file and public keys, never the broker or its database. */
import { readBody } from './chain.ts'
import { publicKeys } from './checkpoint.ts'
import { type Examination, examine, type Findings } from './examine.ts'
import { type Key, type Line, readLine } from './line.ts'

export type Report = Findings & {
  ok: boolean
  /** Keys that the file itself brings prove only that it fits together. */
  keys: { from: 'given' | 'file'; kids: string[] }
}

export type Given = {
  /** Public keys from elsewhere than the file. */
  keys?: readonly Key[]
  /** Signed heads that were kept elsewhere: the log must contain them. */
  heads?: readonly string[]
}

/** `texts` are the lines of the file. */
export async function verifyExport(
  texts: AsyncIterable<string> | Iterable<string>,
  given: Given = {},
): Promise<Report> {
  const brought: Key[] = []
  const faults: string[] = []
  let reading: Reading | undefined
  let number = 0
  for await (const text of texts) {
    number += 1
    const line = readLine(text)
    if (line === null) faults.push(`line ${number} is not a line of an export`)
    else if (line.type === 'key') brought.push(line.key)
    else if (line.type !== 'header') {
      reading ??= await begin(given, brought)
      await take(reading, line)
    }
  }
  return report(reading ?? (await begin(given, brought)), faults, given)
}

type Reading = { examination: Examination; kids: string[]; entries: number; ended: boolean }

async function begin(given: Given, brought: readonly Key[]): Promise<Reading> {
  const keys = await publicKeys(given.keys ?? brought)
  const examination = examine(keys)
  for (const head of given.heads ?? []) await examination.expect(head)
  return { examination, kids: [...keys.keys()], entries: 0, ended: false }
}

type Rest = Exclude<Line, { type: 'header' | 'key' }>

async function take(reading: Reading, line: Rest): Promise<void> {
  const { examination } = reading
  if (line.type === 'checkpoint') return examination.expect(line.signed)
  if (line.type === 'entry') {
    const prev = readBody(line.body)?.['prev']
    reading.entries += 1
    // After the final head nothing may follow that it does not cover.
    reading.ended = false
    await examination.entry({ ...line, prev: typeof prev === 'string' ? prev : '' })
    return
  }
  // Only an empty log has nothing to sign.
  reading.ended = line.signed !== null || reading.entries === 0
  if (line.signed !== null) await examination.end(line.signed)
}

function report({ examination, kids, ended }: Reading, faults: string[], given: Given): Report {
  const findings = examination.findings()
  const problems = [...findings.problems]
  for (const detail of faults.slice(0, 100)) problems.push({ seq: null, how: 'unreadable', detail })
  if (!ended) {
    const { seq } = findings.head
    const detail = `the file ends after entry ${seq}, and no final signed head says that this is the end`
    problems.push({ seq: seq + 1, how: 'cut', detail })
  }
  const from = given.keys === undefined ? 'file' : 'given'
  return { ...findings, problems, ok: problems.length === 0, keys: { from, kids } }
}
