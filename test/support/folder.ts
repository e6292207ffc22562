/** Folders of a test file's own, gone when the file ends. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closeLater } from './closing.ts'

/** Empty, and gone after the file. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-'))
  closeLater(() => rm(path, { recursive: true, force: true, maxRetries: 5 }))
  return path
}
