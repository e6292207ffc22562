/** Runs the real CLI with a home and an environment that are nobody's: in a process of its own, or, hundreds of times faster, in this one. */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Terminal } from '../../src/cli/cli.ts'
import { run } from '../../src/cli/run.ts'
import { closeLater } from '../support/closing.ts'
import { copyImage } from '../support/image.ts'
import { surroundings } from '../support/surroundings.ts'

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

/** What a process would say and end with, without one. For commands that start nothing themselves. */
export async function commanded(args: readonly string[], around: Surroundings): Promise<Ended> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  stdin.end(around.stdin ?? '')
  // Streams are all that a command wants of them; no terminal is pretended.
  const terminal = { stdin, stdout, stderr } as unknown as Omit<Terminal, 'env'>
  const env = { XDG_CONFIG_HOME: around.config, ...around.env }
  const said = Promise.all([text(stdout), text(stderr)])
  const code = await run(args, { serve: none, demo: none }, { ...terminal, env })
  for (const stream of [stdout, stderr]) stream.end()
  const [out, err] = await said
  return { code, stdout: out, stderr: err }
}

function none(): never {
  throw new Error('this is no process')
}

export async function valetkey(args: readonly string[], around: Surroundings): Promise<Ended> {
  const child = spawn(process.execPath, [...(around.node ?? []), bin, ...args], {
    env: surroundings({ HOME: around.config, XDG_CONFIG_HOME: around.config, ...around.env }),
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

export type Served = {
  agentUrl: string
  operatorUrl: string
  /** The one-time code of the first operator. */
  code: string
  /** Everything it has said so far. */
  said(): string
  stop(): Promise<number | null>
}

/** `valetkey serve` on ports of its own, in a folder of its own. Stopped after the file. */
export async function serve(directory: string): Promise<Served> {
  await copyImage(join(directory, 'data'))
  const args = [
    'serve',
    '--data',
    join(directory, 'data'),
    '--agent-port',
    '0',
    '--operator-port',
    '0',
  ]
  const child = spawn(process.execPath, [bin, ...args], {
    env: surroundings({ HOME: directory }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const stop = () => {
    child.kill('SIGTERM')
    return ended
  }
  closeLater(stop)
  let said = ''
  const ready = new Promise<void>((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (said.includes('Set-up mode')) resolve()
      })
    }
    void ended.then((code) => reject(new Error(`serve ended with ${code}: ${said}`)))
  })
  await ready
  const found = (pattern: RegExp) => {
    const [, text] = pattern.exec(said) ?? []
    if (text === undefined) throw new Error(`serve did not say ${pattern}: ${said}`)
    return text
  }
  return {
    agentUrl: found(/agents +(\S+)/),
    operatorUrl: found(/operators +(\S+)/),
    code: (await readFile(found(/\(in the file (.+)\)/), 'utf8')).trim(),
    said: () => said,
    stop,
  }
}
