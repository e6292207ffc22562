/** Searches everything that the suite produced for the marker that every real credential carries, in the encodings it may have. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** One line per file that holds it: the file, and how it was spelled. */
export async function findLeaks(folder: string, marker: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true })
  const found = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name)).catch(() => Buffer.alloc(0))
      return spellings(marker)
        .filter(([, text]) => bytes.includes(text))
        .map(([how, text]) => `${name}: ${how}: …${around(bytes, text)}…`)
    }),
  )
  return found.flat()
}

export function spellings(marker: string): [string, string][] {
  const bytes = Buffer.from(marker)
  const hex = bytes.toString('hex')
  const aligned = [0, 1, 2].map((offset): [string, string] => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const end = Math.floor(((offset + bytes.length) * 8) / 6)
    return ['base64', text.slice(Math.ceil((offset * 8) / 6), end)]
  })
  return [['plain', marker], ['hex', hex], ['HEX', hex.toUpperCase()], ...aligned]
}

function around(bytes: Buffer, text: string): string {
  const at = bytes.indexOf(text)
  return bytes.subarray(Math.max(0, at - 120), at).toString('utf8')
}
