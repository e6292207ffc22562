/** Asks people on a terminal and reads lines from a pipe. Secrets are never shown, and never taken as arguments. */
import { open } from 'node:fs/promises'
import type { Cli } from './cli.ts'
import { Failure, usage } from './failure.ts'

/** Where somebody can be asked. A `Cli` fits. */
type Asking = Pick<Cli, 'terminal'>

export function onTerminal({ terminal }: Asking): boolean {
  return Reflect.get(terminal.stdin, 'isTTY') === true
}

/** Questions are words, so they go to stderr: stdout may be captured, as in `$(valetkey token …)`. */
function where({ terminal }: Asking) {
  return { input: terminal.stdin, output: terminal.stderr, withGuide: false }
}

export async function askText(at: Asking, message: string, initial?: string): Promise<string> {
  const { text } = await import('@clack/prompts')
  const answer = await text({
    message,
    ...where(at),
    ...(initial === undefined ? {} : { defaultValue: initial, placeholder: initial }),
  })
  return answered(answer)
}

export async function askSecret(at: Asking, message: string): Promise<string> {
  const { password } = await import('@clack/prompts')
  return answered(await password({ message, mask: '•', ...where(at) }))
}

/** Asks before something that cannot be undone; where nobody can be asked, `--yes` has to say it. */
export async function confirmed(at: Asking, what: string, yes: boolean | undefined): Promise<void> {
  if (yes === true) return
  if (!onTerminal(at)) throw usage(`${what}: this cannot be undone.`, 'Say so with --yes.')
  const { confirm } = await import('@clack/prompts')
  const answer = await confirm({ message: `${what}?`, initialValue: false, ...where(at) })
  if (answer !== true) throw new Failure('cancelled', 'Nothing was changed.')
}

function answered(answer: string | symbol | undefined): string {
  if (typeof answer === 'symbol') throw new Failure('cancelled', 'Nothing was changed.')
  return answer ?? ''
}

/** From a file, from a terminal without showing it, or from a pipe. One trailing line break is not part of it. */
export async function readSecret(
  at: Asking,
  what: string,
  file: string | undefined,
  option = '--secret-file FILE',
): Promise<string> {
  const text =
    file !== undefined
      ? await readSecretFile(file)
      : onTerminal(at)
        ? await askSecret(at, what)
        : await readStdin(at)
  const value = text.replace(/\r?\n$/, '')
  if (value === '')
    throw usage(
      `No ${lower(what)} was given.`,
      `Give it on stdin, at the prompt, or in a file with ${option}.`,
    )
  // A file with a JSON object is taken as it is.
  if (/[\r\n]/.test(value) && !value.trimStart().startsWith('{'))
    throw usage(`The ${lower(what)} has more than one line.`)
  return value
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

const largest = 65_536

async function readSecretFile(path: string): Promise<string> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    throw usage(`${path} cannot be read (${error.code}).`)
  })
  try {
    const { size } = await file.stat()
    if (size > largest) throw usage(`${path} is too large to be a secret.`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

export async function readStdin({ terminal }: Asking, limit = largest): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of terminal.stdin) {
    chunks.push(chunk)
    size += chunk.length
    if (size > limit) throw usage('There is too much on stdin.')
  }
  return Buffer.concat(chunks).toString('utf8')
}

export async function readLines(at: Asking): Promise<string[]> {
  return (await readStdin(at)).split(/\r?\n/)
}
