/** One row of the table: a way to the same upstream under the same load, and what it costs. */
import type { Child } from './children.ts'
import { load, type Request } from './load.ts'
import { cpuMicros, peakBytes } from './process-figures.ts'

export type Way = {
  name: string
  process: Pick<Child, 'pid'>
  /** A database that works for it. */
  database?: { pid: number }
  url: string
  requests: readonly Request[]
}

/** Sums over all rounds. CPU in microseconds; null where the kernel does not say. */
export type Row = {
  name: string
  requests: number
  seconds: number
  p50: number
  p99: number
  cpu: number | null
  databaseCpu: number | null
  peak: number | null
}

/** A broker runs for weeks, and Node compiles what is hot over its first twenty seconds under load: all ways get as long. */
export const firstWarmUpSeconds = 20
const warmUpSeconds = 2
const roundSeconds = 4
const rounds = 3

/** The ways take turns, so that what else the machine does meets all of them. */
export async function measure(ways: readonly Way[], answer: string): Promise<Row[]> {
  const turns: Row[][] = ways.map(() => [])
  for (const { url, requests } of ways) {
    await load({ url, requests, answer, seconds: firstWarmUpSeconds })
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, way] of ways.entries()) turns[index]?.push(await turn(way, answer))
  }
  return turns.map((own) => own.reduce(together))
}

async function turn(way: Way, answer: string): Promise<Row> {
  const { url, requests } = way
  await load({ url, requests, answer, seconds: warmUpSeconds })
  const before = await used(way)
  const loaded = await load({ url, requests, answer, seconds: roundSeconds })
  const after = await used(way)
  return {
    name: way.name,
    ...loaded,
    cpu: difference(before.cpu, after.cpu),
    databaseCpu: difference(before.databaseCpu, after.databaseCpu),
    peak: await peakBytes(way.process.pid),
  }
}

async function used({ process, database }: Way) {
  return {
    cpu: await cpuMicros(process.pid),
    databaseCpu: database === undefined ? null : await cpuMicros(database.pid, true),
  }
}

function difference(before: number | null, after: number | null): number | null {
  return before === null || after === null ? null : after - before
}

/** Latencies of the rounds are weighed alike: percentiles cannot be added. */
function together(a: Row, b: Row, index: number): Row {
  return {
    name: a.name,
    requests: a.requests + b.requests,
    seconds: a.seconds + b.seconds,
    p50: (a.p50 * index + b.p50) / (index + 1),
    p99: (a.p99 * index + b.p99) / (index + 1),
    cpu: sum(a.cpu, b.cpu),
    databaseCpu: sum(a.databaseCpu, b.databaseCpu),
    peak: b.peak,
  }
}

function sum(a: number | null, b: number | null): number | null {
  return a === null || b === null ? null : a + b
}

export function rate({ requests, seconds }: Pick<Row, 'requests' | 'seconds'>): number {
  return requests / seconds
}
