/** Keeps a second process out of a directory. Never takes the lock from a process that lives. */
import { linkSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const Holder = z.object({
  pid: z.number().int().positive(),
  /** Tells the holder from a later process with the same pid; null where the system does not say. */
  started: z.string().nullable(),
})
type Holder = z.infer<typeof Holder>

/**
 * Locks are numbered and the highest counts. A stale one is not removed but outnumbered: of two that find it, one makes
 * the next number and the other sees a live holder. Numbers never go back, so that a slow third cannot undercut them.
 */
export function lockDirectory(directory: string): () => void {
  const draft = join(directory, `draft-${process.pid}`)
  const mine: Holder = { pid: process.pid, started: startOf(process.pid) }
  writeFileSync(draft, JSON.stringify(mine), { mode: 0o600 })
  try {
    const path = take(directory, draft)
    return () => writeFileSync(path, 'free')
  } finally {
    rmSync(draft, { force: true })
  }
}

function take(directory: string, draft: string): string {
  for (;;) {
    const latest = highest(directory)
    const holder = latest === 0 ? null : holderOf(join(directory, name(latest)))
    if (holder !== null && lives(holder)) throw new Error(inUse(directory, holder.pid))
    const path = join(directory, name(latest + 1))
    if (!linked(draft, path)) continue
    if (highest(directory) === latest + 1) {
      for (const number of numbers(directory)) {
        if (number <= latest) rmSync(join(directory, name(number)), { force: true })
      }
      return path
    }
    unlinkSync(path)
  }
}

const name = (number: number) => `lock.${number}`

function numbers(directory: string): number[] {
  return readdirSync(directory).flatMap((file) => {
    const number = /^lock\.(\d+)$/.exec(file)?.[1]
    return number === undefined ? [] : [Number(number)]
  })
}

const highest = (directory: string) => Math.max(0, ...numbers(directory))

/** A link appears together with its content, so that nobody reads half a lock. */
function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Null when nobody holds it: it was released, taken over meanwhile, or emptied by a power cut that ended its holder too. */
function holderOf(path: string): Holder | null {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return Holder.safeParse(content).data ?? null
  } catch (error) {
    if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return null
    throw error
  }
}

function lives(holder: Holder): boolean {
  const started = startOf(holder.pid)
  if (holder.started !== null && started !== null) return holder.started === started
  return answers(holder.pid)
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

/** Boot and clock tick at which a process began; null where there is no /proc, or no such process. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    // The second field is the command in brackets, and may contain anything, brackets too.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    return `${boot} ${ticks}`
  } catch {
    // Not there, or not ours to read: the pid alone has to do.
    return null
  }
}

function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

function inUse(directory: string, pid: number): string {
  return `Process ${pid} is using ${directory}: stop it, or give this one a directory of its own with VALETKEY_DATA (one directory serves one process; DATABASE_URL serves many)`
}
