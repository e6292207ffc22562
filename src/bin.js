#!/usr/bin/env node
// Says in one line which Node is needed, or hands over. Written so that Node 12 can still read it; never does more.
import { existsSync } from 'node:fs'

const version = process.versions.node

if (Number(version.split('.')[0]) < 24) {
  process.stderr.write(
    'valetkey needs Node 24 or newer and this is Node ' +
      version +
      ': run it with "npx -p node@24 -p valetkey valetkey", or put Node 24 into your project with "npm install -D node@24".\n',
  )
  process.exitCode = 1
} else {
  // The published package carries the compiled sources, the repository runs them as they are.
  const main = existsSync(new URL('./main.ts', import.meta.url)) ? './main.ts' : '../dist/main.js'
  import(main)
}
