/** Reads names and ids from the command line, so that one that could be no name never becomes part of an address. */
import { InvalidArgumentError } from 'commander'

export function readName(text: string): string {
  if (/^[a-z][a-z0-9-]{0,62}$/.test(text)) return text
  throw new InvalidArgumentError(
    'A name is lower-case letters, digits and hyphens, and starts with a letter.',
  )
}

export function readNames(text: string, before: string[] = []): string[] {
  return [...before, readName(text)]
}

export function readId(text: string): string {
  if (/^[A-Za-z0-9_-]{1,128}$/.test(text)) return text
  throw new InvalidArgumentError('An id is letters, digits, hyphens and underscores.')
}
