#!/usr/bin/env node
// Says in one line which Node is needed, or hands over. Written so that Node 12 can still read it; never does more.
import { existsSync, mkdirSync, statSync } from 'node:fs'
import module from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

const version = process.versions.node

if (Number(version.split('.')[0]) < 24) {
  process.stderr.write(
    'valetkey needs Node 24 or newer and this is Node ' +
      version +
      ': run it with "npx -p node@24 -p valetkey valetkey", or put Node 24 into your project with "npm install -D node@24".\n',
  )
  process.exitCode = 1
} else {
  keepCompiled(join(homedir(), '.cache', 'valetkey'))
  // The published package carries the compiled sources, the repository runs them as they are.
  const main = existsSync(new URL('./main.ts', import.meta.url)) ? './main.ts' : '../dist/main.js'
  import(main)
}

/**
 * Halves the time of a command. What lies there is run as it is, so it has to be where only this user can write.
 * @param {string} folder
 */
function keepCompiled(folder) {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = statSync(folder)
    const ours = process.getuid === undefined || process.getuid() === uid
    if (ours && (mode & 0o022) === 0) module.enableCompileCache(folder)
  } catch {
    // No home, or one that cannot be written to: then it is only slower.
  }
}
