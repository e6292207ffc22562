/** The environment of a process that a test starts: nothing of whoever runs the tests but where programs lie. */
import { tmpdir } from 'node:os'
import { inject } from 'vitest'

export function surroundings(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { PATH = '' } = process.env
  return { PATH, NODE_COMPILE_CACHE: inject('compiled'), TMPDIR: tmpdir(), ...env }
}
