#!/usr/bin/env node
// Says in one line which Node is needed, or hands over. Written so that Node 12 can still read it; never does more.
const version = process.versions.node

if (Number(version.split('.')[0]) < 24) {
  process.stderr.write(
    'valetkey needs Node 24 or newer and this is Node ' +
      version +
      ': run it with "npx -p node@24 -p valetkey valetkey", or put Node 24 into your project with "npm install -D node@24".\n',
  )
  process.exitCode = 1
} else {
  import('./main.ts')
}
