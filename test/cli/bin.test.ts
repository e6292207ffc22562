import { chmod, mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { folder } from '../support/folder.ts'
import { valetkey } from './valetkey.ts'

const config = await folder()

const pretending = (version: string) => [
  '--import',
  `data:text/javascript,Object.defineProperty(process,'versions',{value:{node:'${version}'}})`,
]

test('a Node that is too old is told which one is needed, in one line, and nothing else happens', async () => {
  for (const version of ['12.22.12', '20.20.2', '23.11.0']) {
    const ended = await valetkey(['--help'], { config, node: pretending(version) })
    expect(ended.code).toBe(1)
    expect(ended.stdout).toBe('')
    expect(ended.stderr).toMatch(/^valetkey needs Node 24 or newer and this is Node [\d.]+: .*\n$/)
    expect(ended.stderr).toContain(`this is Node ${version}`)
    expect(ended.stderr).toContain('npx -p node@24')
    expect(ended.stderr).toContain('npm install -D node@24')
  }
})

test('a Node that is new enough is handed the command line', async () => {
  for (const version of ['24.0.0', '26.1.0']) {
    const ended = await valetkey(['--version'], { config, node: pretending(version) })
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  }
})

test('what was compiled is kept for the next command, where only this user can write', async () => {
  const home = await folder()
  const help = () => valetkey(['--help'], { config: home, env: { NODE_COMPILE_CACHE: '' } })
  const kept = join(home, '.cache', 'valetkey')
  expect(await help()).toMatchObject({ code: 0, stderr: '' })
  expect((await stat(kept)).mode & 0o777).toBe(0o700)
  expect(await readdir(kept)).toHaveLength(1)
  expect(await help()).toMatchObject({ code: 0, stderr: '' })
})

test('nothing is taken from, or left in, a folder that others can write', async () => {
  const home = await folder()
  const kept = join(home, '.cache', 'valetkey')
  await mkdir(kept, { recursive: true })
  await chmod(kept, 0o777)
  const ended = await valetkey(['--help'], { config: home, env: { NODE_COMPILE_CACHE: '' } })
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(await readdir(kept)).toEqual([])
})
