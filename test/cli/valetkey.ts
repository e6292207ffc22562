/** Runs the real CLI in a process of its own, with a home and an environment that are nobody's. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

export const bin = fileURLToPath(new URL('../../src/bin.js', import.meta.url))

export type Ended = { code: number | null; stdout: string; stderr: string }

export type Surroundings = {
  /** Where the session is kept. */
  config: string
  env?: Readonly<Record<string, string>>
  stdin?: string
  /** Given to Node itself, before the script. */
  node?: readonly string[]
}

export async function valetkey(args: readonly string[], around: Surroundings): Promise<Ended> {
  const child = spawn(process.execPath, [...(around.node ?? []), bin, ...args], {
    env: {
      PATH: process.env['PATH'],
      HOME: around.config,
      XDG_CONFIG_HOME: around.config,
      ...around.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  // The command may end without reading it.
  child.stdin.on('error', () => {})
  child.stdin.end(around.stdin ?? '')
  const [stdout, stderr, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    }),
  ])
  return { code, stdout, stderr }
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

/** A folder that is gone after the file. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-cli-'))
  afterAll(() => rm(path, { recursive: true, force: true }))
  return path
}
