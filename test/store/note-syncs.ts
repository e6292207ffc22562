/** Preloaded into every thread of a process: says on its stdout, in order with what else it says, that something is synced. */
import fs, { existsSync, fsyncSync, writeSync } from 'node:fs'

/** While a file lies there, nothing can be synced. */
const fault = new URL(import.meta.url).searchParams.get('fault') ?? ''

fs.fsyncSync = (descriptor) => {
  if (existsSync(fault)) throw Object.assign(new Error('EIO'), { code: 'EIO' })
  fsyncSync(descriptor)
  writeSync(1, 'synced\n')
}
