/** The processes that a bench starts: spoken to in JSON lines, and none of them outlives it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export type Child = { pid: number; stop(): Promise<void> }

const running = new Set<ChildProcess>()

export type Command = {
  program: string
  args: readonly string[]
  env?: Readonly<Record<string, string>>
  /** Its standard output goes there, line by line; the end of its standard error is told when it fails. */
  line?: (line: string) => void
}

/** `ended` settles when the process does, and rejects when nobody asked it to. */
export function start(
  command: Command,
): Child & { input: NodeJS.WritableStream; ended: Promise<void> } {
  const { program, args, env = {}, line } = command
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  let stopping = false
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-4_000)
  })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      running.delete(child)
      if (stopping || code === 0) resolve()
      else
        reject(new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}: ${complaint}`))
    })
  })
  ended.catch(() => {})
  child.stdin.on('error', () => {})
  createInterface(child.stdout).on('line', (text) => line?.(text))
  return {
    pid: child.pid ?? 0,
    input: child.stdin,
    ended,
    stop: async () => {
      stopping = true
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** A script beside this one that takes one JSON value and gives one; it ends with its standard input, so with its parent too. */
export async function startScript<T>(name: string, given: unknown): Promise<Child & { said: T }> {
  const said = Promise.withResolvers<T>()
  const child = start({
    program: process.execPath,
    args: [fileURLToPath(new URL(name, import.meta.url))],
    line: (text) => said.resolve(JSON.parse(text)),
  })
  child.input.write(`${JSON.stringify(given)}\n`)
  child.ended.then(() => said.reject(new Error(`${name} ended without a word`)), said.reject)
  return { pid: child.pid, stop: child.stop, said: await said.promise }
}

/** What a script of `startScript` was given. Ends the process when its parent is gone. */
export async function given<T>(): Promise<T> {
  const lines = createInterface(process.stdin)
  const [line] = await once(lines, 'line')
  lines.once('close', () => process.exit())
  return JSON.parse(String(line))
}

export function say(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** For when there is no time to ask: whatever still runs is killed. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}
