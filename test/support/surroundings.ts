/** The environment of a process that a test starts: nothing of whoever runs the tests but where programs lie. */
import { tmpdir } from 'node:os'

export function surroundings(env: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = '', NODE_COMPILE_CACHE = '' } = process.env
  return { PATH, NODE_COMPILE_CACHE, TMPDIR: tmpdir(), ...env }
}
