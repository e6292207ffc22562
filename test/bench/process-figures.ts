/** What the kernel says of a process: CPU time and peak memory. Null where there is no /proc. */
import { readdir, readFile } from 'node:fs/promises'

/** Of a second; the kernel shows it as 100 whatever it uses inside. */
const ticks = 100

/** CPU time in microseconds. With `family`, that of its children too, of those that have ended as well. */
export async function cpuMicros(pid: number, family = false): Promise<number | null> {
  const own = await readStat(pid)
  if (own === null) return null
  if (!family) return micros(own.used)
  const others = await Promise.all((await processes()).map(readStat))
  const children = others.filter((one) => one !== null && one.parent === pid)
  return micros(children.reduce((sum, one) => sum + (one?.used ?? 0), own.used + own.reaped))
}

export async function peakBytes(pid: number): Promise<number | null> {
  const status = await read(`/proc/${pid}/status`)
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(status ?? '') ?? []
  return kilobytes === undefined ? null : Number(kilobytes) * 1024
}

function micros(count: number): number {
  return (count * 1_000_000) / ticks
}

async function readStat(
  pid: number,
): Promise<{ parent: number; used: number; reaped: number } | null> {
  const stat = await read(`/proc/${pid}/stat`)
  if (stat === null) return null
  // The name, in brackets, may hold anything; what follows it begins with the third field.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  return { parent: field(4), used: field(14) + field(15), reaped: field(16) + field(17) }
}

async function processes(): Promise<number[]> {
  const names = await readdir('/proc')
  return names.map(Number).filter(Number.isInteger)
}

async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    // The process has ended, or this system has no /proc.
    return null
  }
}
